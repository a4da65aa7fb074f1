"""Draws the market hours of a day: each moment's session id, and the spans of KRX and Nextrade.

Times are KST.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from markupsafe import Markup

from kisnb.clock import Ns, clock_text, kst, kst_seconds
from kisnb.market import sessions
from kisnb.market.session_table import Span
from kisnb.market.sessions import Hours
from kisnb.market.uncertain import Assumed
from kisnb.terms import Phase, SessionId, Venue

WIDTH, LEFT, ROW, TOP = 900, 84, 30, 44
_HOUR = 3600
_FROM, _TO = 7 * _HOUR, 22 * _HOUR
_FILL = {
    Phase.CONTINUOUS: "#2e7d32",
    Phase.AUCTION: "#ef6c00",
    Phase.ENTRY_ONLY: "#607d8b",
    Phase.CLOSED: "none",
}
_LABEL_FILL = "#5b3fa8"
_LEGEND = (Phase.CONTINUOUS, Phase.AUCTION, Phase.ENTRY_ONLY)


class DayHours:
    """The market hours of a day: a drawing in a notebook, lines of text in a terminal."""

    def __init__(self, day: date, assumed: Assumed = None) -> None:
        self.day = day
        self.assumed = assumed

    def __repr__(self) -> str:
        return "\n".join([_title(self.day, self.assumed), *(_line(row) for row in self._hours())])

    def _repr_html_(self) -> str:
        lanes = [("session id", _labels(self.day))]
        for venue in (Venue.KRX, Venue.NXT):
            own = [row for row in self._hours() if row.span.venue is venue]
            lanes += [(str(venue) if i == 0 else "", lane) for i, lane in enumerate(_lanes(own))]
        height = TOP + ROW * len(lanes) + 30
        style = (
            f"width:100%;max-width:{WIDTH}px;font:11px sans-serif;"
            "color:var(--jp-ui-font-color1, #222)"
        )
        parts = [
            (
                '<svg xmlns="http://www.w3.org/2000/svg" '
                f'viewBox="0 0 {WIDTH} {height}" role="img" style="{style}">'
            ),
            Markup('<text x="4" y="15" fill="currentColor" font-weight="700">{}</text>').format(
                _title(self.day, self.assumed)
            ),
            *_grid(TOP + ROW * len(lanes)),
        ]
        for i, (name, lane) in enumerate(lanes):
            y = TOP + ROW * i
            parts.append(f'<text x="4" y="{y + 18}" fill="currentColor">{name}</text>')
            parts += [_bar(text, fill, start, end, y) for text, fill, start, end in lane]
        return "".join([*parts, _legend(height - 10), "</svg>"])

    def _hours(self) -> list[Hours]:
        return [
            row for v in (Venue.KRX, Venue.NXT) for row in sessions.hours(v, self.day, self.assumed)
        ]


_Lane = list[tuple[str, str, Ns, Ns]]
"""Bars in one row of the drawing: text, fill, start, end."""


def _labels(day: date) -> _Lane:
    """Return the session ids of a day. Neighbours with the same id are one bar."""
    moments = sessions.boundaries(day)
    named = [(sessions.session_id(t), t, end) for t, end in pairwise(moments)]
    joined: _Lane = []
    for label, start, end in named:
        # Each boundary of a venue cuts a label in two. Pieces with one id are joined again.
        if joined and joined[-1][0] == label and joined[-1][3] == start:
            joined[-1] = (*joined[-1][:3], end)
        elif label is not SessionId.KR_OFF:
            joined.append((label, _LABEL_FILL, start, end))
    return joined


def _lanes(rows: list[Hours]) -> list[_Lane]:
    """Return a venue's spans in rows of bars. Spans that overlap are in different rows."""
    lanes: list[_Lane] = [[]]
    for row in rows:
        bar = (row.span.name, _fill(row.span), row.start, row.end)
        # KRX has spans that overlap: an off-hours session accepts orders while another span runs.
        lane = next((lane for lane in lanes if not lane or lane[-1][3] <= row.start), None)
        if lane is None:
            lanes.append([bar])
        else:
            lane.append(bar)
    return lanes


def _fill(span: Span) -> str:
    return _FILL[span.phase]


def _x(seconds: int) -> float:
    return LEFT + (seconds - _FROM) / (_TO - _FROM) * (WIDTH - LEFT - 10)


def _grid(bottom: int) -> list[str]:
    return [
        f'<path d="M{_x(s):.1f} {TOP - 8}V{bottom}" stroke="currentColor" stroke-opacity=".15"/>'
        f'<text x="{_x(s):.1f}" y="{TOP - 12}" text-anchor="middle" '
        f'fill="currentColor">{s // _HOUR:02d}</text>'
        for s in range(_FROM, _TO + 1, _HOUR)
    ]


def _bar(text: str, fill: str, start: Ns, end: Ns, y: int) -> str:
    left, right = _x(kst_seconds(start)), _x(kst_seconds(end))
    # A name that is wider than its bar is left out, and only the tooltip shows it. A letter at 11
    # px is about 7 units wide.
    shown = text if right - left > 7 * len(text) else ""
    return Markup(
        '<g><title>{}</title><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="{}" '
        'stroke="#fff" stroke-width=".8"/>'
        '<text x="{:.1f}" y="{}" text-anchor="middle" fill="#fff">{}</text></g>'
    ).format(
        f"{text} {clock_text(start)} to {clock_text(end)}", left, y + 2, right - left, ROW - 6,
        fill, (left + right) / 2, y + 18, shown,
    )  # fmt: skip


def _legend(y: int) -> str:
    return "".join(
        f'<rect x="{LEFT + 110 * i}" y="{y - 10}" width="12" height="12" '
        f'fill="{_FILL[phase]}"/>'
        f'<text x="{LEFT + 110 * i + 18}" y="{y}" fill="currentColor">{phase}</text>'
        for i, phase in enumerate(_LEGEND)
    )


def _line(row: Hours) -> str:
    span = row.span
    return f"{clock_text(row.start)} {clock_text(row.end)} {span.venue} {span.name}: {span.phase}"


def _title(day: date, assumed: Assumed) -> str:
    if not sessions.boundaries(day, assumed):
        return f"{day:%Y-%m-%d %a}: nothing trades"
    late = "" if sessions.regular_open(day) == kst(day, 9 * _HOUR) else ", opens an hour later"
    return f"{day:%Y-%m-%d %a}{late}"
