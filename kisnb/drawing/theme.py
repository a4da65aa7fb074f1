"""Colours of charts and tables, light and dark.

Korean charts draw rising red and falling blue. Each colour of lines and text has a contrast of at
least 4.5 on the page of its theme. HTML and SVG name the colours as CSS variables, so that the page
chooses the theme. A plotly figure has the colours in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple


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


LIGHT = Palette("#ffffff", "#212121", "#616161", "#e0e0e0", "#d60000", "#0051c7", "#00695c")
DARK = Palette("#1b1b1b", "#e8e8e8", "#b3b3b3", "#3d3d3d", "#ff6b6b", "#6ea8ff", "#4dd0b8")

RISE = f"var(--kisnb-rise, {LIGHT.rise})"
FALL = f"var(--kisnb-fall, {LIGHT.fall})"
LINE = f"var(--kisnb-line, {LIGHT.line})"
MUTED = f"var(--jp-ui-font-color2, {LIGHT.muted})"
TEXT = f"var(--jp-ui-font-color1, {LIGHT.text})"
"""The colours as CSS values. A page without our variables gets the light ones."""


def variables(palette: Palette) -> str:
    """Return CSS declarations that set kisnb's colour variables to those of a palette."""
    return (
        f"--kisnb-rise:{palette.rise};--kisnb-fall:{palette.fall};--kisnb-line:{palette.line};"
        f"--kisnb-grid:{palette.grid}"
    )


IN_NOTEBOOK = (
    f"<style>.kisnb{{{variables(LIGHT)}}}"
    f'[data-jp-theme-light="false"] .kisnb,[data-vscode-theme-kind*="dark"] .kisnb'
    f"{{{variables(DARK)}}}</style>"
)
"""A style element that lets outputs of class ``kisnb`` follow the theme of the notebook."""


def figure_layout(title: str, palette: Palette, height: int) -> dict[str, Any]:
    """Return the layout of a plotly figure in these colours. The axis of values is at the right."""
    axis = {"gridcolor": palette.grid, "linecolor": palette.grid, "zerolinecolor": palette.grid}
    return {
        "title": {"text": title, "x": 0.01, "font_size": 14},
        "height": height,
        "autosize": True,
        "margin": {"l": 10, "r": 90, "t": 40, "b": 30},
        "template": "plotly_white" if palette is LIGHT else "plotly_dark",
        "paper_bgcolor": palette.page,
        "plot_bgcolor": palette.page,
        "font": {"color": palette.text},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
        "xaxis": dict(axis),
        "yaxis": axis | {"side": "right"},
    }


def default_palette() -> Palette:
    """Return the palette that goes with plotly's default template, which the user may set."""
    import plotly.io

    return DARK if "dark" in str(plotly.io.templates.default) else LIGHT
