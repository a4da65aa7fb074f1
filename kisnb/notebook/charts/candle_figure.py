"""A candle chart as a plotly figure: candles, volume, fills.

plotly is imported when a figure is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kisnb.notebook.charts.candles import FALL, RISE, Candle, Mark, are_days
from kisnb.terms import Side

HEIGHT = 460
_VOLUME_SHARE = 0.22


def candle_figure(title: str, rows: Sequence[Candle], fills: Sequence[Mark]) -> Any:
    """Return a ``plotly.graph_objects.Figure``. Times are drawn as Korean wall time."""
    import plotly.graph_objects as go

    # The three drawings share one axis. Candles of minutes without a trade are missing, and their
    # places stay empty.
    times = [_wall(c.t) for c in rows]
    figure = go.Figure(layout=_layout(title, days=are_days(rows)))
    figure.add_candlestick(
        x=times, open=[c.open for c in rows], high=[c.high for c in rows],
        low=[c.low for c in rows],
        close=[c.close for c in rows], name="price",
        increasing={"line_color": RISE, "fillcolor": RISE},
        decreasing={"line_color": FALL, "fillcolor": FALL},
    )  # fmt: skip
    figure.add_bar(
        x=times, y=[c.volume for c in rows], name="volume", yaxis="y2", opacity=0.5,
        # A bar of volume has the colour of its candle, as Korean charts draw it.
        marker_color=[RISE if c.rises else FALL for c in rows],
    )  # fmt: skip
    for side, symbol, colour in (
        (Side.BUY, "triangle-up", RISE),
        (Side.SELL, "triangle-down", FALL),
    ):
        own = [m for m in fills if m.side is side]
        if own:
            figure.add_scatter(
                x=[_wall(m.t) for m in own], y=[m.price for m in own], text=[m.text for m in own],
                name=str(side), mode="markers", hoverinfo="text",
                marker={
                    "symbol": symbol, "size": 12, "color": colour,
                    "line": {"color": "white", "width": 1},
                },
            )  # fmt: skip
    return figure


def _layout(title: str, *, days: bool) -> dict[str, Any]:
    """Return the layout. ``days``: each candle is a day or more, and weekends have no place."""
    form = "%Y-%m-%d" if days else "%H:%M"
    breaks = [{"bounds": ["sat", "mon"]}] if days else []
    return {
        "title": {"text": title, "x": 0.01, "font_size": 14},
        "height": HEIGHT,
        "autosize": True,
        "margin": {"l": 10, "r": 70, "t": 40, "b": 30},
        "template": "plotly_white",
        "showlegend": False,
        # plotly adds a slider below candles by itself, which would lie over the volume.
        "xaxis": {
            "rangeslider_visible": False,
            "hoverformat": form,
            "anchor": "y2",
            "rangebreaks": breaks,
        },
        "yaxis": {"domain": [_VOLUME_SHARE + 0.03, 1], "side": "right", "tickformat": ",d"},
        "yaxis2": {"domain": [0, _VOLUME_SHARE], "side": "right", "tickformat": ".3s"},
    }


def _wall(t: datetime) -> str:
    # plotly.js knows no time zones: a bare time is drawn as it is written.
    return f"{t:%Y-%m-%d %H:%M:%S}"
