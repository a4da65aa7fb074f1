"""O11: a notebook file of format 4.4 stores no ids of cells. It is run, opened again, run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.live_lab import Lab, true_ledger
from tests.browser.notebook_page import NotebookPage

CELLS = [
    "%load_ext kisnb\nimport os; print(os.getpid())",
    "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00",
    "%kis buy 005930 3",
    'o = await session.buy("000660", 2)',
    "len(session.book.orders)",
]
ORDERS = 2


def write_old_notebook(path: Path) -> None:
    """A notebook of format 4.4: JupyterLab gives its cells new ids each time the file is opened."""
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
    path.write_text(nbformat.writes(notebook))


def ids(notebook: NotebookPage) -> list[str]:
    """The ids that the page has given to the cells."""
    cells = "window.jupyterapp.shell.currentWidget.content.model.cells"
    return list(notebook.page.evaluate(f"() => Array.from({cells}).map(cell => cell.id)"))


def sent(lab: Lab) -> list[int]:
    """KIS's numbers of all orders, as the simulator has them."""
    return [order["number"] for order in true_ledger(lab)["orders"]]


def test_o11_an_old_notebook_sends_its_orders_once_on_a_page_and_in_a_kernel_of_each(
    lab: Lab, notebook: NotebookPage
) -> None:
    import nbformat

    path = lab.folder / "old.ipynb"
    # A page that is loaded anew asks for the session of the kernel that it had.
    notebook.expected_errors += ["status of 404"]
    write_old_notebook(path)
    notebook.open("old.ipynb")
    notebook.run_all()
    first, kernel = ids(notebook), notebook.kernel_pid(0)
    orders = sent(lab)
    assert len(orders) == ORDERS
    for index in (2, 3):
        expect(notebook.outputs(index)).not_to_contain_text("sent before")

    notebook.save()
    stored = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    assert (stored.nbformat, stored.nbformat_minor) == (4, 4)
    assert not any("id" in cell for cell in stored.cells)
    assert stored.cells[2].outputs

    notebook.reload("old.ipynb")
    second = ids(notebook)
    assert set(second).isdisjoint(first)
    notebook.clear_outputs()
    notebook.run_all()
    assert notebook.kernel_pid(0) == kernel
    assert sent(lab) == orders
    for index in (2, 3):
        expect(notebook.outputs(index)).to_contain_text("sent before, at 09:0")

    notebook.save()
    notebook.restart_kernel()
    notebook.reload("old.ipynb")
    assert set(ids(notebook)).isdisjoint(first + second)
    notebook.clear_outputs()
    notebook.run_all()
    assert notebook.kernel_pid(0) != kernel
    assert sent(lab) == orders
    for index in (2, 3):
        expect(notebook.outputs(index)).to_contain_text("sent before, at 09:0")
        expect(notebook.outputs(index)).to_contain_text("old.ipynb")
    expect(notebook.outputs(4)).to_contain_text(str(ORDERS))


pytestmark = pytest.mark.browser
