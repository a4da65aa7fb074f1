"""H03, H05: the simulated market, event by event."""

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND, Ns, kst
from kisnb.errors import BadInput, UnknownInstrument
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotAccepted,
    Traded,
    TradingInterrupted,
)
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.simulator.day.model.daily_plan import past_days, plan_day
from kisnb.terms import Board, Kind, OrderKind, Side, Venue

DAY = date(2026, 11, 20)
MINUTES = 381
"""Minutes of continuous trading, from 09:00 to 15:20, both included."""
BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET = OrderKind.LIMIT, OrderKind.MARKET
SAMSUNG, HYNIX, FROZEN = "005930", "000660", "000880"
SCRIPT = ScriptedDay(
    [
        (time(9), 71_000, 500),
        (time(9, 1), 71_100, 10),
        (time(9, 2), 71_000, 30),
        (time(9, 3), 70_900, 2_500),
        (time(9, 4), 71_200, 10),
        (time(15, 30), 71_300, 700),
    ],
    size=1_000,
)


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


def market(start: str = "09:00", seed: int = 1) -> Market:
    return Market(Universe.packaged(), DAY, seed, at(start))


def scripted(start: str = "08:50") -> Market:
    return Market(Universe.packaged(), DAY, 1, at(start), {SAMSUNG: SCRIPT})


def fills(said: list[Happening]) -> list[tuple[int, int, int]]:
    return [(h.id, h.qty, h.price) for h in said if isinstance(h, OrderFilled)]


def trades(said: list[Happening]) -> list[Traded]:
    return [h for h in said if isinstance(h, Traded)]


def step(m: Market, until: Ns) -> list[Happening]:
    """As the lockstep conductor does it: one event at a time."""
    said: list[Happening] = []
    while (t := m.next_event()) is not None and t <= until:
        said += m.advance(t)
    return said + m.advance(until)


def test_h03_a_whole_day_is_its_plan_and_the_tape_adds_up() -> None:
    m = market("08:00")
    m.activate(SAMSUNG)
    whole = [h for h in trades(m.advance(at("15:30"))) if h.venue is Venue.KRX]
    tape = [h for h in whole if h.segment == "main"]
    plan, quote = plan_day(Universe.packaged().get(SAMSUNG), DAY, 1), m.quote(SAMSUNG)
    assert (quote.open, quote.high, quote.low, quote.price) == (
        plan.open,
        plan.high,
        plan.low,
        plan.close,
    )
    assert quote.volume == sum(h.qty for h in whole) == tape[-1].volume
    assert quote.value == sum(h.qty * h.price for h in whole) == tape[-1].value
    assert plan.volume == sum(h.qty for h in tape)
    assert (tape[0].t, tape[0].price, tape[0].taker) == (at("09:00"), plan.open, None)
    assert (tape[-1].t, tape[-1].price, tape[-1].taker) == (at("15:30"), plan.close, None)
    assert max(h.price for h in tape) == tape[-1].high == plan.high
    assert min(h.price for h in tape) == tape[-1].low == plan.low


def test_h05_the_same_seed_and_orders_give_the_same_happenings_however_time_moves() -> None:
    def run(by_event: bool) -> list[Happening]:
        m = market("08:50")
        said: list[Happening] = []
        for order_id, (code, moment) in enumerate(
            ((SAMSUNG, "08:55"), (HYNIX, "09:20"), (SAMSUNG, "09:30")), start=1
        ):
            said += (step if by_event else Market.advance)(m, at(moment))
            said += m.enter(code, order_id, BUY, MARKET, 10 * order_id)
        return said + (step if by_event else Market.advance)(m, at("10:00"))

    assert run(by_event=True) == run(by_event=False)


def test_h03_another_seed_is_another_day() -> None:
    one, other = (market(seed=seed).quote(SAMSUNG) for seed in (1, 2))
    assert one.price != other.price


def test_h03_a_stock_that_becomes_active_late_has_the_same_tape() -> None:
    early, late = market("08:00"), market("08:00")
    early.activate(SAMSUNG)
    tape = trades(early.advance(at("11:00")))
    late.advance(at("10:30"))
    before = late.quote(SAMSUNG)
    late.activate(SAMSUNG)
    assert late.quote(SAMSUNG) == before
    shown = [
        (h.t, h.price, h.qty, h.taker, h.volume, h.value, h.high, h.low)
        for h in tape
        if h.venue is Venue.KRX
    ]
    found = [
        h
        for h in late.last_trades(SAMSUNG, 100) + trades(late.advance(at("11:00")))
        if h.venue is Venue.KRX
    ]
    assert [
        (h.t, h.price, h.qty, h.taker, h.volume, h.value, h.high, h.low) for h in found
    ] == shown[-len(found) :]
    assert late.quote(SAMSUNG) == early.quote(SAMSUNG)


def test_h03_events_come_in_the_order_of_time_and_depth_is_told_once_an_event() -> None:
    m = market("08:50")
    for code in (SAMSUNG, HYNIX):
        m.activate(code)
    seen: list[Ns] = []
    while (t := m.next_event()) is not None and t <= at("09:10"):
        said = m.advance(t)
        seen += [h.t for h in said]
        told = [(h.code, h.venue) for h in said if isinstance(h, DepthChanged)]
        assert len(told) == len(set(told))
    assert seen == sorted(seen)
    assert len(seen) > 100


@pytest.mark.parametrize("seed", [0, 24, 45])
def test_h03_depth_is_ten_levels_a_side_and_the_last_trade_is_at_the_touch(seed: int) -> None:
    m = market("09:00", seed)
    m.activate(HYNIX)
    background = m._active[HYNIX, Venue.KRX]
    for minute in range(MINUTES):
        m.advance(at("09:00") + minute * MINUTE - SECOND if minute else at("09:00"))
        depth, quote = m.depth(HYNIX), m.quote(HYNIX)
        (ask, _), (bid, _) = depth.asks[0], depth.bids[0]
        assert (len(depth.asks), len(depth.bids)) == (10, 10)
        # The day plans the spread of each trade. It is one tick in all but a few.
        assert ask - bid == quote.tick * background._trades[background._next - 1].spread
        assert quote.price in (ask, bid)
        assert all(qty > 0 for _, qty in depth.asks + depth.bids)


def test_h03_a_market_order_takes_the_depth_and_prints_at_that_moment() -> None:
    m = market()
    depth = m.depth(SAMSUNG)
    (first, shown), (second, _) = depth.asks[:2]
    before = m.quote(SAMSUNG)
    said = m.enter(SAMSUNG, 1, BUY, MARKET, shown + 5)
    assert said[0] == OrderAccepted(m.now, 1)
    assert fills(said) == [(1, shown, first), (1, 5, second)]
    assert [(h.t, h.price, h.qty, h.taker) for h in trades(said)] == [
        (m.now, first, shown, BUY),
        (m.now, second, 5, BUY),
    ]
    assert m.quote(SAMSUNG).volume == before.volume + shown + 5
    assert m.depth(SAMSUNG).asks[0][0] == second
    assert [h.qty for h in m.last_trades(SAMSUNG, 2)] == [shown, 5]


def test_h03_the_book_refills_with_the_next_event() -> None:
    m = market()
    m.enter(SAMSUNG, 1, BUY, MARKET, sum(qty for _, qty in m.depth(SAMSUNG).asks))
    assert m.depth(SAMSUNG).asks == ()
    t = m.next_event()
    assert t is not None
    m.advance(t)
    assert len(m.depth(SAMSUNG).asks) == 10


def test_h03_a_resting_order_waits_in_the_queue_and_fills_in_parts() -> None:
    m = scripted("09:00")
    assert m.depth(SAMSUNG).bids[0] == (70_900, 1_000)
    m.enter(SAMSUNG, 1, BUY, LIMIT, 2_000, 70_900)
    assert m.depth(SAMSUNG).bids[0] == (70_900, 3_000)
    assert fills(m.advance(at("09:02:59"))) == []
    said = m.advance(at("09:03"))
    assert [(h.qty, h.price, h.taker, h.buy_id > 0) for h in trades(said)] == [
        (1_000, 70_900, SELL, False),
        (1_500, 70_900, SELL, True),
    ]
    assert fills(said) == [(1, 1_500, 70_900)]
    assert m.exchange.leaves_of(1) == 500


def test_h03_the_market_trades_through_a_resting_order() -> None:
    m = scripted("09:00")
    m.enter(SAMSUNG, 1, SELL, LIMIT, 40, 71_100)
    said = m.advance(at("09:04"))
    assert sum(qty for _, qty, _ in fills(said)) == 40
    assert {price for *_, price in fills(said)} == {71_100}


def test_h03_own_cancel_takes_the_order_out_of_the_depth() -> None:
    m = market()
    bids = m.depth(SAMSUNG).bids
    m.enter(SAMSUNG, 1, BUY, LIMIT, 100, bids[0][0])
    assert m.cancel(1, 30)[0] == OrderCancelled(m.now, 1, 30)
    assert m.cancel(1)[0] == OrderCancelled(m.now, 1, 70)
    assert m.depth(SAMSUNG).bids == bids


def test_h03_auctions_take_own_orders_at_the_auctions_price() -> None:
    m = scripted()
    m.enter(SAMSUNG, 1, BUY, MARKET, 50)
    opening = m.advance(at("09:00"))
    assert fills(opening) == [(1, 50, 71_000)]
    assert [(h.price, h.qty, h.taker) for h in trades(opening)] == [(71_000, 500, None)]
    m.advance(at("15:21"))
    m.enter(SAMSUNG, 2, SELL, LIMIT, 50, 70_000)
    m.enter(SAMSUNG, 3, BUY, LIMIT, 50, 69_000)
    closing = m.advance(at("15:30"))
    assert fills(closing) == [(2, 50, 71_300)]
    assert OrderExpired(at("15:30"), 3, 50) in closing
    assert m.quote(SAMSUNG).price == 71_300


def test_h03_after_the_close_nothing_stands_and_nothing_comes() -> None:
    m = market("20:00")
    m.activate(SAMSUNG)
    assert m.next_event() is None
    assert (m.depth(SAMSUNG).asks, m.depth(SAMSUNG).bids) == ((), ())
    assert m.quote(SAMSUNG).volume > 0
    assert m.enter(SAMSUNG, 1, BUY, MARKET, 1) == [OrderNotAccepted(m.now, 1, "closed")]


def test_h03_before_the_first_trade_a_quote_shows_the_base_price() -> None:
    quote = market("08:00").quote(SAMSUNG)
    assert (quote.price, quote.open, quote.high, quote.low, quote.volume, quote.change) == (
        71_000,
        0,
        0,
        0,
        0,
        0,
    )
    assert (quote.lower, quote.upper, quote.tick) == (49_700, 92_300, 100)


def test_h03_a_halted_stock_has_no_depth_and_takes_no_order() -> None:
    frozen = Instrument(FROZEN, "한화", Board.KOSPI, Kind.STOCK, 1, 50_000, 0, halted=True)
    m = Market(Universe([frozen]), DAY, 1, at("08:00"))
    m.activate(FROZEN)
    assert trades(m.advance(at("10:00"))) == []
    assert (m.depth(FROZEN).asks, m.depth(FROZEN).bids) == ((), ())
    assert m.enter(FROZEN, 1, BUY, LIMIT, 1, 50_000) == [OrderNotAccepted(m.now, 1, "halted")]


@pytest.mark.parametrize("facts", [{"liquidation": True}, {"listed_on": DAY}])
def test_m06_an_issue_without_limits_trades_and_states_none(facts: dict[str, Any]) -> None:
    item = Instrument(
        SAMSUNG, "정리", Board.KOSPI, Kind.STOCK, 10**7, 5_000, 10**5, nxt=True, **facts
    )
    m = Market(Universe([item]), DAY, 1, at("08:00"))
    m.activate(SAMSUNG)
    m.advance(at("10:00"))
    quote = m.quote(SAMSUNG)
    assert (quote.lower, quote.upper) == (0, 0)
    assert quote.volume > 0
    assert m.depth(SAMSUNG).bids
    m.advance(at("20:00"))
    assert m.trades(SAMSUNG, Venue.NXT)
    assert len(list(past_days(item, DAY, 1))) > 200


def test_h03_nothing_trades_on_a_board_that_a_circuit_breaker_has_closed_for_the_day() -> None:
    m = market("10:00")
    m.activate(SAMSUNG)
    said = m.break_circuit(Board.KOSPI, 3)
    assert [h.venue for h in said if isinstance(h, TradingInterrupted)] == [Venue.KRX, Venue.NXT]
    assert trades(m.advance(at("20:00"))) == []
    assert (m.depth(SAMSUNG).asks, m.depth(SAMSUNG).bids) == ((), ())


def test_h03_an_unknown_code_is_refused_by_orders_and_queries() -> None:
    m = market()
    assert m.enter("999999", 1, BUY, MARKET, 1) == [OrderNotAccepted(m.now, 1, "unknown")]
    for look in (m.quote, m.depth, m.activate):
        with pytest.raises(UnknownInstrument):
            look("999999")


def test_m02_a_day_off_is_refused_with_the_day_to_use() -> None:
    with pytest.raises(BadInput, match="2026-11-20"):
        Market(Universe.packaged(), date(2026, 11, 21), 1, kst(date(2026, 11, 21), time(9)))


def test_h05_time_does_not_go_back() -> None:
    m = market()
    with pytest.raises(ValueError, match="cannot go back"):
        m.advance(m.now - 1)


orders = st.lists(
    st.tuples(
        st.integers(0, 40 * 60),
        st.sampled_from(Side),
        st.integers(1, 60_000),
        st.none() | st.integers(-8, 8),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(orders)
def test_h03_own_orders_conserve_shares_and_the_tape_counts_every_trade(
    moves: list[tuple[int, Side, int, int | None, bool]],
) -> None:
    """Invariants 3 and 7 under arbitrary own orders from the opening auction to the close."""
    m = Market(Universe.packaged(), DAY, 3, at("08:40"))
    m.activate(SAMSUNG)
    before = m.quote(SAMSUNG)
    said: list[Happening] = []
    wanted: dict[int, int] = {}
    for order_id, (wait, side, qty, ticks_away, cancel) in enumerate(moves, start=1):
        said += m.advance(m.now + wait * SECOND)
        price = None if ticks_away is None else m.quote(SAMSUNG).price + 100 * ticks_away
        answer = m.enter(SAMSUNG, order_id, side, MARKET if price is None else LIMIT, qty, price)
        said += answer
        if not isinstance(answer[0], OrderNotAccepted):
            wanted[order_id] = qty
        if cancel:
            said += m.cancel(order_id, qty // 2 or None)
    said += m.advance(at("20:00"))
    ended = dict.fromkeys(wanted, 0)
    for h in said:
        if isinstance(h, (OrderFilled, OrderCancelled, OrderExpired)):
            ended[h.id] += h.qty
    assert ended == wanted
    quote, tape = m.quote(SAMSUNG), [h for h in trades(said) if h.venue is Venue.KRX]
    assert quote.volume - before.volume == sum(h.qty for h in tape)
    assert quote.value - before.value == sum(h.qty * h.price for h in tape)
    priced = [h.price for h in tape if h.segment in ("main", "after-market")]
    assert (quote.high, quote.low) == (max(priced), min(priced))
