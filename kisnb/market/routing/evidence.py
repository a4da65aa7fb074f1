"""The evidence of a routing decision: the depths, the choice, its reason and the alternatives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

from kisnb.clock import SECOND, Ns, clock_text, kst_day
from kisnb.events import Depth
from kisnb.market.routing.costs import Score, WhatIf, score
from kisnb.market.routing.sentences import decision_sentence
from kisnb.orders import Fill, Intent
from kisnb.terms import SessionId, Venue

_CELL = "padding:2px 10px;border:0;white-space:nowrap;text-align:"
_NOTE = "padding:2px 10px;border:0;white-space:normal;text-align:left"
NOT_KNOWN = "–"
_HEAD = (
    "venue",
    "phase",
    "order kind",
    "bid",
    "ask",
    "age",
    "at once",
    "slippage",
    "fee",
    "tax",
    "cost",
    "",
)


class DepthSeen(msgspec.Struct, frozen=True, gc=False):
    """A venue's depth at the moment of the decision."""

    venue: Venue
    bids: tuple[tuple[int, int], ...]
    """(price, shares), falling."""
    asks: tuple[tuple[int, int], ...]
    """(price, shares), rising."""
    age: Ns
    """Nanoseconds since the depth was received."""

    @classmethod
    def of(cls, depth: Depth, now: Ns) -> DepthSeen:
        """Return a depth with its age at ``now``."""
        return cls(depth.venue, depth.bids, depth.asks, now - (depth.received or depth.t))


class Evidence(msgspec.Struct, frozen=True):
    """The facts that the router saw when it decided, and its decision."""

    t: Ns
    intent: Intent
    session_id: SessionId
    venue: Venue | None
    """The chosen venue; None when the order was refused."""
    reason: str
    cure: str
    """Another way to order. Empty unless the order was refused."""
    seen: tuple[DepthSeen, ...]
    alternatives: tuple[WhatIf, ...]
    """Expected cost on each venue."""
    reference: float | None
    """Midpoint from which slippage is measured, won; None without one."""

    def score(self, fills: Sequence[Fill]) -> Score | None:
        """Return the score of the choice, by the order's fills; None for a refused order."""
        if self.venue is None:
            return None
        return score(self.alternatives, self.venue, self.reference, self.intent, fills)

    @property
    def sentence(self) -> str:
        """The decision as a sentence: its reason, the cost there, the cost at the other venue.

        For a refused order it is the reason of the refusal.
        """
        return self._sentence(costs=True)

    @property
    def decision(self) -> str:
        """``sentence`` without the costs, for a place that shows ``alternatives`` beside it."""
        return self._sentence(costs=False)

    def _sentence(self, *, costs: bool) -> str:
        if self.venue is None:
            return self.reason
        spreads = {d.venue: d.asks[0][0] - d.bids[0][0] for d in self.seen if d.asks and d.bids}
        return decision_sentence(self.venue, self.reason, self.alternatives, spreads, costs=costs)

    @property
    def text(self) -> str:
        """The decision as one line: time, session id, order, venue, sentence, the reason's code."""
        when = f"{kst_day(self.t)} {clock_text(self.t)} {self.session_id}"
        code = f" ({self.reason})" if self.venue is not None else ""
        where = "" if self.venue is not None else "refused: "
        return f"{when} {self.intent.text} → {where}{self.sentence}{code}"

    def __repr__(self) -> str:
        return f"<Evidence {self.text}>"

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th style="{_CELL}right;font-weight:400;opacity:.7">{h}</th>' for h in _HEAD
        )
        cure = f"<div>{escape(self.cure)}</div>" if self.cure else ""
        rows = "".join(self._row(row) for row in self.alternatives)
        return (
            f'<div class="kisnb"><b>{escape(self.text)}</b>{cure}'
            '<table style="border-collapse:collapse">'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, row: WhatIf) -> str:
        # SOR has a row of costs and no depth of its own, so its price columns stay empty.
        depth = next((seen for seen in self.seen if seen.venue is row.venue), None)
        chosen = row.venue is self.venue
        seen = (
            str(row.venue),
            str(row.phase),
            str(row.kind),
            _best(depth.bids) if depth else "",
            _best(depth.asks) if depth else "",
            f"{depth.age / SECOND:.1f} s" if depth else "",
        )
        costs = tuple(_figure(n) for n in (row.at_once, row.slippage, row.fee, row.tax, row.cost))
        # For a refusal, its reason is shown instead of the costs, across all of their columns.
        cells = seen if row.why_not else (*seen, *costs)
        note = escape(row.why_not or "chosen" * chosen)
        cells_html = [
            *(
                f'<td style="{_CELL}{"left" if i in (0, 1, 2) else "right"}">{escape(text)}</td>'
                for i, text in enumerate(cells)
            ),
            f'<td colspan="{len(_HEAD) - len(cells)}" style="{_NOTE}">{note}</td>',
        ]
        style = "font-weight:600" if chosen else ""
        return f'<tr style="{style}">{"".join(cells_html)}</tr>'


class EvidenceLog:
    """The newest decisions, oldest first; at most ``kept``."""

    def __init__(self, kept: int = 1_000) -> None:
        self._kept: deque[Evidence] = deque(maxlen=kept)

    def add(self, evidence: Evidence) -> None:
        """Add a decision. When there are more than ``kept``, the oldest is dropped."""
        self._kept.append(evidence)

    def of(self, key: str) -> list[Evidence]:
        """Return the decisions about one intent, oldest first. An order that waited has several."""
        return [evidence for evidence in self._kept if evidence.intent.key == key]

    def select(
        self,
        *,
        code: str | None = None,
        venue: Venue | None = None,
        session_id: SessionId | None = None,
        reason: str | None = None,
        since: Ns = 0,
    ) -> list[Evidence]:
        """Return the decisions that agree with everything that is given, oldest first."""
        return [
            e
            for e in self._kept
            # None means any value.
            if (code in (None, e.intent.code))
            and (venue in (None, e.venue))
            and (session_id in (None, e.session_id))
            and (reason in (None, e.reason))
            and e.t >= since
        ]

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _best(levels: tuple[tuple[int, int], ...]) -> str:
    return f"{levels[0][0]:,} × {_figure(levels[0][1] or None)}" if levels else ""


def _figure(value: int | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,}"
