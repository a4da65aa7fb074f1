"""Colours of charts and tables, light and dark.

Korean charts draw rising red and falling blue. The setting ``price_colours`` has a pair that is
safe for the colour-blind: orange and blue. Each colour of lines and text has a contrast of at
least 4.5 on the page of its theme. HTML and SVG name the colours as CSS variables, so that the page
chooses the theme. A plotly figure has the colours in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kisnb.config import PriceColours, price_colours
from kisnb.drawing.jupyter_theme import is_dark


class Palette(NamedTuple):
    """The colours of one theme."""

    page: str
    """The background. JupyterLab's own backgrounds are as light or as dark."""
    text: str
    muted: str
    """Colour of labels, and of the line of a benchmark."""
    grid: str
    rise: str
    """Colour of rising prices, buys and gains."""
    fall: str
    """Colour of falling prices, sells and losses."""
    line: str
    """Colour of a curve that is neither a rise nor a fall, such as equity."""


# Orange and blue differ for every kind of colour blindness (Okabe and Ito, Color Universal Design).
_ORANGE = {"light": "#a84300", "dark": "#ffb000"}
LIGHT = Palette("#ffffff", "#212121", "#616161", "#e0e0e0", "#d60000", "#0051c7", "#00695c")
DARK = Palette("#1b1b1b", "#e8e8e8", "#b3b3b3", "#3d3d3d", "#ff6b6b", "#6ea8ff", "#4dd0b8")
"""The two palettes of the default setting."""

RISE = f"var(--kisnb-rise, {LIGHT.rise})"
FALL = f"var(--kisnb-fall, {LIGHT.fall})"
LINE = f"var(--kisnb-line, {LIGHT.line})"
MUTED = f"var(--jp-ui-font-color2, {LIGHT.muted})"
TEXT = f"var(--jp-ui-font-color1, {LIGHT.text})"
"""The colours as CSS values. A page without our variables gets the light colours."""


def variables(palette: Palette) -> str:
    """Return CSS declarations that set kisnb's colour variables to those of a palette."""
    return (
        f"--kisnb-rise:{palette.rise};--kisnb-fall:{palette.fall};--kisnb-line:{palette.line};"
        f"--kisnb-grid:{palette.grid}"
    )


def palettes(colours: PriceColours | None = None) -> tuple[Palette, Palette]:
    """Return the light and the dark palette with these colours of prices.

    ``colours`` None: the colours of the setting ``price_colours``.
    """
    if (colours or price_colours()) == "red-blue":
        return LIGHT, DARK
    return LIGHT._replace(rise=_ORANGE["light"]), DARK._replace(rise=_ORANGE["dark"])


def in_notebook() -> str:
    """Return a style element that lets outputs of class ``kisnb`` follow the notebook's theme."""
    light, dark = palettes()
    return (
        f"<style>.kisnb{{{variables(light)}}}"
        f'[data-jp-theme-light="false"] .kisnb,[data-vscode-theme-kind*="dark"] .kisnb'
        f"{{{variables(dark)}}}</style>"
    )


def figure_layout(title: str, palette: Palette, height: int) -> dict[str, Any]:
    """Return the layout of a plotly figure in these colours. The axis of values is at the right."""
    axis = {"gridcolor": palette.grid, "linecolor": palette.grid, "zerolinecolor": palette.grid}
    return {
        "title": {"text": title, "x": 0.01, "font_size": 14},
        "height": height,
        "autosize": True,
        "margin": {"l": 10, "r": 90, "t": 40, "b": 30},
        "template": "plotly_white" if palette.page == LIGHT.page else "plotly_dark",
        "paper_bgcolor": palette.page,
        "plot_bgcolor": palette.page,
        "font": {"color": palette.text},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
        "xaxis": dict(axis),
        "yaxis": axis | {"side": "right"},
    }


def default_palette() -> Palette:
    """Return the palette of a figure that is drawn now.

    It is dark in a dark theme of JupyterLab. It is dark also when the user has set a dark default
    template of plotly.
    """
    import plotly.io

    light, dark = palettes()
    return dark if is_dark() or "dark" in str(plotly.io.templates.default) else light
