"""The tape: cost of an event in the desk's loop, bytes of an event, and reading. Microseconds.

The day is half an hour of the packaged stocks of the simulator with its depth of ten levels. Time
is that of the processor, so that other programs on the machine do not count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from kisnb.clock import MINUTE, Ns, kst
from kisnb.events import Event, Tick
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.closing import close_tape
from kisnb.history.tape.frames import minute_frame
from kisnb.history.tape.reader import TapeFile
from kisnb.history.tape.writer import Collector, TapeWriter
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.account import SimulatedAccount
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.keys import made_up
from kisnb.simulator.host.market_tape import MarketTape
from kisnb.terms import Mode

DAY = date(2026, 11, 20)
RUNS = 7
BLOCK = 500
"""Events of a block of the day that is being written, as in a busy half second."""

Batches = list[tuple[Ns, Sequence[Event]]]


def market_events() -> Batches:
    """The events of half an hour after the open."""
    universe, batches = Universe.packaged(), Batches()
    start = kst(DAY, 9 * 3600)
    market = Market(universe, DAY, 7, start)
    tape = MarketTape(market, [i.code for i in universe], lambda t, e: batches.append((t, e)))
    core = Core(market, made_up(Mode.LIVE), account=SimulatedAccount(DAY), tape=tape)
    core.advance(start + 30 * MINUTE)
    return batches


def collected(batches: Batches) -> float:
    """Microseconds that an event costs in the loop, with the blocks that are handed over."""
    collector, count = Collector(), 0
    began = time.thread_time()
    for at, events in batches:
        collector.add(at, events)
        count += len(events)
        if count > BLOCK:
            count = 0
            collector.take()
    spent = time.thread_time() - began
    return spent / sum(len(events) for _, events in batches) * 1e6


def written(path: Path, batches: Batches) -> float:
    """Write a tape in blocks; return microseconds of the thread that packs, an event."""
    writer, collector = TapeWriter(path, TapeLabel("bench", str(DAY))), Collector()
    spent, count, total = 0.0, 0, 0
    for at, events in batches:
        collector.add(at, events)
        count, total = count + len(events), total + len(events)
        if count > BLOCK and (block := collector.take()) is not None:
            since = time.thread_time()
            writer.write(block)
            spent, count = spent + time.thread_time() - since, 0
    if (block := collector.take()) is not None:
        writer.write(block)
    writer.close()
    return spent / total * 1e6


def took(path: Path) -> float:
    """Return milliseconds to read the minute bars of one of the stocks, the best of three runs."""
    spent = []
    for _ in range(3):
        since = time.thread_time()
        minute_frame(path, ["005930"])
        spent.append((time.thread_time() - since) * 1e3)
    return min(spent)


def show() -> None:
    """Print the figures."""
    batches = market_events()
    events = sum(len(of_batch) for _, of_batch in batches)
    trades = [(at, [e for e in of_batch if isinstance(e, Tick)]) for at, of_batch in batches]
    only: Batches = [batch for batch in trades if batch[1]]
    count = sum(len(of_batch) for _, of_batch in only)
    loop = statistics.median(collected(batches) for _ in range(RUNS))
    ticks = statistics.median(collected(only) for _ in range(RUNS))
    print(f"\nthe tape: {events:,} events, {count:,} of them trades")
    print(f"  in the desk's loop {loop:.2f} µs an event, {ticks:.2f} µs a trade (target 5)")
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen, number in (("event", batches, events), ("trade", only, count)):
            path = Path(folder) / f"{name}.tape"
            thread = written(path, chosen)
            live = path.stat().st_size / number
            since = time.thread_time()
            close_tape(path)
            closing = (time.thread_time() - since) / number * 1e6
            closed = path.stat().st_size / number
            since = time.thread_time()
            for _ in TapeFile(path).batches(orders=True):
                pass
            reading = (time.thread_time() - since) / number * 1e6
            print(
                f"  {live:.1f} bytes a {name} while written, {closed:.1f} closed; packing "
                f"{thread:.2f} µs, closing {closing:.1f} µs, reading {reading:.1f} µs"
            )
        path = Path(folder) / "event.tape"
        closed_ms = took(path)
        path.unlink()
        written(path, batches)
        print(f"  one stock's minutes {closed_ms:.0f} ms closed, {took(path):.0f} ms while written")


if __name__ == "__main__":
    show()
