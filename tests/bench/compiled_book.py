"""What a compiled limit book would give: the same order events through ``limit_book.c``, where
there is a C compiler.

Two figures: all events in one call, which is the compiled loop alone, and each event in a call of
its own, as they would come from the market's own Python.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from kisnb.exchange.limit_book import LimitBook
from kisnb.terms import Side
from tests.bench.exchange import BASE, EVENTS, Event, events

SOURCE = Path(__file__).with_name("limit_book.c")
TICK, MIDDLE = 100, 128
"""A price is so many won a tick from ``BASE``, which is the middle level of the compiled book."""


def measure() -> dict[str, float]:
    """Events a second, the best of three runs; nothing without a C compiler.

    The two books agree on the turnover.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    script = events()
    rows = [_row(event) for event in script]
    flat = (ctypes.c_int * (5 * len(rows)))(*chain.from_iterable(rows))

    def at_once(book: ctypes.CDLL) -> int:
        return int(book.run(len(rows), flat))

    def one_by_one(book: ctypes.CDLL) -> int:
        event = book.event
        return sum(event(*row) for row in rows)

    wanted = _turnover(script)
    works = {"limit_book in C": at_once, "limit_book in C, a call per event": one_by_one}
    return {
        name: EVENTS / min(_seconds(compiler, work, wanted) for _ in range(3))
        for name, work in works.items()
    }


def _row(event: Event) -> tuple[int, int, int, int, int]:
    cancels, number, side, price, qty = event
    return (
        cancels,
        number,
        int(side is Side.SELL),
        -1 if price is None else (price - BASE) // TICK + MIDDLE,
        qty,
    )


def _turnover(script: list[Event]) -> int:
    """Of the Python book, in ticks of the compiled one."""
    book, matched = LimitBook(), []
    for cancels, number, side, price, qty in script:
        if cancels:
            book.cancel(number)
        else:
            matched += book.add(number, side, price, qty)
    return sum(((match.price - BASE) // TICK + MIDDLE) * match.qty for match in matched)


def _seconds(compiler: str, work: Callable[[ctypes.CDLL], int], wanted: int) -> float:
    """In a library of its own, since its book lives in it."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "limit_book.so"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        book = ctypes.CDLL(str(library))
        book.run.restype = book.event.restype = ctypes.c_longlong
        began = time.process_time()
        turnover = work(book)
        seconds = time.process_time() - began
    if turnover != wanted:
        raise AssertionError(f"the compiled book traded {turnover}, the other one {wanted}")
    return seconds


def show() -> None:
    figures = measure()
    for work, rate in figures.items():
        print(f"{work:34s} {rate:10,.0f} order events/s of one core")
    if not figures:
        print("no C compiler: what a compiled limit_book would give is not measured")


if __name__ == "__main__":
    show()
