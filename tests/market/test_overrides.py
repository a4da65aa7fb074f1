"""M02: what a local file says about days, contradictions included.

And the comparison with exchange_calendars.
"""

import asyncio
import warnings
from collections.abc import Iterator
from datetime import date, time, timedelta
from pathlib import Path

import pytest

import kisnb
from kisnb.clock import kst
from kisnb.config import Config
from kisnb.desk.life.launch import start_desk
from kisnb.desk.life.simulator_process import SimulatedDay, StartingSimulator
from kisnb.errors import ConfigError, KisnbError, OrderRefused
from kisnb.market import calendar, sessions
from kisnb.market.calendar import Overrides, read_overrides
from kisnb.paths import state_dir
from kisnb.session.session import Session
from kisnb.terms import Mode, Phase, SessionId, Venue
from tests.session.opening import traded

TUESDAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def taken_back() -> Iterator[None]:
    yield
    calendar.use(Overrides())


def written(folder: Path, text: str) -> Overrides:
    (folder / calendar.OVERRIDES).write_text(text, encoding="utf-8")
    return read_overrides(folder)


def test_m02_without_a_file_nothing_is_overridden(tmp_path: Path) -> None:
    assert read_overrides(tmp_path) == Overrides()


def test_m02_an_emergency_holiday_closes_the_sessions_looked_up_before(tmp_path: Path) -> None:
    assert sessions.session_id(kst(TUESDAY, time(10))) is SessionId.KRX_REG
    calendar.use(written(tmp_path, '[closed]\n2026-11-24 = "임시공휴일"\n'))
    assert not calendar.is_trading_day(TUESDAY)
    assert sessions.session_id(kst(TUESDAY, time(10))) is SessionId.KR_OFF
    assert sessions.boundaries(TUESDAY) == ()
    assert calendar.next_trading_day(date(2026, 11, 23)) == date(2026, 11, 25)
    calendar.use(Overrides())
    assert sessions.session_id(kst(TUESDAY, time(10))) is SessionId.KRX_REG


def test_m02_a_day_may_be_opened_and_shifted(tmp_path: Path) -> None:
    day = date(2027, 5, 3)
    assert not calendar.is_trading_day(day)
    calendar.use(
        written(tmp_path, '[open]\n2027-05-03 = "KRX"\n[hour_later]\n2027-05-03 = "KRX"\n')
    )
    assert calendar.is_trading_day(day)
    assert sessions.regular_open(day) == kst(day, time(10))
    assert sessions.phase(Venue.KRX, kst(day, time(9, 29))) is Phase.CLOSED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[closed]\n2026-11-24 = "a"\n[open]\n2026-11-24 = "b"\n',
         r"is under \[closed\] and under \[open\]"),
        ('[closed]\n2026-11-24 = "a"\n[hour_later]\n2026-11-24 = "b"\n', r"under \[hour_later\]"),
        ('[open]\n2026-11-21 = "a"\n', "2026-11-21 is a Saturday"),
        ('[hour_later]\n2026-12-25 = "a"\n',
         "2026-12-25 is under .hour_later. and is a holiday"),
        ('[closed]\n2031-03-10 = "a"\n', "trading days of 2031 are not known"),
        ('[open]\n2028-01-03 = "a"\n', "trading days of 2028 are not known"),
        ('[closed]\n2026-11-24 = "a"\n2026-11-24 = "b"\n', "cannot be read"),
        ('[shut]\n2026-11-24 = "a"\n', "shut"),
        ('[closed]\n2026-11-31 = "a"\n', "is wrong"),
        ("[closed]\n2026-11-24 = 1\n", "is wrong"),
        ("closed = 5\n", "is wrong"),
        ("[closed\n", "cannot be read"),
    ],
)  # fmt: skip
def test_m02_a_contradictory_or_broken_file_fails_loudly(
    tmp_path: Path, text: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        written(tmp_path, text)
    assert calendar.OVERRIDES in str(caught.value)
    assert caught.value.cure


def test_m02_a_file_in_another_encoding_fails_loudly(tmp_path: Path) -> None:
    (tmp_path / calendar.OVERRIDES).write_bytes(
        '[closed]\n2026-11-24 = "임시공휴일"\n'.encode("cp949")
    )
    with pytest.raises(ConfigError, match="cannot be read"):
        read_overrides(tmp_path)


def test_m02_the_corrections_are_all_that_differs_from_exchange_calendars() -> None:
    """Two independent sources of 2001 to 2027 agree but for the days that KRX closed by later
    notice."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = exchange_calendars.get_calendar("XKRX", start="2001-01-01", end="2027-12-31")
    wanted = {stamp.date() for stamp in theirs.sessions}
    days = (
        date(2001, 1, 1) + timedelta(days=i)
        for i in range((date(2028, 1, 1) - date(2001, 1, 1)).days)
    )
    ours = {day for day in days if calendar.is_trading_day(day)}
    assert wanted - ours == set(calendar.CLOSED)
    assert ours - wanted == set()


def test_m02_late_openings_agree_with_exchange_calendars() -> None:
    """Exam days up to 2020 (later ones it does not know) and the first trading day of each year."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = exchange_calendars.get_calendar("XKRX", start="2001-01-01", end="2027-12-31")
    opens = theirs.schedule["open"].dt.tz_convert("Asia/Seoul")
    late = {stamp.date() for stamp in opens if stamp.hour == 10}
    first = {calendar.first_trading_day(year) for year in range(2001, 2028)}
    assert late == first | {day for day in calendar.EXAM_DAYS if day.year <= 2020}
    assert {day.year for day in calendar.EXAM_DAYS} == set(range(2001, 2028))
    assert all(calendar.is_trading_day(day) for day in calendar.EXAM_DAYS)


def closed_in_the_state_folder(text: str) -> None:
    (state_dir() / calendar.OVERRIDES).write_text(text, encoding="utf-8")


def test_m02_the_file_in_the_state_folder_holds_for_kernel_desk_and_simulator() -> None:
    closed_in_the_state_folder('[closed]\n2026-11-20 = "임시공휴일"\n')
    with pytest.raises(KisnbError, match=r"2026-11-20 is not a trading day.*2026-11-19"):
        asyncio.run(kisnb.connect("sim", seed=1, date="2026-11-20"))
    assert not calendar.is_trading_day(date(2026, 11, 20))
    closed_in_the_state_folder('[hour_later]\n2026-11-20 = "exam"\n')

    async def work(session: Session) -> None:
        assert sessions.session_id(session.now) is SessionId.KR_OFF
        with pytest.raises(OrderRefused):
            await session.buy("005930", 1, session.universe.get("005930").base)

    # The opening auction of other days takes orders now; on this one nothing trades, and all three
    # know it.
    traded(work, start="08:35", date="2026-11-20")


def test_m02_a_contradictory_file_stops_kernel_desk_and_simulator_with_its_name() -> None:
    closed_in_the_state_folder('[closed]\n2026-11-20 = "a"\n[open]\n2026-11-20 = "b"\n')
    with pytest.raises(ConfigError, match=r"calendar\.toml contradicts itself"):
        asyncio.run(kisnb.connect("sim"))
    with pytest.raises(ConfigError, match=r"calendar\.toml contradicts itself"):
        start_desk(Mode.SIM, SimulatedDay())
    with pytest.raises(ConfigError, match=r"calendar\.toml contradicts itself"):
        StartingSimulator(state_dir(), SimulatedDay(), Config(sim_speed="step")).ready()
