"""H03: real listing and real daily bars in the simulated market."""

import os
from datetime import date, time
from pathlib import Path

import pytest

from kisnb.clock import kst
from kisnb.exchange.happenings import TradingInterrupted
from kisnb.market import sessions
from kisnb.market.price_files import LISTING, bars_of
from kisnb.market.price_past import PricePast
from kisnb.market.universe import Universe
from kisnb.simulator.day.day_facts import DayFacts
from kisnb.simulator.day.day_plan import DayPlan
from kisnb.simulator.day.market import Market
from kisnb.terms import Kind, Venue

DATA = Path(os.environ.get("KISNB_DATA") or "unset")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / LISTING).is_file(), reason="KISNB_DATA names no real prices"),
]


@pytest.mark.parametrize(("day", "most"), [(date(2023, 12, 21), 2), (date(2020, 3, 19), 29)])
def test_h03_every_real_bar_is_traded_as_it_was(day: date, most: int) -> None:
    """Volume before the open comes on top.

    Where calls interrupted a fast price, what was made up for them is lost.
    """
    bars = bars_of(DATA, day)
    market = Market(Universe.load(DATA, day), day, 1, kst(day, time(8)), data=DATA)
    for code in bars:
        market.activate(code)
    said = market.advance(kst(day, time(15, 35)))
    interrupted = {h.code for h in said if isinstance(h, TradingInterrupted)}
    assert len(interrupted) <= most
    for code, bar in bars.items():
        quote, trades = market.quote(code), market.plan.schedule(code).trades
        early = sum(
            t.qty for t in trades if t.venue is Venue.KRX and t.t < sessions.regular_open(day)
        )
        if code in interrupted:
            assert quote.open == bar.open
            assert bar.low <= quote.low <= quote.price <= quote.high <= bar.high
            assert quote.volume == pytest.approx(bar.volume + early, rel=0.1)
        else:
            shown = (quote.open, quote.high, quote.low, quote.price, quote.volume - early)
            assert shown == (bar.open, bar.high, bar.low, bar.close, bar.volume)


def test_h03_a_day_of_zero_volume_is_a_halt() -> None:
    day = date(2018, 4, 30)
    bars = bars_of(DATA, day)
    silent = [code for code, bar in bars.items() if not bar.volume]
    assert "005930" in silent
    market = Market(Universe.load(DATA, day), day, 1, kst(day, time(10)), data=DATA)
    assert all(market.quote(code).halted and not market.depth(code).asks for code in silent)


def test_h03_any_listed_issue_trades_on_a_day_without_bars() -> None:
    day = date(2026, 11, 20)
    universe = Universe.load(DATA, day)
    market = Market(universe, day, 1, kst(day, time(9, 30)), data=DATA)
    chosen = [item for item in universe if not item.halted][:: len(universe) // 40]
    assert {item.kind for item in universe} == set(Kind)
    for item in chosen:
        quote = market.quote(item.code)
        assert quote.lower <= quote.low <= quote.price <= quote.high <= quote.upper
        assert market.depth(item.code).bids


def test_h03_a_day_whose_index_is_known_moves_as_the_index_did() -> None:
    day = date(2024, 8, 5)  # the fall of that Monday; the daily bars of single stocks end in 2023
    for seed in (1, 2):
        plan = DayPlan(Universe.load(DATA, day), day, seed, data=DATA)
        point = DayFacts(plan).index("KOSPI", kst(day, time(15, 30)))
        known = PricePast(DATA, day).index_that_day("KOSPI")
        assert known is not None
        real = (known.close / point.base - 1) * 100
        assert real < -8
        assert point.change_pct == pytest.approx(real, abs=2.5)
        assert point.falling > 4 * point.rising
