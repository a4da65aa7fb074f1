"""Monthly returns as an HTML table whose cells are coloured by their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from kisnb.columns import signed
from kisnb.drawing.tables import joined
from kisnb.drawing.theme import FALL, MUTED, RISE

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STRONGEST = 38
"""Percent of the colour in the strongest cell. Its text still has a contrast above 4.5."""
_CELL = "padding:3px 8px;text-align:right;white-space:nowrap;border:0"


def month_table(
    returns: Mapping[tuple[int, int], float | None], years: Sequence[tuple[int, float | None]]
) -> Markup:
    """Return the table, a row per year.

    ``returns`` has the return of each (year, month), ``years`` has each year with its return.
    Returns are fractions, shown in percent. A cell is empty when its return is None, or when its
    month has no day.
    """
    largest = max((abs(r) for r in returns.values() if r), default=0.0)
    head = joined(
        Markup('<th style="{};font-weight:400;color:{}">{}</th>').format(_CELL, MUTED, name)
        for name in ("%", *MONTHS, "year")
    )
    rows = (
        Markup("<tr>{}{}{}</tr>").format(
            Markup('<th style="{};font-weight:400;color:{}">{}</th>').format(_CELL, MUTED, year),
            joined(_cell(returns.get((year, month)), largest) for month in range(1, 13)),
            _cell(whole, 0.0),
        )
        for year, whole in years
    )
    return Markup(
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(head, joined(rows))


def percent(value: float) -> str:
    """Return a fraction in percent with sign and two digits: ``"+1.25"``; zero is ``"0.00"``."""
    return signed(100 * value, 2) if round(100 * value, 2) else "0.00"


def _cell(value: float | None, largest: float) -> Markup:
    """Return a cell. Its background is coloured; if ``largest`` is 0, its text is coloured."""
    if value is None:
        return Markup('<td style="{}"></td>').format(_CELL)
    colour = RISE if value > 0 else FALL
    if not largest:
        look = f"color:{colour};font-weight:600" if value else "font-weight:600"
    else:
        share = round(_STRONGEST * abs(value) / largest)
        look = f"background:color-mix(in srgb, {colour} {share}%, transparent)"
    return Markup('<td style="{};{}">{}</td>').format(_CELL, look, percent(value))
