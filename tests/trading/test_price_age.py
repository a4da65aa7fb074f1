"""No buy on an old price: what the agent saw, what the desk received, and how long it waited.

Row A05.
"""

from __future__ import annotations

import msgspec
import pytest

from kisnb.clock import SECOND, Ns
from kisnb.events import AccountOpened, Denied, Depth, Tick
from kisnb.orders import Intent, OrderState, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.orders.buy_prices import PATIENCE
from kisnb.trading.ports.commands import CancelOrder, Submit
from kisnb.trading.ports.effects import AskDepth, AskOrders, DepthRead, Woke
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import CODE, NOON, Desk, intent, notice, price_of, ref

PRICE = price_of()
OTHER = "000660"
AGE = 2 * SECOND
MARKET = {"kind": OrderKind.MARKET, "price": None, "qty": 1}


def desk_with(held: int = 0) -> Desk:
    """A desk with cash whose limit on the age of prices is two seconds."""
    opened = AccountOpened(NOON, 10**9, ((CODE, held, held * PRICE),) if held else ())
    return Desk([opened], Limits(max_quote_age=AGE))


def denied(desk: Desk, key: str = "k") -> str:
    order = desk.order(key)
    return order.text if order.state is OrderState.DENIED else ""


def depth(t: Ns, ask: int = PRICE) -> Depth:
    return Depth(t, CODE, Venue.KRX, ((ask, 10),), ((ask - 100, 10),), t)


def tick(t: Ns, code: str = CODE) -> Tick:
    return Tick(t, code, Venue.KRX, PRICE, 1, Side.BUY, 0, 0, PRICE, PRICE - 100, t)


def asked(desk: Desk) -> list[AskDepth]:
    return [e for e in desk.effects if isinstance(e, AskDepth)]


# when it is taken


def test_a05_a_buy_whose_agent_has_not_seen_the_newest_price_is_denied():
    """A cell that blocked hands the agent old ticks: what the agent saw counts, not when
    it speaks."""
    desk = desk_with()
    seen = desk.now
    desk.say(depth(seen + AGE), seen + AGE)
    desk.say(Submit(_bought("a", seen)), seen + AGE)
    assert len(desk.sends) == 1
    desk.say(Submit(_bought("b", seen)), seen + AGE + SECOND // 10)
    assert "is 2.1 s old, and there is a newer one" in denied(desk, "b")
    assert len(desk.sends) == 1


def test_a05_a_price_of_nextrade_that_agents_do_not_get_denies_no_buy():
    """In KRX's regular session agents get KRX's prices alone."""
    desk = desk_with()
    seen = desk.now
    desk.say(depth(seen))
    desk.say(msgspec.structs.replace(tick(seen + AGE), venue=Venue.NXT), seen + AGE)
    desk.say(Submit(_bought("a", seen)), seen + AGE + SECOND)
    assert denied(desk, "a") == ""


def test_a05_the_book_is_read_first_when_neither_the_agent_nor_the_desk_has_a_newer_price():
    """Nothing was missed: a quiet stock, or frames that KIS did not send."""
    desk = desk_with()
    desk.say(depth(desk.now))
    seen = desk.now
    desk.say(Submit(_bought("a", seen)), seen + 287 * SECOND)
    assert asked(desk) == [AskDepth(CODE, (Venue.KRX,))]
    assert not desk.sends
    desk.say(DepthRead(CODE, ()))
    assert "the newest price is too old, and KIS gave no newer one" in denied(desk, "a")


@pytest.mark.parametrize(("moved", "passes"), [(5, True), (6, False), (-6, False)])
def test_a05_an_agents_market_buy_is_denied_when_the_book_shows_another_market(
    moved: int, passes: bool
):
    desk = desk_with()
    desk.say(depth(desk.now, 60_000))
    seen = desk.now
    desk.say(Submit(_bought("a", seen, **MARKET)), seen + 60 * SECOND)
    assert not desk.sends
    desk.say(DepthRead(CODE, (depth(desk.now, 60_000 + 600 * moved),)))
    assert bool(desk.sends) is passes
    assert ("the price moved from 60,000" in denied(desk, "a")) is not passes


def test_a05_an_agents_limit_buy_names_its_price_and_is_sent_on_the_book_that_was_read():
    desk = desk_with()
    desk.say(depth(desk.now, 60_000))
    seen = desk.now
    desk.say(Submit(_bought("a", seen)), seen + 60 * SECOND)
    desk.say(DepthRead(CODE, (depth(desk.now, 66_000),)))
    assert [s.intent.key for s in desk.sends] == ["a"]


def test_a05_what_an_agent_asked_kis_for_itself_counts_as_a_fresh_price():
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.now += 60 * SECOND
    desk.submit("a", seen=desk.now)
    assert [s.intent.key for s in desk.sends] == ["a"]
    assert not asked(desk)


def test_a05_an_exit_on_an_old_price_passes():
    desk = desk_with(10)
    desk.say(depth(NOON))
    desk.submit("a", side=Side.SELL, seen=NOON - 60 * SECOND)
    assert len(desk.sends) == 1
    assert desk.core.may_send(desk.now + 60 * SECOND, "a")


def test_a05_a_typed_buy_without_a_fresh_price_asks_first_and_is_sent_on_the_answer():
    desk = desk_with()
    desk.submit("a")
    assert asked(desk) == [AskDepth(CODE, (Venue.KRX,))]
    assert not desk.sends
    desk.say(DepthRead(CODE, (depth(0),)))
    assert len(desk.sends) == 1


def test_a05_a_typed_buy_whose_stock_has_a_fresh_price_is_sent_at_once():
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a")
    assert len(desk.sends) == 1


def test_a05_a_typed_buy_is_denied_when_nobody_knows_a_price():
    desk = desk_with()
    desk.submit("a")
    desk.say(DepthRead(CODE, ()))
    assert "the newest price is too old" in denied(desk, "a")


# at the last hop


@pytest.mark.parametrize(("price", "age"), [(None, AGE), (PRICE, PATIENCE * AGE)])
def test_a05_a_buy_whose_price_grew_old_behind_the_limiter_goes_back_once_and_the_book_is_read(
    price: int | None, age: Ns
):
    """A buy that names its price spends at most that, and may leave on an older one."""
    desk = desk_with()
    desk.say(depth(NOON), NOON)
    desk.submit("a", kind=OrderKind.LIMIT if price else OrderKind.MARKET, price=price)
    assert desk.core.may_send(NOON + age, "a")
    permission = desk.core.may_send(NOON + age + 1, "a")
    assert not permission
    assert f"the newest price is {age / SECOND} s old" in permission.reason
    desk.say(SendReply("a", "kept", text=permission.reason), NOON + age + 1)
    assert desk.order("a").state is OrderState.NEW
    assert asked(desk) == [AskDepth(CODE, (Venue.KRX,))]
    desk.say(DepthRead(CODE, (depth(desk.now),)), NOON + age + 2)
    assert [s.intent.key for s in desk.sends] == ["a", "a"]
    later = NOON + 2 * age + 3
    permission = desk.core.may_send(later, "a")
    assert not permission
    desk.say(SendReply("a", "kept", text=permission.reason), later)
    assert desk.order("a").text.startswith("the newest price is ")
    assert desk.order("a").state is OrderState.DENIED


def test_a05_a_buy_that_waits_for_a_price_does_not_outlive_its_desk():
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a")
    desk.say(SendReply("a", "kept", text="old"), desk.now + 60 * SECOND)
    assert desk.order("a").state is OrderState.NEW
    again = Desk(desk.rows, Limits(max_quote_age=AGE))
    again.keep(again.core.start(desk.now + SECOND))
    assert "the desk restarted before the order was sent" in denied(again, "a")


@pytest.mark.parametrize("reason", ["halted", "cancelled"])
def test_a05_a_buy_that_may_not_leave_for_another_reason_does_not_go_back(reason: str):
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a")
    later = desk.now + 60 * SECOND
    if reason == "halted":
        desk.set_halt("halted", "enough")
    else:
        desk.say(CancelOrder("a"), later)
    permission = desk.core.may_send(later, "a")
    assert not permission
    desk.say(SendReply("a", "kept", text=permission.reason), later)
    assert desk.order("a").state is OrderState.DENIED
    assert not asked(desk)


def test_a05_a_limit_buy_that_waited_is_sent_on_the_desks_newest_price():
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a")
    later = desk.now + 60 * SECOND
    desk.say(depth(later), later)
    assert desk.core.may_send(later + PATIENCE * AGE, "a")


def test_a05_a_buy_at_any_price_is_kept_when_it_waited_many_seconds_however_fresh_the_price():
    """A lid that is closed for forty seconds: the market buys of before it do not leave
    after it."""
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a", **MARKET)
    began = desk.now
    for waited, may in ((PATIENCE * AGE, True), (PATIENCE * AGE + 1, False), (40 * SECOND, False)):
        desk.say(depth(began + waited), began + waited)
        permission = desk.core.may_send(began + waited, "a")
        assert bool(permission) is may
        assert may or "a buy without a price has waited" in permission.reason


def test_a05_a_market_buy_that_waits_for_its_turn_is_denied_after_as_long():
    desk = desk_with()
    desk.say(depth(desk.now))
    desk.submit("a", **MARKET)
    desk.submit("b", **MARKET)
    later = desk.now + PATIENCE * AGE + 1
    desk.say(depth(later), later)
    desk.say(SendReply("a", "rejected", text="no"), later)
    assert "has waited 10.0 s, and nothing was sent" in denied(desk, "b")


@pytest.mark.parametrize("agent", ["", "mom"])
@pytest.mark.parametrize("every", [1, 2, 5, 99])
def test_a05_thirty_limit_buys_at_one_call_a_second_all_leave(agent: str, every: int):
    """Paper takes one call a second. The book of a stock whose price grew old meanwhile is read."""
    desk = desk_with()
    desk.say(depth(desk.now))
    seen = desk.now if agent else 0
    for n in range(30):
        desk.say(Submit(_bought(f"{n}", seen, agent=agent)), NOON + SECOND)
    left: list[str] = []
    for second in range(200):
        at = NOON + (second + 2) * SECOND
        if not second % every:
            desk.say(depth(at), at)
        one_call(desk, at, left)
    assert left == [f"{n}" for n in range(30)]
    assert not [e for e in desk.published if isinstance(e, Denied)]


def one_call(desk: Desk, at: Ns, left: list[str]) -> None:
    """The limiter lets the oldest POST through, else a read. ``left``: what has gone out."""
    waiting = [o.key for o in desk.core.state.books.live.values() if o.state is OrderState.SENDING]
    calls = [e for e in desk.effects if isinstance(e, AskDepth)]
    if waiting and not (permission := desk.core.may_send(at, waiting[0])):
        desk.say(SendReply(waiting[0], "kept", text=permission.reason), at)
    elif waiting:
        left.append(waiting[0])
        desk.say(SendReply(waiting[0], "sent", ref(len(left))), at)
    elif calls:
        desk.effects = [e for e in desk.effects if not isinstance(e, AskDepth)]
        desk.say(DepthRead(CODE, (depth(at),)), at)


def test_a05_an_agents_market_buy_that_went_back_is_not_sent_on_another_market():
    desk = desk_with()
    desk.say(depth(NOON, 60_000), NOON)
    desk.say(Submit(_bought("a", NOON, **MARKET)), NOON)
    permission = desk.core.may_send(NOON + AGE + 1, "a")
    assert not permission
    desk.say(SendReply("a", "kept", text=permission.reason), NOON + AGE + 1)
    desk.say(DepthRead(CODE, (depth(desk.now, 66_000),)))
    assert "the price moved from 60,000 to 66,000 while it waited" in denied(desk, "a")
    assert len(desk.sends) == 1


def test_a05_a_buy_that_waits_for_a_price_asks_kis_for_the_book_alone():
    """It is held for no blackout, after which the account would be asked for."""
    desk = desk_with()
    desk.say(depth(NOON), NOON)
    desk.submit("a")
    desk.say(SendReply("a", "kept", text="old"), NOON + 60 * SECOND)
    desk.effects.clear()
    desk.say(Woke(desk.now))
    assert not [e for e in desk.effects if isinstance(e, AskOrders)]
    desk.say(DepthRead(CODE, (depth(desk.now),)))
    assert [s.intent.key for s in desk.sends] == ["a"]
    desk.sent("a")
    desk.say(notice("accepted"))
    assert desk.order("a").text == ""


def _bought(key: str, seen: Ns, **changes: object) -> Intent:

    return intent(key, seen=seen, **{"agent": "mom", "qty": 1, **changes})
