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
from kisnb.clock import MINUTE, kst
from kisnb.desk.address import find_desk
from kisnb.events import Bar
from kisnb.session.session import Session
from kisnb.terms import Mode, Venue
from tests.desk.served import seen
from tests.session.opening import DAY, on_simulated_day, recording

CODE = "005930"
KRX_ONLY = "0004V0"


LOOKS: list[tuple[str, Venue | None, str]] = [
    *((CODE, venue, "1m") for venue in (None, *Venue)),
    (CODE, None, "1h"),
    (CODE, None, "1d"),
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
    await first.watch(CODE, KRX_ONLY)
    for moment in ("09:29", "13:00", "20:05"):
        await first.until(moment)
        if moment == "13:00" and between is not None:
            await between(first)
        sessions.append(await kisnb.connect("sim"))
        await sessions[-1].watch(CODE, KRX_ONLY)
        # A look in the middle of the day must not change the look in the evening.
        await sessions[1].bars(CODE)
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
    whole = looks[0][CODE, None, "1m"]
    assert (f"{whole['t'][0]:%H:%M}", f"{whole['t'][-1]:%H:%M}") == ("08:00", "19:59")
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
