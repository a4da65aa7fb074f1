"""N03: what a refusal or an order tells a person to do can be done: it is not refused in
its turn."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kisnb.clock import MINUTE, kst
from kisnb.events import Cancelled
from kisnb.kis.error_codes import explain
from kisnb.kis.modes import HOST_RULES
from kisnb.market import order_rules, ticks
from kisnb.market.routing.router import Routed
from kisnb.market.universe import Universe
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.verbs.table import find
from kisnb.notebook.commands.words import split
from kisnb.orders import Intent, OrderRef, OrderState, Route
from kisnb.orders import Order as Live
from kisnb.session.typed_orders.named_orders import check_movable
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.gate.risk import Gate, Rules
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.order_books.order_words import next_step
from kisnb.trading.orders.revise import may_be_revised, why_not_revised
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State
from tests.trading.followed_cures import Order, Refusal, chance, followed, refused, waits

UNIVERSE = Universe.packaged()
DAYS = (date(2026, 9, 11), date(2026, 11, 20), date(2026, 11, 21))
"""Before the reform of 2026-09-14, after it, and a Saturday."""
CODES = ("005930", "069500", next(i.code for i in UNIVERSE if not i.nxt and i.kind == "stock"))
MOST_STEPS = 3
GATES = {
    mode: Gate(Rules(UNIVERSE, rules.capabilities(can_order=True)), Limits(max_order_value=10**12))
    for mode, rules in HOST_RULES.items()
}
moments = st.builds(
    lambda day, minute: kst(day, 0) + minute * MINUTE,
    st.sampled_from(DAYS),
    st.integers(7 * 60, 20 * 60 + 30),
)
prices = (
    st.none()
    | st.sampled_from([1, 2_000, 69_999, 70_000, 70_050, 71_000, 92_301, 999_999])
    | st.integers(1, 10**6)
)
orders = st.builds(
    Order,
    st.sampled_from(CODES),
    st.sampled_from(Side),
    prices,
    st.sampled_from(["", *Venue]),
    st.sampled_from(["", *OrderKind]),
    prices,
)
NOON = kst(DAYS[1], 12 * 3600)


@given(st.sampled_from(Mode), moments, orders)
@settings(max_examples=300, deadline=None)
@example(Mode.SIM, NOON, Order("005930", price=999_999))
@example(Mode.PAPER, kst(DAYS[1], 16 * 3600 + 1800), Order("005930", price=70_000))
@example(
    Mode.SIM,
    kst(DAYS[1], 8 * 3600 + 2400),
    Order(CODES[2], price=70_000, venue="NXT", kind="best-own"),
)
@example(Mode.SIM, NOON, Order("005930", kind="market", price=70_000, stop=70_000))
def test_n03_each_cure_leads_to_an_order_that_is_sent_within_three_steps(
    mode: Mode, now: int, order: Order
):
    gate = GATES[mode]
    paths: list[list[Order]] = [[order]]
    while paths:
        path = paths.pop()
        refusal = refused(gate, now, path[-1])
        if refusal is None or _ends(gate, now, path[-1], refusal):
            continue
        for better in followed(path[-1], refusal):
            trail = "; ".join(f"{step.line}: {refused(gate, now, step)}" for step in path)
            assert better not in path, f"in a circle: {trail}"
            # A price that a kind needs, the day's limits, and the venue are three subjects.
            assert len(path) <= MOST_STEPS, f"too many steps: {trail}"
            paths.append([*path, better])


def _ends(gate: Gate, now: int, order: Order, refusal: Refusal) -> bool:
    """Whether a refusal says to wait, truly; every other one must name what to type instead."""
    if (there := chance(now, order, refusal.cure)) is not None:
        later, waited = there
        assert later > now
        assert isinstance(gate.rules.preview(later, waited.intent, ()), Routed), (
            f"{waited.line}: {refusal}"
        )
    if not waits(refusal.cure):
        assert list(followed(order, refusal)), f"nobody can do this: {refusal}"
    return waits(refusal.cure)


@given(st.sampled_from(Mode), moments, orders)
@settings(max_examples=300, deadline=None)
def test_n03_a_cure_names_no_kind_and_no_venue_that_takes_nothing_now(
    mode: Mode, now: int, order: Order
):
    refusal = refused(GATES[mode], now, order)
    if (
        refusal is None
        or waits(refusal.cure)
        or refusal.cure.startswith(("name the kind", "give it with"))
    ):
        return
    rules, item = GATES[mode].rules, UNIVERSE.get(order.code)
    for better in followed(order, refusal):
        if better.kind and better.kind != order.kind and rules.kinds_now(now, order.code):
            assert better.kind in rules.kinds_now(now, order.code), refusal
        if better.venue and better.venue != order.venue:
            assert order_rules.kinds(now, Venue(better.venue), item), refusal


@given(st.integers(1, 3_000_000), st.sampled_from(Side), st.sampled_from(CODES))
def test_n03_no_cure_names_a_price_beyond_the_limits_of_the_day(price: int, side: Side, code: str):
    item = UNIVERSE.get(code)
    lower, upper = ticks.limits(item.base, item.kind, DAYS[1], item.board)
    refusal = refused(GATES[Mode.SIM], NOON, Order(code, side, price))
    if refusal is not None:
        named = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", refusal.cure)]
        assert named
        assert all(lower <= number <= upper for number in named), refusal
        if not lower <= price <= upper:
            assert refusal.cure == f"stay within {lower:,} to {upper:,}"


def live_order(state: OrderState, kind: OrderKind, venue: Venue, agent: str) -> Live:
    """An order in a state, as its facts would have left it."""
    price = 70_000 if kind.priced else None
    order = Live(
        Intent(
            "k", agent, "005930", Side.BUY, 10, kind, price, stop=70_000 if "stop" in kind else None
        )
    )
    order.state = state
    if state is OrderState.RESERVED:
        # An external order is never reserved here.
        order.intent = msgspec.structs.replace(order.intent, day=20261123, agent="")
        order.reserved_as = 3
    elif state not in (OrderState.NEW, OrderState.DENIED, OrderState.SENDING, OrderState.UNKNOWN):
        order.ref = OrderRef(20261120, "06010", 7, venue)
        order.route = Route(venue, kind, "venue_given")
    if state is OrderState.REJECTED:
        order.msg_cd = "APBK0918"
    if state is OrderState.CANCELLED:
        order.cancelled = 10
        order.facts.append(Cancelled(NOON, "k", 10))
    return order


def books_of(order: Live) -> OrderBooks:
    books = OrderBooks()
    books.orders[order.key] = order
    if order.is_open:
        books.live[order.key] = order
    return books


@given(
    st.sampled_from(OrderState),
    st.sampled_from(OrderKind),
    moments,
    st.sampled_from([Venue.KRX, Venue.NXT]),
    st.sampled_from(["", EXTERNAL]),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
@example(OrderState.ACCEPTED, OrderKind.MARKET, kst(DAYS[1], 8 * 3600 + 3000), Venue.KRX, "", False)
@example(OrderState.ACCEPTED, OrderKind.LIMIT, NOON, Venue.KRX, "", False)
@example(OrderState.ACCEPTED, OrderKind.LIMIT, NOON, Venue.KRX, EXTERNAL, False)
@example(OrderState.ACCEPTED, OrderKind.LIMIT, NOON, Venue.KRX, "", True)
@example(OrderState.ACCEPTED, OrderKind.STOP_LIMIT, NOON, Venue.KRX, "", False)
def test_n03_every_command_that_an_order_names_would_be_taken(
    state: OrderState, kind: OrderKind, now: int, venue: Venue, agent: str, cancelling: bool
):
    order = live_order(state, kind, venue, agent)
    order.cancel_asked = cancelling and order.is_open
    books, item, gate = books_of(order), UNIVERSE.get("005930"), GATES[Mode.SIM]
    hint = next_step(order, movable=may_be_revised(now, books, order, item))
    for command in re.findall(r"%kis [^;,]*?(?= or %kis|[;,.]|$)", hint):
        line = (
            command.removeprefix("%kis ")
            .replace("PRICE", "70,100")
            .replace("NUMBER|never", "never")
        )
        name, *words = split(line)
        verb = find(name)
        typed = parse(verb.name, verb.usage, words, line)
        if name == "why":
            assert explain(typed.text(0))
        elif name == "resolve":
            assert order.state is OrderState.UNKNOWN
        else:
            named = "R3" if order.state is OrderState.RESERVED else str(order.number)
            assert typed.text(0) == named
            assert order.state in (OrderState.ACCEPTED, OrderState.RESERVED)
            assert (order.cancel_asked, order.intent.agent) == (False, "")
        if name == "revise":
            check_movable(order)
            moved = msgspec.structs.replace(
                order.intent, key="r", price=typed.number(1), supersedes="k"
            )
            assert why_not_revised(now, books, moved, item) is None
            assert gate.check(now, moved, State()) is None


def test_n03_an_order_that_can_be_revised_says_so():
    """The other side: the hint is not simply left out."""
    order = live_order(OrderState.ACCEPTED, OrderKind.LIMIT, Venue.KRX, "")
    assert may_be_revised(NOON, books_of(order), order, UNIVERSE.get("005930"))
    assert next_step(order, movable=True).endswith("%kis revise 7 PRICE or %kis cancel 7")
    assert next_step(order).endswith("wait on KRX; %kis cancel 7")


@pytest.mark.parametrize(
    "kind", [k for k in OrderKind if not k.priced or k is OrderKind.STOP_LIMIT]
)
def test_n03_a_kind_without_a_price_of_its_own_is_not_revised_and_the_cure_is_to_order_anew(
    kind: OrderKind,
):
    order = live_order(OrderState.ACCEPTED, kind, Venue.KRX, "")
    with pytest.raises(
        Exception,
        match=r"cannot be revised\. Cancel it with %kis cancel 7, and place a new order\.",
    ):
        check_movable(order)
    moved = msgspec.structs.replace(order.intent, key="r", price=70_100, supersedes="k")
    refusal = GATES[Mode.SIM].check(NOON, moved, State())
    assert refusal is not None
    assert refusal.cure == "cancel it and place a new order"
