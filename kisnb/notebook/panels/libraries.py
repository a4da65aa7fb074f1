"""The libraries of other projects that panels load in the browser.

The browser loads each once from Jupyter's server. A file's name has its version, so a browser may
keep the file for ever. If the server lacks our route, the kernel sends the files.
"""

from __future__ import annotations

from pathlib import Path

VENDOR = Path(__file__).parents[1] / "vendor"
"""The folder of the libraries, with their licences."""
TABLES, TABLES_CSS = "tabulator-6.5.3.min.mjs", "tabulator-6.5.3.min.css"
CANDLES = "lightweight-charts-5.2.1.min.mjs"
LIBRARIES = {"tables": TABLES, "tables_css": TABLES_CSS, "candles": CANDLES}
"""The files by the names that the page uses."""


def library(file: str) -> bytes | None:
    """Return the content of a bundled file. None when no library has a file of this name."""
    return (VENDOR / file).read_bytes() if file in LIBRARIES.values() else None
