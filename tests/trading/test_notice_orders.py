"""Every way in which the notices of an order can come, and one end.

Row O04, invariants 2, 3 and 7.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest

from kisnb.clock import SECOND
from kisnb.events import DriftFound, LinkUp, Notice
from kisnb.orders import OrderRow, OrderState, SendReply
from kisnb.trading.ports.commands import CancelOrder
from kisnb.trading.state import State
from tests.trading.desk import NOON, Desk, notice, price_of
from tests.trading.test_resolver import answer, row

P = price_of()
WAYS = ("in time", "before the reply", "three times", "never", "minutes late")


class Story(NamedTuple):
    """What happened at the exchange, what was told of it, and what KIS lists."""

    told: tuple[Notice, ...]
    listed: OrderRow
    end: OrderState
    filled: int
    cancelled: int = 0


def fill(qty: int, price: int) -> Notice:
    return notice("filled", qty=qty, price=price)


STORIES = {
    "filled in two": Story(
        (notice("accepted"), fill(4, P), fill(6, P + 100)),
        row(filled=10, leaves=0, value=10 * P + 600), OrderState.FILLED, 10,
    ),
    "two fills just alike": Story(
        (notice("accepted"), fill(5, P), fill(5, P)), row(filled=10, leaves=0, value=10 * P),
        OrderState.FILLED, 10
    ),
    "filled in part": Story(
        (notice("accepted"), fill(4, P)), row(filled=4, leaves=6, value=4 * P),
        OrderState.ACCEPTED, 4
    ),
    "a fill and the cancel of the rest": Story(
        (notice("accepted"), fill(3, P), notice("cancelled", 8, qty=7, original=7)),
        row(filled=3, leaves=0, cancelled=7, value=3 * P), OrderState.CANCELLED, 3, 7,
    ),
    "refused by the exchange": Story((notice("refused"),), row(leaves=0, rejected=10),
        OrderState.REJECTED, 0),
}  # fmt: skip


def tell(desk: Desk, story: Story, ways: tuple[str, ...], now: str) -> None:
    for told, way in zip(story.told, ways, strict=True):
        if way == now or (now == "in time" and way == "three times"):
            for _ in range(3 if way == "three times" else 1):
                desk.say(told)


def read(desk: Desk, story: Story) -> None:
    desk.say(LinkUp(desk.now))
    answer(desk, [story.listed])


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", STORIES)
def test_o04_whatever_way_each_notice_comes_the_order_ends_as_it_did_at_kis(
    name: str, backwards: bool
):
    story = STORIES[name]
    if backwards:
        story = story._replace(told=story.told[::-1])
    for ways in product(WAYS, repeat=len(story.told)):
        desk = Desk()
        desk.submit()
        tell(desk, story, ways, "before the reply")
        desk.sent()
        if story.cancelled:
            desk.say(CancelOrder("k"))
        tell(desk, story, ways, "in time")
        read(desk, story)
        desk.now += 240 * SECOND
        tell(desk, story, ways, "minutes late")
        read(desk, story)
        order, state = desk.order(), desk.core.state
        assert (order.state, order.filled, order.cancelled) == (
            story.end,
            story.filled,
            story.cancelled,
        ), ways
        assert sum(f.qty * f.price for f in order.fills) == story.listed.value, ways
        assert order.quantity == order.filled + order.cancelled + order.leaves == 10
        assert state.books.account.position(order.code).qty == story.filled
        assert state.flow == -story.listed.value - sum(f.fee for f in order.fills)
        assert sum(f.fee for f in order.fills) == story.listed.value * 140_527 // 10**9
        assert (state.early, state.drifts) == ({}, {}), ways
        assert len(desk.sends) == 1
        again = State.fold(desk.rows).books.orders["k"]
        assert (again.state, again.filled, again.cancelled) == (
            order.state,
            order.filled,
            order.cancelled,
        )


def test_o04_a_lost_fill_is_shown_as_a_difference_and_one_that_came_is_none():
    for way, shown in (("never", [(0, 4)]), ("in time", []), ("before the reply", [])):
        desk = Desk()
        story = STORIES["filled in part"]
        desk.submit()
        tell(desk, story, ("in time", way), "before the reply")
        desk.say(SendReply("k", "sent", story.listed.ref), NOON + 2 * SECOND)
        tell(desk, story, ("in time", way), "in time")
        read(desk, story)
        assert [(e.ours, e.theirs) for e in desk.published if isinstance(e, DriftFound)] == shown
