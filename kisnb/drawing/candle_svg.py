"""A candle chart as one small SVG. It needs no script, so that exported pages draw it offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from kisnb.drawing.axis import dated_places, round_values
from kisnb.drawing.candles import Candle, Mark, candle_at, merged, spans_days
from kisnb.drawing.theme import FALL, RISE, TEXT
from kisnb.terms import Side

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT = 18, 66
PRICE_TOP, PRICE_BOTTOM = 26, 258
VOLUME_TOP, VOLUME_BOTTOM = 272, 336
MOST_CANDLES = 400
"""More bars than this are joined, because each would be thinner than two pixels."""
GRID_LINES = 5
TIME_LABELS = 8
_ROUND_MINUTES = (1, 2, 5, 10, 15, 30, 60)
_COLOURS = ((True, RISE), (False, FALL))
"""The colour of candles that rise, and of those that do not."""


def candle_svg(
    title: str, rows: Sequence[Candle], fills: Sequence[Mark], why_none: str = ""
) -> str:
    """Return the chart as SVG. Of more than ``MOST_CANDLES`` bars, neighbours are joined.

    ``why_none`` says why there is no bar.
    """
    drawn = merged(rows, MOST_CANDLES)
    if not drawn:
        return str(Markup("<div>{}: {}</div>").format(title, why_none or "no bars yet"))
    # A fill may lie outside the candles, for example when its ticks were missed.
    prices = [c.high for c in drawn] + [c.low for c in drawn] + [m.price for m in fills]
    top, bottom = max(prices), min(prices)
    # All prices are equal in the first second of a day.
    span = max(top - bottom, 1)
    step = (WIDTH - LEFT - RIGHT) / len(drawn)

    def x(index: int) -> float:
        return LEFT + (index + 0.5) * step

    def y(price: int) -> float:
        return PRICE_TOP + (top - price) / span * (PRICE_BOTTOM - PRICE_TOP)

    dated = spans_days(drawn)
    style = f"width:100%;max-width:{WIDTH}px;font:11px sans-serif;color:{TEXT}"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'style="{style}">'
        ),
        Markup('<text x="{}" y="15" fill="currentColor" font-weight="700">{}</text>').format(
            LEFT, title
        ),
        *_price_grid(bottom, top, y),
        *_time_labels(drawn, x),
        *_bodies(drawn, x, y, step),
        *_volumes(drawn, x, step),
        *(
            _mark(mark, x(index), y(mark.price), dated=dated)
            for mark in fills
            if (index := candle_at(drawn, mark.t)) is not None
        ),
        "</svg>",
    ]
    return "".join(parts)


def _price_grid(bottom: int, top: int, y: Callable[[int], float]) -> list[str]:
    return [
        f'<path d="M{LEFT} {y(price):.1f}H{WIDTH - RIGHT}" '
        f'stroke="currentColor" stroke-opacity=".12"/>'
        f'<text x="{WIDTH - RIGHT + 4}" y="{y(price) + 4:.1f}" '
        f'fill="currentColor">{price:,}</text>'
        for price in map(round, round_values(bottom, top, GRID_LINES))
    ]


def _time_labels(rows: Sequence[Candle], x: Callable[[int], float]) -> list[str]:
    # Bars of days need the date, and bars of one day only the time.
    places = (
        dated_places([c.t.date() for c in rows], TIME_LABELS)
        if spans_days(rows)
        else [(i, f"{rows[i].t:%H:%M}") for i in _labelled(rows)]
    )
    return [
        f'<text x="{x(i):.1f}" y="{HEIGHT - 8}" fill="currentColor" text-anchor="middle">'
        f"{text}</text>"
        for i, text in places
    ]


def _labelled(rows: Sequence[Candle]) -> Sequence[int]:
    """Return the indices of the candles with a time below them.

    They are those on round minutes, or evenly spread ones when there are none.
    """
    for minutes in _ROUND_MINUTES:
        chosen = [
            i
            for i, c in enumerate(rows)
            if (c.t.hour * 60 + c.t.minute) % minutes == 0 and not c.t.second
        ]
        if 1 < len(chosen) <= TIME_LABELS:
            return chosen
    # Bars of odd lengths, or of a day with gaps, may have no round minute.
    every = -(-len(rows) // TIME_LABELS)
    return range(every // 2, len(rows), every)


def _bodies(
    rows: Sequence[Candle], x: Callable[[int], float], y: Callable[[int], float], step: float
) -> list[str]:
    width = _bar_width(step)
    across, back = f"h{width:.1f}", f"h-{width:.1f}z"
    parts = []
    # One path for each colour and not one element for each candle: an output of 400 candles stays
    # at some kilobytes, and it is saved in the notebook.
    for rises, colour in _COLOURS:
        wicks, boxes = [], []
        for i, candle in enumerate(rows):
            if candle.rises is rises:
                # A candle that rises has its open below its close.
                upper, lower = candle.open, candle.close
                if rises:
                    upper, lower = lower, upper
                middle, high, low = x(i), y(upper), y(lower)
                wicks.append(f"M{middle:.1f} {y(candle.high):.1f}V{y(candle.low):.1f}")
                boxes.append(
                    f"M{middle - width / 2:.1f} {high:.1f}{across}v{max(low - high, 1):.1f}{back}"
                )
        parts.append(
            f'<path d="{"".join(wicks)}" stroke="{colour}"/>'
            f'<path d="{"".join(boxes)}" fill="{colour}"/>'
        )
    return parts


def _volumes(rows: Sequence[Candle], x: Callable[[int], float], step: float) -> list[str]:
    # `or 1` avoids a division by 0: bars of a halted stock have no volume.
    scale = (VOLUME_BOTTOM - VOLUME_TOP) / (max(c.volume for c in rows) or 1)
    width = _bar_width(step)
    # The text that all bars end with is made once.
    end = f"h{width:.1f}V{VOLUME_BOTTOM}z"
    parts = []
    for rises, colour in _COLOURS:
        boxes = [
            f"M{x(i) - width / 2:.1f} {VOLUME_BOTTOM}v-{c.volume * scale:.1f}{end}"
            for i, c in enumerate(rows)
            if c.rises is rises and c.volume
        ]
        parts.append(f'<path d="{"".join(boxes)}" fill="{colour}" fill-opacity=".5"/>')
    return parts


def _bar_width(step: float) -> float:
    return max(step * 0.7, 0.6)


def _mark(mark: Mark, x: float, y: float, *, dated: bool) -> str:
    """Return a triangle whose tip is the fill's price.

    The triangle of a buy is below the price, that of a sell is above it.
    """
    buys = mark.side is Side.BUY
    way = 1 if buys else -1
    # `Markup.format` takes ten times as long, and a chart has a hundred marks. The text is
    # escaped here.
    return (
        f'<path d="M{x:.1f} {y:.1f}l-5 {9 * way}h10z" fill="{RISE if buys else FALL}" '
        f'stroke="#fff"><title>{escape(mark.text(dated=dated))}</title></path>'
    )
