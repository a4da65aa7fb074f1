"""The circuit breaker: loss of the day over what was at stake. Row A06."""

from __future__ import annotations

import random

import pytest

from kisnb.clock import DAY, SECOND
from kisnb.events import (
    Accepted,
    AccountOpened,
    BreakerTripped,
    Filled,
    HaltSet,
    IntentTaken,
    Tick,
    Trouble,
)
from kisnb.orders import OrderState
from kisnb.terms import Side, Venue
from kisnb.trading.order_books.breaker import DayResult, TradingDay
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import LiftHalt
from kisnb.trading.state import State
from tests.trading.desk import CODE, NOON, Desk, intent, price_of, ref

BASE = price_of()
LIMIT = 300


class PaperDay:
    """A trading day at round prices: 700 shares held at a base price of 10,000."""

    def __init__(self) -> None:
        self.state = State()
        self.state.apply(AccountOpened(NOON, 10_000_000, ((CODE, 700, 7_000_000),)))

    def trade(self, side: Side, qty: int, price: int, fee: int, tax: int) -> None:
        number = len(self.state.books.orders) + 1
        key = f"k{number}"
        self.state.apply(IntentTaken(NOON, intent(key, side=side, qty=qty)))
        self.state.apply(Accepted(NOON, key, ref(number)))
        self.state.apply(Filled(NOON, key, qty, price, fee, tax, Venue.KRX, NOON))

    def at(self, price: int) -> DayResult:
        return self.state.day.standing(self.state.books, {CODE: 10_000}, {CODE: price})


def test_a06_the_loss_of_a_day_is_that_of_the_worked_table():
    day = PaperDay()
    assert day.at(10_000) == DayResult(0, 7_000_000)
    day.trade(Side.BUY, 300, 10_000, 100, 0)
    assert day.at(10_000) == DayResult(-100, 10_000_000)
    day.trade(Side.SELL, 900, 9_800, 260, 17_640)
    assert day.at(9_800) == DayResult(-218_000, 10_000_000)
    assert day.at(8_980) == DayResult(-300_000, 10_000_000)
    assert not day.at(8_980).breaks(LIMIT)
    assert day.at(8_970) == DayResult(-301_000, 10_000_000)
    assert day.at(8_970).breaks(LIMIT)


@pytest.mark.parametrize(
    ("lost", "trips"), [(299_999, False), (300_000, False), (300_001, True), (301_000, True)]
)
def test_a06_three_percent_holds_and_a_won_more_trips(lost: int, trips: bool):
    assert DayResult(-lost, 10_000_000).breaks(LIMIT) is trips


def test_a06_nothing_at_stake_nothing_to_lose():
    assert not DayResult(-1, 0).breaks(LIMIT)


def test_a06_a_new_day_begins_at_what_is_held_then():
    day = PaperDay()
    day.trade(Side.BUY, 300, 10_000, 100, 0)
    day.state.day.roll(NOON + DAY, day.state.books)
    assert day.at(10_000) == DayResult(0, 10_000_000)


@pytest.mark.parametrize("seed", range(5))
def test_a06_each_day_opens_with_the_shares_that_are_held_then(seed: int):
    draw, state = random.Random(seed), State()
    books, codes = state.books, ("000010", "000020", "000030")
    for n in range(1, 200):
        t, code = NOON + n // 10 * DAY, draw.choice(codes)
        if draw.random() < 0.2:
            state.apply(AccountOpened(t, 0, ((code, draw.randint(-3, 5), 0),)))
        held = {code: p.qty for code, p in books.account.positions.items() if p.qty}
        key, side = f"k{n}", draw.choice(list(Side))
        state.apply(IntentTaken(t, intent(key, side=side, qty=2, code=code)))
        if n % 10 == 0:
            assert {c: qty for c, qty in state.day.opening.items() if qty} == held
        if draw.random() < 0.7:
            state.apply(Accepted(t, key, ref(n)))
            state.apply(Filled(t, key, draw.randint(1, 2), 10_000, 0, 0, Venue.KRX, t))


def tick(price: int, t: int) -> Tick:
    return Tick(t, CODE, Venue.KRX, price, 1, Side.SELL, 1, price, price + 100, price - 100, t)


def holding(cash: int = 10**12) -> Desk:
    return Desk([AccountOpened(NOON, cash, ((CODE, 100, 100 * BASE),))], Limits(max_day_loss=LIMIT))


def fall_to(desk: Desk, per_mille: int) -> None:
    desk.say(tick(BASE * per_mille // 1000, desk.now + SECOND))


def test_a06_idle_cash_does_not_mask_the_loss():
    desk = holding(cash=10**12)
    fall_to(desk, 970)
    assert desk.core.state.halt == "active"
    fall_to(desk, 969)
    assert desk.core.state.halt == "reducing"


def test_a06_a_trip_is_journaled_and_shown_and_lets_only_reducing_orders_pass():
    desk = holding()
    fall_to(desk, 960)
    assert [type(row) for row in desk.rows[1:]] == [BreakerTripped, HaltSet]
    assert any(isinstance(e, Trouble) and "circuit breaker" in e.text for e in desk.published)
    desk.submit("a")
    assert "the desk is reducing: the day lost" in desk.order("a").text
    desk.submit("b", side=Side.SELL, qty=100)
    assert desk.order("b").state is OrderState.SENDING


def test_a06_a_trip_survives_a_restart():
    desk = holding()
    fall_to(desk, 960)
    again = Desk(desk.rows, Limits(max_day_loss=LIMIT))
    again.submit("a")
    assert again.order("a").state is OrderState.DENIED
    assert again.core.state.day.trips == 1


def test_a06_lifted_by_a_person_it_trips_again_at_twice_the_limit():
    desk = holding()
    fall_to(desk, 960)
    desk.say(LiftHalt("seen"))
    fall_to(desk, 945)
    assert desk.core.state.halt == "active"
    fall_to(desk, 939)
    assert desk.core.state.halt == "reducing"


def test_a06_a_day_that_nobody_traded_on_has_no_standing():
    assert TradingDay().standing(State().books, {}, {}) == DayResult(0, 0)
