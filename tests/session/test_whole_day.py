"""The day is always there: whoever attaches late gets it from 08:00. Rows H11 and K11."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from datetime import date, time
from itertools import pairwise

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kisnb
from kisnb.clock import MINUTE, SECOND, kst
from kisnb.desk.address import find_desk
from kisnb.errors import BadInput
from kisnb.events import Bar
from kisnb.session.bars.day_minutes import MinuteRange
from kisnb.session.bars.tape_minutes import TapeMinutes, whole_minutes
from kisnb.session.session import Session
from kisnb.terms import Mode, Venue
from tests.desk.served import seen
from tests.session.opening import DAY, control, on_simulated_day, recording

CODE = "005930"
KRX_ONLY = "0004V0"
QUIET = "247540"
"""The stock of both venues with the fewest trades: a day of it passes soonest."""


LOOKS: list[tuple[str, Venue | None, str]] = [
    *((QUIET, venue, "1m") for venue in (None, *Venue)),
    (QUIET, None, "1h"),
    (QUIET, None, "1d"),
    (KRX_ONLY, None, "5m"),
    (KRX_ONLY, Venue.NXT, "1m"),
]
"""Stock, venue and length of the bars that each of four notebooks looks at."""


def asked() -> int:
    """The calls for minutes of this day that reached the simulator."""
    paths = ("inquire-time-itemchartprice", "inquire-time-dailychartprice")
    return sum(
        line["kind"] == "request" and any(path in line["path"] for path in paths)
        for line in recording()
    )


async def killed_desk(session: Session) -> None:
    """The desk dies, and the session is attached to the next one."""
    desk = find_desk(Mode.SIM)
    assert desk is not None
    os.kill(desk.pid, signal.SIGKILL)
    await seen(lambda: session.status.link != "up")
    await seen(lambda: session.status.link == "up")


async def day_of_four(
    between: Callable[[Session], Coroutine[None, None, object]] | None = None,
) -> list[dict[tuple[str, Venue | None, str], pl.DataFrame]]:
    """Four notebooks attach at four moments. Each looks at the day in the evening."""
    first = await kisnb.connect("sim", seed=7, date=DAY, start="08:30")
    sessions = [first]
    await first.watch(QUIET, KRX_ONLY)
    for moment in ("09:29", "13:00", "20:05"):
        await first.until(moment)
        if moment == "13:00" and between is not None:
            await between(first)
        sessions.append(await kisnb.connect("sim"))
        await sessions[-1].watch(QUIET, KRX_ONLY)
        # A look in the middle of the day must not change the look in the evening.
        await sessions[1].bars(QUIET)
    looks = [
        {what: await session.bars(what[0], what[2], what[1]) for what in LOOKS}
        for session in sessions
    ]
    for session in sessions:
        await session.close()
    return looks


def assert_one_day(
    looks: list[dict[tuple[str, Venue | None, str], pl.DataFrame]],
) -> None:
    for one, other in pairwise(looks):
        for what, frame in one.items():
            assert_frame_equal(frame, other[what], check_exact=True)
    whole = looks[0][QUIET, None, "1m"]
    assert f"{whole['t'][0]:%H:%M}" == "08:00"
    assert f"{whole['t'][-1]:%H:%M}" > "19:45"
    assert whole["t"].is_unique().all()
    for frame in looks[0].values():
        assert frame.is_empty() == bool(kisnb.why_missing(frame))


@pytest.mark.parametrize("dies", [False, True], ids=["", "with a desk that died"])
def test_h11_a_day_looked_at_from_four_notebooks_that_attach_at_four_moments_is_the_same_day(
    dies: bool,
) -> None:
    looks = asyncio.run(day_of_four(killed_desk if dies else None))
    assert_one_day(looks)


@on_simulated_day(start="09:29:30")
async def test_h11_a_notebook_that_attaches_at_0929_has_the_day_from_0800_for_two_calls(
    session: Session,
) -> None:
    bars = await session.bars(CODE)
    assert f"{bars['t'][0]:%H:%M}" == "08:00"
    assert f"{bars['t'][-1]:%H:%M}" == "09:28"
    assert bars.schema == {
        "t": pl.Datetime("us", "Asia/Seoul"),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Int64),
    }
    # One for the minutes of both venues before 09:00, one for KRX's since.
    assert asked() == 2
    assert (await session.bars(CODE, "5m"))["volume"].sum() < bars["volume"].sum()
    assert session.blocking.bars(CODE).equals(bars)
    assert asked() == 2


@on_simulated_day(start="20:30")
async def test_h11_a_whole_day_costs_seven_calls_once(session: Session) -> None:
    before = asked()
    whole = await session.bars(CODE)
    assert asked() - before == 7
    asking = asked()
    assert (await session.bars(CODE)).equals(whole)
    assert asked() == asking


class Looking(kisnb.Agent):
    """Keeps the bars that it sees when it starts, and at each bar."""

    code = CODE
    every = "1m"

    def on_start(self) -> None:
        self.first = [(bar.t, bar.close, bar.volume) for bar in self.bars("1m", 1_000)]
        self.ends: list[list[tuple[int, int, int, int, int, int]]] = []
        self.closed: list[int] = []

    def on_bar(self, bar: Bar) -> None:
        self.closed.append(bar.t)
        self.ends.append(
            [(b.t, b.open, b.high, b.low, b.close, b.volume) for b in self.bars("1m", 1_000)]
        )
        self.fives = self.bars("5m", 1_000)


@on_simulated_day(start="09:28:40")
async def test_h11_an_agent_that_starts_late_has_the_bars_of_the_whole_day(
    session: Session,
) -> None:
    agent = Looking()
    await session.agents.start(agent)
    assert (session.agents[agent.id]) is agent
    first = {t: (close, volume) for t, close, volume in agent.first}
    shown = await session.bars(CODE)
    starts = shown["t"].dt.epoch("ns").to_list()
    assert [t for t in first if t not in starts] == [t for t, (_, v) in first.items() if not v]
    for t, close, volume in zip(starts, shown["close"], shown["volume"], strict=True):
        assert first[t] == (close, volume)
    await session.until("09:40")
    # ``on_bar`` gets each bar once, from the one in which the agent started.
    begun = kst(date(2026, 11, 20), time(9, 28))
    assert agent.closed == [begun + n * MINUTE for n in range(len(agent.closed))]
    assert len(agent.closed) >= 10
    # The minute in which it started is whole, and so are those after it.
    whole = {row[0]: row[1:] for row in _epochs(await session.bars(CODE)).iter_rows()}
    seen_last = {bar[0]: bar[1:] for bar in agent.ends[-1]}
    assert {t: bar for t, bar in seen_last.items() if bar[-1]} == {
        t: bar for t, bar in whole.items() if t <= max(seen_last)
    }
    assert len(agent.fives) > 15
    assert agent.fives[0].t == starts[0]


def _epochs(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("t").dt.epoch("ns"))


@on_simulated_day(start="08:00:10")
async def test_h11_an_empty_frame_says_why_in_print_and_to_code(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    async def why(code: str, every: str = "1m", venue: str | None = None) -> str:
        frame = await session.bars(code, every, venue)
        assert frame.is_empty()
        said = kisnb.why_missing(frame)
        assert capsys.readouterr().out == f"[SIM] {code}: {said}\n"
        return said

    assert await why(KRX_ONLY) == "The market has not opened yet; its first minute is 08:30:00."
    assert await why(CODE, venue="KRX") == "KRX has not opened yet; its first minute is 08:30:00."
    assert await why(KRX_ONLY, venue="NXT") == "Nextrade does not trade 0004V0. Ask for KRX."
    assert await why(CODE, "1h") == "The first bar of 1h closes at 09:00:00."
    assert "made of trades that this session hears" in await why(CODE, "20s")
    control("fault", on="read", what="error", times=100)
    await session.until("08:02")
    assert (await why(CODE)).startswith("KIS gave no minutes of 08:00:00 to 08:02:00: ")
    await session.simulator.calm()
    await session.until("08:31")
    assert await why(KRX_ONLY, "5m") == "The first bar of 5m closes at 08:35:00."
    assert await why(KRX_ONLY) == "0004V0 has not traded at the market today."
    whole = await session.bars(CODE)
    assert (len(whole) > 10, kisnb.why_missing(whole), capsys.readouterr().out) == (True, "", "")
    with pytest.raises(BadInput, match="Write it as 20s, 1m, 5m, 1h, 1d or 1w"):
        await session.bars(CODE, "1y")


@on_simulated_day(start="10:00")
async def test_h11_days_and_weeks_go_back_for_years_and_end_with_today(session: Session) -> None:
    days = await session.bars(CODE, "1d")
    assert f"{days['t'][0]:%Y-%m-%d}" == "2023-11-21"
    assert f"{days['t'][-1]:%Y-%m-%d %H:%M}" == f"{DAY} 00:00"
    quote = await session.quote(CODE, "KRX")
    assert days["close"][-1] == quote.price
    assert days["close"][-2] == quote.base
    weeks = await session.bars(CODE, "1w")
    assert weeks["t"].dt.weekday().unique().to_list() == [1]
    assert weeks["volume"][-3:].sum() == days.filter(pl.col("t") >= weeks["t"][-3])["volume"].sum()
    assert session.blocking.bars(CODE, "1d").equals(days)


@on_simulated_day(start="10:00")
async def test_h11_the_sources_before_kis_are_asked_first_and_kis_for_what_they_lack(
    session: Session,
) -> None:
    plain = await session.bars(CODE, venue="KRX")
    other = await kisnb.connect("sim")
    asking, asked_for = asked(), list[MinuteRange]()
    known = {row[0]: row[1:] for row in _epochs(plain).iter_rows()}
    half = kst(date(2026, 11, 20), time(9, 30))

    class Tape:
        """A tape that begins at half past nine."""

        async def minutes(
            self, _desk: object, _code: str, _venue: Venue, part: MinuteRange
        ) -> tuple[dict[int, tuple[int, ...]], list[MinuteRange]]:
            asked_for.append(part)
            found = {t: bar for t, bar in known.items() if max(half, part.first) <= t <= part.last}
            return found, [MinuteRange(max(half, part.first), part.last)]

    other._parts.day_bars.minutes.sources.append(Tape())
    assert (await other.bars(CODE, venue="KRX")).equals(plain)
    assert [(part.last - part.first) // MINUTE for part in asked_for] == [89]
    # KIS gives the hour before, in one page.
    assert asked() == asking + 1
    await other.close()


@on_simulated_day(start="09:00")
async def test_h11_a_late_notebook_takes_what_the_desk_taped_and_asks_kis_for_the_rest(
    session: Session,
) -> None:
    await session.until("09:20")
    await session.watch(CODE)
    # A trade of the minute that runs shows that the one before it is whole.
    await session.until("10:30:40")
    late = await kisnb.connect("sim")
    asking = asked()
    taped = await late.bars(CODE, venue="KRX")
    # One page for the time before the first notebook watched the stock.
    assert asked() == asking + 1
    blocked = await kisnb.connect("sim")
    blocked._parts.day_bars.minutes.sources.clear()
    from_kis = blocked.blocking.bars(CODE, venue="KRX")
    assert_frame_equal(taped, from_kis)
    assert f"{taped['t'][0]:%H:%M}" == "08:30"
    assert f"{taped['t'][-1]:%H:%M}" == "10:29"
    other = await kisnb.connect("sim")
    asking = asked()
    assert_frame_equal(other.blocking.bars(CODE, venue="KRX"), taped)
    assert asked() == asking + 1
    for opened in (late, blocked, other):
        await opened.close()


@on_simulated_day(start="09:00")
async def test_h11_a_hole_of_the_tape_comes_from_kis(session: Session) -> None:
    first = await kisnb.connect("sim")
    await first.watch(CODE)
    await session.until("09:30")
    # The desk follows a stock for as long as a session watches it.
    await first.close()
    await session.until("09:50")
    await session.watch(CODE)
    await session.until("10:10")
    late = await kisnb.connect("sim")
    taped, whole = await TapeMinutes(late._parts.past).minutes(
        late._parts.link, CODE, Venue.KRX, MinuteRange(nine(0), nine(69))
    )
    starts = {t for known in whole for t in range(known.first, known.last + 1, MINUTE)}
    assert starts.isdisjoint(range(nine(30), nine(51), MINUTE))
    assert starts >= {*range(nine(2), nine(28), MINUTE), *range(nine(52), nine(68), MINUTE)}
    bars = await late.bars(CODE, venue="KRX")
    by_start = {row[0]: row[1:] for row in _epochs(bars).iter_rows()}
    assert {t: by_start[t] for t in taped} == dict(taped)
    plain = await kisnb.connect("sim")
    plain._parts.day_bars.minutes.sources.clear()
    assert_frame_equal(bars, await plain.bars(CODE, venue="KRX"))
    await plain.close()
    await late.close()


def nine(minute: int) -> int:
    """A minute after nine of the simulated day, UTC nanoseconds."""
    return kst(date(2026, 11, 20), time(9)) + minute * MINUTE


def test_h11_a_minute_of_a_tape_counts_between_two_trades_that_no_missing_trade_parts() -> None:
    def whole(*trades: tuple[int, int, int]) -> list[tuple[int, int]]:
        """Trades: seconds after nine, shares, the day's shares. Ranges: minutes after nine."""
        frame = pl.DataFrame(
            [(nine(0) + second * SECOND, qty, volume) for second, qty, volume in trades],
            schema={"t": pl.Int64, "qty": pl.Int64, "volume": pl.Int64},
            orient="row",
        ).with_columns(pl.col("t").cast(pl.Datetime("ns", "UTC")))
        found = whole_minutes(frame, MinuteRange(nine(0), nine(9)))
        return [((a - nine(0)) // MINUTE, (b - nine(0)) // MINUTE) for a, b in found]

    assert whole() == []
    # The minutes of the first and of the last trade are in part.
    assert whole((70, 5, 105), (200, 5, 110)) == [(2, 2)]
    assert whole((70, 5, 105), (130, 5, 110)) == []
    # Nothing was before the first trade of a day.
    assert whole((70, 5, 5), (200, 5, 10)) == [(0, 2)]
    # Five shares are missing in minute 4.
    assert whole((10, 5, 105), (200, 5, 110), (290, 5, 120), (420, 5, 125)) == [(1, 2), (5, 6)]
    # Trades around the part of the day show that its ends are whole.
    assert whole((-30, 5, 105), (900, 5, 110)) == [(0, 9)]


class Daily(kisnb.Agent):
    code = "005930"

    def on_start(self) -> None:
        self.seen = [(bar.t, bar.close) for bar in self.bars("1d", 300)]


@on_simulated_day()
async def test_h11_an_agent_sees_a_year_of_daily_bars_before_this_day(session: Session) -> None:
    view = await session.agents.start(Daily())
    seen = session.agents[view.id].seen  # type: ignore[attr-defined]
    rows = (await session.history.daily("005930", "2025-06-02")).filter(pl.col("whole"))
    assert len(seen) > 245
    assert [close for _, close in seen] == rows["close"].to_list()[-len(seen) :]
    assert seen[-1][0] < session.now
