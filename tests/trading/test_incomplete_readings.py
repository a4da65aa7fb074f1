"""What an incomplete reading of KIS proves, and the end of every wait for one. Row K16."""

from __future__ import annotations

from datetime import time

from kisnb.clock import MINUTE, SECOND, kst
from kisnb.events import LinkUp, ReadingsFailed, ReadingsGood, Trouble
from kisnb.orders import OrderPage, OrderState, SendReply
from kisnb.terms import Side
from kisnb.trading.orders.readings import FAILED
from kisnb.trading.ports.effects import AskOrders, OrdersRead, Woke
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import DAY, Desk, notice, price_of
from tests.trading.test_reconciliation import account
from tests.trading.test_resolver import row

P = price_of()
BAD = "row 2: the field sll_buy_dvsn_cd of inquire_daily_ccld is empty"
EMPTY = OrderPage((), complete=True)


def ask(desk: Desk) -> AskOrders:
    """Return the newest reading, which is begun when it is due."""
    desk.say(Woke(desk.now), desk.now + MINUTE)
    return [e for e in desk.effects if isinstance(e, AskOrders)][-1]


def part(desk: Desk, *rows: object, lacks: tuple[str, ...] = (BAD,)) -> None:
    """KIS's list comes with these rows, and with another one that cannot be read."""
    page = OrderPage(rows, complete=False, bad=lacks)  # type: ignore[arg-type]
    desk.say(OrdersRead(ask(desk).query, None, account(), page, lacks))


def fail(desk: Desk, *lacks: str) -> None:
    desk.say(OrdersRead(ask(desk).query, None, None, None, lacks or ("KIS did not answer",)))


def of(desk: Desk, kind: type) -> list:
    return [e for e in desk.published if isinstance(e, kind)]


def sent() -> Desk:
    """A desk that is connected and has sent an order, of which no notice came."""
    desk = Desk()
    desk.say(LinkUp(desk.now))
    desk.submit()
    desk.sent()
    return desk


def test_k16_the_good_rows_of_a_list_are_booked_and_the_bad_one_is_a_trouble_once():
    desk = sent()
    for _ in range(3):
        part(desk, row(filled=10, leaves=0, value=10 * P))
    assert (desk.order().state, desk.order().filled) == (OrderState.FILLED, 10)
    (trouble,) = of(desk, Trouble)
    assert BAD in trouble.text


def test_k16_an_order_that_the_list_shows_waiting_is_accepted():
    desk = sent()
    part(desk, row(filled=3, leaves=7, value=3 * P))
    assert (desk.order().state, desk.order().filled) == (OrderState.ACCEPTED, 3)


def test_k16_an_incomplete_list_ends_no_order_and_shows_external_ones():
    desk = sent()
    desk.say(notice("accepted"))
    part(desk, row(filled=0, leaves=0), row(number=99, qty=3, leaves=3))
    assert (desk.order().state, desk.order().leaves) == (OrderState.ACCEPTED, 10)
    assert list(desk.core.state.books.orders) == ["k", "external:20261120:06010:99"]


def test_k16_a_row_that_is_another_order_or_has_more_than_ours_is_not_booked():
    desk = sent()
    part(desk, row(qty=20, filled=20, leaves=0, value=20 * P))
    part(desk, row(side=Side.SELL, filled=10, leaves=0, value=10 * P))
    assert desk.order().filled == 0


def test_k16_a_fill_of_an_incomplete_list_is_not_booked_again_from_its_notice():
    desk = sent()
    part(desk, row(filled=4, leaves=6, value=4 * P))
    desk.say(notice("filled", qty=4))
    assert desk.order().filled == 4


def test_k16_five_failed_readings_in_a_row_are_told_and_cleared_by_a_good_one():
    desk = sent()
    for _ in range(FAILED - 1):
        fail(desk)
    assert (of(desk, ReadingsFailed), desk.core.readings.failed) == ([], None)
    fail(desk, "the field dnca_tot_amt of inquire_balance is missing")
    (failed,) = of(desk, ReadingsFailed)
    assert failed.text.startswith("5 readings of KIS's orders and account have failed since 12:0")
    assert failed.text.endswith("the field dnca_tot_amt of inquire_balance is missing")
    fail(desk)
    assert [f.count for f in of(desk, ReadingsFailed)] == [5, 6]
    desk.say(OrdersRead(ask(desk).query, EMPTY, account()))
    assert (len(of(desk, ReadingsGood)), desk.core.readings.failed) == (1, None)


def test_k16_four_failed_readings_with_a_good_one_between_are_not_told():
    desk = sent()
    for _ in range(3):
        for _ in range(FAILED - 1):
            fail(desk)
        desk.say(OrdersRead(ask(desk).query, EMPTY, account()))
    assert (of(desk, ReadingsFailed), of(desk, ReadingsGood)) == ([], [])


# the end of every wait


def test_k16_a_buy_does_not_wait_for_ever_for_an_account_that_stays_incomplete():
    desk = Desk(limits=Limits(needs_account=True))
    desk.say(LinkUp(desk.now))
    desk.submit()
    for n in range(FAILED + 1):
        assert n < FAILED or desk.order().state is OrderState.DENIED
        desk.say(OrdersRead(ask(desk).query, EMPTY, None, None, ("row 1: the field hldg_qty",)))
    assert "row 1: the field hldg_qty" in desk.order().text
    assert "order again" in desk.order().text
    assert not desk.sends


def test_k16_a_buy_is_sent_when_the_account_comes_in_time():
    desk = Desk(limits=Limits(needs_account=True))
    desk.say(LinkUp(desk.now))
    desk.submit()
    for _ in range(FAILED - 1):
        desk.say(OrdersRead(ask(desk).query, EMPTY, None))
    desk.say(OrdersRead(ask(desk).query, EMPTY, account()))
    assert desk.order().state is OrderState.SENDING


def test_k16_a_buy_that_waits_for_another_ones_fate_is_denied_with_the_cure():
    before = Desk()
    before.submit("s", code="000660", qty=1, price=price_of("000660"))
    before.say(SendReply("s", "unknown"))
    desk = Desk(before.rows, Limits(needs_account=True))
    desk.say(LinkUp(desk.now))
    desk.submit()
    for _ in range(FAILED + 1):
        desk.say(OrdersRead(ask(desk).query, EMPTY, account()))
    assert desk.order().state is OrderState.DENIED
    assert "%kis resolve" in desk.order().text


def test_k16_an_order_held_over_a_blackout_is_denied_when_kis_cannot_be_read_after_it():
    window = (12 * 3600, 12 * 3600 + 60)
    desk = Desk(limits=Limits(windows=(window,)))
    desk.say(LinkUp(desk.now))
    desk.submit()
    assert "blackout" in desk.order().text
    desk.say(Woke(kst(DAY, time(12, 1))), kst(DAY, time(12, 1)) + SECOND)
    for _ in range(FAILED + 1):
        fail(desk)
    assert desk.order().state is OrderState.DENIED
    assert "KIS did not answer" in desk.order().text


def test_k16_the_denial_of_a_buy_says_why_kis_does_not_state_the_account():
    desk = Desk(limits=Limits(needs_account=True))
    desk.say(LinkUp(desk.now))
    desk.submit()
    fail(desk, "the field prvs_rcdl_excc_amt of inquire_balance is missing")
    assert desk.order().state is OrderState.DENIED
    assert "prvs_rcdl_excc_amt" in desk.order().text
