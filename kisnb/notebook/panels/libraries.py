"""The libraries of other people that panels load in the browser.

The browser loads them from Jupyter's server, once: their names hold their versions, so that a
browser may keep them for ever. Where the server has no route of ours, the kernel sends them.
"""

from __future__ import annotations

from pathlib import Path

VENDOR = Path(__file__).parents[1] / "vendor"
"""The folder of the libraries, with their licences."""
TABLES, TABLES_CSS = "tabulator-6.5.3.min.mjs", "tabulator-6.5.3.min.css"
CANDLES = "lightweight-charts-5.2.1.min.mjs"
LIBRARIES = {"tables": TABLES, "tables_css": TABLES_CSS, "candles": CANDLES}
"""The files by what the page calls them."""


def library(file: str) -> bytes | None:
    """Return the text of a library; None for any other name."""
    return (VENDOR / file).read_bytes() if file in LIBRARIES.values() else None
