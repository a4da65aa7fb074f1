"""Past days leave the journal: their file moves aside, and what still counts begins the next one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kisnb.clock import Ns, kst_day
from kisnb.desk.journal import JOURNAL, Journal, next_path
from kisnb.errors import ConfigError
from kisnb.events import Filled, IntentTaken, OrderFact
from kisnb.trading.journal_rows import DESK_ONLY, Row, row_key
from kisnb.trading.state import State

ARCHIVE = "archive"
_ORDER_FACTS: tuple[type, ...] = OrderFact.__args__


def open_journal(path: Path, now: Ns) -> tuple[Journal, list[Row]]:
    """The journal of the day and its rows; a file whose newest row is of an earlier Korean day is archived first.

    Raises ConfigError for a file that cannot be used.
    """
    journal = Journal(path)
    rows = journal.rows()
    if journal.day is None or journal.day >= kst_day(now):
        return journal, rows
    kept, fresh = still_counting(rows), next_path(path)
    fresh.unlink(missing_ok=True)
    begun = Journal(fresh)
    begun.append(kept)
    begun.count_on(journal.told)
    begun.close()
    if journal.move_to(path.parent / ARCHIVE, f"{journal.day}") is None:
        # Somebody reads it just now: it is archived another time.
        fresh.unlink()
        return Journal(path), rows
    fresh.rename(path)
    return Journal(path), kept


def still_counting(rows: Sequence[Row]) -> list[Row]:
    """The rows whose fold has the same open orders, positions and trading state: orders that are open, those of stocks
    that have been held ever since, and what is not of an order."""
    keys = _counting_keys(rows)
    return [row for row in rows if not isinstance(row, _ORDER_FACTS + DESK_ONLY) or row_key(row) in keys]


def _counting_keys(rows: Iterable[Row]) -> set[str]:
    state = State()
    since_flat: dict[str, set[str]] = {}
    for row in rows:
        state.apply(row)
        if not isinstance(row, _ORDER_FACTS):
            continue
        key = row_key(row)
        order = state.books.orders[key]
        if isinstance(row, IntentTaken | Filled):
            since_flat.setdefault(order.code, set()).add(key)
        if order.is_ended and _is_flat(state, order.code):
            since_flat.pop(order.code, None)
    return set().union(*since_flat.values())


def _is_flat(state: State, code: str) -> bool:
    """Nobody holds the stock, and no order of it is open."""
    books = (state.books.account, *state.books.agents.values())
    return not any(b.position(code).qty for b in books) and not any(o.code == code for o in state.books.live.values())


def put_away(folder: Path, run: str) -> None:
    """Move the journals of simulated days before ``run`` into ``folder/archive``; one that is damaged stays."""
    for path in folder.glob(f"*/{JOURNAL}"):
        if path.parent.name in (run, ARCHIVE):
            continue
        try:
            journal = Journal(path)
        except ConfigError:
            continue
        journal.move_to(folder / ARCHIVE, f"{journal.day or 'empty'}-{path.parent.name}")
