"""A candle chart as a plotly figure: candles, volume, fills.

plotly is imported when a figure is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kisnb.drawing.candles import Candle, Mark, moment_format, spans_days
from kisnb.drawing.theme import LIGHT, Palette, figure_layout
from kisnb.terms import Side

HEIGHT = 460
_VOLUME_SHARE = 0.22


def candle_figure(
    title: str, rows: Sequence[Candle], fills: Sequence[Mark], palette: Palette = LIGHT
) -> Any:
    """Return a ``plotly.graph_objects.Figure``. Times are drawn as Korean wall time."""
    import plotly.graph_objects as go

    # The three drawings share one axis. Candles of minutes without a trade are missing, and their
    # places stay empty.
    times = [_wall(c.t) for c in rows]
    figure = go.Figure(layout=_layout(title, palette, rows))
    figure.add_candlestick(
        x=times, open=[c.open for c in rows], high=[c.high for c in rows],
        low=[c.low for c in rows],
        close=[c.close for c in rows], name="price",
        increasing={"line_color": palette.rise, "fillcolor": palette.rise},
        decreasing={"line_color": palette.fall, "fillcolor": palette.fall},
    )  # fmt: skip
    figure.add_bar(
        x=times, y=[c.volume for c in rows], name="volume", yaxis="y2", opacity=0.5,
        # A bar of volume has the colour of its candle, as Korean charts draw it.
        marker_color=[palette.rise if c.rises else palette.fall for c in rows],
    )  # fmt: skip
    for side, symbol, colour in (
        (Side.BUY, "triangle-up", palette.rise),
        (Side.SELL, "triangle-down", palette.fall),
    ):
        own = [m for m in fills if m.side is side]
        if own:
            figure.add_scatter(
                x=[_wall(m.t) for m in own], y=[m.price for m in own],
                text=[m.text(dated=spans_days(rows)) for m in own],
                name=str(side), mode="markers", hoverinfo="text",
                marker={
                    "symbol": symbol, "size": 12, "color": colour,
                    "line": {"color": palette.page, "width": 1},
                },
            )  # fmt: skip
    return figure


def _layout(title: str, palette: Palette, rows: Sequence[Candle]) -> dict[str, Any]:
    layout = figure_layout(title, palette, HEIGHT)
    layout["showlegend"] = False
    layout["xaxis"] |= {
        # plotly adds a slider below candles by itself, which would lie over the volume.
        "rangeslider_visible": False, "hoverformat": moment_format(rows),
        "anchor": "y2",
    }  # fmt: skip
    if spans_days(rows):
        # Days without trading would be empty places between the candles.
        layout["xaxis"]["rangebreaks"] = [{"bounds": ["sat", "mon"]}]
    layout["yaxis"] |= {"domain": [_VOLUME_SHARE + 0.03, 1], "tickformat": ",d"}
    layout["yaxis2"] = layout["yaxis"] | {"domain": [0, _VOLUME_SHARE]}
    return layout


def _wall(t: datetime) -> str:
    # plotly.js knows no time zones: a bare time is drawn as it is written.
    return f"{t:%Y-%m-%d %H:%M:%S}"
