"""N04, A20, O11: the order ticket: what it reads, what it says, and that one click is one order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import kisnb
from kisnb import Session
from kisnb.notebook.panels import ticket as ticket_module
from kisnb.notebook.panels.desk_panel import ticket_of
from kisnb.notebook.panels.ticket import OrderTicket
from kisnb.terms import Venue
from tests.waiting import carried_out, until


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Session, OrderTicket]]:
    async with await kisnb.connect("sim", seed=7, date="2026-11-20", start="10:00:00") as session:
        ticket = ticket_of(session)
        ticket.choose("005930")
        await session.sleep(30)
        ticket.choose("000660")
        ticket.choose("005930")
        yield session, ticket


def played(work: Callable[[Session, OrderTicket], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened() as (session, ticket):
            await work(session, ticket)

    asyncio.run(main())


def typed(ticket: OrderTicket, **fields: str) -> None:
    ticket.receive({"kind": "ticket", "set": fields})


def question(ticket: OrderTicket) -> list[str]:
    ticket.receive({"kind": "ticket", "review": True})
    asked = ticket.view()["question"]
    assert isinstance(asked, list)
    return asked


def result(ticket: OrderTicket) -> str:
    return str(ticket.view()["result"][1])  # type: ignore[index]


@pytest.mark.parametrize("search", ["005930", "삼성전자", "ㅅㅅㅈㅈ"])
def test_n04_a_stock_is_found_by_code_name_and_initials(search: str) -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, search=search)
        found: Any = ticket.view()["found"]
        assert found[0][:2] == ["005930", "삼성전자"]
        ticket.receive({"kind": "ticket", "choose": found[0][0]})
        assert (ticket.code, ticket.view()["found"]) == ("005930", [])
        # The price starts at the newest one.
        assert ticket.fields.price == f"{session.data.prices['005930']:,}"

    played(work)


def test_n04_o11_a_confirmed_question_is_one_order_however_often_it_is_clicked() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, quantity="10", price="70,000")
        identity, text = question(ticket)
        assert text == "buy 10 005930 삼성전자 at 70,000, where the router sends it"
        assert len(session.book.orders) == 0
        for _ in range(3):
            ticket.receive({"kind": "ticket", "confirm": identity})
        await carried_out(ticket._work)
        await session.sleep(2)
        (order,) = session.book.orders.values()
        assert (order.quantity, order.intent.price) == (10, 70_000)
        assert f"#{order.number} buy 10 005930 @ 70,000: {order.state}" in result(ticket)
        # The quantity of a sent order is gone, so that nothing is left to send once more.
        assert (ticket.fields.quantity, ticket.fields.price) == ("", "70,000")
        ticket.receive({"kind": "ticket", "review": True})
        assert ticket.view()["question"] is None
        # The same once more is asked again, and is another order.
        typed(ticket, quantity="10")
        again, _ = question(ticket)
        ticket.receive({"kind": "ticket", "confirm": again})
        await carried_out(ticket._work)
        await session.sleep(2)
        assert len(session.book.orders) == 2

    played(work)


def test_n04_a_question_is_gone_when_a_field_changes_or_it_stood_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticket_module, "QUESTION_SECONDS", 0.05)

    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, quantity="10", price="70,000")
        identity, _ = question(ticket)
        typed(ticket, quantity="100")
        ticket.receive({"kind": "ticket", "confirm": identity})
        assert ticket.view()["question"] is None
        identity, _ = question(ticket)
        await asyncio.sleep(0.2)
        ticket.receive({"kind": "ticket", "confirm": identity})
        await carried_out(ticket._work)
        await session.sleep(1)
        assert result(ticket).startswith("Not sent: the question stood too long")
        assert len(session.book.orders) == 0

    played(work)


def test_n04_won_become_the_shares_that_they_pay_with_the_fee() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, unit="won", quantity="1,000,000원", price="70,000")
        assert "buy 14 005930" in question(ticket)[1]
        typed(ticket, quantity="980,000")
        # 14 shares cost 980,000 won, and their fee 137 won more.
        assert "buy 13 005930" in question(ticket)[1]
        typed(ticket, quantity="60,000")
        assert str(ticket.view()["problem"]).startswith("60,000 won do not pay one share at 70,000")

    played(work)


def test_n04_the_arrows_step_by_a_tick_and_stop_at_the_limits() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        quote = await session.quote("005930")
        typed(ticket, price="70,000")
        for n, price in ((1, "70,100"), (-1, "70,000"), (-1, "69,900")):
            ticket.receive({"kind": "ticket", "step": n, "of": "price"})
            assert ticket.fields.price == price
        typed(ticket, price=str(quote.upper))
        ticket.receive({"kind": "ticket", "step": 1, "of": "price"})
        assert ticket.fields.price == f"{quote.upper:,}"

    played(work)


@pytest.mark.parametrize(
    ("name", "texts", "n"),
    [
        ("quantity", ["", "1", "2"], 1),
        ("quantity", ["8", "9", "10", "20"], 1),
        ("quantity", ["95주", "100", "200"], 1),
        ("quantity", ["1,100", "1,000", "900"], -1),
        ("quantity", ["100", "90"], -1),
        ("quantity", ["2", "1", "", ""], -1),
        ("stop", ["", "3%", "4%"], 1),
        ("stop", ["2.5%", "2%", "1%", "", ""], -1),
        ("take", ["", "5%"], 1),
        ("trail", ["", "2%"], 1),
        ("stop", ["near", "near"], 1),
        ("stop", ["70,000", "70,100"], 1),
    ],
)
def test_n04_the_mouse_alone_changes_quantity_and_exit(name: str, texts: list[str], n: int) -> None:
    async def work(_: Session, ticket: OrderTicket) -> None:
        typed(ticket, **{name: texts[0]})
        for text in texts[1:]:
            ticket.receive({"kind": "ticket", "step": n, "of": name})
            assert getattr(ticket.fields, name) == text

    played(work)


def test_n04_an_amount_in_won_steps_by_a_hundred_thousand() -> None:
    async def work(_: Session, ticket: OrderTicket) -> None:
        typed(ticket, unit="won")
        for n, text in ((1, "100,000"), (1, "200,000"), (-1, "100,000"), (-1, "")):
            ticket.receive({"kind": "ticket", "step": n, "of": "quantity"})
            assert ticket.fields.quantity == text

    played(work)


def test_n04_a_stock_is_chosen_by_mouse_alone_the_held_ones_first() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        await session.buy("035720", 1)
        await session.sleep(5)
        suggested: Any = ticket.view()["suggested"]
        codes = [code for code, _, _ in suggested]
        assert codes[0] == "035720"
        assert {"005930", "000660"} < set(codes)
        assert len(codes) == len(set(codes)) == ticket_module.FOUND

    played(work)


def test_n04_it_says_what_can_be_bought_and_sold_and_what_an_order_costs() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        cash = (await session.balance()).cash_d2
        typed(ticket, price="70,000")
        most = session.estimates.buyable("005930", 70_000)
        assert most is not None
        fee = session.estimates._rules.costs
        value = most * 70_000
        assert value + value * fee.krx // 10**9 <= cash < (most + 1) * 70_000 + 10**6
        assert ticket.view()["can"] == f"cash buys at most {most:,} shares"
        ticket.receive({"kind": "ticket", "most": True})
        assert ticket.fields.quantity == f"{most:,}"
        await session.buy("005930", 30)
        await session.sell("005930", 10, (await session.quote("005930")).upper)
        typed(ticket, side="sell", quantity="20", price="70,000")
        view = ticket.view()
        assert view["can"] == "20 shares can be sold"
        assert str(view["sum"]).startswith("20 × 70,000 = 1,400,000 won; fee ")
        assert "tax 2,800" in str(view["sum"])
        typed(ticket, quantity="21")
        warning, *_ = ticket.view()["warnings"]  # type: ignore[misc]
        assert warning.startswith("The desk would refuse it: 21 shares of 005930 are more than")

    played(work)


def test_n04_the_venues_are_compared_in_words_and_the_router_says_why() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, quantity="10", price="71,500")
        await until(lambda: bool(ticket.view()["what_if"]))
        view = ticket.view()
        rows: Any = view["what_if"]
        assert [row[0] for row in rows] == ["KRX", "NXT", "SOR"]
        assert all("won (slippage" in text for _, text, _ in rows)
        chosen = [venue for venue, _, is_chosen in rows if is_chosen]
        assert str(view["route"]).startswith(f"{chosen[0]}, because")
        # The costs stand in the lines below it.
        assert "cost" not in str(view["route"]).split("; the router compares")[0]
        typed(ticket, venue=str(Venue.NXT))
        assert ticket.view()["route"] == ""
        # The reply about the order before is not shown while this one is asked about.
        ticket._ask_venues()
        assert ticket.view()["route"] == ""
        await until(lambda: bool(ticket.view()["route"]))
        assert str(ticket.view()["route"]).startswith("NXT, because the order names it")

    played(work)


def test_n04_warnings_name_a_bad_price_and_an_order_that_is_there_already() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        await session.buy("005930", 10, 70_000)
        typed(ticket, quantity="10", price="70,000")
        assert "1 order of today with the same shares and price." in list(ticket.view()["warnings"])
        typed(ticket, price="72,000")
        last = session.data.prices["005930"]
        assert f"% above the last price {last:,}" in str(ticket.view()["warnings"])
        typed(ticket, price="70,050")
        (warning,) = ticket.view()["warnings"]  # type: ignore[misc]
        assert "70,050 is off the tick grid" in warning

    played(work)


def test_a20_n04_a_bracket_is_set_with_its_order_and_a_wrong_one_sends_nothing() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        typed(ticket, quantity="10", price="71,500", stop="3%", take="5%", trail="2%")
        identity, text = question(ticket)
        assert text.endswith("the exit of all that is held: stop -3 %, take +5 %, trail 2 %")
        ticket.receive({"kind": "ticket", "confirm": identity})
        await carried_out(ticket._work)
        await session.sleep(2)
        (exit_,) = session.exits.views()
        assert (exit_.quantity, exit_.conditions) == (10, "stop -3 %, take +5 %, trail 2 %")
        assert (ticket.fields.stop, ticket.fields.take, ticket.fields.trail) == ("", "", "")
        typed(ticket, quantity="10", stop="three")
        ticket.receive({"kind": "ticket", "review": True})
        assert ticket.view()["question"] is None
        assert "The stop 'three' is not a whole number" in result(ticket)
        assert len(session.book.orders) == 1

    played(work)


def test_n04_a_click_in_the_depth_fills_the_price_and_what_is_refused_is_said() -> None:
    async def work(session: Session, ticket: OrderTicket) -> None:
        revision = ticket.view()["revision"]
        ticket.take_price("000660", "183,000")
        assert (ticket.code, ticket.fields.price) == ("000660", "183,000")
        assert ticket.view()["revision"] != revision
        typed(ticket, quantity="1", price="1")
        identity, _ = question(ticket)
        ticket.receive({"kind": "ticket", "confirm": identity})
        await carried_out(ticket._work)
        await session.sleep(1)
        assert "1 is outside today's limits" in result(ticket)

    played(work)


def test_n04_a_page_cannot_set_what_no_field_has() -> None:
    async def work(_: Session, ticket: OrderTicket) -> None:
        before = ticket.fields
        typed(ticket, code="000660", side="both", kind="all", venue="NASDAQ", unit="lots")
        steps = {"step": 9, "of": "price"}, {"step": 1, "of": "code"}, {"step": 1}
        for content in (*steps, {"set": "x"}, {"confirm": "no such"}, {"choose": "nothing"}):
            ticket.receive({"kind": "ticket", **content})
        assert ticket.fields == before
        typed(ticket, search="<b>x</b>\u202e" * 20)
        assert len(ticket.fields.search) == 60

    played(work)
