"""Where an order call is typed, in a plain IPython shell. (Row O11)"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.magic import no_var_expand
from traitlets.config import Config

from kisnb.errors import BadInput
from kisnb.session.call_text import cell_digest, digest
from kisnb.session.cells import Cells, Origin


class Desk:
    """Stands for a session: keeps where each of its calls was typed."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.origins: list[Origin] = []

    def buy(self, *_: object, **__: object) -> int:
        found = self.cells.origin()
        assert isinstance(found, Origin)
        self.origins.append(found)
        return len(self.origins)

    def enter(self, *_: object, **__: object) -> object:
        """As ``session.buy``: asks where it is at once, and can be awaited."""
        number = self.buy()

        async def reached() -> int:
            await asyncio.sleep(0)
            return number

        return reached()

    def kis(self, words: str) -> int:
        for index, line in enumerate(words.splitlines()):
            found = self.cells.origin(line, index)
            assert isinstance(found, Origin)
            self.origins.append(found)
        return len(self.origins)


def as_kisnb(function: FunctionType) -> FunctionType:
    """The function, as if it stood in a module of kisnb."""
    names = {**function.__globals__, "__name__": "kisnb.session.pretended"}
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


class _Pretended(Desk):
    buy = as_kisnb(Desk.buy)  # type: ignore[arg-type]
    enter = as_kisnb(Desk.enter)  # type: ignore[arg-type]
    kis = as_kisnb(Desk.kis)  # type: ignore[arg-type]


class Notebook:
    """Runs cells, and gives the origins of the calls that a cell made."""

    def __init__(self, ip: InteractiveShell, desk: Desk) -> None:
        self.ip = ip
        self.desk = desk

    def __call__(self, text: str, cell_id: str | None = "x") -> list[Origin]:
        before = len(self.desk.origins)
        self.result(text, cell_id).raise_error()
        return self.desk.origins[before:]

    def result(self, text: str, cell_id: str | None = "x") -> ExecutionResult:
        return self.ip.run_cell(text, store_history=True, cell_id=cell_id)

    def refusal(self, text: str) -> str:
        error = self.result(text).error_in_exec
        assert isinstance(error, BadInput)
        return str(error)

    def calls(self, text: str) -> list[str]:
        """The calls of a cell as digests."""
        return [origin.place.call for origin in self(text)]


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    InteractiveShell.clear_instance()


@pytest.fixture
def desk(ip: InteractiveShell) -> Iterator[Desk]:
    cells = Cells.of(ip)
    cells.acquire()
    made = _Pretended(cells)
    ip.push({"session": made, "buy": made.buy, "enter": made.enter})

    @no_var_expand  # type: ignore[untyped-decorator]
    def kis(line: str, body: str | None = None) -> int:
        return made.kis(line if body is None else body)

    ip.register_magic_function(kis, "line_cell", "kis")  # type: ignore[no-untyped-call]
    yield made
    cells.release()


@pytest.fixture
def run(ip: InteractiveShell, desk: Desk) -> Notebook:
    return Notebook(ip, desk)


def test_o11_a_call_knows_its_kernel_run_cell_and_text(run):
    (first,), (again,) = run("buy('005930', 1)"), run("buy('005930', 1)")
    assert first.place.kernel == again.place.kernel
    assert (first.place.run, again.place.run) == (1, 2)
    assert first.place.cell == "x"
    assert first.place.texts == again.place.texts == (cell_digest("buy('005930', 1)"),)
    assert first.place.call == again.place.call == digest("buy('005930', 1)")
    assert first.place.where.startswith("cell [1] (process ")
    assert again.place.where.startswith("cell [2] (process ")


def test_o11_a_front_end_that_sends_no_cell_id_leaves_it_empty(run):
    (origin,) = run("buy('005930', 1)", None)
    assert origin.place.cell == ""


def test_o11_two_rounds_of_a_loop_are_one_position(run):
    a, b, c = run("for _ in range(3):\n    buy('005930', 1)")
    assert a.position == b.position == c.position


def test_o11_two_calls_on_one_line_are_two_positions(run):
    for cell in (
        "buy('005930', 1); buy('005930', 1)",
        "buy('005930', 1) + buy('005930', 1)",
        "buy('005930', 1)\nbuy('005930', 1)",
        "(lambda: buy())(); (lambda: buy())()",
        "def two(): buy(); buy()\ntwo()",
    ):
        a, b = run(cell)
        assert a.position != b.position, cell
