"""Candle charts for notebooks: alive in JupyterLab, an SVG in exported pages, one line of text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kisnb.notebook.candle_figure import candle_figure
from kisnb.notebook.candle_svg import WIDTH, candle_svg
from kisnb.notebook.candles import candles, marks, summary
from kisnb.orders import Order

if TYPE_CHECKING:
    import polars as pl


class Chart:
    """Bars of one stock and the fills of orders in it; show it as the last value of a cell."""

    def __init__(self, bars: pl.DataFrame, orders: Iterable[Order] = (), title: str = "") -> None:
        self.title = title
        self._candles = candles(bars)
        self._marks = marks(orders)
        self._widget: Any = None

    def figure(self) -> Any:
        """A new ``plotly.graph_objects.Figure`` of this chart, to change or to save."""
        return candle_figure(self.title, self._candles, self._marks)

    def widget(self) -> Any:
        """The ``FigureWidget`` that JupyterLab shows; always the same one."""
        if self._widget is None:
            import plotly.graph_objects as go

            # A FigureWidget is drawn before its cell has a width: without one it takes 700 pixels.
            self._widget = go.FigureWidget(self.figure()).update_layout(width=WIDTH)
        return self._widget

    def svg(self) -> str:
        return candle_svg(self.title, self._candles, self._marks)

    def __repr__(self) -> str:
        return summary(self.title, self._candles, self._marks)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        static = {"text/plain": repr(self), "text/html": self.svg()}
        if not _in_kernel():
            return static
        live = self.widget()._repr_mimebundle_(**kwargs)
        data = live[0] if isinstance(live, tuple) else live
        return {**data, **static}


def chart(bars: pl.DataFrame, orders: Iterable[Order] = (), title: str = "") -> Chart:
    """A candle chart of a frame with the columns t (KST), open, high, low, close (won), volume (shares).

    The fills of ``orders`` are marked; pass the orders of this stock only.
    """
    return Chart(bars, orders, title)


def _in_kernel() -> bool:
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
