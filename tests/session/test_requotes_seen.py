"""Orders that nobody fills, requoted by the desk, against the simulator's record. Row A10."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import kisnb
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput
from kisnb.events import Requoted, Tick
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.verbs.orders import ORDERS, typed_order
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.session.typed_orders.typed_order import TypedOrder
from kisnb.terms import Mode, OrderKind, Side
from tests.desk.served import seen
from tests.session.agent_ledgers import agent_differences
from tests.session.opening import ledger, on_simulated_day, posts, traded

CODE = "005935"
"""Its levels hold some hundred shares, so that an order is larger than one of them."""
REVISES = "order-rvsecncl"


class Patient(kisnb.Agent):
    """Buys far below the market, and sells far above it, with a budget each."""

    code: str = CODE
    requote = kisnb.Requote(after=20, gap=200, cooldown=600)
    sells: int = 0

    def on_start(self) -> None:
        self.first: Order | None = None

    def on_tick(self, tick: Tick) -> None:
        if self.first is None and not self.sells:
            self.first = self.buy(5, tick.bid - 20 * 50)
        elif self.first is None and self.held() >= self.sells:
            self.first = self.sell(self.sells, tick.ask + 20 * 50)
        elif self.sells and not self.book.orders:
            self.buy(self.sells)


def steps(order: Order) -> list[Requoted]:
    return [fact for fact in order.facts if isinstance(fact, Requoted)]


async def until_sent(session: Session, agent: Patient) -> None:
    """Until the agent's order rests in the market."""
    while agent.first is None or agent.first.state is not OrderState.ACCEPTED:
        await session.sleep(1)


def wire() -> list[tuple[str, str, str]]:
    """Each order request on the wire: call, kind and quantity."""
    rows: list[tuple[str, str, str]] = []
    for line in posts("trading/order"):
        params: dict[str, Any] = line["params"]
        call = line["path"].rpartition("/")[2]
        change = {"01": "revise", "02": "cancel"}.get(params.get("RVSE_CNCL_DVSN_CD", ""), call)
        rows.append((change, params["ORD_DVSN"], params["ORD_QTY"]))
    return rows


@on_simulated_day()
async def test_a10_a_buy_that_rests_is_moved_to_the_best_ask_once_by_the_desk(
    session: Session,
) -> None:
    agent = Patient()
    await session.agents.start(agent)
    await session.until("10:03")
    await session.agents.stop(agent.id)
    first = agent.first
    assert first is not None
    (move,) = steps(first)
    assert move.step == "move"
    assert "to the best ask" in first.story
    moved = session.books.orders[move.by]
    assert (moved.state, agent.held()) == (OrderState.FILLED, 5)
    assert moved.sent_at - first.sent_at >= 20 * 10**9
    # One order and one revise of it: KIS never had these shares twice.
    assert [call for call, _, _ in wire()] == ["order-cash", "revise"]
    assert agent_differences(session, ledger()) == []


@on_simulated_day()
async def test_a10_a_person_s_limit_order_is_requoted_by_the_desk_too(session: Session) -> None:
    await session.watch(CODE)
    await session.until("10:01")
    low = session.data.prices[CODE] - 20 * 50
    first = await session.buy(CODE, 5, low, requote=True)
    await session.until("10:02")
    (move,) = steps(first)
    assert "to the best ask" in first.story
    moved = session.books.orders[move.by]
    assert moved.state is OrderState.FILLED
    assert moved.sent_at - first.sent_at >= 30 * 10**9
    # The same call again shows the order, also with another budget: nothing is sent twice.
    budgets = (kisnb.Requote(after=3_600), None)
    one, same = [await session.sell(CODE, 5, low + 3_000, key="out", requote=b) for b in budgets]
    assert one is same
    assert [call for call, _, _ in wire()] == ["order-cash", "revise", "order-cash"]
    for price, requote, why in [
        (None, True, "market order is not requoted"),
        (low, kisnb.Requote(after=0), "has a negative value"),
        (low, 30, "is no requote"),
    ]:
        with pytest.raises(BadInput, match=why):
            await session.buy(CODE, 1, price, requote=requote)  # type: ignore[arg-type]


def test_a10_the_command_gives_a_limit_order_the_usual_budget() -> None:
    def typed(line: str) -> TypedOrder:
        verb = next(v for v in ORDERS if v.name == "buy")
        return typed_order(Side.BUY, CODE, parse("buy", verb.usage, line.split(), line))

    assert typed("005930 10 71000 --requote").requote == kisnb.Requote()
    assert typed("005930 10 71000").requote is None
    # The wish is the same: a line that gets a budget later sends no second order.
    assert typed("005930 10 71000 --requote").wish == typed("005930 10 71000").wish
    with pytest.raises(BadInput, match="not requoted: it does not wait at a price"):
        typed("005930 10 --requote")


def test_a10_a_sell_larger_than_the_best_bid_ends_at_the_market_by_the_desk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KISNB_MAX_ORDER_VALUE", "1000000000")
    monkeypatch.setenv("KISNB_MAX_CASH_PERCENT", "100")

    async def work(session: Session) -> None:
        agent = Patient(sells=1000)
        await session.agents.start(agent)
        await session.until("10:08")
        await session.agents.stop(agent.id)
        first = agent.first
        assert first is not None
        assert agent.held() == 0
        sells = [o for o in agent.book.orders.values() if o.side is Side.SELL]
        words = [fact.step for order in sells for fact in steps(order)]
        assert words[:3] == ["move", "cancel", "last"]
        assert sells[-1].intent.kind is OrderKind.MARKET
        assert sum(order.filled for order in sells) == 1000
        assert [call for call, _, _ in wire()] == [
            "order-cash", "order-cash", "revise", "cancel", "order-cash",
        ]  # fmt: skip
        assert agent_differences(session, ledger()) == []

    traded(work)


@on_simulated_day()
async def test_a10_a_budget_goes_on_in_the_next_desk_when_its_desk_is_killed(
    session: Session,
) -> None:
    agent = Patient()
    view = await session.agents.start(agent)
    await until_sent(session, agent)
    first = agent.first
    assert first is not None
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    await seen(lambda: (now := find_desk(Mode.SIM)) is not None and now.pid != desk.pid)
    await session.until("10:03")
    await session.agents.stop(view.id)
    assert [fact.step for fact in steps(first)] == ["move"]
    assert agent.held() == 5
    assert [call for call, _, _ in wire()] == ["order-cash", "revise"]
    assert agent_differences(session, ledger()) == []


@on_simulated_day()
async def test_a10_in_a_halt_the_kill_switch_cancels_and_nothing_is_requoted(
    session: Session,
) -> None:
    agent = Patient()
    await session.agents.start(agent)
    await until_sent(session, agent)
    assert agent.first is not None
    await session.halt("a test")
    await session.until("10:03")
    assert agent.first.state is OrderState.CANCELLED
    assert [fact.step for fact in steps(agent.first)] in ([], ["end"])
    assert [call for call, _, _ in wire()] == ["order-cash", "cancel"]
