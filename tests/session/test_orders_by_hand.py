"""Orders that are revised, lost on the way, or traded from the phone: what a person sees
and says."""

from __future__ import annotations

import pytest

from kisnb.errors import BadInput, OrderDenied, OrderUnknown
from kisnb.orders import OrderState
from kisnb.session.session import Session
from tests.session.opening import control, hide_orders, on_simulated_day, posts, traded

CODE = "005930"


def test_o06_r08_a_revised_order_lives_on_under_a_new_number_at_its_venue():
    async def work(session: Session) -> None:
        quote = await session.quote(CODE)
        order = await session.buy(CODE, 5, quote.price - 20 * quote.tick, venue="KRX")
        revised = await session.revise(order, quote.price - 19 * quote.tick)
        await session.settle()
        assert (revised.state, revised.leaves, revised.intent.supersedes) == (
            OrderState.ACCEPTED,
            5,
            order.key,
        )
        assert order.number is not None
        assert revised.number is not None
        assert revised.number > order.number
        assert order.is_ended
        assert order.leaves == 0
        await session.cancel(revised)
        assert revised.cancelled == 5

    traded(work)
    changes = [
        (p["params"]["RVSE_CNCL_DVSN_CD"], p["params"]["EXCG_ID_DVSN_CD"])
        for p in posts("order-rvsecncl")
    ]
    assert changes == [("01", "KRX"), ("02", "KRX")]


def test_o11_a_revision_that_is_run_again_is_shown_and_not_made_twice():
    async def work(session: Session) -> None:
        quote = await session.quote(CODE)
        price = quote.price - 19 * quote.tick
        order = await session.buy(CODE, 5, quote.price - 20 * quote.tick, venue="KRX")
        part = await session.revise(order, price, 2, key="part")
        rest = await session.revise(order, price, key="rest")
        assert (part.quantity, rest.quantity, order.leaves) == (2, 3, 0)
        assert await session.revise(order, price, key="rest") is rest
        assert await session.revise(order, price, 2, key="part") is part
        with pytest.raises(OrderDenied, match="belongs to"):
            await session.revise(order, price - quote.tick, key="rest")
        with pytest.raises(
            BadInput, match=rf"#{order.number} buy 5 .* nothing of it is left to revise"
        ):
            await session.revise(order, price)

    traded(work)
    assert len(posts("order-rvsecncl")) == 2


@on_simulated_day()
async def test_o02_the_fate_of_an_order_that_is_known_is_not_for_a_person_to_say(
    session: Session,
) -> None:
    quote = await session.quote(CODE)
    order = await session.buy(CODE, 5, quote.price - 20 * quote.tick, venue="KRX")
    with pytest.raises(BadInput, match=r"outcome of #\d+ buy 5 .* is known: it is accepted"):
        await session.resolve(None, order)
    assert order.is_open


def test_o02_a_reply_that_never_came_is_unknown_and_the_order_is_found_and_never_sent_again():
    async def work(session: Session) -> None:
        quote = await session.quote(CODE)
        control("fault", on="order", what="cut", done=True)
        hide_orders()
        with pytest.raises(OrderUnknown, match="not known"):
            await session.buy(CODE, 5, quote.price - 20 * quote.tick, venue="KRX")
        control("calm")
        (order,) = session.book.orders.values()
        await session.sleep(90)
        assert order.state is OrderState.ACCEPTED
        assert order.number is not None
        await session.cancel(order)

    traded(work)
    assert len(posts()) == 1


def test_o02_what_never_reached_kis_is_for_a_person_to_declare():
    async def work(session: Session) -> None:
        quote = await session.quote(CODE)
        control("fault", on="order", what="cut")
        with pytest.raises(OrderUnknown):
            await session.buy(CODE, 5, quote.price - 20 * quote.tick, venue="KRX")
        (order,) = session.book.orders.values()
        with pytest.raises(BadInput, match="can still come to light"):
            await session.resolve(None)
        with pytest.raises(BadInput, match="KIS lists no order like it"):
            await session.resolve(4711)
        await session.sleep(150)
        assert order.state is OrderState.UNKNOWN
        assert any("the outcome of buy 5" in trouble for trouble in session.troubles)
        assert await session.resolve(None) is order
        assert order.state is OrderState.REJECTED
        assert "never sent" in order.log[-1][1]
        with pytest.raises(BadInput, match="0 orders with unknown outcome"):
            await session.resolve(None)

    traded(work)
    assert len(posts()) == 1


@on_simulated_day()
async def test_o08_what_the_phone_trades_is_external_and_stays_alone(session: Session) -> None:
    quote = await session.quote(CODE)
    mine = await session.buy(CODE, 3, quote.price - 20 * quote.tick, venue="KRX")
    control("trade", code=CODE, side="buy", qty=7, price=quote.price - 15 * quote.tick)
    await session.sleep(130)
    (external,) = [o for o in session.book.orders.values() if o.key.startswith("external:")]
    assert (external.quantity, external.state) == (7, OrderState.ACCEPTED)
    await session.cancel(mine)
    assert external.is_open
    assert mine.state is OrderState.CANCELLED


@on_simulated_day()
async def test_n03_a_cancel_of_an_order_that_is_over_says_so_and_sends_nothing(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    price = (await session.quote(CODE)).lower
    order = await session.buy(CODE, 5, price, key="lunch")
    await session.cancel("lunch")
    assert "before" not in capsys.readouterr().out
    said = f"#{order.number} buy 5 {CODE} @ {price:,} was cancelled before; no cancel is sent"
    assert list(await session.cancel(order)) == [order]
    assert said in capsys.readouterr().out
    assert list(session.blocking.cancel("lunch")) == [order]
    assert said in capsys.readouterr().out
    assert len(posts("order-rvsecncl")) == 1
    with pytest.raises(BadInput, match=r"no order dinner.*the name that you gave it \(key=\)"):
        await session.cancel("dinner")
