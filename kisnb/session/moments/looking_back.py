"""Finds the tape and the journal that contain a moment, and reads both up to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path

from kisnb.clock import Ns, clock_text, kst, kst_day
from kisnb.desk.record.archive import ARCHIVE
from kisnb.desk.record.journal import read_journal
from kisnb.errors import BadInput
from kisnb.history.tape.folder import day_of_tape, tapes_in
from kisnb.history.tape.reader import TapeFile, TapeGap
from kisnb.market import sessions
from kisnb.market.universe import Universe
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.moments.moment import Moment, view_of
from kisnb.trading.ports.queries import JournalOf, TapeOf
from kisnb.trading.state import State
from kisnb.values import text, time_of_day

FORM = "write 09:31:05, or 2026-11-20 09:31"


class LookingBack:
    """Reads moments of today, and of past days that have a tape."""

    def __init__(self, link: Link, state: SessionState, universe: Universe) -> None:
        self._link = link
        self._state = state
        self._universe = universe

    async def at(
        self, when: str | datetime, codes: Collection[str], tape: Path | str | None
    ) -> Moment:
        """Read the tape and the journal up to ``when``, and return that moment. Raises BadInput."""
        named = [self._universe.spell(code) for code in codes] or None
        if tape is not None:
            path, journal = Path(tape).expanduser(), None  # noqa: ASYNC240 - a short look
            t = read_moment(when, TapeFile(path).day)
        else:
            t = read_moment(when, kst_day(self._state.now))
            now = self._state.now
            if t > now:
                raise BadInput(
                    f"{clock_text(t)} of {kst_day(t)} has not come yet; it is {clock_text(now)}",
                    "ask for a moment that is over",
                )
            path = await self._tape(kst_day(t))
            journal = Path((await self._link.ask(JournalOf())).path)
        # In a thread, so that the agents of this notebook go on meanwhile.
        return await asyncio.to_thread(self._read, t, path, journal, named)

    async def _tape(self, day: date) -> Path:
        """Return the path of a day's tape. Raises BadInput when there is none."""
        today = (await self._link.ask(TapeOf())).path
        if not today:
            raise BadInput(
                "this desk writes no tape",
                "switch it on with %kis config tape on, then kisnb desk restart and %kis open",
            )
        path = Path(today)
        if day != (of_today := day_of_tape(path)):
            path = path.with_name(path.name.replace(str(of_today), str(day), 1))
        if path.exists():
            return path
        others = sorted({str(day_of_tape(p)) for p in tapes_in(path.parent) if _of(p, today)})
        raise BadInput(
            f"there is no tape of {day}",
            f"tapes stand of {', '.join(others)}"
            if others
            else "a desk tapes each day that it runs",
        )

    def _read(self, t: Ns, path: Path, journal: Path | None, codes: list[str] | None) -> Moment:
        tape = TapeFile(path)
        if tape.first is None or t < tape.first:
            begin = "is empty" if tape.first is None else f"begins at {clock_text(tape.first)}"
            raise BadInput(
                f"the tape of {tape.label.day} {begin}, which is after {clock_text(t)}"
                if tape.first is not None
                else f"the tape of {tape.label.day} {begin}",
                "ask for a later moment; for bars of earlier: await session.history(CODE, '1m')",
            )
        view = view_of(tape, t, codes)
        if view.gap is None and self._is_behind_end(tape, t):
            view = view._replace(gap=TapeGap(tape.last or t, None, "the tape ends there"))
        for code in {code for code, _ in view.quotes} - view.stocks.keys():
            # The name comes from the desk's facts about a stock, or from the list of a simulated
            # day.
            if kst_day(t) == kst_day(self._state.now) and journal is not None:
                stated = self._state.stocks.of(self._state.now, code)
                if stated is not None:
                    view.stocks[code] = stated
        moment = Moment(t, tape.label.source, view, self._universe)
        if journal is not None:
            moment.state = _state_at(journal, t)
        return moment

    def _is_behind_end(self, tape: TapeFile, t: Ns) -> bool:
        """Return whether a past tape ends before ``t``, at a time when the market was open."""
        last, day = tape.last, kst_day(t)
        if last is None or t <= last or day == kst_day(self._state.now):
            return False
        return last < max(sessions.boundaries(day), default=last)


def read_moment(when: str | datetime, today: date) -> Ns:
    """Return a moment that a person names, UTC nanoseconds; a time alone is of ``today`` (KST).

    Raises BadInput.
    """
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise BadInput(f"{when} has no time zone", FORM)
        return int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1_000
    first, _, rest = text(when, "the moment").strip().replace("T", " ").partition(" ")
    if not rest:
        return kst(today, time_of_day(first, FORM))
    try:
        day = date.fromisoformat(first)
    except ValueError:
        raise BadInput(f"{first!r} is not a date", FORM) from None
    return kst(day, time_of_day(rest.strip(), FORM))


def _of(path: Path, today: str) -> bool:
    """Return whether a tape is of the same desk, or the same simulated day, as today's tape."""
    return path.name[len("2026-11-20") :] == Path(today).name[len("2026-11-20") :]


def _state_at(journal: Path, t: Ns) -> State:
    """Return the desk's state at ``t``, computed from that day's journal."""
    rows = (row for _, row in read_journal(_journal_of(journal, kst_day(t))))
    return State.fold(itertools.takewhile(lambda row: row.t <= t, rows))


def _journal_of(journal: Path, day: date) -> Path:
    """Return the file with the rows of a day: an archived journal, or the current one."""
    # An archived file has the day of its newest row in its name. It may also have rows of earlier
    # days.
    for path in sorted((journal.parent / ARCHIVE).glob("*.sqlite")):
        try:
            if date.fromisoformat(path.name[: len("2026-11-20")]) >= day:
                return path
        except ValueError:
            continue
    return journal
