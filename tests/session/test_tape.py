"""A desk tapes its day, and a session reads the tape. Row H12."""

from __future__ import annotations

from pathlib import Path

import pytest

from kisnb.history.tape.frames import minute_frame, tick_frame
from kisnb.history.tape.reader import TapeFile
from kisnb.session.session import Session
from kisnb.terms import Venue
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
    shown = session.bars(CODE, "1m").head(bars.height)
    for column in ("open", "high", "low", "close", "volume", "count"):
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
