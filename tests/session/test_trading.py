"""A session trades a simulated day through the real KIS protocol, in lockstep."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput, OrderDenied, OrderRejected, UnknownInstrument
from kisnb.orders import OrderState
from kisnb.session.session import Session
from kisnb.strategies.volume_trigger import VolumeTrigger
from kisnb.terms import Mode
from tests.session.opening import (
    control,
    on_simulated_day,
    posts,
    recording,
    recording_path,
    secrets,
    traded,
)


@on_simulated_day()
async def test_look_trade_and_balance_agree(session: Session) -> None:
    quote = await session.quote("005930")
    depth = await session.depth("005930")
    assert depth.bids[0][0] < depth.asks[0][0]
    assert quote.lower < quote.price < quote.upper
    order = await session.buy("005930", 10)
    await session.settle()
    assert order.state is OrderState.FILLED
    account = await session.balance()
    (held,) = account.holdings
    assert (held.code, held.qty) == ("005930", 10)
    assert held.cost == sum(f.qty * f.price for f in order.fills)
    assert session.book.position("005930").qty == 10


def test_h05_time_stands_between_awaits_and_stops_exactly_at_until():
    async def work(session: Session) -> list[str]:
        seen = [session.status.clock_text()]
        await asyncio.sleep(0.3)
        seen.append(session.status.clock_text())
        await session.until("10:05")
        seen.append(session.status.clock_text())
        await session.sleep(7)
        seen.append(session.status.clock_text())
        return seen

    assert traded(work) == ["10:00:00", "10:00:00", "10:05:00", "10:05:07"]


@on_simulated_day()
async def test_watched_stocks_stream_into_frames(session: Session) -> None:
    await session.watch("005930")
    await session.until("10:10")
    ticks = session.ticks("005930")
    assert ticks.height > 10
    assert ticks["t"].is_sorted()
    assert (ticks["volume"].diff().drop_nulls() == ticks["qty"][1:]).all()
    bars = await session.bars("005930", "1m")
    assert bars.columns == ["t", "open", "high", "low", "close", "volume"]
    assert bars["t"].max().strftime("%H:%M") <= "10:09"
    assert "005930" in session.data.depths


@on_simulated_day()
async def test_o03_kis_refuses_and_no_position_moves(session: Session) -> None:
    quote = await session.quote("005930")
    control("halt", code="005930")
    with pytest.raises(OrderRejected, match="거래정지") as caught:
        await session.buy("005930", 2, quote.price, venue="KRX")
    assert caught.value.msg_cd == "APBK0918"
    (order,) = session.book.orders.values()
    assert order.state is OrderState.REJECTED
    assert session.book.positions == {}
    assert (await session.balance()).holdings == ()


def test_denied_orders_reach_nobody():
    async def work(session: Session) -> None:
        quote = await session.quote("005930")
        with pytest.raises(OrderDenied, match="tick grid"):
            await session.buy("005930", 1, quote.price + 1)
        with pytest.raises(OrderDenied, match="limits"):
            await session.buy("005930", 1, quote.upper + quote.tick * 10)
        with pytest.raises(BadInput, match="at least 1 share"):
            await session.buy("005930", 0)
        with pytest.raises(UnknownInstrument):
            await session.buy("123456", 1)

    traded(work)
    assert posts() == []


def test_a_closed_session_denies_with_its_hours():
    async def work(session: Session) -> None:
        await session.until("close")
        await session.sleep(60)
        with pytest.raises(OrderDenied, match="takes no market orders"):
            await session.buy("005930", 1)

    traded(work, start="15:29")
    assert posts() == []


def test_a_resting_order_is_cancelled_and_ends():
    async def work(session: Session) -> None:
        quote = await session.quote("005930")
        order = await session.buy("005930", 5, quote.price - 20 * quote.tick)
        assert order.state is OrderState.ACCEPTED
        (cancelled,) = await session.cancel("all")
        assert cancelled is order
        assert (order.state, order.cancelled, order.leaves) == (OrderState.CANCELLED, 5, 0)
        assert await session.cancel(order) == [order]

    traded(work)
    assert len(posts("order-rvsecncl")) == 1


@on_simulated_day(start="15:10")
async def test_an_open_order_expires_after_the_close(session: Session) -> None:
    quote = await session.quote("005930")
    order = await session.buy("005930", 5, quote.lower)
    await session.until("15:31")
    assert order.state is OrderState.EXPIRED


def test_o11_the_same_key_is_one_order_across_sessions():
    async def work(session: Session) -> tuple[str, int | None]:
        order = await session.buy("005930", 3, key="cell:x:1")
        again = await session.buy("005930", 3, key="cell:x:1")
        assert again is order
        with pytest.raises(OrderDenied, match=r"belongs to #1 buy 3 005930 market.*asks for buy 4"):
            await session.buy("005930", 4, key="cell:x:1")
        return order.key, order.number

    assert traded(work) == traded(work)
    assert len(posts()) == 1


@on_simulated_day()
async def test_two_sessions_see_one_desk(first: Session) -> None:
    second = await kisnb.connect("sim")
    order = await first.buy("005930", 2)
    await second.settle()
    assert [o.number for o in second.book.orders.values()] == [order.number]
    await asyncio.gather(first.until("10:01"), second.until("10:01"))
    assert first.status.clock_text() == second.status.clock_text() == "10:01:00"
    await second.close()


def test_o01_kill_9_of_the_desk_loses_nothing_and_sends_nothing_twice():
    async def work(session: Session) -> None:
        order = await session.buy("005930", 2, key="ticket:a")
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        again = await kisnb.connect("sim")
        assert [(o.key, o.number, o.state) for o in again.book.orders.values()] == [
            (order.key, order.number, order.state)
        ]
        assert again.book.position("005930").qty == 2
        assert (await again.buy("005930", 2, key="ticket:a")).number == order.number
        await again.until("10:01")
        await again.close()

    traded(work)
    assert len(posts()) == 1


def agents_day(session: Session):
    async def work() -> list[tuple[int, str, str, int]]:
        await session.agents.start(
            VolumeTrigger(code="005930", rise=0.001, trend=0.0005, surge=1.1, profit=0.002)
        )
        await session.until("close")
        # The channels that change with the session are on their way just then.
        await session.sleep(1)
        return [(o.t, o.code, str(o.side), o.quantity) for o in session.book.orders.values()]

    return work()


def test_a01_the_agent_wants_the_same_in_the_simulator_and_in_the_back_tester():
    intents = traded(agents_day, start="14:00")
    result = kisnb.backtest(
        VolumeTrigger(code="005930", rise=0.001, trend=0.0005, surge=1.1, profit=0.002),
        recording_path(),
    )
    assert len(intents) > 4
    assert {side for _, _, side, _ in intents} == {"buy", "sell"}
    orders = result.book.orders.values()
    assert [(o.t, o.code, str(o.side), o.quantity) for o in orders] == intents


def test_h05_the_same_seed_and_the_same_doings_give_the_same_record(state, monkeypatch, tmp_path):
    async def work(session: Session) -> list[dict[str, object]]:
        await agents_day(session)
        return recording()

    first = traded(work, start="14:00")
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "other"))
    try:
        other = traded(work, start="14:00")
    finally:
        main(["desk", "stop"])
    assert len(first) > 500
    assert first == other


def test_n11_no_secret_in_the_record_or_the_log(state):
    async def work(session: Session) -> str:
        await session.buy("005930", 1)
        await session.balance()
        return (
            repr(session) + repr(session.book) + str([o.log for o in session.book.orders.values()])
        )

    shown = traded(work)
    texts = [shown, recording_path().read_text("utf-8")]
    texts += [p.read_text("utf-8", "replace") for p in state.rglob("*.log")]
    for secret in secrets():
        assert secret
        assert not any(secret in text for text in texts)


def test_h05_the_own_trade_of_a_stock_that_is_first_traded_is_always_seen(monkeypatch, tmp_path):
    """However soon the first session comes: the second opens while its new desk reads the
    account."""

    async def work(session: Session) -> list[str]:
        for code in ("005930", "000660", "035420", "005380"):
            order = await session.buy(code, 1)
            assert session.ticks(code)["price"].to_list() == [f.price for f in order.fills]
        return [text for order in session.book.orders.values() for _, text in order.log]

    first = traded(work)
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "other"))
    try:
        assert traded(work) == first
    finally:
        main(["desk", "stop"])
