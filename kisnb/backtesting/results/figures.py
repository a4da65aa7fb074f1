"""The plotly figures of a back-test. plotly is imported when the first figure is made.

As in Korea, red is rising and blue is falling. Won have all their digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kisnb.drawing.candle_figure import candle_figure
from kisnb.drawing.candles import Candle, Mark, candles
from kisnb.drawing.month_table import MONTHS, percent
from kisnb.drawing.theme import Palette, figure_layout
from kisnb.orders import Order

if TYPE_CHECKING:
    import polars as pl

CURVE_HEIGHT, DRAWDOWN_HEIGHT = 420, 260
_STRENGTH = 0.45
"""Share of the pure colour in the cell of the strongest month.

With more of it, the contrast of the text would fall below 4.5.
"""


def equity_figure(curve: pl.DataFrame, benchmark: str, palette: Palette) -> Any:
    """Return a figure of the equity, and of the benchmark's value for the same cash, won."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=figure_layout("Equity, won", palette, CURVE_HEIGHT))
    _add_line(figure, curve, "equity", "equity", {"color": palette.line, "width": 1.8})
    if benchmark and "benchmark_equity" in curve.columns:
        dashed = {"color": palette.muted, "width": 1.4, "dash": "5px,3px"}
        _add_line(figure, curve, "benchmark_equity", benchmark, dashed)
    figure.update_layout(hovermode="x unified", yaxis_tickformat=",d", yaxis_hoverformat=",d")
    return figure


def drawdown_figure(curve: pl.DataFrame, palette: Palette) -> Any:
    """Return a figure of the drawdown at each point of the curve, percent."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=figure_layout("Drawdown", palette, DRAWDOWN_HEIGHT))
    line = {"color": palette.fall, "width": 1.4}
    _add_line(figure, curve, "drawdown", "drawdown", line, fill="tozeroy")
    figure.update_layout(
        hovermode="x unified", yaxis_tickformat=".0%", yaxis_hoverformat=".2%", showlegend=False
    )
    return figure


def trades_figure(title: str, bars: pl.DataFrame, orders: Iterable[Order], palette: Palette) -> Any:
    """Return a figure of one stock's candles with the fills on them."""
    return candle_figure(title, bar_candles(bars), fill_marks(orders), palette)


def monthly_figure(monthly: pl.DataFrame, palette: Palette) -> Any:
    """Return a heat map of the monthly returns, percent: a row per year, the newest last."""
    import plotly.graph_objects as go
    import polars as pl

    # Values are rounded to 0.0001 %, because some readers of JSON change the last digits of a
    # float.
    returns = monthly.select("year", "month", pl.col("return").round(6))
    known = {(y, m): r for y, m, r in returns.iter_rows()}
    years = sorted({year for year, _ in known})
    cells = [[known.get((year, month)) for month in range(1, 13)] for year in years]
    largest = max((abs(r) for r in known.values() if r), default=1.0)
    figure = go.Figure(layout=figure_layout("Monthly return", palette, 110 + 34 * len(years)))
    figure.add_heatmap(
        x=list(MONTHS), y=[str(year) for year in years], z=cells,
        text=[["" if r is None else percent(r) for r in row] for row in cells],
        texttemplate="%{text}", textfont={"color": palette.text},
        hovertemplate="%{y} %{x}: %{z:+.2%}<extra></extra>", zmid=0, zmin=-largest, zmax=largest,
        colorscale=[
            [0, mixed(palette.fall, palette.page, _STRENGTH)],
            [0.5, palette.page],
            [1, mixed(palette.rise, palette.page, _STRENGTH)],
        ],
        showscale=False, xgap=2, ygap=2,
    )  # fmt: skip
    figure.update_layout(
        yaxis={"type": "category", "autorange": "reversed", "side": "left", "showgrid": False},
        xaxis={"side": "top", "showgrid": False}, margin={"l": 60, "t": 70},
    )  # fmt: skip
    return figure


def bar_candles(bars: pl.DataFrame) -> list[Candle]:
    """Return the bars of one stock as candles, oldest first."""
    return candles(bars.sort("time").rename({"time": "t"}))


def fill_marks(orders: Iterable[Order]) -> list[Mark]:
    """Return the fills of the orders as marks, oldest first."""
    from kisnb.drawing.candles import marks

    return marks(orders)


def mixed(colour: str, page: str, share: float) -> str:
    """Return ``share`` of ``colour`` mixed with the colour ``page``; all as ``"#rrggbb"``."""
    parts = [
        round(int(colour[i : i + 2], 16) * share + int(page[i : i + 2], 16) * (1 - share))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{value:02x}" for value in parts)


def _add_line(
    figure: Any, curve: pl.DataFrame, column: str, name: str, line: dict[str, Any], **more: Any
) -> None:
    figure.add_scatter(
        x=curve["at"].to_list(), y=curve[column].to_list(), name=name, mode="lines", line=line,
        **more,
    )  # fmt: skip
