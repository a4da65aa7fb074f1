"""A look back at a past day, and at gaps of the tape. Row H12."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path

import pytest

from kisnb.clock import KST, SECOND, Ns, kst
from kisnb.desk.address import find_desk
from kisnb.desk.record.archive import open_journal
from kisnb.desk.record.desk_tape import DeskTape
from kisnb.desk.record.journal import Journal
from kisnb.desk.record.tape_worker import NO_RUN, TapeLimits
from kisnb.errors import BadInput
from kisnb.events import (
    Accepted,
    AccountOpened,
    Depth,
    Event,
    Filled,
    IntentTaken,
    LinkDown,
    LinkUp,
    Quote,
    SendStarted,
    Sent,
    StockDay,
    Tick,
)
from kisnb.history.tape.blocks import TapeLabel
from kisnb.history.tape.folder import tape_path
from kisnb.history.tape.reader import TapeFile, read_tape
from kisnb.history.tape.writer import Collector, TapeWriter
from kisnb.orders import OrderRef, OrderState, Route
from kisnb.session.moments.looking_back import read_moment
from kisnb.session.session import Session
from kisnb.simulator.serve.command import main
from kisnb.terms import Mode, OrderKind, Side, Venue
from kisnb.trading.ports.queries import TapeOf
from tests.desk.served import seen, served
from tests.session.opening import on_simulated_day, traded
from tests.trading.desk import CODE, NOON, intent

PAST = date(2026, 11, 18)
OPEN = kst(PAST, 9 * 3600)


def at(seconds: int) -> Ns:
    return OPEN + seconds * SECOND


def tick(seconds: int, price: int, volume: int, side: Side | None = Side.BUY) -> Tick:
    t = at(seconds)
    return Tick(t, CODE, Venue.KRX, price, 10, side, volume, price * volume, 0, 0, t)


def write_tape(folder: Path, batches: Sequence[tuple[Ns, Sequence[Event]]]) -> Path:
    folder.mkdir(exist_ok=True)
    writer = TapeWriter(tape_path(folder, PAST), TapeLabel("live", str(PAST)))
    collector = Collector()
    for moment, events in batches:
        collector.add(moment, events)
    block = collector.take()
    assert block is not None
    writer.write(block)
    writer.close()
    return writer.path


MARKET: list[tuple[Ns, list[Event]]] = [
    (at(0), [StockDay(at(0), CODE, 70_000, (49_000, 91_000), 70_000, False, False, 5_000)]),
    (at(0), [tick(0, 70_100, 10, None), tick(0, 70_200, 20)]),
    (at(30), [Depth(at(30), CODE, Venue.KRX, ((70_300, 5),), ((70_200, 7),), at(30))]),
    (at(60), [tick(60, 70_000, 30, Side.SELL)]),
    (at(90), [LinkDown(at(90), "the stream broke")]),
    (at(120), [LinkUp(at(120))]),
    (at(121), [tick(121, 70_900, 90)]),
]


def fill_journal(path: Path) -> None:
    """An order of the past day: filled with 4 at 09:00:40, and with 6 at 09:01:40."""
    journal = Journal(path)
    wanted = intent("k", price=70_300)
    ref = OrderRef(20261118, "06010", 7)
    route = Route(Venue.KRX, OrderKind.LIMIT, "session_default")
    journal.append([AccountOpened(at(1), 1_000_000, ())])
    journal.append([IntentTaken(at(10), wanted), SendStarted(at(10), "k", route)])
    journal.append([Sent(at(11), "k", ref), Accepted(at(12), "k", ref)])
    for seconds, qty in ((40, 4), (100, 6)):
        journal.append([Filled(at(seconds), "k", qty, 70_300, 10, 0, Venue.KRX, at(seconds))])
    journal.close()


def test_h12_a_past_day_shows_the_market_and_the_order_books_of_then(tmp_path: Path) -> None:
    fill_journal(tmp_path / "journal.sqlite")
    journal, _ = open_journal(tmp_path / "journal.sqlite", NOON)
    journal.close()
    write_tape(tmp_path / "tapes", MARKET)

    async def work() -> None:
        async with served(tmp_path) as desk:
            tape = DeskTape(
                *(tmp_path / "tapes", "live", NOON, TapeLimits(10**9, 30)),
                report=[].append,
                close_tapes=lambda _paths, _wait: None,
            )
            desk.server.feed.tape = tape
            session = await desk.session()
            early = await session.at("2026-11-18 09:00:35")
            assert early.gap is None
            assert early.book is not None
            order = early.book.orders["k"]
            assert (order.state, order.filled) == (OrderState.ACCEPTED, 0)
            assert early.cash == 1_000_000
            quote = early.quote(CODE)
            assert (quote.price, quote.open, quote.high, quote.low) == (
                70_200,
                70_100,
                70_200,
                70_100,
            )
            assert (quote.base, quote.lower, quote.upper) == (70_000, 49_000, 91_000)
            assert (quote.change, quote.listed_shares, quote.halted) == (200, 5_000, False)
            assert early.depth(CODE).bids == ((70_200, 7),)
            later = await session.at(datetime.combine(PAST, time(9, 1, 20), KST))
            assert later.book is not None
            assert later.book.position(CODE).qty == 4
            assert later.cash == 1_000_000 - 4 * 70_300 - 10
            assert later.quote(CODE).low == 70_000
            gone = await session.at("2026-11-18 09:01:45")
            assert gone.gap is not None
            assert (gone.gap.since, gone.gap.until) == (at(90), None)
            assert "in a gap: nothing was seen after 09:01:30: the stream broke" in gone.text
            assert gone.book is not None
            assert gone.book.position(CODE).qty == 10
            after = await session.at("2026-11-18 09:02:30")
            assert after.gap is not None
            assert after.gap.why == "the tape ends there"
            # 50 shares were traded that nobody saw, so nobody knows the day's high.
            lost = after.quote(CODE)
            assert (lost.price, lost.open, lost.high, lost.low) == (70_900, 70_100, None, None)
            with pytest.raises(BadInput, match=r"begins at 09:00:00, which is after 08:59:59"):
                await session.at("2026-11-18 08:59:59")
            with pytest.raises(
                BadInput, match=r"no tape of 2026-11-17\. Tapes stand of 2026-11-18"
            ):
                await session.at("2026-11-17 09:30")
            await session.close()
            tape.close(NOON)

    asyncio.run(asyncio.wait_for(work(), 60))


def test_h12_a_quote_that_was_asked_counts_until_the_next_trade(tmp_path: Path) -> None:
    asked = Quote(
        *(at(10), CODE, "", Venue.KRX, 70_500, 70_000, 70_100, 71_000, 69_000, 1_000, 70_000_000),
        *(91_000, 49_000, 100, False, 5_000, at(10)),
    )
    path = write_tape(tmp_path / "tapes", [(at(10), [asked]), (at(20), [tick(20, 71_200, 1_010)])])

    async def work(session: Session) -> None:
        first = (await session.at("09:00:15", tape=path)).quote(CODE, "KRX")
        assert (first.price, first.high, first.low, first.volume) == (70_500, 71_000, 69_000, 1_000)
        moment = await session.at("09:00:20", tape=path)
        second = moment.quote(CODE, "KRX")
        assert (second.price, second.open, second.high, second.low) == (
            *(71_200, 70_100, 71_200, 69_000),
        )
        assert (moment.book, moment.cash, moment.agents) == (None, None, {})

    traded(work)


def test_h12_a_tape_of_the_simulator_is_looked_into_without_its_day(tmp_path: Path) -> None:
    path = tmp_path / "day.tape"
    arguments = ["--seed", "3", "--date", "2026-11-17", "--start", "08:59:00", "--codes", CODE]
    assert main([*arguments, "--until", "09:05:00", "--record", str(path)]) == 0

    async def work(session: Session) -> None:
        moment = await session.at("09:03", tape=path)
        until_then = kst(date(2026, 11, 17), 9 * 3600 + 180)
        seen_by_then = list(read_tape(path, [CODE], last=until_then))
        newest = [e for e in seen_by_then if isinstance(e, Depth) and e.venue is Venue.KRX][-1]
        trades = [e for e in seen_by_then if isinstance(e, Tick) and e.venue is Venue.KRX]
        assert moment.depth(CODE, "KRX") == newest
        quote = moment.quote(CODE, "KRX")
        assert (quote.price, quote.volume) == (trades[-1].price, trades[-1].volume)
        assert quote.high == max(t.price for t in trades if t.t >= until_then - 180 * SECOND)
        bars = moment.bars(CODE)
        assert bars["volume"].sum() == sum(t.qty for t in trades if t.t < until_then)

    traded(work)


@on_simulated_day()
async def test_h12_a_desk_that_was_killed_leaves_a_tape_that_the_next_one_goes_on_with(
    session: Session,
) -> None:
    await session.watch(CODE)
    await session.until("10:02")
    path = Path((await session._parts.link.ask(TapeOf())).path)
    before = list(read_tape(path))
    address = find_desk(Mode.SIM)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    await seen(lambda: find_desk(Mode.SIM) not in (None, address))
    await seen(lambda: session.status.link == "up")
    await session.until("10:04")
    assert (await session._parts.link.ask(TapeOf())).path == str(path)
    after = list(read_tape(path))
    assert after[: len(before)] == before
    assert LinkDown(TapeFile(path).gaps()[0].since, NO_RUN) in after
    assert sum(isinstance(event, Tick) for event in after[len(before) :]) > 3
    assert (await session.at("10:03:30")).quote(CODE).price > 0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("09:31:05", kst(PAST, 9 * 3600 + 31 * 60 + 5)),
        ("9:31", kst(PAST, 9 * 3600 + 31 * 60)),
        ("2026-11-17 09:31", kst(date(2026, 11, 17), 9 * 3600 + 31 * 60)),
        ("2026-11-17T09:31:05", kst(date(2026, 11, 17), 9 * 3600 + 31 * 60 + 5)),
    ],
)
def test_h12_a_moment_is_read_as_a_person_writes_it(text: str, moment: Ns) -> None:
    assert read_moment(text, PAST) == moment


@pytest.mark.parametrize("text", ["25:00", "noon", "2026-13-01 09:00", "2026-11-17", ""])
def test_h12_what_is_no_moment_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(BadInput, match=r"09:31"):
        read_moment(text, PAST)
