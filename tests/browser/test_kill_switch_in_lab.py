"""A07: the panel's HALT button works while the notebook's own cell keeps its kernel from answering."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, NotebookPage, column, true_ledger, write_notebook

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"
REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
SPIN = "while True: pass"


def test_a07_the_panels_button_halts_the_desk_while_a_cell_spins(lab: Lab, notebook: NotebookPage) -> None:
    write_notebook(lab.folder / "spin.ipynb", [*OPEN, REST, "%kis panel", SPIN, "%kis buy 005930 1"])
    notebook.open("spin.ipynb")
    for index in range(4):
        notebook.run_cell(index)
    panel = notebook.outputs(3)
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    notebook.start_cell(4)
    expect(panel.locator(".stale")).to_contain_text(SPIN, timeout=60_000)
    panel.locator("button.kill").dblclick()
    expect(panel.locator("header .note")).to_contain_text("notify: ", timeout=60_000)
    for step in ("block: no new order passes", "cancel: 1 orders", "state: the desk is halted", "open none"):
        expect(panel.locator("header .note")).to_contain_text(step)
    assert [o["leaves"] for o in true_ledger(lab)["orders"] if o["side"] == "buy" and not o["original"]] == [0]
    assert notebook.prompt(4) == "[*]:"
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.outputs(4)).to_contain_text("KeyboardInterrupt", timeout=60_000)
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    expect(panel.locator("header .halt")).to_have_text("halted")
    expect(notebook.run_cell(5)).to_contain_text("The desk is halted: the panel's button")


pytestmark = pytest.mark.browser
