"""When an agent runs: on each trading day from one moment of the market's day until another.

A moment is the name of a market session, ``close``, or a time of day (KST). The begin and the end
of a market session follow the calendar: on the day of the college entrance exam ``KRX_REG`` is from
10:00 to 16:30. On a day without that market session the agent does not run.

| at, until | the agent runs |
|---|---|
| ``KRX_REG`` | in KRX's regular session of each trading day |
| ``KRX_REG``, ``15:00`` | from the begin of KRX's regular session until 15:00, each trading day |
| ``NXT_PRE``, ``close`` | from the begin of Nextrade's pre-market until KRX's official close |
| ``09:10`` | from 09:10 until the end of the last market session, each trading day |
| none, ``close`` | once, from now until the close of this day |
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from kisnb.clock import Ns, clock_text, kst, kst_day, parse_time
from kisnb.errors import BadInput, ConfigError
from kisnb.events import AgentRecord
from kisnb.market import sessions
from kisnb.market.calendar import is_trading_day
from kisnb.terms import SessionId
from kisnb.values import narrow, text, whole

_LABELS = tuple(label for label in SessionId if label is not SessionId.KR_OFF)
CLOSE = "close"
FORM = f"write {', '.join(_LABELS)}, close, or a time such as 09:10"
_SEARCHED = 30
"""Days in which the next window is searched. No row of days without trading is as long."""


class Window(NamedTuple):
    """One run of an agent: from ``start`` until ``end`` (exclusive)."""

    start: Ns
    end: Ns


class AgentSchedule(msgspec.Struct, frozen=True, gc=False):
    """The moments at which an agent starts and ends, and on how many trading days."""

    at: str = ""
    """The moment at which a run begins. Empty: now."""
    until: str = ""
    """The moment at which a run ends.

    Empty: the end of the market session that ``at`` names. If ``at`` is a time: the end of the
    day's last market session.
    """
    days: int | None = None
    """Number of trading days on which it runs. None: until a person stops it."""

    @property
    def text(self) -> str:
        """The schedule in words: ``"KRX_REG until 15:00, each trading day"``."""
        begin = self.at or "now"
        end = f" until {self.until}" if self.until else ""
        match self.days:
            case None:
                often = "each trading day"
            case 1:
                often = "once"
            case days:
                often = f"on {days} trading days"
        return f"{begin}{end}, {often}"

    def window_on(self, day: date) -> Window | None:
        """Return the window of a day. None when the agent does not run on that day."""
        if not is_trading_day(day):
            return None
        start = _moment(self.at, day, is_end=False)
        end = _moment(self.until or (self.at if self.at in _LABELS else ""), day, is_end=True)
        return None if start is None or end is None or end <= start else Window(start, end)

    def next_window(self, now: Ns) -> Window | None:
        """Return the window that is open at ``now``, or else the next one.

        None: no window is known.
        """
        today = kst_day(now)
        for day in (today + timedelta(days=n) for n in range(_SEARCHED)):
            try:
                window = self.window_on(day)
            except ConfigError:
                # The holidays of that year are not known yet.
                return None
            if window is not None and window.end > now:
                return window
        return None


def read_schedule(at: object, until: object, days: object, now: Ns) -> AgentSchedule | None:
    """Return the schedule that a person gave. None when none was given. Raises BadInput."""
    begin, end = _read(at, "the begin"), _read(until, "the end")
    if not begin and not end:
        if days is not None:
            raise BadInput("a number of days needs a begin", "give at='KRX_REG' with days=5")
        return None
    often = None if days is None else whole(days, "the number of days")
    if often is not None and often < 1:
        raise BadInput(f"an agent cannot run on {often} days", "give 1 or more, or leave it out")
    if not begin and often is not None:
        raise BadInput("a number of days needs a begin", "give at='KRX_REG' with days=5")
    schedule = AgentSchedule(begin, end, often if begin else 1)
    _check(schedule, now)
    return schedule


def schedule_of(record: AgentRecord) -> AgentSchedule | None:
    """Return the schedule in an agent's record. None when it has no schedule."""
    return msgspec.json.decode(record.schedule, type=AgentSchedule) if record.schedule else None


def when_text(t: Ns, now: Ns) -> str:
    """Return a moment in words: today ``"09:00:00"``, on another day with its date."""
    day = kst_day(t)
    return clock_text(t) if day == kst_day(now) else f"{day} {clock_text(t)}"


def _check(schedule: AgentSchedule, now: Ns) -> None:
    """Raise BadInput for a schedule with which the agent would never run."""
    if not schedule.at:
        end = _moment(schedule.until, kst_day(now), is_end=True)
        if not is_trading_day(kst_day(now)) or end is None:
            raise BadInput(
                f"{kst_day(now)} has no {schedule.until}",
                "give a begin too: at='KRX_REG' waits for the next trading day",
            )
        if end <= now:
            raise BadInput(
                f"the end {schedule.until} ({clock_text(end)}) is over: it is {clock_text(now)}",
                "give a later end, or a begin: at='KRX_REG' waits for the next trading day",
            )
        return
    if schedule.next_window(now) is None:
        end_named = schedule.until or "of the day's last market session"
        raise BadInput(
            f"the end {end_named} is not after the begin {schedule.at} on any trading day",
            "give an end that comes after the begin on the same day",
        )


def _read(value: object, what: str) -> str:
    """Return a typed moment in the form that a schedule keeps. Raises BadInput."""
    if value is None or value == "":
        return ""
    said = narrow(text(value, what)).strip()
    for label in _LABELS:
        if said.upper() == label:
            return str(label)
    if said.lower() == CLOSE:
        return CLOSE
    try:
        parse_time(said)
    except ValueError:
        raise BadInput(f"{what} {said!r} is no market session and no time of day", FORM) from None
    return said


def _moment(named: str, day: date, *, is_end: bool) -> Ns | None:
    """Return a moment of a trading day; None when the day does not have it.

    ``is_end`` True: the end of the named market session. False: its begin. An empty name means the
    whole trading day.
    """
    if named in _LABELS:
        hours = sessions.label_hours(SessionId(named), day)
        return None if hours is None else hours[is_end]
    if named == CLOSE:
        return sessions.regular_close(day)
    if named:
        return kst(day, parse_time(named))
    return max(sessions.boundaries(day)) if is_end else kst(day, 0)
