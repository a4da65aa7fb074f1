"""Candle charts for notebooks: live in JupyterLab, SVG in exported pages, text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kisnb.drawing.candle_figure import candle_figure
from kisnb.drawing.candle_svg import candle_svg
from kisnb.drawing.candles import candles, marks, summary
from kisnb.drawing.theme import default_palette, in_notebook
from kisnb.missing import why_missing
from kisnb.orders import Order

if TYPE_CHECKING:
    import polars as pl


PLOTLY_MIME = "application/vnd.plotly.v1+json"


class Chart:
    """The bars of one stock with marks of order fills.

    A cell shows it when it is the last value.
    """

    def __init__(self, bars: pl.DataFrame, orders: Iterable[Order] = (), title: str = "") -> None:
        self.title = title
        self._candles = candles(bars)
        self._marks = marks(orders)
        self._why_none = why_missing(bars)

    def figure(self) -> Any:
        """Return a new ``plotly.graph_objects.Figure`` of this chart, to change or to save."""
        return candle_figure(self.title, self._candles, self._marks, default_palette())

    def svg(self) -> str:
        """Return the chart as SVG, which needs no JavaScript."""
        return candle_svg(self.title, self._candles, self._marks, self._why_none)

    def __repr__(self) -> str:
        return summary(self.title, self._candles, self._marks, self._why_none)

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, Any]:
        html = self.svg()
        if self._candles:
            html = f'{in_notebook()}<div class="kisnb">{html}</div>'
        static = {"text/plain": repr(self), "text/html": html}
        # A terminal cannot draw it, and plotly would be imported for nothing.
        if not self._candles or not _in_kernel():
            return static
        # JupyterLab's plotly extension draws this form. A FigureWidget would send 5 MB of code with
        # each chart, and would stay empty when its data came before its code was ready. The static
        # forms are for nbconvert, GitHub and viewers without plotly.
        return {PLOTLY_MIME: self.figure().to_plotly_json(), **static}


def chart(bars: pl.DataFrame, orders: Iterable[Order] = (), title: str = "") -> Chart:
    """Return a candle chart of a DataFrame of bars, with marks at the fills of ``orders``.

    The columns of ``bars`` are t (KST), open, high, low, close (won), volume (shares). ``orders``
    must be orders of this stock only.
    """
    return Chart(bars, orders, title)


def _in_kernel() -> bool:
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
