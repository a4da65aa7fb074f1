"""A desk tapes its day, and a session reads the tape. Row H12."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import kisnb
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.history.tape.frames import minute_frame, tick_frame
from kisnb.history.tape.reader import TapeFile, read_tape
from kisnb.market.universe import Universe
from kisnb.session.session import Session
from kisnb.simulator.day.replay import ReplayedDay
from kisnb.strategies.volume_trigger import VolumeTrigger
from kisnb.terms import Side, Venue
from kisnb.trading.ports.queries import TapeOf
from tests.session.opening import on_simulated_day, secrets, traded

CODE = "005930"


async def tape_of(session: Session) -> Path:
    """Today's tape, with all on it that the desk has published."""
    return Path((await session._parts.link.ask(TapeOf())).path)


@on_simulated_day()
async def test_h12_a_desk_tapes_the_trades_that_its_session_sees(session: Session) -> None:
    await session.watch(CODE)
    await session.until("10:10")
    path = await tape_of(session)
    ticks = tick_frame(path, [CODE], Venue.KRX)
    seen = session.ticks(CODE)
    assert ticks.height == seen.height > 10
    for column in ("price", "qty", "side", "volume"):
        assert ticks[column].to_list() == seen[column].to_list()
    assert ticks["t"].dt.epoch("us").to_list() == seen["t"].dt.epoch("us").to_list()
    bars = minute_frame(path, [CODE], Venue.KRX).head(-1)
    shown = session.heard_bars(CODE, "1m", Venue.KRX).head(bars.height)
    for column in ("open", "high", "low", "close", "volume"):
        assert bars[column].to_list() == shown[column].to_list()


@on_simulated_day()
async def test_h12_no_secret_of_the_customer_is_on_a_tape(session: Session) -> None:
    await session.watch(CODE)
    order = await session.buy(CODE, 10)
    await session.until("10:01")
    path = await tape_of(session)
    # The contents are packed, so the bytes of the file and what they hold are both walked.
    held = repr(list(TapeFile(path).batches(orders=True))) + path.read_bytes().decode("latin-1")
    assert order.key in held
    for secret in secrets():
        assert secret not in held


def test_h12_a_desk_writes_no_tape_when_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KISNB_TAPE", "off")

    async def work(session: Session) -> str:
        await session.watch(CODE)
        await session.until("10:01")
        return (await session._parts.link.ask(TapeOf())).path

    assert traded(work) == ""


def order_facts(book: Any) -> dict[str, tuple[Any, ...]]:
    """Every order with all that happened to it, and every position with its figures."""
    orders = {key: (o.intent, tuple(o.facts), o.state, o.filled) for key, o in book.orders.items()}
    positions = {
        code: (p.qty, p.cost, p.realised, p.realised_net, p.bought)
        for code, p in book.positions.items()
    }
    return orders | positions


async def seen_now(session: Session) -> dict[str, Any]:
    """What the session knows at this moment of its day, asked from KIS or folded from events."""
    await session.settle()
    return {
        "t": session.status.clock_text(),
        "quote": msgspec.structs.asdict(await session.quote(CODE, "KRX")),
        "depth": session.data.depths[CODE],
        "book": order_facts(session.book),
        "cash": session._parts.state.desk.cash,
        "bars": session.heard_bars(CODE, "1m", Venue.KRX),
        "ticks": session.ticks(CODE),
    }


@on_simulated_day(start="08:50")
async def test_h12_a_look_back_shows_what_the_session_saw_then(session: Session) -> None:
    await session.watch(CODE)
    seen = []
    for n, time in enumerate(("09:03:30", "09:07:10", "09:12")):
        await session.until(time)
        await session.buy(CODE, 3 + n)
        await session.until(f"{time[:5]}:50")
        seen.append(await seen_now(session))
    # A simulated moment holds all that is done in it, so the next order waits.
    await session.sleep(1)
    await session.sell(CODE, 5)
    await session.until("09:20")
    for then in seen:
        moment = await session.at(then["t"])
        assert moment.gap is None
        assert moment.depth(CODE, "KRX") == then["depth"]
        quote = msgspec.structs.asdict(moment.quote(CODE, "KRX"))
        asked = {name: then["quote"][name] for name in quote if name not in ("t", "received")}
        assert {name: quote[name] for name in asked} == asked
        assert moment.book is not None
        assert order_facts(moment.book) == then["book"]
        assert moment.cash == then["cash"]
        assert moment.bars(CODE).equals(then["bars"])
        assert moment.ticks(CODE).equals(then["ticks"])
    assert len(seen[2]["book"]) > len(seen[0]["book"])


@on_simulated_day(start="08:50")
async def test_h12_a_quote_is_folded_from_trades_alone(session: Session) -> None:
    await session.watch(CODE)
    await session.until("09:05")
    # Asked after the look back: the tape holds trades and no answer of KIS.
    quote = msgspec.structs.asdict((await session.at("09:05", CODE)).quote(CODE, "KRX"))
    asked = msgspec.structs.asdict(await session.quote(CODE, "KRX"))
    for name in ("price", "open", "high", "low", "volume", "value", "base", "upper", "lower"):
        assert quote[name] == asked[name], name
    assert (quote["tick"], quote["name"], quote["halted"]) == (
        asked["tick"],
        asked["name"],
        asked["halted"],
    )


@on_simulated_day()
async def test_h12_a_moment_that_no_tape_has_is_refused_with_the_cure(session: Session) -> None:
    await session.watch(CODE)
    await session.until("10:01")
    for when, words in (
        ("09:30", "begins at 10:00:00, which is after 09:30:00. Ask for a later moment"),
        ("10:30", "10:30:00 of 2026-11-20 has not come yet; it is 10:01:00"),
        ("2026-11-19 10:00", "there is no tape of 2026-11-19. Tapes stand of 2026-11-20"),
        ("2026-11-20x10:00", "is not a time of day|is not a date"),
    ):
        with pytest.raises(BadInput, match=f"(?i){words}"):
            await session.at(when)
    moment = await session.at("10:00:30", CODE)
    with pytest.raises(BadInput, match=r"no price of 000660 .* did not watch it"):
        moment.quote("000660")


@on_simulated_day()
async def test_h12_two_sessions_look_back_at_the_same_moment(session: Session) -> None:
    await session.watch(CODE)
    await session.buy(CODE, 1)
    await session.until("10:03")
    first, second = await session.at("10:02"), await session.at("10:02")
    assert first.quote(CODE) == second.quote(CODE)
    assert first.text == second.text
    assert first.codes == [CODE]


def test_h12_an_agent_wants_the_same_at_the_desk_and_on_the_tape_of_that_desk() -> None:
    def agent() -> VolumeTrigger:
        return VolumeTrigger(code=CODE, rise=0.001, trend=0.0005, surge=1.1, profit=0.002)

    async def work(session: Session) -> tuple[Path, list[tuple[int, str, Side, int]]]:
        await session.agents.start(agent())
        await session.until("11:00")
        await session.sleep(1)
        intents = [(o.t, o.code, o.side, o.quantity) for o in session.book.orders.values()]
        return await tape_of(session), intents

    path, intents = traded(work, start="09:00")
    assert len(intents) > 2
    assert {side for _, _, side, _ in intents} == {Side.BUY, Side.SELL}
    orders = kisnb.backtest(agent(), path).book.orders.values()
    assert [(o.t, o.code, o.side, o.quantity) for o in orders] == intents
    # The tape of a desk plays in the simulator too: the same trades of the same day.
    replay = ReplayedDay(path)
    played = replay.schedules(replay.universe(Universe.packaged()))[CODE].trades
    read = [e for e in read_tape(path, [CODE], trades_only=True) if isinstance(e, Tick)]
    assert sorted((t.venue, t.price, t.qty) for t in played) == sorted(
        (t.venue, t.price, t.qty) for t in read
    )
    assert len(played) > 1_000
