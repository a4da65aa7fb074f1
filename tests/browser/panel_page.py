"""The panel of a desk in JupyterLab: a notebook that opens it, and the parts of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.live_lab import Lab, write_notebook
from tests.browser.notebook_page import NotebookPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator

FIRST = 2
"""The first cell behind those that open the desk."""


def open_desk(start: str) -> tuple[str, str]:
    """The cells that open a simulated day at ``start``."""
    return "%load_ext kisnb", f"%kis open sim --seed 7 --date 2026-11-20 --start {start}"


def open_notebook(
    lab: Lab, notebook: NotebookPage, *cells: str, start: str = "09:00:00", run: int | None = None
) -> None:
    """Open a notebook of a desk and run its first cells, up to ``run`` of ``cells``; None: all."""
    write_notebook(lab.folder / "desk.ipynb", [*open_desk(start), *cells])
    notebook.open("desk.ipynb")
    for index in range(FIRST + (len(cells) if run is None else run)):
        notebook.run_cell(index)


def panel_of(notebook: NotebookPage, index: int) -> Locator:
    """The panel in the output of a cell."""
    return notebook.outputs(index).locator(".kisnb-desk")


def table(panel: Locator, name: str) -> Locator:
    """One table of a panel."""
    return panel.locator(f"section[data-table={name}]")


def rows(panel: Locator, name: str) -> Locator:
    """The rows of a table that are on the page, top row first."""
    return table(panel, name).locator(".tabulator-row")


def column(panel: Locator, name: str, heading: str) -> Locator:
    """The cells of one column, top row first. They are on the page when the panel is wide."""
    heads = table(panel, name).locator(".tabulator-col")
    heads.first.wait_for(state="attached")
    named = heads.evaluate_all(
        "heads => heads.map(h => [h.querySelector('.tabulator-col-title')?.textContent,"
        " h.getAttribute('tabulator-field')])"
    )
    field = next(field for text, field in named if text == heading)
    return rows(panel, name).locator(f".tabulator-cell[tabulator-field={field}]")


def button(panel: Locator, name: str, label: str) -> Locator:
    """The buttons of this label in the rows of a table."""
    return rows(panel, name).locator(f"button[data-action={label}]")
