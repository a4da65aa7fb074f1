"""Moves journals of past days to the archive, and copies the rows that still count to a new file.

If the clock ran ahead and was corrected, a file was moved too early. Then it is moved back, because
its orders belong to today. So a wrong clock at one moment does no lasting harm.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from kisnb.clock import Ns, day_number, kst_day
from kisnb.desk.record.journal import JOURNAL, Journal, next_path
from kisnb.errors import ConfigError
from kisnb.events import (
    AccountOpened,
    AgentNoted,
    DecisionMade,
    DriftCleared,
    DriftFound,
    ExitFact,
    ForecastJudged,
    HoldingAdopted,
    Notice,
    OrderShown,
    ProtectionMoved,
    ProtectionPriced,
    is_order_fact,
)
from kisnb.orders import Order
from kisnb.trading.ports.journal_rows import RouteDecided, Row, row_key
from kisnb.trading.state import State

ARCHIVE = "archive"
REPLACED = "replaced"
"""The first word of the name of a file whose rows were all copied back into the journal."""
NEVER = 99991231
_NEWEST_ONLY = ProtectionMoved, ProtectionPriced, ForecastJudged
"""Facts of which only the newest one for each key counts."""


# The change of day, step by step. A crash after any step loses no row, because the new file is
# complete before the old one is moved:
#
#   step                               files after it                     the next start
#   ─────────────────────────────────  ─────────────────────────────────  ─────────────────────────
#   write what still counts            journal, journal.next              writes journal.next anew
#   move the journal to the archive    journal.next, archive/DAY.sqlite   ``Journal`` renames it
#   rename journal.next to journal     journal, archive/DAY.sqlite        is as usual
def open_journal(path: Path, now: Ns) -> tuple[Journal, list[Row]]:
    """Open the journal of the day. Return it with its rows.

    Raises ConfigError for a file that cannot be used.

    A file whose newest row is of an earlier Korean day is archived first. An archived file whose
    newest row is of today or later is moved back.
    """
    journal = Journal(path)
    while (early := _archived_early(journal, kst_day(now))) is not None:
        journal = _brought_back(journal, early)
    rows = journal.rows()
    if journal.day is None or journal.day >= kst_day(now):
        return journal, rows
    kept, fresh = still_counting(rows), next_path(path)
    fresh.unlink(missing_ok=True)
    begun = Journal(fresh)
    begun.append(kept)
    # Sessions know rows by their numbers, and tell the desk their newest one. So the new file
    # continues the numbers of the old one.
    begun.count_on(journal.published)
    begun.close()
    if journal.move_to(path.parent / ARCHIVE, f"{journal.day}") is None:
        # Another process is reading the file, so it is archived another time.
        fresh.unlink()
        return Journal(path), rows
    fresh.rename(path)
    return Journal(path), kept


def _archived_early(journal: Journal, today: date) -> Path | None:
    """Return the file that was archived too early, right before this journal. None: there is none.

    A file was archived too early if its newest row is of today or later.
    """
    for path in _archived_since(journal.path.parent / ARCHIVE, today):
        with suppress(ConfigError):
            moved = Journal(path)
            # Only its number of rows is needed, and that stays known after it is closed.
            moved.close()
            if journal.follows(moved):
                return path
    return None


def _archived_since(folder: Path, today: date) -> Iterator[Path]:
    """Yield the archived files whose newest row is of ``today`` or later.

    The day is read from the file's name. Usually there are no such files.
    """
    for path in folder.glob("*.sqlite"):
        # A name without a date, such as one that begins with REPLACED, belongs to a file whose rows
        # are all in the journal.
        with suppress(ValueError):
            if date.fromisoformat(path.name[: len("2026-11-20")]) >= today:
                yield path


def _brought_back(journal: Journal, early: Path) -> Journal:
    """Move an archived file back, add the journal's own rows to it, and return it as the journal.

    Raises ConfigError.
    """
    path, fresh = journal.path, next_path(journal.path)
    fresh.unlink(missing_ok=True)
    # A copy, because the archived file must stay whole until the journal is back in its place.
    shutil.copy(early, fresh)
    whole = Journal(fresh)
    whole.append(journal.own_rows())
    whole.close()
    if journal.move_to(early.parent, f"{REPLACED}-{early.stem}") is None:
        fresh.unlink()
        why = f"the clock was set back, and {path} is being read while it must be replaced"
        raise ConfigError(why, "close what reads it, and try again")
    fresh.rename(path)
    early.unlink()
    return Journal(path)


def still_counting(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that still count on the next day.

    With them the open orders, lots, cash, differences and trading state are the same as before.
    These rows count:

    - rows of open orders;
    - rows of stocks that are held or on order, back to the last moment at which they were neither;
    - rows of a day whose list is read again for an open order. KIS's list has all orders of the
      day, and an order without its rows would be taken for an external one.
    """
    # The whole day is computed once before, because only at its end it is known which orders are
    # open. The second pass needs the oldest of their days.
    first = min((_day(order) for order in State.fold(rows).books.live.values()), default=NEVER)
    last = {row_key(row): n for n, row in enumerate(rows) if is_order_fact(row)}
    state, since = State(), defaultdict[str, _Since](_Since)
    for n, row in enumerate(rows):
        state.apply(row)
        _note(n, row, state, since, first, last)
    keys = {key for s in since.values() for key in s.keys}
    keys |= state.exits.watches.keys() | state.exits.alerts.keys()
    # Each of these rows replaces the earlier row of its kind and key.
    newest = {(type(row), row.key): row for row in rows if isinstance(row, _NEWEST_ONLY)}
    # Rows are compared by identity, because two rows may be equal in every value, and only one of
    # them counts.
    openings = {(id(row), code) for code, s in since.items() for row in s.openings}
    kept = [
        k
        for row in rows
        if (k := _kept(row, state, keys, openings)) is not None
        and (not isinstance(row, _NEWEST_ONLY) or newest[type(row), row.key] is row)
    ]
    # The rows of stocks that were sold again are dropped, and their cash with them. One row has the
    # sum, so that position and cash stay equal to the account's.
    missing = state.flow - State.fold(kept).flow
    if state.opened is not None and missing:
        kept.append(AccountOpened(rows[-1].t, missing, ()))
    return kept


class _Since:
    """The rows of a stock since the last moment at which it was neither held nor on order."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.day = 0
        """Day of the newest order, YYYYMMDD."""
        self.last = 0
        """Number of the last row of all these orders. Rows of other stocks may come before it."""
        self.openings: list[AccountOpened | HoldingAdopted] = []


def _day(order: Order) -> int:
    # KIS identifies an order by the day on which it was sent. An order without a reply is in the
    # list of the day on which its POST began.
    return order.ref.day if order.ref is not None else day_number(order.sent_at or order.t)


def _note(
    n: int,
    row: Row,
    state: State,
    since: dict[str, _Since],
    first: int,
    last: Mapping[str, int],
) -> None:
    """Add row number ``n`` to the rows of its stock. Drop these rows when the stock is flat.

    All orders of the day ``first`` and of later days are kept. ``last`` has the number of the last
    row of each order.
    """
    if isinstance(row, AccountOpened):
        for code, _, _ in row.holdings:
            since[code].openings.append(row)
    elif isinstance(row, HoldingAdopted):
        since[row.code].openings.append(row)
    elif is_order_fact(row):
        order = state.books.orders[row_key(row)]
        chain = since[order.code]
        chain.keys.add(order.key)
        chain.day = max(chain.day, _day(order))
        chain.last = max(chain.last, last[row_key(row)])
        # An order that is opened again later is kept with all its fills, so the sales of these
        # shares count too.
        is_over = order.is_ended and chain.day < first and chain.last <= n
        if is_over and _is_flat(state, order.code):
            del since[order.code]


def _kept(row: Row, state: State, keys: set[str], openings: set[tuple[int, str]]) -> Row | None:
    match row:
        case Notice() | RouteDecided() | DriftCleared() | OrderShown() | DecisionMade():
            # The places at which an order was shown count only on its trading day, which is over.
            return None
        case AgentNoted(record=record):
            # An agent's record is written at each change of its ``keep`` fields. The newest record
            # has all of them.
            return row if state.agents.get(record.agent) is row else None
        case DriftFound():
            return row if state.drifts.get((row.subject, row.what)) is row else None
        case AccountOpened():
            held = tuple(h for h in row.holdings if (id(row), h[0]) in openings)
            return AccountOpened(row.t, row.cash, held)
        case HoldingAdopted():
            return row if (id(row), row.code) in openings else None
        case _ if is_order_fact(row) or isinstance(row, ExitFact):
            return row if row_key(row) in keys else None
        case _:
            return row


def _is_flat(state: State, code: str) -> bool:
    """Return whether no share of the stock is held and no order of it is open."""
    books = (state.books.account, *state.books.agents.values())
    return not any(b.position(code).qty for b in books) and not any(
        o.code == code for o in state.books.live.values()
    )


def put_away(folder: Path, run: str) -> None:
    """Move the journals of simulated days before ``run`` into ``folder/archive``.

    A damaged journal stays.
    """
    for path in folder.glob(f"*/{JOURNAL}"):
        if path.parent.name in (run, ARCHIVE):
            continue
        try:
            journal = Journal(path)
        except ConfigError:
            continue
        journal.move_to(folder / ARCHIVE, f"{journal.day or 'empty'}-{path.parent.name}")
