"""A whole simulated day of 50 stocks on both venues, through the host that speaks KIS: seconds and
memory.

All 50 trade; one client has 41 registrations: trades and depth of 20 stocks, and its notices.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from datetime import date

import msgspec

from kisnb.clock import kst
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.core import Core
from kisnb.terms import Kind
from tests.simulator.customer import KEYS, Customer

DAY = date(2026, 11, 20)
STOCKS, FOLLOWED = 50, 20
BEGIN, END = kst(DAY, 8 * 3600 - 60), kst(DAY, 20 * 3600 + 60)


def universe() -> Universe:
    """The packaged stocks, and the same once more under other codes."""
    own = [item for item in Universe.packaged() if item.kind is Kind.STOCK]
    twins = [
        msgspec.structs.replace(item, code=f"9{item.code[1:]}", name=f"{item.name} 2")
        for item in own
    ]
    return Universe([*own, *twins][:STOCKS])


def whole_day() -> dict[str, float]:
    """Seconds to make and to play the day, by the clock and of the processor.

    Trades, frames, largest memory.
    """
    items = universe()
    codes = [item.code for item in items]
    began, worked = time.perf_counter(), time.process_time()
    market = Market(items, DAY, 1, BEGIN)
    for code in codes:
        market.activate(code)
    made = time.perf_counter() - began
    client = Customer(Core(market, KEYS))
    client.log_in()
    client.connect()
    client.subscribe("H0STCNI0", KEYS.hts_id.reveal())
    for code in codes[:FOLLOWED]:
        for channel in ("H0STCNT0", "H0STASP0"):
            assert client.subscribe(channel, code).msg_cd == "OPSP0000"
    frames = 0
    began = time.perf_counter()
    while client.core.now < END:
        client.receive(client.core.advance(min(client.core.now + 60_000_000_000, END)))
        frames += len(client.taken())
    played = time.perf_counter() - began
    trades = sum(len(market.plan.schedule(code).trades) for code in codes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )
    worked = time.process_time() - worked
    return {
        "made": made,
        "played": played,
        "worked": worked,
        "trades": trades,
        "frames": frames,
        "megabytes": peak,
    }


def pieces() -> dict[str, float]:
    """Milliseconds per stock of the parts that a day is made of."""
    items: list[Instrument] = list(universe())
    plan = DayPlan(Universe(items), DAY, 2)
    facts = DayFacts(plan)
    parts = {
        "daily bar": lambda code: plan.bar(code),
        "minute path": lambda code: plan.path(code),
        "all trades, both venues": lambda code: plan.schedule(code),
        "100 past days": lambda code: facts.history(code, 100),
        "minute bars": lambda code: facts.minutes(code, END),
    }
    told: dict[str, float] = {}
    for name, part in parts.items():
        began = time.perf_counter()
        for item in items:
            part(item.code)
        told[name] = (time.perf_counter() - began) / len(items) * 1e3
    return told


def main() -> None:
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.bench.market_day"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    print(
        f"\na day of {STOCKS} stocks, {told['trades']:,.0f} trades on both venues, "
        f"{told['frames']:,.0f} frames sent"
    )
    print(f"  to make it and open all books    {told['made']:8.1f} s")
    print(
        f"  to play it                       {told['played']:8.1f} s    "
        "target < 60 s with the line above"
    )
    print(f"  processor time of both           {told['worked']:8.1f} s")
    print(f"  largest memory                   {told['megabytes']:8.0f} MB   target < 1000 MB")
    for name, milliseconds in pieces().items():
        print(f"  {name:32s} {milliseconds:8.2f} ms a stock")


if __name__ == "__main__":
    print(json.dumps(whole_day()))
