"""Exits in the desk's core: set, decided on a trade, sold until nothing is held. Rows A09, A20."""

from __future__ import annotations

from datetime import date

import pytest

from kisnb.clock import DAY, MINUTE, SECOND, Ns, clock_text, kst
from kisnb.errors import BadInput
from kisnb.events import (
    AccountOpened,
    Depth,
    ForecastJudged,
    HaltSet,
    PriceAlertFired,
    PriceAlertSet,
    ProtectionBlocked,
    ProtectionEnded,
    ProtectionFired,
    ProtectionMoved,
    ProtectionRefused,
    ProtectionSet,
    Tick,
    Trouble,
)
from kisnb.exits import ExitReason, ExitStage, PriceAlert, Protection, Staged
from kisnb.orders import OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.exits.forecasts import Forecasts, read_forecast
from kisnb.trading.ports.commands import (
    EndPriceAlert,
    EndProtection,
    Halt,
    Protect,
    PushForecast,
    SetPriceAlert,
)
from kisnb.trading.ports.effects import Cancel, Persist, Send, Woke
from kisnb.trading.ports.queries import LiftHalt
from kisnb.trading.state import State
from tests.trading.desk import CODE, NOON, Desk, notice, price_of, ref

PRICE = price_of()
STOPPED = PRICE * 9 // 10
SELL = Side.SELL


def desk(held: int = 30) -> Desk:
    opened = AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),) if held else ())
    return Desk([opened])


def trade(one: Desk, price: int, venue: Venue = Venue.KRX, at: Ns | None = None) -> None:
    t = at or one.now + SECOND
    one.say(Tick(t, CODE, venue, price, 1, Side.SELL, 1, price, price + 100, price, t, 100, 100), t)


def depth(one: Desk, bid: int) -> None:
    t = one.now + SECOND
    one.say(Depth(t, CODE, Venue.KRX, ((bid + 100, 500),), ((bid, 500),), t), t)


def protect(one: Desk, key: str = "p", agent: str = "", **parts: object) -> None:
    one.say(Protect(Protection(key, agent, CODE, **parts)))  # type: ignore[arg-type]


def wait(one: Desk, seconds: float) -> None:
    one.say(Woke(), one.now + int(seconds * SECOND))


def of(one: Desk, kind: type) -> list:
    return [row for row in one.rows if isinstance(row, kind)]


def cancels(one: Desk) -> list[str]:
    return [e.key for e in one.effects if isinstance(e, Cancel)]


def fill(one: Desk, number: int, qty: int) -> None:
    one.say(SendReply(one.sends[-1].intent.key, "sent", ref(number)))
    one.say(notice("accepted", number, side=SELL))
    if qty:
        one.say(notice("filled", number, qty, side=SELL))


def test_a09_a_trade_through_the_stop_sells_all_at_once_and_until_it_is_filled():
    one = desk()
    depth(one, PRICE)
    protect(one, stop=300)
    trade(one, PRICE)
    assert one.sends == []
    trade(one, STOPPED)
    (fired,) = of(one, ProtectionFired)
    assert fired.reason is ExitReason.HARD_STOP
    assert (one.sends[0].intent.qty, one.sends[0].intent.protective) == (30, True)
    fill(one, 1, 30)
    assert [row.why for row in of(one, ProtectionEnded)] == ["sold"]
    assert one.core.state.exits.watches == {}


def test_a09_the_first_order_is_a_limit_some_ticks_through_the_best_bid():
    one = desk()
    depth(one, STOPPED + 500)
    protect(one, stop=300)
    # A trade shows the best bid too, and it is the newer one here.
    trade(one, STOPPED)
    sent = one.sends[0].intent
    assert (sent.kind, sent.price) == (OrderKind.LIMIT, STOPPED - 300)


def test_a09_an_exit_that_finds_no_buyer_is_tried_again_with_the_next_kind():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    fill(one, 1, 0)
    for number in (1, 2):
        wait(one, 2)
        assert cancels(one)[-1] == one.sends[-1].intent.key
        one.say(notice("cancelled", number + 10, 30, original=number, side=SELL))
        fill(one, number + 1, 0)
    kinds = [s.intent.kind for s in one.sends]
    assert kinds == [OrderKind.LIMIT, OrderKind.LIMIT, OrderKind.MARKET]
    assert len({s.intent.key for s in one.sends}) == 3


def test_a09_a_part_that_was_filled_leaves_the_rest_to_the_next_order():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    fill(one, 1, 12)
    wait(one, 2)
    one.say(notice("cancelled", 2, 18, original=1, side=SELL))
    assert [s.intent.qty for s in one.sends] == [30, 18]
    fill(one, 3, 18)
    assert one.core.state.books.account.position(CODE).qty == 0
    assert len(of(one, ProtectionEnded)) == 1


def test_a09_a_trade_on_nextrade_decides_as_one_on_krx_does():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED, Venue.NXT)
    assert of(one, ProtectionFired)[0].venue is Venue.NXT


def test_a09_an_order_of_unknown_fate_is_not_sold_a_second_time():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    one.say(SendReply(one.sends[0].intent.key, "unknown", text="the connection broke"))
    wait(one, 5)
    trade(one, STOPPED)
    assert len(one.sends) == 1
    assert one.core.state.books.orders[one.sends[0].intent.key].state is OrderState.UNKNOWN


def test_a09_the_other_orders_of_the_owner_are_cancelled_first():
    one = desk()
    one.submit("resting", side=SELL, qty=30, price=PRICE + 1000)
    one.sent("resting", 5)
    one.say(notice("accepted", 5, 30, side=SELL))
    protect(one, stop=300)
    trade(one, STOPPED)
    assert cancels(one) == ["resting"]
    assert len(one.sends) == 1, "its shares are still in the market"
    one.say(notice("cancelled", 6, 30, original=5, side=SELL))
    assert one.sends[-1].intent.qty == 30
    assert one.sends[-1].intent.key.startswith("exit:")


def test_a09_a_halted_desk_watches_on_and_records_once_what_it_would_have_sold():
    one = desk()
    protect(one, stop=300)
    one.set_halt("halted", "enough")
    trade(one, STOPPED)
    trade(one, STOPPED - 100)
    (blocked,) = of(one, ProtectionBlocked)
    assert blocked.qty == 30
    assert "would be sold, but the desk is halted" in blocked.text
    assert one.sends == []
    one.say(LiftHalt("go on"))
    trade(one, STOPPED)
    assert [s.intent.qty for s in one.sends] == [30]


def test_a09_a_reducing_desk_lets_exits_pass():
    one = desk()
    protect(one, stop=300)
    one.set_halt("reducing", "the day lost too much")
    trade(one, STOPPED)
    assert [s.intent.qty for s in one.sends] == [30]


def test_a09_a_halt_in_the_middle_of_a_sale_stops_it_and_a_lift_goes_on():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    fill(one, 1, 10)
    one.say(Halt("enough"))
    one.say(notice("cancelled", 2, 20, original=1, side=SELL))
    wait(one, 5)
    assert len(one.sends) == 1
    one.core.state.apply(HaltSet(one.now, "active", ""))
    wait(one, 31)
    assert [s.intent.qty for s in one.sends] == [30, 20]


def test_a09_stage_peak_and_decision_outlive_a_restart_of_the_desk():
    one = desk()
    protect(one, staged=Staged(), atr=100.0)
    up = PRICE + PRICE * 2 // 100
    trade(one, up)
    assert of(one, ProtectionMoved)[-1].stage is ExitStage.BE_LOCK
    again = Desk(one.rows)
    again.now = one.now
    again.keep(again.core.start(again.now))
    watch = again.core.state.exits.watches["p"]
    assert (watch.stage, watch.peak) == (ExitStage.BE_LOCK, up)
    trade(again, up - 300)
    assert of(again, ProtectionFired)[0].reason is ExitReason.ATR_TRAILING_STOP
    # The order is on its way when the desk dies once more: nothing is sold twice.
    last = Desk(again.rows)
    last.now = again.now
    last.keep(last.core.start(last.now))
    assert last.sends == []
    assert last.core.state.exits.watches["p"].fired is not None


def test_a09_a_rising_stock_journals_its_peak_at_most_once_a_second():
    one = desk()
    protect(one, trail=200)
    start = one.now
    for n in range(50):
        trade(one, PRICE + 100 * n, at=start + SECOND + n * SECOND // 10)
    assert len(of(one, ProtectionMoved)) <= 6
    # The newest peak decides, whether the journal knows it or not.
    trade(one, (PRICE + 4_900) * 98 // 100)
    assert of(one, ProtectionFired)[0].reason is ExitReason.TRAILING_STOP


def forecast(made_at: Ns, falling: int | None = 7_000, bar: Ns = MINUTE) -> PushForecast:
    return PushForecast(CODE, "gbm", made_at, bar, falling, 10**15)


def test_a09_a_forecast_counts_for_two_of_its_bars_and_not_longer():
    one = desk()
    protect(one, staged=Staged())
    one.say(forecast(one.now - 3 * MINUTE))
    trade(one, PRICE + 100)
    assert one.core.state.exits.watches["p"].stage is ExitStage.HOLDING
    made = clock_text(one.now)
    one.say(forecast(one.now))
    trade(one, PRICE + 100)
    assert of(one, ProtectionMoved)[-1].stage is ExitStage.BE_LOCK
    # The decision names the model and its date.
    assert of(one, ProtectionMoved)[-1].why == (
        f"model_assist: gbm of {made} gives a fall 70 %, and little is traded"
    )
    assert one.sends == []


def test_a09_an_exit_says_once_that_no_forecast_counts_and_why():
    one = desk()
    protect(one, staged=Staged())
    watch = one.core.state.exits.watches["p"]
    trade(one, PRICE + 100)
    trade(one, PRICE + 200)
    assert watch.text == "watches; no model gives pred_down_prob, so none acts"
    assert len(of(one, ForecastJudged)) == 1
    old = one.now - 3 * MINUTE
    one.say(forecast(old))
    trade(one, PRICE + 100)
    made = clock_text(old)
    assert watch.text == (
        f"watches; pred_down_prob by gbm of {made} is older than two bars, so no model acts"
    )
    one.say(forecast(one.now, 3_000))
    trade(one, PRICE + 100)
    one.say(forecast(one.now, 3_100))
    trade(one, PRICE + 100)
    assert watch.text == "watches; gbm gives pred_down_prob"
    made = clock_text(one.now)
    one.say(forecast(one.now, None))
    trade(one, PRICE + 100)
    assert watch.text == f"watches; gbm of {made} has no pred_down_prob, so no model acts"
    assert len(of(one, ForecastJudged)) == 4
    assert watch.stage is ExitStage.HOLDING


def test_a09_a_forecast_of_daily_bars_counts_trading_days():
    forecasts = Forecasts()
    friday = kst(date(2026, 11, 20), 15 * 3_600)
    forecasts.push(forecast(friday, 7_000, DAY))
    tuesday, wednesday = (kst(date(2026, 11, day), 10 * 3_600) for day in (24, 25))
    assert forecasts.view(tuesday, CODE).falling == 7_000
    assert forecasts.view(wednesday, CODE).falling is None


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"down": 1.2}, "1.2 is not a probability"),
        ({"down": "0.7"}, "is not a probability"),
        ({"provider": ""}, "has no provider"),
        ({"made_at": NOON + SECOND}, "still to come"),
        ({"every": "1x"}, "1x"),
    ],
)
def test_a09_a_forecast_that_cannot_be_one_is_refused(parts: dict[str, object], said: str):
    given = {"down": 0.7, "provider": "gbm", "made_at": NOON, "every": "1m", "now": NOON} | parts
    with pytest.raises(BadInput, match=said):
        read_forecast(CODE, given.pop("down"), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("down", "falling"), [(0.62, 6_200), (None, None), (float("nan"), None)])
def test_a09_a_missing_probability_is_none_and_never_0(down: float | None, falling: int | None):
    read = read_forecast(CODE, down, provider="gbm", made_at=NOON, every="1m", now=NOON)
    assert read.falling == falling


def test_a09_a_time_stop_sells_at_its_moment_without_a_trade():
    one = desk()
    protect(one, until=one.now + MINUTE)
    wait(one, 50)
    assert one.sends == []
    wait(one, 15)
    assert of(one, ProtectionFired)[0].reason is ExitReason.TIME_STOP
    assert one.sends[0].intent.qty == 30


def test_a20_a_key_is_set_once_and_another_exit_takes_the_place():
    one = desk()
    protect(one, stop=300)
    protect(one, stop=300)
    assert len(of(one, ProtectionSet)) == 1
    protect(one, "q", take=500)
    assert [row.why for row in of(one, ProtectionEnded)] == ["another exit took its place"]
    assert list(one.core.state.exits.watches) == ["q"]


@pytest.mark.parametrize(
    ("parts", "held", "reason"),
    [
        ({"stop": 300}, 0, "you hold no 005930"),
        ({}, 30, "the exit has no condition"),
        ({"stop_price": PRICE + 100}, 30, "it would sell at once"),
        ({"take_price": PRICE - 100}, 30, "it would sell at once"),
    ],
)
def test_a20_an_exit_that_cannot_be_set_is_refused_with_the_cure(parts, held, reason):
    one = desk(held)
    protect(one, "first", stop=3_000)
    trade(one, PRICE)
    protect(one, **parts)
    refused = [e for e in one.published if isinstance(e, ProtectionRefused)][-1]
    assert reason in refused.reason
    assert refused.cure
    assert "p" not in one.core.state.exits.watches


def test_a20_an_exit_ends_when_nothing_is_held_any_more():
    one = desk()
    protect(one, stop=300)
    one.submit("mine", side=SELL, qty=30)
    one.sent("mine", 5)
    one.say(notice("filled", 5, 30, side=SELL))
    assert [row.why for row in of(one, ProtectionEnded)] == ["nothing is held any more"]
    trade(one, STOPPED)
    assert len(one.sends) == 1


def test_a20_a_person_ends_an_exit_and_its_order_is_cancelled():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    fill(one, 1, 0)
    one.say(EndProtection("p"))
    assert cancels(one) == [one.sends[0].intent.key]
    one.say(notice("cancelled", 2, 30, original=1, side=SELL))
    wait(one, 60)
    assert len(one.sends) == 1


def test_a20_a_price_alert_is_told_once():
    one = desk(0)
    one.say(SetPriceAlert(PriceAlert("a", CODE, above=True, price=PRICE + 500)))
    one.say(SetPriceAlert(PriceAlert("a", CODE, above=True, price=PRICE + 500)))
    assert len(of(one, PriceAlertSet)) == 1
    trade(one, PRICE + 499)
    assert of(one, PriceAlertFired) == []
    trade(one, PRICE + 500)
    trade(one, PRICE + 600)
    (fired,) = of(one, PriceAlertFired)
    assert (
        fired.text == f"price alert: {CODE} above {PRICE + 500:,}, traded at {PRICE + 500:,} on KRX"
    )
    assert [e.text for e in one.published if isinstance(e, Trouble)]


def test_a20_price_alerts_outlive_a_restart_and_can_be_ended():
    one = desk(0)
    one.say(SetPriceAlert(PriceAlert("a", CODE, above=False, price=PRICE - 500)))
    again = Desk(one.rows)
    again.say(EndPriceAlert("a"))
    trade(again, PRICE - 600)
    assert of(again, PriceAlertFired) == []
    assert State.fold(again.rows).exits.alerts == {}


def test_a20_an_exit_that_ends_while_its_order_is_sent_takes_that_order_back():
    one = desk()
    protect(one, stop=300)
    trade(one, STOPPED)
    sent = one.sends[0].intent.key
    one.say(EndProtection("p"))
    assert cancels(one) == []
    one.say(SendReply(sent, "sent", ref(1)))
    assert cancels(one) == [sent]


def test_a09_an_exit_that_is_set_anew_is_not_judged_by_a_price_of_its_last_life():
    one = desk()
    protect(one, "p", stop_price=PRICE - 500)
    trade(one, PRICE - 600)
    one.say(SendReply(one.sends[-1].intent.key, "sent", ref(9)))
    one.say(notice("filled", 9, 30, PRICE - 600, side=SELL))
    assert of(one, ProtectionEnded)
    one.submit("in", price=PRICE + 1000)
    one.sent("in", 10)
    one.say(notice("filled", 10, 10, PRICE + 1000))
    # The stock was not watched meanwhile, so the desk has judged no price of it.
    protect(one, "again", stop_price=PRICE)
    assert [row.protection.key for row in of(one, ProtectionSet)] == ["p", "again"]


def of_agent() -> Desk:
    """A desk whose agent holds 30 shares at PRICE, and whose market is open."""
    one = desk(0)
    one.submit("k", agent="dip", qty=30, price=PRICE)
    one.sent("k", 5)
    one.say(notice("filled", 5, 30, price=PRICE))
    trade(one, PRICE)
    return one


def test_a09_an_agent_that_says_its_exit_at_each_bar_keeps_the_peak() -> None:
    one = of_agent()
    for n in range(5):
        protect(one, f"agent:dip:run:{n}", "dip", trail=200)
        trade(one, PRICE * (100 + n) // 100)
    # 2 % below the highest price, 4 % above the entry.
    protect(one, "agent:dip:run:9", "dip", trail=200)
    trade(one, PRICE * 101 // 100)
    (fired,) = of(one, ProtectionFired)
    assert fired.reason is ExitReason.TRAILING_STOP
    assert len(of(one, ProtectionSet)) == 1
    assert of(one, ProtectionEnded) == []


def test_a09_an_agent_that_protects_again_while_its_exit_sells_sells_once() -> None:
    one = of_agent()
    depth(one, STOPPED)
    protect(one, "agent:dip:run:1", "dip", stop=300)
    trade(one, STOPPED)
    for n in range(2, 6):
        protect(one, f"agent:dip:run:{n}", "dip", stop=200 * n)
        trade(one, STOPPED)
    assert [e.intent.qty for e in one.sends if e.intent.side is SELL] == [30]
    assert of(one, ProtectionEnded) == []
    fill(one, 9, 30)
    assert [row.why for row in of(one, ProtectionEnded)] == ["sold"]
    assert one.core.state.books.of("dip").position(CODE).qty == 0


def test_a09_an_agent_whose_stop_was_passed_before_it_says_so_sells_with_the_next_trade() -> None:
    one = of_agent()
    protect(one, "agent:dip:run:1", "dip", stop=3_000)
    trade(one, STOPPED)
    # It comes back after a pause, and its stop of 3 % was passed long ago.
    protect(one, "agent:dip:run:2", "dip", stop=300)
    assert not [e for e in one.published if isinstance(e, ProtectionRefused)]
    assert of(one, ProtectionFired) == []
    trade(one, STOPPED)
    assert [e.intent.qty for e in one.sends if e.intent.side is SELL] == [30]
    # What a person types for the agent is checked.
    other = of_agent()
    protect(other, "agent:dip:run:1", "dip", stop=3_000)
    trade(other, STOPPED)
    protect(other, "typed", "dip", stop=300)
    (refused,) = [e for e in other.published if isinstance(e, ProtectionRefused)]
    assert "it would sell at once" in refused.reason


def test_a09_the_decision_of_an_exit_and_its_order_need_one_sync_of_the_disk() -> None:
    one = desk()
    depth(one, STOPPED)
    protect(one, stop=300)
    before = len(one.effects)
    trade(one, STOPPED)
    effects = one.effects[before:]
    synced = [e for e in effects if isinstance(e, Persist)]
    assert [type(row).__name__ for row in synced[0].rows][:2] == ["ProtectionFired", "IntentTaken"]
    sent = next(i for i, e in enumerate(effects) if isinstance(e, Send))
    assert sum(isinstance(e, Persist) for e in effects[:sent]) == 1


def test_a09_a_time_stop_in_the_night_sells_when_a_venue_opens() -> None:
    one = desk()
    night = kst(date(2026, 11, 20), 21 * 3600)
    one.say(Protect(Protection("p", "", CODE, until=night)))
    one.say(Woke(), night)
    assert one.sends == []
    assert [row.reason for row in of(one, ProtectionFired)] == [ExitReason.TIME_STOP]
    # The twentieth is a Friday: the weekend passes, and nothing is forgotten.
    one.say(Woke(), kst(date(2026, 11, 21), 12 * 3600))
    assert one.sends == []
    one.say(Woke(), kst(date(2026, 11, 23), 9 * 3600))
    (sold,) = one.sends
    assert (sold.intent.side, sold.intent.qty) == (SELL, 30)
