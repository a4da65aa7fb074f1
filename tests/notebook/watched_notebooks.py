"""Notebooks on one desk that are judged from outside: by what a cell shows and what reached KIS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kisnb.market.universe import Universe
from tests.notebook.real_kernels import Kernel, Output, kernel, stop_desk

FILES = {
    "main": "/home/u/orders.ipynb",
    "later": "/home/u/orders.ipynb",
    "copy": "/home/u/copy.ipynb",
}
"""The notebooks whose files their kernels know."""
_LISTED = [item for item in Universe.packaged() if item.kind == "stock" and item.nxt]
_STOCKS = [item.code for item in sorted(_LISTED, key=lambda item: item.base)]
MANY = 10
"""Pairs of stocks."""
_ORDER = re.compile(r"(?:\[SIM\] |<Order )(?:#(\d+) )?(?:buy|sell) ([\d,]+) (\w{6}) ")
_NUMBER = re.compile(r"#(\d+) ")
_LETTERS = {
    "another cell already sent": "b",
    "this call already sent": "c",
    "an earlier kernel already tried": "d",
    "this run of the cell already asked": "g",
    "this thread runs no code of a cell": "h",
    "while no cell runs": "h",
    "%timeit would buy many times": "i",
    "the name '": "key",
}


class Recording:
    """What the simulator wrote down: the order requests that reached it, and its orders."""

    def __init__(self, state: Path) -> None:
        self._path = state / "sim" / "recording.jsonl"
        self._at = 0
        self.numbers: dict[int, tuple[str, int]] = {}
        """Code and shares of each order, by KIS's number, oldest first."""

    def since(self) -> tuple[int, list[int]]:
        """Return the count of order requests since the last call, and the numbers of new orders."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        lines: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        fresh = []
        for line in lines:
            if line["kind"] == "order" and line["number"] not in self.numbers:
                self.numbers[line["number"]] = line["code"], line["qty"]
                fresh.append(line["number"])
        return sum(map(_is_order, lines)), fresh


def _is_order(line: dict[str, Any]) -> bool:
    """Whether it is a request for a new order or for a revise."""
    if line["kind"] != "request" or line["method"] != "POST":
        return False
    revises = line["params"].get("RVSE_CNCL_DVSN_CD") == "01"
    return "order-cash" in line["path"] or ("order-rvsecncl" in line["path"] and revises)


class Notebooks:
    """Kernels on one state folder, each started when it is first used."""

    def __init__(self, state: Path, opening: str, exits: ExitStack, **environment: str) -> None:
        self.state = state
        self.recording = Recording(state)
        self.names = {item.code: item.name for item in _LISTED}
        self._opening = opening
        self._exits = exits
        self._environment = environment
        self._kernels: dict[str, Kernel] = {}

    def kernel(self, which: str = "main") -> Kernel:
        """Return a kernel: of the notebook, of its copy, or of a notebook whose file is unknown."""
        if which not in self._kernels:
            name = FILES.get(which, "")
            environment = {**self._environment, "JPY_SESSION_NAME": name}
            started = self._exits.enter_context(kernel(self.state, **environment))
            self._kernels[which] = started
            started.ok("%load_ext kisnb\nimport asyncio, kisnb")
            started.ok(self._opening)
        return self._kernels[which]

    def restart(self, which: str = "main") -> Kernel:
        """Kill a kernel and start its notebook's next one."""
        self._kernels.pop(which).kill()
        return self.kernel(which)


@contextmanager
def notebooks(state: Path, opening: str, **environment: str) -> Iterator[Notebooks]:
    """Notebooks on a state folder; kernels, desk and simulator are gone when the block ends."""
    with ExitStack() as exits:
        exits.callback(stop_desk, state)
        yield Notebooks(state, opening, exits, KISNB_SIM_SPEED="step", **environment)


@dataclass
class Story:
    """Cells that are run one after the other, and how each was answered, in the words of O11."""

    notebooks: Notebooks
    name: str
    number: int
    """Stories have numbers, so that no two of them trade as many shares of one stock."""
    shares: int = 0
    answers: list[str] = field(default_factory=list)
    """``send #1``, ``show #1``, ``refuse b #1 → again 1``, …; one text for each run."""
    orders: list[int | None] = field(default_factory=list)
    """KIS's numbers of ``#1``, ``#2``, …; None for an order that never got one."""

    def __post_init__(self) -> None:
        n = self.number % MANY
        self.a, self.b = _STOCKS[n], _STOCKS[MANY + n]
        self.shares = self.shares or 1 + self.number // MANY

    def price(self, steps: int = 0) -> int:
        """A price of stock ``a``, at which nobody sells. It is on a tick."""
        base = Universe.packaged().get(self.a).base
        return base * 3 // 4000 * 1000 + steps * 1000

    def run(self, text: str, cell: str | None = "x", which: str = "main") -> Output:
        """Run a cell and note how its orders were answered. None: the front end sends no id."""
        output = self.quiet(text, cell, which)
        self.judge(output)
        return output

    def quiet(self, text: str, cell: str | None = "x", which: str = "main") -> Output:
        """Run a cell that is not to be judged alone."""
        return self.notebooks.kernel(which).run(text, self.id(cell))

    def ok(self, text: str, cell: str | None = "other", which: str = "main") -> Output:
        """Run a cell that has to end well and sends nothing."""
        output = self.quiet(text, cell, which)
        assert not output.error, output.error
        assert self.notebooks.recording.since()[0] == 0
        return output

    def id(self, cell: str | None) -> str | None:
        """An id that no other story has."""
        return None if cell is None else f"{self.name} {cell}"

    def judge(self, output: Output) -> str:
        """Note how the orders of one run were answered; the order requests must be as many."""
        posts, fresh = self.notebooks.recording.since()
        lines = [*output.text.splitlines(), *output.error.splitlines()[-1:]]
        # The value of a function that orders is shown below the line that its order leaves.
        twice = {n for n, line in enumerate(lines) if _ORDER.match(line) and line in lines[:n]}
        distinct = [line for n, line in enumerate(lines) if n not in twice]
        answers = [answer for line in distinct if (answer := self._answer(line, fresh))]
        sent = sum(answer.startswith("send") for answer in answers)
        told = " · ".join(answers)
        assert posts == sent, f"{posts} orders reached KIS, the cell shows: {told}\n{output}"
        self.answers.append(told)
        return told

    def _answer(self, line: str, fresh: list[int]) -> str:
        found = _ORDER.match(line)
        # A denied order leaves a line and an error; the error counts.
        if found is not None and ": denied" not in line:
            if "sent before" in line:
                return f"show #{self._position(int(found[1]))}"
            number = int(found[1]) if found[1] else self._number_of(found, fresh)
            assert number in fresh, f"no order #{number} reached KIS: {line}"
            self.orders.append(number)
            return f"send #{len(self.orders)}"
        if re.match(r"OrderDenied: |BadInput: .*(thread|timer|%timeit)", line):
            return self._refusal(line)
        return ""

    def _number_of(self, found: re.Match[str], fresh: list[int]) -> int | None:
        wanted = found[3], int(found[2].replace(",", ""))
        known = self.notebooks.recording.numbers
        return next((n for n in fresh if known[n] == wanted and n not in self.orders), None)

    def _position(self, number: int) -> int:
        assert number in self.orders, f"#{number} is not an order of this story: {self.orders}"
        return self.orders.index(number) + 1

    def _refusal(self, line: str) -> str:
        lower = line.lower()
        letter = next((letter for text, letter in _LETTERS.items() if text in lower), "")
        if not letter:
            self.orders.append(None)
            return f"denied #{len(self.orders)}"
        if letter in ("h", "i"):
            return f"refuse {letter}"
        number = _NUMBER.search(line)
        # One that was denied, or one whose number KIS is giving it now, has none.
        nameless = self.orders.index(None) + 1 if None in self.orders else len(self.orders)
        at = self._position(int(number[1])) if number else nameless
        again = re.search(r"--again (\d+) \(again=\1\)", line)
        return f"refuse {letter} #{at}{f' → again {again[1]}' if again else ''}"
