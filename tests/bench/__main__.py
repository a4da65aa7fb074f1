"""``make bench``: figures, never assertions."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time

from tests.bench import (
    agents,
    backtests,
    compiled_book,
    desk,
    exchange,
    history,
    hops,
    indicators,
    market_day,
    panel,
    routing,
    simulator,
    tape,
    tear_sheet,
    wire,
)

RUNS = 7
IMPORT = "import time; t = time.perf_counter(); import kisnb; print(time.perf_counter() - t, 0)"
NAMED = """
import time, kisnb.session.session
t = time.perf_counter()
from kisnb.kis.by_name.calls import call_named
from kisnb.kis.by_name.channels import channels
from kisnb.kis.by_name.pages import page_of
channels()
page_of(call_named("inquire_price"))
print(time.perf_counter() - t, 0)
"""
LOAD = """
import os, time
from IPython.core.interactiveshell import InteractiveShell
import ipykernel.zmqshell
shell = InteractiveShell.instance()
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
before = rss()
t = time.perf_counter()
shell.run_line_magic("load_ext", "kisnb")
print(time.perf_counter() - t, rss() - before)
"""


def in_fresh_python(code: str) -> tuple[float, float]:
    """Median of the two figures that ``code`` prints."""
    runs = [
        tuple(
            map(
                float,
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                ).stdout.split(),
            )
        )
        for _ in range(RUNS)
    ]
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs)


async def open_to_quote() -> float:
    """Seconds from the call to the first price, of a new day."""
    import kisnb

    began = time.perf_counter()
    async with await kisnb.connect("sim", seed=1, fresh=True) as session:
        await session.quote("005930")
        return time.perf_counter() - began


def opened() -> tuple[float, float]:
    """Median of opening a day while nothing runs, and of putting a new day in the place of one."""
    from kisnb.desk.life.launch import stop_desk
    from kisnb.desk.life.simulator_process import stop_simulator
    from kisnb.terms import Mode

    first, instead = [], []
    for _ in range(3):
        stop_desk(Mode.SIM)
        stop_simulator()
        first.append(asyncio.run(open_to_quote()))
        instead.append(asyncio.run(open_to_quote()))
    return statistics.median(first), statistics.median(instead)


def main() -> None:
    seconds, _ = in_fresh_python(IMPORT)
    print(f"import kisnb                       {seconds * 1000:8.0f} ms   target < 150 ms")
    seconds, _ = in_fresh_python(NAMED)
    print(f"session.api, first use             {seconds * 1000:8.0f} ms   target < 50 ms")
    seconds, megabytes = in_fresh_python(LOAD)
    print(f"%load_ext kisnb                    {seconds * 1000:8.0f} ms   target < 500 ms")
    print(f"%load_ext kisnb, memory added      {megabytes:8.1f} MB   target < 60 MB")
    for call, microseconds in routing.measure().items():
        print(f"{call:34s} {microseconds:8.2f} µs")
    for work, rate in exchange.measure().items():
        print(f"{work:34s} {rate:8,.0f} order events/s of one core   limit_book target ≥ 200,000")
    compiled_book.show()
    indicators.show()
    tear_sheet.show()
    panel.show()
    print("\nthe simulated host over loopback")
    simulator.show()
    first, instead = opened()
    print(f"%kis open sim → first quote        {first * 1000:8.0f} ms   target ≤ 500 ms")
    print(f"the same, in place of a day        {instead * 1000:8.0f} ms")
    history.show()
    tape.show()
    hops.show()
    desk.show()
    agents.show()
    backtests.show()
    wire.report()
    market_day.main()


if __name__ == "__main__":
    main()
