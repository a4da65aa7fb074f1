"""A back-test's result as text and as compact HTML, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from markupsafe import Markup

from kisnb.backtesting.results.statistic import Statistic
from kisnb.columns import number
from kisnb.drawing.line_svg import Curve, line_svg
from kisnb.drawing.tables import (
    Cell,
    card,
    coloured,
    html_table,
    joined,
    plate,
    text_table,
)
from kisnb.drawing.theme import FALL, LINE, MUTED

if TYPE_CHECKING:
    from kisnb.backtesting.results.run_frames import RunFrames

BADGE = plate("BACKTEST", "#ffffff", "#37474f")
"""The badge BACKTEST. It is not the badge of a mode, because no account is used."""
_SHOWN = (
    "total return", "CAGR", "volatility", "Sharpe", "Sortino", "max drawdown",
    "max drawdown length", "trades", "win rate", "profit factor", "costs paid", "turnover a year",
    "exposure", "benchmark return", "beta", "alpha",
)  # fmt: skip
"""Names of the statistics that are shown first."""
_COLUMNS = 4


def result_text(result: RunFrames) -> str:
    """Return the title and the first statistics as text, one statistic on each line."""
    shown = _shown(result)
    rows = [[Cell(s.name, left=True), Cell(s.text), Cell(s.note, left=True)] for s in shown]
    # The title is not the heading of a column, so it is above the table.
    _, _, table = text_table(("", "", ""), rows).partition("\n")
    return f"{_headline(result)}\n{table}"


def result_html(result: RunFrames) -> Markup:
    """Return title, first statistics and charts as HTML in the notebook's theme."""
    body = joined(
        [
            _grid(_shown(result)),
            *curve_svgs(result, (220, 130, 0)),
            _foot(result),
        ]
    )
    title = Markup("{}<b>{}</b>").format(BADGE, _headline(result))
    return card(None, title, body)


def curve_svgs(run: RunFrames, heights: tuple[int, int, int]) -> list[Markup]:
    """Return the charts of equity (with benchmark), drawdown and exposure as SVG.

    They share one axis of dates. ``heights`` are their heights in pixels; 0 leaves a chart out.
    """
    points = run.curve
    at: Sequence[date] = points["at"].to_list()
    worth = [Curve("equity", points["equity"].to_list(), LINE)]
    if run.benchmark and "benchmark_equity" in points.columns:
        theirs = points["benchmark_equity"].to_list()
        worth.append(Curve(run.benchmark.name, theirs, MUTED, dashed=True))
    below = Curve("drawdown", [100 * d for d in points["drawdown"].to_list()], FALL, filled=True)
    inside = Curve("exposure", exposures(run), LINE, filled=True)
    highest = max((v for curve in worth for v in curve.values if v is not None), default=0)
    letters = len(number(highest))
    charts = (
        ("Equity, won", worth, number, 1.0),
        ("Drawdown, %", [below], percent, 0.1),
        ("Exposure, % of equity", [inside], percent, 0.1),
    )
    return [
        line_svg(title, at, curves, label, height=height, least=least, letters=letters)
        for (title, curves, label, least), height in zip(charts, heights, strict=True)
        if height
    ]


def exposures(run: RunFrames) -> list[float | None]:
    """Return the exposure at each point in percent. None where equity is 0 or less."""
    return [None if e is None else 100 * e for e in run.curve["exposure"].to_list()]


def days_of(result: RunFrames) -> Sequence[date]:
    """Return the trading days of the run."""
    days: Sequence[date] = result.daily["date"].to_list()
    return days


def percent(value: float) -> str:
    """Return a value in percent as text, with one decimal if the value is not whole.

    For example ``"-12 %"`` and ``"-12.5 %"``.
    """
    return f"{number(value, 0 if abs(value - round(value)) < 1e-9 else 1)} %"


def _headline(result: RunFrames) -> str:
    record = result.record
    return f"{result.title}, {len(result.daily):,} days, from {record.cash:,} won"


def _shown(result: RunFrames) -> list[Statistic]:
    known = result.statistics_by_name
    return [known[name] for name in _SHOWN if name in known]


def _grid(shown: Sequence[Statistic]) -> Markup:
    """Return the statistics as a table of four columns, read from top to bottom."""
    height = -(-len(shown) // _COLUMNS)
    rows = [
        [
            cell
            for s in shown[row::height]
            for cell in (Cell(s.name, left=True), Cell(s.text, s.tone))
        ]
        for row in range(height)
    ]
    longest = max(map(len, rows), default=0)
    filled = [row + [Cell("", left=True)] * (longest - len(row)) for row in rows]
    return Markup('<div style="overflow-x:auto;margin:6px 0">{}</div>').format(
        html_table((), filled)
    )


def _foot(result: RunFrames) -> Markup:
    record = result.record
    points = joined(Markup("<li>{}</li>").format(text) for text in record.assumptions)
    return Markup(
        '<details style="margin-top:6px;color:{}"><summary>{} {} assumptions. {}</summary>'
        '<ul style="margin:4px 0">{}</ul></details>'
    ).format(
        MUTED, record.costs, len(record.assumptions),
        coloured("result.report() writes all of it as one HTML file.", ""), points,
    )  # fmt: skip
