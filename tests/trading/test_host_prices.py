"""At paper and live prices, limits and unknown stocks are KIS's: rows M06, A05, A06."""

from __future__ import annotations

import msgspec
import pytest

from kisnb.clock import DAY, MINUTE, SECOND, Ns, kst
from kisnb.events import (
    AccountOpened,
    Filled,
    LinkUp,
    ProtectionEnded,
    StockDay,
    Tick,
    Trouble,
)
from kisnb.exits import Protection
from kisnb.market.universe import Universe
from kisnb.orders import Account, Capabilities, Holding, OrderPage, OrderState
from kisnb.terms import Board, Kind, OrderKind, Side, Venue
from kisnb.trading.ports.commands import Halt, Protect
from kisnb.trading.ports.effects import (
    AskOrders,
    AskStock,
    OrdersRead,
    StockRead,
    StocksWanted,
    Woke,
)
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import CODE, NOON, Desk, notice, price_of
from tests.trading.desk import DAY as TODAY
from tests.trading.test_reconciliation import row

BASE = 272_000
"""Another price than that of the packaged list, as at the real host."""
LIMITS = (190_500, 353_500)
NEW = "0099Z0"
RICH = 10**10
MONDAY = NOON + 3 * DAY


def of_kis() -> Universe:
    return Universe.for_kis(None, TODAY)


def desk_at_kis(*held: tuple[str, int, int], **limits: int) -> Desk:
    """A desk at paper or live whose account holds code, shares and their cost."""
    opened = AccountOpened(NOON, RICH, held)
    desk = Desk([opened], Limits(**limits), universe=of_kis())
    desk.keep(desk.core.start(desk.now))
    return desk


def stated(code: str = CODE, at: Ns = NOON, base: int = BASE, **changes: object) -> StockDay:
    facts: dict[str, object] = {"limits": LIMITS, "price": base, "halted": False,
                                "liquidation": False, "shares": 1_000_000, **changes}  # fmt: skip
    return StockDay(at, code, base, **facts)  # type: ignore[arg-type]


def state(desk: Desk, code: str = CODE, **changes: object) -> None:
    desk.say(StockRead(code, stated(code, desk.now, **changes)))  # type: ignore[arg-type]


def asked(desk: Desk) -> list[str]:
    return [e.code for e in desk.effects if isinstance(e, AskStock)]


def troubles(desk: Desk) -> list[str]:
    return [e.text for e in desk.published if isinstance(e, Trouble)]


def tick(price: int, t: Ns, code: str = CODE) -> Tick:
    return Tick(t, code, Venue.KRX, price, 1, Side.SELL, 1, price, price + 500, price - 500, t)


def test_m06_a_buy_waits_for_the_limits_of_the_host_and_passes_at_its_price():
    desk = desk_at_kis()
    desk.submit(price=BASE)
    assert (desk.order().state, asked(desk)) == (OrderState.NEW, [CODE])
    desk.submit("again", price=BASE)
    assert asked(desk) == [CODE], "one question, however many orders wait"
    state(desk)
    assert [send.intent.price for send in desk.sends] == [BASE]
    for number, key in enumerate(("k", "again"), start=7):
        desk.sent(key, number)
    desk.submit("high", price=LIMITS[1] + 500)
    assert "stay within 190,500 to 353,500" in desk.order("high").text
    assert asked(desk) == [CODE], "and no second question on the same day"


def test_m06_a05_a_buy_without_a_price_counts_at_the_limit_that_the_host_states():
    desk = desk_at_kis(max_order_value=LIMITS[1] * 10 - 1)
    desk.submit(kind=OrderKind.MARKET, price=None)
    state(desk)
    assert "an order of 3,535,000 won" in desk.order().text
    assert not desk.sends


def test_m06_a05_an_unknown_limit_refuses_a_buy_without_a_price_and_no_other_order():
    desk = desk_at_kis((CODE, 10, 10 * BASE))
    desk.submit("market", kind=OrderKind.MARKET, price=None)
    desk.submit("limit", price=BASE, qty=1)
    desk.submit("sell", side=Side.SELL, kind=OrderKind.MARKET, price=None)
    assert [s.intent.key for s in desk.sends] == ["sell"], "a sell does not wait"
    desk.say(StockRead(CODE, None, "KIS did not answer"))
    assert [s.intent.key for s in desk.sends] == ["sell", "limit"]
    text = desk.order("market").text
    assert desk.order("market").state is OrderState.DENIED
    assert "not stated the limit prices of 삼성전자 today (KIS did not answer)" in text
    assert "order with a price" in text


def test_m06_what_was_stated_on_another_day_counts_as_not_known():
    desk = desk_at_kis()
    state(desk)
    desk.say(StocksWanted((CODE,)), MONDAY)
    assert asked(desk) == [CODE]
    assert desk.core.rules.stock_day(MONDAY, CODE) is None


def test_m06_a_price_from_before_the_first_market_session_is_asked_again_when_it_begins():
    desk = desk_at_kis()
    early = kst(TODAY, 7 * 3600)
    desk.now = early
    desk.keep(desk.core.start(early))
    desk.say(StocksWanted((CODE,)), early)
    state(desk)
    assert asked(desk) == [CODE]
    opens = desk.core._boundary
    desk.say(Woke(opens), opens)
    assert asked(desk) == [CODE, CODE]
    assert desk.core.rules.stock_day(opens, CODE) is None


def test_m06_what_kis_did_not_state_is_asked_again_after_a_pause():
    desk = desk_at_kis((CODE, 10, 10 * BASE))
    assert asked(desk) == [CODE], "a holding is asked for at the start"
    desk.say(StockRead(CODE, None, "KIS did not answer"))
    desk.say(Woke(desk.now + SECOND))
    assert asked(desk) == [CODE]
    desk.say(Woke(desk.now + MINUTE), desk.now + MINUTE)
    assert asked(desk) == [CODE, CODE]


def test_m06_a_buy_is_asked_for_before_the_holdings_and_one_at_a_time():
    held = tuple((code, 10, 10 * BASE) for code in ("000660", "005380", "035420"))
    desk = desk_at_kis(*held)
    assert asked(desk) == ["000660"]
    desk.submit(price=BASE)
    assert asked(desk) == ["000660"]
    state(desk, "000660")
    assert asked(desk) == ["000660", CODE]
    state(desk)
    state(desk, "005380")
    assert asked(desk) == ["000660", CODE, "005380", "035420"]


def test_m06_a_stock_that_no_list_has_is_asked_for_and_becomes_known():
    desk = desk_at_kis()
    desk.submit(code=NEW, price=BASE)
    assert [e.is_described for e in desk.effects if isinstance(e, AskStock)] == [False]
    state(desk, NEW, name="새회사", board=Board.KOSDAQ, kind=Kind.STOCK, nxt=False)
    assert [s.intent.code for s in desk.sends] == [NEW]
    item = desk.core.rules.universe.get(NEW)
    assert (item.name, item.board, item.base) == ("새회사", Board.KOSDAQ, 0)


def test_m06_a_list_without_nextrade_is_completed_by_what_kis_states():
    listed = of_kis()
    listed.add(msgspec.structs.replace(listed.get(CODE), nxt=None))
    desk = Desk([AccountOpened(NOON, RICH, ())], universe=listed)
    desk.submit(price=BASE)
    assert [e.is_described for e in desk.effects if isinstance(e, AskStock)] == [False]
    state(desk, nxt=True)
    assert desk.core.rules.universe.get(CODE).nxt is True
    assert desk.core.rules.universe.name(CODE) == "삼성전자"


def test_m06_a_code_that_kis_does_not_know_is_refused_with_its_words():
    desk = desk_at_kis()
    desk.submit(code=NEW, price=BASE)
    desk.say(StockRead(NEW, None, "종목코드 오류입니다 [MCA05918]"))
    assert desk.order().state is OrderState.DENIED
    assert "종목코드 오류입니다" in desk.order().text
    desk.say(Woke(desk.now + MINUTE), desk.now + MINUTE)
    assert asked(desk) == [NEW], "a typing error is not asked for again and again"


def test_m06_what_kisnb_does_not_trade_is_not_bought_and_can_be_sold():
    desk = desk_at_kis((NEW, 10, 10_000))
    state(desk, NEW, base=1_000, limits=(700, 1_300), name="신주인수권", is_tradable=False)
    desk.submit("buy", code=NEW, price=1_000)
    assert "kisnb does not trade 신주인수권" in desk.order("buy").text
    desk.submit("sell", code=NEW, side=Side.SELL, price=1_000)
    assert [s.intent.key for s in desk.sends] == ["sell"]


def test_m06_liquidation_trading_has_no_limits_and_a_buy_needs_a_price():
    desk = desk_at_kis()
    state(desk, limits=None, liquidation=True)
    desk.submit("market", kind=OrderKind.MARKET, price=None)
    assert "삼성전자 has no upper limit price today" in desk.order("market").text
    desk.submit("limit", price=BASE * 3)
    assert [s.intent.key for s in desk.sends] == ["limit"]


def test_m06_a_halt_is_that_of_the_host_today():
    desk = desk_at_kis()
    state(desk, halted=True)
    desk.submit(price=BASE)
    assert "has halted trading" in desk.order().text
    desk.submit("later", price=BASE)
    assert "has halted trading" in desk.order("later").text
    desk.now += MINUTE
    desk.submit("anew", price=BASE)
    assert asked(desk) == [CODE], "an old halt is asked for again"
    state(desk)
    assert [s.intent.key for s in desk.sends] == ["anew"]


def test_m06_a_halt_of_long_ago_does_not_keep_anybody_in_a_position():
    held = desk_at_kis((CODE, 10, 10 * BASE))
    state(held, halted=True)
    held.submit("now", side=Side.SELL, price=BASE)
    assert "has halted trading" in held.order("now").text
    held.now += MINUTE
    held.submit("sell", side=Side.SELL, price=BASE)
    assert [s.intent.key for s in held.sends] == ["sell"]


def test_a05_a_flatten_sells_at_the_lower_limit_that_the_host_states():
    only = Capabilities((Venue.KRX,), (OrderKind.LIMIT,), can_order=True)
    opened = AccountOpened(NOON, RICH, ((CODE, 10, 10 * BASE),))
    desk = Desk([opened], can=only, universe=of_kis())
    state(desk)
    desk.say(Halt("enough", "halted", flatten=True))
    answer_orders(desk)
    assert [s.intent.price for s in desk.sends] == [LIMITS[0]]


def answer_orders(desk: Desk, *holdings: Holding) -> None:
    query = [e.query for e in desk.effects if isinstance(e, AskOrders)][-1]
    account = Account(RICH, RICH, RICH, RICH, holdings, complete=True)
    desk.say(OrdersRead(query, OrderPage((), complete=True), account))


def test_a06_a_holding_over_night_counts_at_the_base_that_the_host_states():
    desk = desk_at_kis((CODE, 10, 10 * BASE), max_day_loss=300)
    assert price_of() != BASE
    desk.say(tick(BASE - 1_000, desk.now + SECOND))
    assert desk.core.state.halt == "active", "nothing is known of the opening yet"
    state(desk)
    assert desk.core.state.halt == "active"
    desk.say(tick(BASE - 9_000, desk.now + SECOND))
    assert desk.core.state.halt == "reducing"
    assert "the day lost 90,000 won of 2,720,000 at stake (-3.31 %)" in desk.core.state.halt_reason


def test_a06_a_stock_without_a_stated_base_is_in_neither_sum_and_that_is_said_once():
    desk = desk_at_kis((CODE, 10, 10 * BASE), (NEW, 5, 5_000), max_day_loss=300)
    desk.say(StockRead(NEW, None, "KIS states no base price of 0099Z0"))
    state(desk)
    for fall in (1_000, 2_000):
        desk.say(tick(BASE - fall, desk.now + SECOND))
    assert desk.core.state.halt == "active"
    said = [text for text in troubles(desk) if "does not count 0099Z0" in text]
    assert len(said) == 1


def test_a06_a_stock_bought_today_that_no_list_has_never_counts_as_lost():
    desk = desk_at_kis(max_day_loss=300)
    desk.submit(code=NEW, price=BASE)
    state(desk, NEW, name="새회사", kind=Kind.STOCK)
    desk.sent()
    desk.say(msgspec.structs.replace(notice("filled", price=BASE), code=NEW))
    assert [type(r) for r in desk.rows if isinstance(r, Filled)] == [Filled]
    assert desk.core.state.halt == "active"


def test_a06_a_stock_from_the_phone_counts_at_the_price_of_the_balance():
    """Nothing but the balance states its price: its fills and its worth count together."""
    desk = desk_at_kis(max_day_loss=300)
    desk.say(LinkUp(desk.now))
    query = [e.query for e in desk.effects if isinstance(e, AskOrders)][-1]
    listed = msgspec.structs.replace(row(31, filled=10, leaves=0, value=10 * BASE), code=NEW)
    held = Holding(NEW, "새회사", 10, 10, 10 * BASE, BASE)
    cash = RICH - 10 * BASE
    account = Account(cash, cash, cash, cash, (held,), complete=True)
    desk.say(OrdersRead(query, OrderPage((listed,), complete=True), account))
    assert desk.core.state.books.account.position(NEW).qty == 10
    assert desk.core.state.halt == "active"
    assert asked(desk) == [NEW]


def test_a06_the_last_price_of_yesterday_is_not_the_price_of_today():
    """A split over night: the base falls to a fifth, and the old price says nothing."""
    desk = desk_at_kis((CODE, 10, 10 * BASE), max_day_loss=300)
    state(desk)
    desk.say(tick(BASE, desk.now + SECOND))
    desk.now = MONDAY
    state(desk, base=5 * BASE)
    assert desk.core.state.halt == "active"


def test_m06_a_sell_of_a_stock_that_no_list_has_is_not_judged_by_a_guessed_tick():
    desk = desk_at_kis((NEW, 10, 100_000))
    desk.submit("sell", code=NEW, side=Side.SELL, price=10_005)
    assert [s.intent.price for s in desk.sends] == [10_005]


def exits_at_kis(**parts: object) -> Desk:
    """A desk whose 10 shares have an exit, and to which KIS has stated this day's facts."""
    desk = desk_at_kis((CODE, 10, 10 * BASE))
    state(desk)
    desk.say(Protect(Protection("p", "", CODE, **(parts or {"stop": 100}))))  # type: ignore[arg-type]
    return desk


def open_the_day(desk: Desk, base: int, price: int, limits: tuple[int, int]) -> list[str]:
    """Let Monday begin: KIS states its facts, and a trade comes. Return the keys of all sends."""
    desk.now = MONDAY
    state(desk, base=base, limits=limits, price=base)
    desk.say(tick(price, MONDAY + SECOND))
    return [send.intent.key for send in desk.sends]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("parts", [{"stop": 100}, {"stop_price": 250_000}, {"trail": 300}])
def test_m06_a20_after_a_split_an_exit_sells_nothing_and_says_so(
    parts: dict[str, int], *, restarted: bool
):
    """One share became five. The first trade is below every stop of the day before."""
    desk = exits_at_kis(**parts)
    if restarted:
        desk = Desk(desk.rows, universe=of_kis())
        desk.keep(desk.core.start(desk.now))
    fifth = BASE // 5
    assert open_the_day(desk, fifth, fifth, (fifth * 7 // 10, fifth * 13 // 10)) == []
    (ended,) = [r for r in desk.rows if isinstance(r, ProtectionEnded)]
    assert "the base price is 54,400 today and was 272,000 on 2026-11-20" in ended.why
    assert any("has ended" in text and "set a new exit" in text for text in troubles(desk))


def test_m06_a20_an_exit_sells_after_a_night_in_which_the_price_fell_to_its_limit():
    desk = exits_at_kis()
    low = LIMITS[0]
    keys = open_the_day(desk, low, low, (low * 7 // 10, low * 13 // 10))
    assert len(keys) == 1
    assert keys[0].startswith("exit:")


def test_m06_a20_over_several_days_the_base_may_move_by_the_limits_of_each():
    desk = exits_at_kis()
    desk.now = MONDAY + DAY
    lowest = LIMITS[0] ** 2 // BASE + 1
    state(desk, base=lowest, limits=(1, 10**9))
    assert not [r for r in desk.rows if isinstance(r, ProtectionEnded)]
    desk.now += DAY
    state(desk, base=1, limits=(1, 10**9))
    assert not [r for r in desk.rows if isinstance(r, ProtectionEnded)], "limits of 1 to 10**9"
    other = exits_at_kis()
    other.now = MONDAY + DAY
    state(other, base=lowest - 1, limits=(1, 10**9))
    assert [r for r in other.rows if isinstance(r, ProtectionEnded)]


def test_m06_a20_a_trade_before_the_base_of_the_day_sells_nothing_and_the_next_one_does():
    desk = exits_at_kis()
    desk.now = MONDAY
    desk.say(Woke())
    desk.say(tick(LIMITS[0], MONDAY + 2 * SECOND))
    assert not desk.sends
    desk.say(StockRead(CODE, None, "KIS did not answer"))
    desk.say(tick(LIMITS[0], MONDAY + 4 * SECOND))
    assert len(desk.sends) == 1, "KIS states no base price, so the stop counts"
