"""``key=NAME`` is one order of each trading day, held or sold, in a session that lives on.

Row O11.
"""

from __future__ import annotations

from datetime import date, time

import msgspec
import pytest

from kisnb.clock import DAY, MINUTE, kst, kst_day
from kisnb.desk.record.archive import still_counting
from kisnb.errors import BadInput
from kisnb.events import AccountOpened, OrderReserved
from kisnb.orders import OrderState, Wish
from kisnb.session.typed_orders.named_orders import orders_named
from kisnb.terms import Side
from kisnb.trading.ports.commands import Submit
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import OrderRequest
from kisnb.trading.state import State
from kisnb.trading.typed_orders.order_names import has_name, key_of_name
from kisnb.trading.typed_orders.placing import place
from tests.trading.desk import NOON, Desk, intent, notice
from tests.trading.notebook_model import SCOPE, Buy
from tests.trading.test_placing import naming

TODAY = kst_day(NOON)
MONTHLY = Buy("005930", 10, key="monthly")


def monthly(desk: Desk, run: int, kernel: str = "kernel 1") -> tuple[str, str]:
    """Type the order under its name; gives how it was answered, and with which key."""
    named = naming(MONTHLY, run=run, kernel=kernel)
    (answer,) = place(desk.now, desk.core.state, SCOPE, [OrderRequest(intent(""), named)])
    if answer.outcome == "sent":
        desk.say(Submit(answer.intent, named))
    return answer.outcome, answer.intent.key


def filled(desk: Desk, key: str, number: int, side: Side = Side.BUY) -> None:
    desk.sent(key, number)
    desk.say(notice("accepted", number, side=side))
    desk.say(notice("filled", number, side=side))
    assert desk.order(key).state is OrderState.FILLED


@pytest.mark.parametrize("sold", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
def test_o11_a_name_is_a_new_order_on_the_next_day_whether_the_stock_is_held_or_sold(
    sold: bool, restarted: bool
):
    desk = Desk([AccountOpened(NOON, 10**9, ())])
    outcome, first = monthly(desk, 1)
    assert outcome == "sent"
    filled(desk, first, 1)
    assert monthly(desk, 2, "kernel 2") == ("shown", first)
    if sold:
        desk.submit("exit", side=Side.SELL)
        filled(desk, "exit", 2, Side.SELL)
    known: list[Row] = list(desk.rows)
    if restarted:
        desk = Desk(still_counting(desk.rows), Limits())
    desk.now = NOON + 3 * DAY
    begun = len(desk.rows)
    outcome, second = monthly(desk, 3)
    assert outcome == "sent"
    assert second != first
    assert monthly(desk, 4, "kernel 2") == ("shown", second)
    # A session that lived on knows both orders, and takes neither for the other.
    books = State.fold([*known, *desk.rows[begun:]]).books
    assert books.orders[first].state is OrderState.FILLED
    assert books.orders[second].state is OrderState.SENDING
    (newest,) = orders_named(books, "monthly")
    assert newest.key == second


def test_o11_a_name_is_part_of_its_key_with_whatever_letters():
    desk = Desk()
    for name in ("a@b", "a~2", "점심 @20261120", "20261120"):
        key = key_of_name(name, TODAY, 2)
        assert has_name(key, name)
        assert not has_name(key, f"{name}~2")
    assert not has_name("typed:abc:1", "typed:abc")
    with pytest.raises(BadInput, match="no order"):
        orders_named(desk.core.state.books, "monthly")


def test_o11_a_reserved_order_is_one_order_of_the_day_that_it_is_for():
    """Friday evening, Saturday and Monday morning ask for the same Monday."""
    friday = kst(date(2026, 11, 20), time(16))
    desk = Desk([AccountOpened(NOON, 10**9, ())])

    def asks(now: int, run: int) -> tuple[str, str]:
        order = intent("", day=20261123)
        wish = Wish("005930", Side.BUY, 10, order.kind, order.price, day=20261123)
        named = msgspec.structs.replace(naming(Buy("005930", 10), run=run), wish=wish)
        desk.now = now
        (found,) = place(now, desk.core.state, SCOPE, [OrderRequest(order, named)])
        if found.outcome == "sent":
            desk.say(Submit(found.intent, named))
        return found.outcome, found.intent.key

    outcome, key = asks(friday, 1)
    assert outcome == "sent"
    assert asks(friday + DAY, 2) == ("shown", key)
    desk = Desk(still_counting([*desk.rows, OrderReserved(friday, key, 3)]))
    assert asks(friday + 2 * DAY + 15 * 60 * MINUTE, 3) == ("shown", key)
    assert desk.order(key).state is OrderState.RESERVED
