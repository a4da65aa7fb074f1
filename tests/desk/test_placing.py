"""Typed orders are placed by the desk itself, once, whoever asks and whatever dies (row O11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from kisnb.desk.record.journal import Journal, JournalLost
from kisnb.desk.record.journal_frame import journal_frame
from kisnb.desk.serve.client import DeskClient
from kisnb.errors import OrderDenied
from kisnb.events import AccountOpened, Event, HoldingAdopted, IntentTaken, OrderShown
from kisnb.orders import Intent, Naming, OrderRef, OrderState, Place, SendReply, Wish
from kisnb.terms import Side
from kisnb.trading.ports.queries import AdoptHolding, OrderRequest, PlaceOrders
from kisnb.trading.ports.replies import OrdersPlaced, PlaceAnswer, TextReply
from tests.desk.served import Served, seen, served
from tests.trading.desk import CODE, NOON, intent, notice, price_of, ref

X = Place("kernel 1", 1, "one.ipynb", "x", ("text of x",), "buy", "cell [1] of one.ipynb")


def request(
    run: int = 1,
    token: str = "",
    key: str = "",
    again: int = 0,
    **where: str,
) -> OrderRequest:
    """A buy as cell x asks for it in its ``run``-th run."""
    wanted = intent(key)
    wish = Wish(wanted.code, wanted.side, wanted.qty, wanted.kind, wanted.price)
    at = msgspec.structs.replace(X, run=run, **where)
    return OrderRequest(wanted, Naming(wish, at, again, key, token or f"{at.kernel}/{run}/{again}"))


@asynccontextmanager
async def attached(desk: Served) -> AsyncIterator[DeskClient]:
    client = DeskClient(desk.address)
    await client.attach()
    try:
        yield client
    finally:
        client.close()


async def placed(client: DeskClient, *requests: OrderRequest) -> tuple[PlaceAnswer, ...]:
    reply = await client.ask(PlaceOrders(requests))
    assert isinstance(reply, OrdersPlaced)
    return reply.answers


async def one(client: DeskClient, asked: OrderRequest) -> PlaceAnswer:
    (answer,) = await placed(client, asked)
    return answer


def drained(client: DeskClient) -> list[Event]:
    events: list[Event] = []
    while (batch := client.drain()) is not None:
        events += batch.events
    return events


def rows_of(desk: Served, kind: type) -> list[object]:
    return [row for row in desk.journal.rows() if isinstance(row, kind)]


def test_o11_an_order_is_sent_once_and_shown_to_the_next_run_of_its_cell(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            sent = await one(client, request())
            assert sent.outcome == "sent"
            key = sent.intent.key
            assert key.startswith("typed:")
            # The desk publishes an order before it answers who asked for it.
            taken = [e for e in drained(client) if isinstance(e, IntentTaken)]
            assert [row.intent.key for row in taken] == [key]
            shown = await one(client, request(run=2))
            assert (shown.outcome, shown.intent) == ("shown", sent.intent)
            assert shown.text == (
                "sent before, at 12:00:00 from cell [1] of one.ipynb; nothing new was sent; "
                "--again 1 (again=1) sends another"
            )
            await seen(lambda: desk.wire.submitted == [key])
            (row,) = rows_of(desk, OrderShown)
            assert isinstance(row, OrderShown)
            assert (row.key, row.place.run) == (key, 2)

    run(work, tmp_path)


def test_o11_a_desk_that_starts_again_answers_by_its_journal(tmp_path: Path):
    keys: list[str] = []

    async def before(desk: Served) -> None:
        async with attached(desk) as client:
            keys.append((await one(client, request())).intent.key)
            await one(client, request(run=2, texts=("corrected",)))  # type: ignore[arg-type]
            await seen(lambda: len(desk.wire.submitted) == 1)

    async def after(desk: Served) -> None:
        new = {"kernel": "kernel 2", "texts": ("corrected",)}
        async with attached(desk) as client:
            shown = await one(client, request(cell="new id", **new))  # type: ignore[arg-type]
            assert (shown.outcome, shown.intent.key) == ("shown", keys[0])
            new["texts"] = ("another cell",)
            other = await one(client, request(run=2, cell="y", **new))  # type: ignore[arg-type]
            assert other.outcome == "refused"
            assert desk.wire.submitted == []

    run(before, tmp_path)
    run(after, tmp_path)


@pytest.mark.parametrize("restarts", [False, True], ids=["same desk", "next desk"])
def test_o11_a_command_that_is_handed_over_twice_stays_one_order(tmp_path: Path, restarts: bool):
    sent, shown = request(token="t1"), request(run=2, token="t2")
    keys: list[str] = []

    async def before(desk: Served) -> None:
        async with attached(desk) as client:
            keys.append((await one(client, sent)).intent.key)
            keys.append((await one(client, shown)).intent.key)
            if not restarts:
                await after(desk)

    async def after(desk: Served) -> None:
        rows = len(rows_of(desk, OrderShown))
        async with attached(desk) as client:
            for asked in (sent, shown):
                again = await one(client, asked)
                assert (again.outcome, again.intent.key) == ("shown", keys[0])
            assert len(rows_of(desk, OrderShown)) == rows
            assert len(rows_of(desk, IntentTaken)) == 1

    run(before, tmp_path)
    assert keys[0] == keys[1]
    if restarts:
        run(after, tmp_path)


def test_o11_two_notebooks_in_one_second_get_what_they_would_get_one_after_the_other(
    tmp_path: Path,
):
    async def work(desk: Served) -> None:
        async with attached(desk) as first, attached(desk) as second:
            other = {"kernel": "kernel 2", "notebook": "two.ipynb"}
            answers = await asyncio.gather(one(first, request()), one(second, request(**other)))
            assert sorted(answer.outcome for answer in answers) == ["refused", "sent"]
            (refused,) = [answer for answer in answers if answer.outcome == "refused"]
            assert refused.text.startswith("another cell already sent ")
            assert "--again 1 (again=1)" in refused.cure
            await seen(lambda: len(desk.wire.submitted) == 1)
            assert (await one(second, request(run=2, again=1, **other))).outcome == "sent"

    run(work, tmp_path)


def test_o11_one_line_that_is_refused_keeps_the_whole_batch_from_being_sent(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            await one(client, request())
            rows = desk.journal.rows()
            new = request(cell="y", texts=("y",))  # type: ignore[arg-type]
            assert new.naming is not None
            wish = msgspec.structs.replace(new.naming.wish, qty=3)
            fine = msgspec.structs.replace(
                new,
                intent=msgspec.structs.replace(new.intent, qty=3),
                naming=msgspec.structs.replace(new.naming, wish=wish, token="fine"),
            )
            bad = request(run=2, cell="y", texts=("y",))  # type: ignore[arg-type]
            answers = await placed(client, fine, bad)
            assert [answer.outcome for answer in answers] == ["refused", "refused"]
            assert answers[0].text.startswith("nothing new was sent")
            assert not rows_of(desk, OrderShown)
            assert len(desk.journal.rows()) - len(rows) <= 3, "only what became of the first order"
            assert len(rows_of(desk, IntentTaken)) == 1

    run(work, tmp_path)


def test_o11_an_order_without_a_naming_keeps_its_key_and_is_sent_once(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            ticket = OrderRequest(intent("ticket:1"))
            assert (await one(client, ticket)).outcome == "sent"
            again = await one(client, ticket)
            assert (again.outcome, again.intent.key) == ("shown", "ticket:1")
            other = await one(client, OrderRequest(intent("ticket:1", qty=11)))
            assert other.outcome == "refused"
            assert "buy 10" in other.text
            assert "buy 11" in other.text
            assert desk.host.core.state.names.get("ticket:1") is None
            assert len(rows_of(desk, IntentTaken)) == 1

    run(work, tmp_path)


def test_o11_a_name_is_the_key_of_its_order_and_of_one_order_a_day(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            assert (await one(client, request(key="exit"))).intent.key == "exit@20261120"
            asked = request(key="exit", kernel="kernel 2", notebook="two.ipynb")
            elsewhere = await one(client, asked)
            assert (elsewhere.outcome, elsewhere.intent.key) == ("shown", "exit@20261120")
            assert elsewhere.text.endswith("another name (key=) sends another")

    run(work, tmp_path)


def test_o11_a_revise_is_placed_as_one_and_carries_its_naming(tmp_path: Path):
    async def work(desk: Served) -> None:
        async def revised(key: str, _ref: OrderRef, _qty: int, _price: int) -> SendReply:
            return SendReply(key, "sent", ref(9))

        desk.wire.revise = revised  # type: ignore[attr-defined]
        async with attached(desk) as client:
            old = (await one(client, request())).intent
            orders = desk.host.core.state.books.orders
            await seen(lambda: orders[old.key].state is OrderState.ACCEPTED)
            price = price_of() - 1_000
            moved = msgspec.structs.replace(old, key="", price=price, supersedes=old.key)
            wish = Wish(old.code, old.side, None, price=price, revises=old.key)
            at = msgspec.structs.replace(X, run=2, call="revise")
            asked = OrderRequest(moved, Naming(wish, at, token="t9"))
            answer = await one(client, asked)
            assert (answer.outcome, answer.intent.supersedes) == ("sent", old.key)
            await seen(lambda: orders[answer.intent.key].number == 9)
            named = desk.host.core.state.names.get(answer.intent.key)
            assert named is not None
            assert named.naming == asked.naming
            desk.host.receive([notice("revised", 9, original=1)])
            later = msgspec.structs.replace(at, run=3)
            again = OrderRequest(moved, Naming(wish, later, token="t10"))
            assert (await one(client, again)).outcome == "shown"

    run(work, tmp_path)


def test_o11_a_desk_that_cannot_write_answers_with_why_and_sends_nothing(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            desk.host.break_off(JournalLost("the journal cannot be written", "make room"))
            answer = await one(client, request())
            assert (answer.outcome, answer.text, answer.cure) == (
                "refused", "The journal cannot be written", "Make room",
            )  # fmt: skip
            assert desk.wire.submitted == []

    run(work, tmp_path)


def test_o11_an_adoption_that_was_typed_is_carried_out_once(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append([AccountOpened(NOON, 10**9, ((CODE, 20, 20 * price_of()),))])
    journal.close()

    def wish(at: int, qty: int = 5, again: int = 0, **where: str) -> AdoptHolding:
        place = msgspec.structs.replace(X, run=at, call="adopt", **where)
        naming = Naming(Wish(CODE, None, qty, agent="mom"), place, again, token=f"a{at}/{again}")
        return AdoptHolding("", "mom", CODE, qty, naming)

    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            held = desk.host.core.state.books.of("mom")
            assert isinstance(await client.ask(wish(1)), TextReply)
            shown = await client.ask(wish(2))
            assert isinstance(shown, TextReply)
            assert shown.text == (
                f"the adoption of 5 {CODE} by mom was carried out before, at 12:00:00 from "
                f"{X.where}; nothing more was adopted; --again 1 (again=1) adopts once more"
            )
            assert held.position(CODE).qty == 5
            with pytest.raises(OrderDenied, match=r"[Aa]nother cell already"):
                await client.ask(wish(3, cell="y", texts=("y",)))  # type: ignore[arg-type]
            with pytest.raises(OrderDenied, match="now it asks for the adoption of 6"):
                await client.ask(wish(4, 6))
            assert isinstance(await client.ask(wish(5, again=1)), TextReply)
            assert held.position(CODE).qty == 10
            assert len(rows_of(desk, HoldingAdopted)) == 2
            assert len(rows_of(desk, OrderShown)) == 1

    run(work, tmp_path)


def test_o11_where_an_order_was_shown_stands_in_the_exported_journal(tmp_path: Path):
    async def work(desk: Served) -> None:
        async with attached(desk) as client:
            key = (await one(client, request())).intent.key
            await one(client, request(run=2))
            frame = journal_frame(desk.journal.path)
            (row,) = frame.filter(frame["fact"] == "OrderShown").to_dicts()
            assert (row["key"], row["code"], row["side"]) == (key, CODE, str(Side.BUY))

    run(work, tmp_path)


def run(work: Callable[[Served], Awaitable[None]], folder: Path) -> None:
    async def whole() -> None:
        async with served(folder) as desk:
            await work(desk)

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_o11_an_intent_of_an_older_version_is_read_without_a_naming(tmp_path: Path):
    from kisnb.trading.ports.journal_rows import decode_row, encode_row

    old: Intent = intent("cell:abc:1")
    body = b'["IntentTaken",%d,%s]' % (NOON, msgspec.json.encode(msgspec.to_builtins(old)))
    row = decode_row(body)
    assert row == IntentTaken(NOON, old)
    assert decode_row(encode_row(row)) == row
    adopted = decode_row(b'["HoldingAdopted",%d,"a","mom","005930",[["",5,100,0]]]' % NOON)
    assert isinstance(adopted, HoldingAdopted)
    assert adopted.naming is None
