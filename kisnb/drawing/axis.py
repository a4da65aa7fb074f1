"""Round numbers and dates for the axes of charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise

_STEPS = (1, 2, 5, 10)
_MONTHS = (1, 3, 6, 12, 24, 60)
"""Distances of dates on an axis, in months."""


def round_step(at_least: float, least: float = 1.0) -> float:
    """Return the smallest of … 1, 2, 5, 10, 20 … that is at least ``at_least`` and ``least``."""
    wanted = max(at_least, least)
    power = math.floor(math.log10(wanted))
    # Powers of ten as quotients: 10 ** -2 is not the float that 0.01 is.
    scale = 10.0**power if power >= 0 else 1 / 10.0**-power
    # A step of floats may miss its own value by the last bit.
    return next(step * scale for step in _STEPS if step * scale >= wanted * (1 - 1e-9))


def round_values(bottom: float, top: float, lines: int, least: float = 1.0) -> list[float]:
    """Return the round values from ``bottom`` to ``top``, about ``lines`` of them.

    ``least`` is the smallest distance between two values.
    """
    every = round_step((top - bottom) / lines, least)
    first, last = math.ceil(bottom / every - 1e-9), math.floor(top / every + 1e-9)
    return [count * every for count in range(first, last + 1)]


def dated_places(days: Sequence[date], at_most: int) -> list[tuple[int, str]]:
    """Return (index, label) of the days or moments that get a label, at most ``at_most``.

    Of days, the first days of years, quarters or months get labels. If the range has fewer than two
    of these, evenly spaced days get them. Of moments, evenly spaced ones get labels.
    """
    moments = [day for day in days if isinstance(day, datetime)]
    if moments:
        form = "%H:%M" if moments[0].date() == moments[-1].date() else "%m-%d %H:%M"
        every = -(-len(moments) // at_most)
        return [(i, f"{moments[i]:{form}}") for i in range(every // 2, len(moments), every)]
    counts = [day.year * 12 + day.month - 1 for day in days]
    begun = [i for i, (a, b) in enumerate(pairwise(counts), start=1) if a != b]
    for months in _MONTHS:
        starts = [i for i in begun if counts[i] // months != counts[i - 1] // months]
        if 2 <= len(starts) <= at_most:
            form = "%Y" if months % 12 == 0 else "%Y-%m"
            return [(i, f"{days[i]:{form}}") for i in starts]
    every = -(-len(days) // at_most) or 1
    return [(i, f"{days[i]:%Y-%m-%d}") for i in range(every // 2, len(days), every)]
