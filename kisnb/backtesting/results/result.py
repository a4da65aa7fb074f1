"""The result of a back-test: DataFrames, statistics, figures, and a tear sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kisnb.backtesting.results.benchmark import BenchmarkLike
from kisnb.backtesting.results.run_frames import RunFrames
from kisnb.errors import BadInput

if TYPE_CHECKING:
    from kisnb.drawing.report_file import Report
    from kisnb.drawing.theme import Palette


class BacktestResult(RunFrames):
    """The result of a back-test. ``kisnb.backtest(...)`` returns it.

    ``equity``, ``daily``, ``orders``, ``fills``, ``trades``, ``exposure``, ``monthly`` and
    ``statistics`` are polars DataFrames, each made when it is first read. Amounts are whole won,
    returns are fractions (0.01 = 1 %), times are KST.
    """

    def against(self, benchmark: BenchmarkLike) -> BacktestResult:
        """Return this result with another benchmark; None removes the benchmark."""
        return BacktestResult(self.record, benchmark)

    def figures(self, palette: Palette | None = None) -> dict[str, Any]:
        """Return the plotly figures by name: equity, drawdown, monthly, and one per traded stock.

        ``palette`` is ``kisnb.drawing.theme.LIGHT`` or ``DARK``. None uses plotly's default
        template, so ``plotly.io.templates.default = "plotly_dark"`` makes the figures dark.
        """
        found = {
            "equity": self.equity_figure(palette),
            "drawdown": self.drawdown_figure(palette),
            "monthly": self.monthly_figure(palette),
        }
        traded = self.fills["code"].unique(maintain_order=True).to_list()
        return found | {code: self.trades_figure(code, palette) for code in traded}

    def equity_figure(self, palette: Palette | None = None) -> Any:
        """Return a plotly figure of the equity, and of the benchmark."""
        from kisnb.backtesting.results import figures

        name = self.benchmark.name if self.benchmark else ""
        return figures.equity_figure(self.curve, name, palette or _default_palette())

    def drawdown_figure(self, palette: Palette | None = None) -> Any:
        """Return a plotly figure of the drawdown."""
        from kisnb.backtesting.results import figures

        return figures.drawdown_figure(self.curve, palette or _default_palette())

    def monthly_figure(self, palette: Palette | None = None) -> Any:
        """Return a plotly heat map of the monthly returns."""
        from kisnb.backtesting.results import figures

        return figures.monthly_figure(self.monthly, palette or _default_palette())

    def trades_figure(self, code: str, palette: Palette | None = None) -> Any:
        """Return a plotly figure of a stock's candles with the fills on them.

        Raises BadInput for a stock without bars in this run.
        """
        from kisnb.backtesting.results import figures

        bars = self.bars_of(code)
        if bars.is_empty():
            raise BadInput(f"the run has no bars of {code!r}", "result.bars lists what it has")
        orders = [order for order in self.book.orders.values() if order.code == code]
        return figures.trades_figure(code, bars, orders, palette or _default_palette())

    def report(self, path: str | Path = "backtest.html") -> Report:
        """Write the tear sheet, one HTML file that needs no network and no script.

        Return its Report. ``Report.path`` is the path of the file. Raises ConfigError when it
        cannot be written.
        """
        from kisnb.backtesting.results.tear_sheet import write_tear_sheet

        return write_tear_sheet(self, path)

    def __repr__(self) -> str:
        from kisnb.backtesting.results.look import result_text

        return result_text(self)

    def _repr_html_(self) -> str:
        from kisnb.backtesting.results.look import result_html

        return str(result_html(self))


def _default_palette() -> Palette:
    from kisnb.drawing.theme import default_palette

    return default_palette()
