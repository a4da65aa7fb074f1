"""The loop-lag watch names the line of a cell that blocks. Row A04."""

from __future__ import annotations

import asyncio
import linecache
import threading
from collections.abc import Callable

from kisnb.notebook.kernel.loop_lag import LoopLagWatch
from tests.waiting import until

CELL = "<cell 7>"


def run_cell(source: str, gate: threading.Event) -> None:
    linecache.cache[CELL] = (len(source), None, source.splitlines(keepends=True), CELL)
    exec(compile(source, CELL, "exec"), {"gate": gate, "deep": lambda: gate.wait(20)})


def watched(work: Callable[[threading.Event], object]) -> tuple[list[str], list[str]]:
    """What the watch said while ``work`` blocked the loop until it was seen, and what when it was
    over."""
    during: list[str] = []
    after: list[str] = []
    gate = threading.Event()

    def seen(where: str) -> None:
        during.append(where)
        gate.set()

    async def loop() -> None:
        watch = LoopLagWatch(
            asyncio.get_running_loop(),
            CELL.__eq__,
            seen,
            lambda where, _seconds: after.append(where),
        )
        watch.start()
        try:
            work(gate)
            await until(lambda: bool(after) or not during)
        finally:
            watch.stop()

    asyncio.run(loop())
    return during, after


def test_a04_the_innermost_line_of_the_cell_is_named_while_it_blocks():
    during, after = watched(lambda gate: run_cell("x = 1\ndeep()\n", gate))
    assert during == ["line 2: deep()"]
    assert after == during


def test_a04_a_function_of_the_cell_is_named_rather_than_its_caller():
    source = "def slow():\n    gate.wait(20)\n\nslow()\n"
    during, _ = watched(lambda gate: run_cell(source, gate))
    assert during == ["line 2: gate.wait(20)"]


def test_a04_a_loop_that_turns_is_not_blocked():
    during, after = watched(lambda _gate: None)
    assert (during, after) == ([], [])
