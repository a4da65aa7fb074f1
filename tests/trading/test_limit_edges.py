"""The edges of the gate: what is just allowed, and what just not. Rows A05, N06."""

from __future__ import annotations

import msgspec

from kisnb.clock import MINUTE
from kisnb.events import AccountOpened, DriftFound, Event, ExternalFound, Filled
from kisnb.market.universe import Universe
from kisnb.orders import OrderState
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import EXTERNAL
from kisnb.trading.ports.commands import ReviseOrder
from kisnb.trading.ports.effects import Revise
from kisnb.trading.ports.limits import Limits
from kisnb.trading.ports.queries import ArmDesk
from tests.trading.desk import CODE, NOON, Desk, intent, notice, price_of, ref
from tests.trading.test_gate import OTHER, cost, denied, desk_with

PRICE = price_of()


def test_a05_a_buy_of_exactly_the_allowed_share_of_the_cash_passes():
    desk = desk_with(cost(10) * 10, max_cash_percent=10)
    desk.submit("a")
    assert len(desk.sends) == 1


def test_a05_an_order_that_fills_a_limit_exactly_passes_and_a_share_more_does_not():
    for limit in ("max_order_value", "max_stock_value", "max_agent_value", "max_account_value"):
        desk = desk_with(10**12, **{limit: 10 * PRICE})
        desk.submit("more", qty=11, agent="one")
        assert f"raise {limit}" in denied(desk, "more")
        desk.submit("just", agent="one")
        assert [s.intent.key for s in desk.sends] == ["just"], limit


def test_a05_what_is_on_order_counts_for_its_stock_alone_and_for_agent_and_account_in_every_stock():
    for limit, passes in (
        ("max_stock_value", True),
        ("max_agent_value", False),
        ("max_account_value", False),
    ):
        desk = desk_with(10**12, **{limit: 10 * PRICE})
        desk.submit("a", agent="one")
        desk.submit("b", code=OTHER, qty=1, price=price_of(OTHER), agent="one")
        assert (desk.order("b").state is OrderState.SENDING) is passes, limit


def test_a05_what_a_person_buys_by_hand_is_under_no_agent_s_limit():
    desk = desk_with(10**12, max_agent_value=1)
    desk.submit("a")
    assert len(desk.sends) == 1


def test_a05_a_halted_stock_takes_no_order():
    desk = desk_with(10**9, 10)
    halted = msgspec.structs.replace(desk.core.rules.universe.get(CODE), halted=True)
    desk.core.rules.days.universe = Universe([halted])
    for side in Side:
        desk.submit(side, side=side)
        why = denied(desk, side)
        assert why.startswith("the exchange has halted trading in ")
        assert why.endswith("; wait until the exchange lifts the halt")
    assert not desk.sends


def test_a05_a_revise_to_a_kind_that_the_connection_does_not_carry_is_denied():
    desk = desk_with(10**9)
    desk.submit("k")
    desk.sent("k")
    desk.say(notice("accepted"))
    desk.say(
        ReviseOrder(intent("k/2", kind=OrderKind.LIMIT_IOC, price=PRICE - 1000, supersedes="k"))
    )
    assert "takes no limit-ioc orders" in denied(desk, "k/2")
    assert not any(isinstance(e, Revise) for e in desk.effects)


def test_a05_a_venue_that_the_connection_does_not_serve_is_named_with_those_it_does():
    desk = desk_with(10**9)
    desk.submit("a", venue=Venue.NXT)
    assert "NXT takes no orders from this desk; leave the venue out, or name KRX" in denied(
        desk, "a"
    )


def bought(qty: int) -> list[Event]:
    """The rows of a buy from the phone that KIS's list has reported with its fill."""
    phone = intent("external:20261120:06010:7", agent=EXTERNAL, qty=qty)
    return [
        ExternalFound(NOON, phone, ref(7)),
        Filled(NOON, phone.key, qty, PRICE, 0, 0, Venue.KRX),
    ]


def test_a05_protection_may_sell_more_than_the_book_holds_only_while_that_holding_is_in_doubt():
    doubt = DriftFound(NOON, CODE, "holding", 4, 10)
    opened = AccountOpened(NOON, 10**9, ((CODE, 4, 4 * PRICE),))
    for rows, protective, passes in (
        ([opened, doubt], True, True),
        ([opened, doubt], False, False),
        ([opened, doubt, *bought(5)], True, True),
        ([opened, doubt, *bought(6)], True, False),
        ([opened], True, False),
        ([opened, msgspec.structs.replace(doubt, subject=OTHER)], True, False),
    ):
        desk = Desk(rows)
        desk.submit("s", side=Side.SELL, qty=11, protective=protective)
        assert bool(desk.sends) is passes, (rows, protective)


def test_n06_the_budget_may_be_spent_to_the_last_won_and_until_its_last_moment():
    until = NOON + MINUTE
    for left, at, passes in (
        (cost(10), until - 1, True),
        (cost(10) - 1, until - 1, False),
        (cost(10), until, False),
    ):
        desk = Desk([AccountOpened(NOON, 10**9, ())], Limits(needs_arming=True))
        desk.say(ArmDesk("", 1, left, until))
        desk.now = at - 1_000_000_000
        desk.submit("a")
        assert bool(desk.sends) is passes, (left, at)
