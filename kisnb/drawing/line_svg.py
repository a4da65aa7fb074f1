"""Curves over days as one small SVG. It needs no script, so any HTML page can show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple

from markupsafe import Markup

from kisnb.drawing.axis import dated_places, round_values
from kisnb.drawing.tables import joined, trusted, width
from kisnb.drawing.theme import TEXT

WIDTH = 900
LEFT, TOP, BOTTOM = 14, 34, 26
"""Free margins: left of the curves, above them for the title, below them for the dates."""
MOST_POINTS = 900
"""A curve with more days than this is drawn by the lowest and the highest of neighbours."""
GRID_LINES = 5
DATE_LABELS = 10
_AIR = 0.03
_LETTER = 6.4
"""Width of a digit, in units of the drawing."""


class Curve(NamedTuple):
    """One line of a chart. ``values`` has a value for each day; None leaves a gap."""

    name: str
    values: Sequence[float | None]
    colour: str
    filled: bool = False
    """True: the area between the line and 0 is filled."""
    dashed: bool = False


def line_svg(
    title: str,
    days: Sequence[date],
    curves: Sequence[Curve],
    label: Callable[[float], str],
    *,
    height: int = 300,
    least: float = 1.0,
    letters: int = 0,
) -> Markup:
    """Return the curves as SVG.

    ``label`` writes a value for the axis at the right. ``least`` is the smallest distance between
    two labels. Two neighbours in ``days`` are always drawn at the same distance, even with a
    weekend between them. ``letters`` is the number of letters that a label has room for. Charts
    with equal ``letters`` have their dates at the same places.
    """
    known = [v for curve in curves for v in curve.values if v is not None]
    if not known:
        return Markup("<div>{}: no days yet</div>").format(title)
    if any(curve.filled for curve in curves):
        known.append(0.0)
    bottom, top = min(known), max(known)
    # A run that never traded has one value on all days.
    if top - bottom < least:
        bottom, top = bottom - least, top + least
    # A little air, so that no curve lies on the frame.
    air = (top - bottom) * _AIR
    bottom, top = bottom - air * (bottom != 0), top + air * (top != 0)
    grid = round_values(bottom, top, GRID_LINES, least)
    right = 12 + _LETTER * max(letters, *(width(label(value)) for value in grid), 1)
    floor = height - BOTTOM

    def x(index: int) -> float:
        return LEFT + index / max(len(days) - 1, 1) * (WIDTH - LEFT - right)

    def y(value: float) -> float:
        return TOP + (top - value) / (top - bottom) * (floor - TOP)

    style = f"display:block;width:100%;max-width:1100px;font:11px sans-serif;color:{TEXT}"
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="kisnb-curves" viewBox="0 0 {} {}" '
        'role="img" aria-label="{}" style="{}" data-left="{}" data-right="{:.1f}" '
        'data-top="{}" data-floor="{}">'
        '<text x="{}" y="15" fill="currentColor" font-weight="700">{}</text>'
    ).format(WIDTH, height, title, style, LEFT, WIDTH - right, TOP, floor, LEFT, title)
    return joined(
        [
            head,
            *(_grid_line(label(value), y(value), WIDTH - right) for value in grid),
            *(_date_label(text, x(i), floor) for i, text in dated_places(days, DATE_LABELS)),
            *(_drawn(curve, x, y) for curve in curves),
            _legend(curves, WIDTH - right) if len(curves) > 1 else Markup(),
            Markup("</svg>"),
        ]
    )


def _grid_line(text: str, y: float, end: float) -> Markup:
    return Markup(
        '<path d="M{} {:.1f}H{:.1f}" stroke="currentColor" stroke-opacity=".14"/>'
        '<text x="{:.1f}" y="{:.1f}" fill="currentColor">{}</text>'
    ).format(LEFT, y, end, end + 6, y + 4, text)


def _date_label(text: str, x: float, floor: float) -> Markup:
    # A label in the middle of its day must not stick out at the sides.
    half = _LETTER * len(text) / 2
    return Markup(
        '<path d="M{:.1f} {:.1f}v4" stroke="currentColor" stroke-opacity=".5"/>'
        '<text x="{:.1f}" y="{:.1f}" fill="currentColor" text-anchor="middle">{}</text>'
    ).format(x, floor, max(x, half), floor + 17, text)


def _drawn(curve: Curve, x: Callable[[int], float], y: Callable[[float], float]) -> Markup:
    parts: list[str] = []
    areas: list[str] = []
    for piece in _pieces(curve.values):
        line = "L".join(f"{x(i):.1f} {y(v):.1f}" for i, v in piece)
        parts.append(f"M{line}")
        if curve.filled:
            ends = f"{x(piece[0][0]):.1f} {y(0):.1f}L{line}L{x(piece[-1][0]):.1f} {y(0):.1f}"
            areas.append(f"M{ends}z")
    area = (
        Markup('<path d="{}" fill="{}" fill-opacity=".18"/>').format(
            trusted("".join(areas)), curve.colour
        )
        if areas
        else Markup()
    )
    dashes = Markup(' stroke-dasharray="5 3"') if curve.dashed else Markup()
    return area + Markup(
        '<path d="{}" fill="none" stroke="{}" stroke-width="1.5" stroke-linejoin="round"{}/>'
    ).format(trusted("".join(parts)), curve.colour, dashes)


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the points of a curve, thinned to ``MOST_POINTS``. A gap begins a new piece."""
    pieces: list[list[tuple[int, float]]] = []
    gap = True
    for i, value in enumerate(values):
        if value is None:
            gap = True
            continue
        if gap:
            pieces.append([])
        pieces[-1].append((i, value))
        gap = False
    # Two points of each group are drawn.
    size = -(-2 * len(values) // MOST_POINTS)
    return [_thinned(piece, size) for piece in pieces] if size > 2 else pieces


def _thinned(piece: list[tuple[int, float]], size: int) -> list[tuple[int, float]]:
    """Return the lowest and the highest point of each group of ``size``, and both ends."""
    kept = [piece[0]]
    for start in range(0, len(piece), size):
        group = piece[start : start + size]
        ends = {min(group, key=itemgetter(1)), max(group, key=itemgetter(1))}
        kept += sorted(ends)
    kept.append(piece[-1])
    return list(dict.fromkeys(kept))


def _legend(curves: Sequence[Curve], end: float) -> Markup:
    parts, x = [Markup()], end
    for curve in reversed(curves):
        x -= _LETTER * width(curve.name)
        dashes = Markup(' stroke-dasharray="5 3"') if curve.dashed else Markup()
        parts.append(
            Markup(
                '<path d="M{:.1f} 11h18" stroke="{}" stroke-width="2"{}/>'
                '<text x="{:.1f}" y="15" fill="currentColor">{}</text>'
            ).format(x - 24, curve.colour, dashes, x, curve.name)
        )
        x -= 40
    return joined(parts)
