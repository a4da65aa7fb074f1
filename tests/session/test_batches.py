"""Orders in lists: from a person and from an agent to the desk, and one at a time from there to
KIS. Row O10."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.errors import BadInput, OrderDenied
from kisnb.events import Filled
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from tests.session.opening import control, posts, recording, traded

CODE, OTHER = "005930", "000660"


class Ladder(kisnb.Agent):
    """Lays five buys under the market from one handler, the last one off the tick grid."""

    code = CODE
    base: int = 0

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.mine: list[Order] = []
        self.heard: list[str] = []

    def on_start(self) -> None:
        self.mine = [self.buy(n, self.base - n * 100) for n in (1, 2, 3, 4)] + [
            self.buy(5, self.base - 1)
        ]

    def on_order(self, order: Order, fact: object) -> None:
        if not isinstance(fact, Filled):
            self.heard.append(f"{order.quantity} {type(fact).__name__}")


def orders_at_kis() -> list[tuple[str, int]]:
    return [(p["params"]["PDNO"], int(p["params"]["ORD_QTY"])) for p in posts()]


def most_at_once() -> int:
    """Order POSTs of which the simulator had the request, and had not sent the reply."""
    waiting: set[int] = set()
    most = 0
    for line in recording():
        if line["kind"] == "request" and "order-cash" in line["path"]:
            waiting.add(line["n"])
        elif line["kind"] == "reply":
            waiting.discard(line["n"])
        most = max(most, len(waiting))
    return most


def test_o10_a_batch_says_what_became_of_each_order_and_one_refusal_stops_no_other():
    async def work(session: Session) -> list[OrderState]:
        quote = await session.quote(CODE)
        control("halt", code=OTHER)
        low = quote.price - 20 * quote.tick
        batch = await session.batch(
            [("buy", CODE, 3, low), ("buy", CODE, 1, low + 1),
             ("buy", OTHER, 2, (await session.quote(OTHER)).price),
             ("buy", CODE, 4, low - quote.tick), ("buy", CODE, 2)],
            key="rebalance",
        )  # fmt: skip
        states = [o.state for o in batch.orders.values()]
        assert batch.frame()["state"].to_list()[:4] == [
            "accepted",
            "denied",
            "rejected",
            "accepted",
        ]
        assert "tick grid" in batch.frame()["text"][1]
        assert batch.frame()["number"].is_null().to_list() == [False, True, True, False, False]
        again = await session.batch(
            [("buy", CODE, 3, low), ("buy", CODE, 1, low + 1),
             ("buy", OTHER, 2, (await session.quote(OTHER)).price),
             ("buy", CODE, 4, low - quote.tick), ("buy", CODE, 2)],
            key="rebalance",
        )  # fmt: skip
        # What was denied or rejected is tried again in the same kernel; what lives is shown.
        lives = [o for o in batch.orders.values() if not o.is_dead]
        assert [o for o in again.orders.values() if not o.is_dead] == lives
        assert [o.state for o in again.orders.values()] == states
        with pytest.raises(OrderDenied, match="belongs to"):
            await session.batch([("buy", CODE, 99, low)], key="rebalance")
        return states

    states = traded(work)
    assert states[4] in (OrderState.ACCEPTED, OrderState.FILLED)
    assert orders_at_kis() == [(CODE, 3), (OTHER, 2), (CODE, 4), (CODE, 2), (OTHER, 2)]
    assert most_at_once() == 1


def test_o10_a_line_that_cannot_be_read_keeps_the_whole_batch_at_home():
    async def work(session: Session) -> None:
        good = ("buy", CODE, 1)
        for bad, why in (
            (("byu", CODE, 1), "not a valid side"),
            (("buy", CODE), "not an order of a batch"),
            (("buy", CODE, 0), "1 share"),
        ):
            with pytest.raises(BadInput, match=why):
                await session.batch([good, bad])  # type: ignore[list-item]

    traded(work)
    assert posts() == []


def test_o10_an_agent_s_orders_of_one_handler_go_in_one_list_and_each_has_its_own_end():
    async def work(session: Session) -> None:
        base = (await session.quote(CODE)).price
        agent = Ladder(base=base - base % 100 - 2_000)
        await session.agents.start(agent)
        await session.settle()
        assert [o.state for o in agent.mine] == [OrderState.ACCEPTED] * 4 + [OrderState.DENIED]
        assert [h for h in agent.heard if "Denied" in h] == ["5 Denied"]
        assert sum("Accepted" in h for h in agent.heard) == 4

    traded(work)
    assert orders_at_kis() == [(CODE, n) for n in (1, 2, 3, 4)]
    assert most_at_once() == 1
