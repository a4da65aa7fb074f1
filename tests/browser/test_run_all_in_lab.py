"""O11: the kernel is killed, JupyterLab starts another, Run All sends each cell's orders once."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, true_ledger, write_notebook
from tests.browser.notebook_page import NotebookPage

CELLS = [
    "%load_ext kisnb\nimport os; print(os.getpid())",
    "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00",
    "%kis buy 005930 3",
    "%kis buy 005930 1\n%kis buy 005930 1",
    'for qty in (2, 4):\n    await session.buy("000660", qty)',
    "%kis sell 005930 2",
    "len(session.book.orders)",
]
ORDERS = 6


def run_all(notebook: NotebookPage, kernel: str) -> str:
    """Run All; returns the new kernel's process id."""
    notebook.command("notebook:run-all-cells")
    expect(notebook.outputs(0)).not_to_contain_text(kernel, timeout=60_000)
    notebook.wait_for_prompt(len(CELLS) - 1)
    return str(notebook.kernel_pid(0))


def test_o11_run_all_after_a_killed_kernel_sends_each_order_once(
    lab: Lab, notebook: NotebookPage
) -> None:
    write_notebook(lab.folder / "orders.ipynb", CELLS)
    notebook.open("orders.ipynb")
    first = run_all(notebook, "no kernel yet")
    expect(notebook.outputs(6)).to_contain_text(str(ORDERS))
    sent = true_ledger(lab)["orders"]
    assert len(sent) == ORDERS
    os.kill(int(first), signal.SIGKILL)
    notebook.dismiss_dialog("Kernel Restarting")
    notebook.wait_idle()
    second = run_all(notebook, first)
    assert second != first
    expect(notebook.outputs(6)).to_contain_text(str(ORDERS))
    again = true_ledger(lab)["orders"]
    assert [o["number"] for o in again] == [o["number"] for o in sent]


pytestmark = pytest.mark.browser
