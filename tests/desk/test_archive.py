"""Past days leave the journal and nothing that counts is lost."""

from __future__ import annotations

import functools
import sqlite3
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import DAY, SECOND
from kisnb.desk.record.archive import open_journal, put_away, still_counting
from kisnb.desk.record.journal import JOURNAL, Journal, read_journal
from kisnb.errors import ConfigError
from kisnb.events import (
    Accepted,
    AccountOpened,
    Cancelled,
    DriftCleared,
    DriftFound,
    Filled,
    ForecastJudged,
    HaltSet,
    IntentTaken,
    OrderShown,
    ProtectionMoved,
    Reopened,
    SendStarted,
    Sent,
)
from kisnb.exits import ExitStage, PriceAlert, Protection
from kisnb.orders import Naming, OrderPage, Place, Route, Wish
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.commands import EndPriceAlert, Protect, SetPriceAlert
from kisnb.trading.ports.effects import AskOrders, OrdersRead
from kisnb.trading.ports.journal_rows import Row, decode_rows
from kisnb.trading.state import State
from tests.trading.desk import NOON, Desk, intent, price_of, ref
from tests.trading.test_resolver import row

CODES = ("005930", "000660")


class Trader:
    """Writes rows that can be: fills within what is left, sells within what is held."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.state = State()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.state.apply(row)

    def order(self, agent: str, code: str, *, sell: bool) -> None:
        n = len(self.rows)
        side = Side.SELL if sell else Side.BUY
        qty = (
            self.state.books.of(agent).position(code).qty - self.state.books.selling(agent, code)
            if sell
            else 10
        )
        if qty > 0:
            self.add(
                IntentTaken(NOON + n, intent(f"k{n}", agent=agent, code=code, side=side, qty=qty))
            )
            self.add(SendStarted(NOON + n, f"k{n}", Route(Venue.KRX, OrderKind.LIMIT, "test")))
            self.add(Sent(NOON + n, f"k{n}", ref(n)))
            self.add(Accepted(NOON + n, f"k{n}", ref(n)))

    def fill(self, which: int, qty: int) -> None:
        live = list(self.state.books.live.values())
        if live:
            order = live[which % len(live)]
            self.add(
                Filled(
                    NOON + len(self.rows),
                    order.key,
                    min(qty, order.leaves),
                    price_of() + qty,
                    3,
                    1,
                    Venue.KRX,
                )
            )

    def cancel(self, which: int) -> None:
        live = list(self.state.books.live.values())
        if live:
            order = live[which % len(live)]
            self.add(Cancelled(NOON, order.key, order.leaves))

    def open_again(self, which: int) -> None:
        ended = [o for o in self.state.books.orders.values() if o.is_ended and o.cancelled]
        if ended:
            order = ended[which % len(ended)]
            self.add(Reopened(NOON, order.key, order.cancelled, "KIS lists it as open"))


def counted(state: State) -> dict[str, object]:
    """Lots and quantities of every book, open orders, trading state."""
    books = {"": state.books.account, **state.books.agents}
    held = {
        (name, code): [(lot.qty, lot.price, lot.fee) for lot in p.lots]
        for name, book in books.items()
        for code, p in book.positions.items()
        if p.qty
    }
    live = {k: (o.state, o.filled, o.cancelled, o.number) for k, o in state.books.live.items()}
    cash = None if state.opened is None else state.opened + state.flow
    return {"held": held, "live": live, "halt": state.halt, "cash": cash, "drifts": state.drifts}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("bsfcrod"), st.integers(0, 3), st.integers(1, 12)), max_size=40
    )
)
def test_what_is_kept_folds_to_the_same_lots_open_orders_and_state(
    steps: list[tuple[str, int, int]],
):
    trader = Trader()
    for what, which, qty in steps:
        agent, code = f"a{which % 2}", CODES[which // 2]
        if what == "f":
            trader.fill(which, qty)
        elif what == "c":
            trader.cancel(which)
        elif what == "r":
            trader.open_again(which)
        elif what == "o":
            trader.add(AccountOpened(NOON, qty * 1_000, ((code, qty, qty * 60_000),)))
        elif what == "d":
            fact = (
                DriftFound(NOON, code, "holding", qty, 1)
                if qty > 6
                else DriftCleared(NOON, code, "holding")
            )
            trader.add(fact)
        else:
            trader.order(agent, code, sell=what == "s")
    trader.add(HaltSet(NOON, "reducing", "test"))
    kept = still_counting(trader.rows)
    assert counted(State.fold(kept)) == counted(trader.state)


def test_o15_an_order_that_is_opened_again_after_its_shares_were_sold_keeps_their_sale():
    """The list hid 6 of its 10 shares, and the other 4 were sold before it showed them."""
    trader = Trader()
    trader.add(AccountOpened(NOON, 10**9, ()))
    trader.order("a", "005930", sell=False)
    trader.fill(0, 4)
    trader.cancel(0)
    trader.order("a", "005930", sell=True)
    trader.fill(0, 4)
    trader.open_again(0)
    trader.fill(0, 6)
    kept = State.fold(still_counting(trader.rows))
    assert kept.books.of("a").position("005930").qty == 6
    assert counted(kept) == counted(trader.state)


def rows_of_a_day() -> list[Row]:
    trader = Trader()
    trader.order("a", "005930", sell=False)
    trader.fill(0, 10)
    trader.order("a", "000660", sell=False)
    trader.fill(0, 10)
    trader.order("a", "000660", sell=True)
    trader.fill(0, 10)
    return trader.rows


def test_a_new_day_archives_the_old_file_and_numbers_go_on(tmp_path: Path):
    path, rows = tmp_path / JOURNAL, rows_of_a_day()
    journal = Journal(path)
    journal.append(rows)
    journal.close()
    same, found = open_journal(path, NOON + 3600 * SECOND)
    assert found == rows
    same.close()
    journal, kept = open_journal(path, NOON + DAY)
    assert {r.key for r in kept if not isinstance(r, IntentTaken)} == {"k0"}
    (archived,) = (tmp_path / "archive").iterdir()
    assert archived.name == f"{date(2026, 11, 20)}.sqlite"
    assert [row for _, row in read_journal(archived)] == rows
    # A session that knew all of yesterday misses nothing; one that did not must begin anew.
    assert journal.published_after(len(rows)) == (len(rows), b"[]")
    journal.append([HaltSet(NOON + DAY, "halted", "x")])
    first, array = journal.published_after(len(rows))
    assert (first, len(decode_rows(array))) == (len(rows), 1)
    first, array = journal.published_after(len(rows) - 1)
    assert first != len(rows) - 1
    assert decode_rows(array) == journal.rows()
    journal.close()
    again = Journal(path)
    assert again.published_after(len(rows))[0] == len(rows)
    again.close()


def test_o07_orders_that_are_archived_beside_an_open_one_are_not_found_as_external_the_day_after():
    """The list of its day is read once more for the open one, and holds all the others."""
    trader = Trader()
    trader.add(AccountOpened(NOON, 10**9, ()))
    for sell in (False, True):
        trader.order("a", "000660", sell=sell)
        trader.fill(0, 10)
    trader.order("a", "005930", sell=False)
    listed = tuple(
        row(
            o.number,
            code=o.code,
            side=o.side,
            filled=o.filled,
            leaves=o.leaves,
            value=o.filled * (price_of() + 10),
        )
        for o in trader.state.books.orders.values()
    )
    desk = Desk(still_counting(trader.rows))
    cash, orders = trader.state.cash, [o.key for o in trader.state.books.orders.values()]
    desk.keep(desk.core.start(NOON + DAY))
    for ask in [e for e in desk.effects if isinstance(e, AskOrders)]:
        rows = listed if ask.query.day == date(2026, 11, 20) else ()
        desk.say(OrdersRead(ask.query, OrderPage(rows, complete=True)), NOON + DAY)
    assert list(desk.core.state.books.orders) == orders
    assert desk.core.state.cash == cash
    assert not desk.core.state.books.live


def test_an_archive_that_was_cut_short_by_a_power_failure_is_finished(tmp_path: Path):
    path = tmp_path / JOURNAL
    journal = Journal(path)
    journal.append(rows_of_a_day())
    journal.close()
    open_journal(path, NOON + DAY)[0].close()
    path.rename(tmp_path / f"{JOURNAL}.next")
    journal = Journal(path)
    assert len(journal.rows()) == 5
    journal.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite waits a tenth of a second for other readers, and not five."""
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, timeout=0.1))


def test_a_journal_that_somebody_reads_is_archived_another_time(tmp_path: Path, impatient: None):
    path, rows = tmp_path / JOURNAL, rows_of_a_day()
    journal = Journal(path)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM rows").fetchone()
    journal.append(rows)
    journal.close()
    journal, found = open_journal(path, NOON + DAY)
    assert found == rows
    journal.close()
    reader.close()
    journal, found = open_journal(path, NOON + DAY)
    assert len(found) == 5
    journal.close()


def test_simulated_days_of_the_past_are_put_away_and_a_damaged_one_stays(tmp_path: Path):
    for run in ("old", "new", "bad"):
        (tmp_path / run).mkdir()
        Journal(tmp_path / run / JOURNAL).close()
    journal = Journal(tmp_path / "old" / JOURNAL)
    journal.append(rows_of_a_day())
    # As after kill -9: the rows stand in the write-ahead file still.
    del journal
    (tmp_path / "bad" / JOURNAL).write_text("damaged" * 100)
    put_away(tmp_path, "new")
    assert [p.name for p in (tmp_path / "archive").iterdir()] == ["2026-11-20-old.sqlite"]
    assert len(list(read_journal(tmp_path / "archive" / "2026-11-20-old.sqlite"))) == len(
        rows_of_a_day()
    )
    assert (tmp_path / "new" / JOURNAL).exists()
    assert (tmp_path / "bad" / JOURNAL).exists()


def test_o11_where_an_order_was_shown_is_not_kept_when_its_day_is_over(tmp_path: Path):
    """The naming of an order that still counts stays: its key, its wish and where it was sent."""
    path, trader = tmp_path / JOURNAL, Trader()
    naming = Naming(Wish("005930"), Place("kernel", 1, "n", "x"), token="t")
    trader.add(IntentTaken(NOON, intent("typed"), naming))
    trader.add(OrderShown(NOON + 1, "typed", Place("kernel", 2, "n", "y")))
    journal = Journal(path)
    journal.append(trader.rows)
    journal.close()
    assert trader.state.names.get("typed").belongs_to(Place(notebook="n", cell="y"))  # type: ignore[union-attr]
    journal, kept = open_journal(path, NOON + DAY)
    assert kept == trader.rows[:1]
    named = State.fold(kept).names.get("typed")
    assert named is not None
    assert named.naming == naming
    journal.close()


class Clockwork:
    """Desks that start one after another, each with what the machine's clock shows.

    Every row that they wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.written: list[Row] = []
        self.named: dict[int, list[str]] = {}

    def start(self, day: int, *, holds: bool) -> None:
        """A desk starts on this day, knows what was named on it, and an order is typed and
        filled."""
        now = NOON + day * DAY
        journal, rows = open_journal(self.path, now)
        state, whole = State.fold(rows), State.fold(self.written)
        for key in self.named.get(day, []):
            assert state.names.get(key) is not None, f"{key} of day {day} is not known on day {day}"
            assert state.books.orders[key].state is whole.books.orders[key].state
        assert counted(state) == counted(whole)
        assert journal.published == len(self.written)
        trader = Trader()
        trader.rows, trader.state = list(self.written), whole
        if whole.opened is None:
            trader.add(AccountOpened(now, 10**9, ()))
        self.typed(trader, now, day, Side.BUY)
        if not holds:
            self.typed(trader, now + SECOND, day, Side.SELL)
        journal.append(trader.rows[len(self.written) :])
        journal.close()
        self.written = trader.rows

    def typed(self, trader: Trader, now: int, day: int, side: Side) -> None:
        n = len(trader.rows) + 1
        qty = trader.state.books.of("").position(CODES[0]).qty if side is Side.SELL else 10
        naming = Naming(
            Wish(CODES[0], side, qty), Place("kernel", n, "n", f"cell {n}"), token=f"t{n}"
        )
        key = f"k{n}"
        trader.add(IntentTaken(now, intent(key, side=side, qty=qty), naming))
        trader.add(SendStarted(now, key, Route(Venue.KRX, OrderKind.LIMIT, "test")))
        trader.add(Sent(now, key, ref(n)))
        trader.add(Filled(now, key, qty, price_of() + n, 3, 1, Venue.KRX))
        self.named.setdefault(day, []).append(key)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=8))
def test_o11_an_order_named_today_is_known_today_whatever_the_clock_showed_in_between(
    starts: list[tuple[int, bool]],
):
    """Nothing else is lost or counted twice by it: holdings, cash and the numbers of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        desks = Clockwork(Path(folder))
        for day, holds in starts:
            desks.start(day, holds=holds)


def test_o11_a_desk_that_starts_while_the_clock_shows_tomorrow_forgets_no_order_of_today(
    tmp_path: Path,
):
    desks = Clockwork(tmp_path)
    for day in (0, 1, 0, 1):
        desks.start(day, holds=False)
    archived = sorted(path.name for path in (tmp_path / "archive").iterdir())
    assert archived == ["replaced-2026-11-20.sqlite"]
    desks.start(2, holds=False)
    assert len(list((tmp_path / "archive").iterdir())) == 2


def test_o11_a_journal_that_somebody_reads_while_it_must_be_replaced_is_not_used_without_its_names(
    tmp_path: Path, impatient: None
):
    desks = Clockwork(tmp_path)
    desks.start(0, holds=False)
    desks.start(1, holds=False)
    reader = sqlite3.connect(desks.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM rows").fetchone()
    journal = Journal(desks.path)
    journal.append([HaltSet(NOON + DAY, "active", "test")])
    journal.close()
    with pytest.raises(ConfigError, match="Close what reads it"):
        open_journal(desks.path, NOON)
    reader.close()
    journal, rows = open_journal(desks.path, NOON)
    assert State.fold(rows).names.get(desks.named[0][0]) is not None
    journal.close()


def test_a20_exits_and_alerts_that_stand_count_on_the_next_day() -> None:
    one = Desk([AccountOpened(NOON, 10**9, (("005930", 30, 30 * price_of()),))])
    for key in ("first", "second"):
        one.say(Protect(Protection(key, "", "005930", trail=200)))
        one.say(SetPriceAlert(PriceAlert(f"a-{key}", "005930", above=True, price=10**6)))
    one.say(EndPriceAlert("a-first"))
    one.core.state.exits.watches["second"].peak = 0
    for peak in (1, 2, 3):
        moved = ProtectionMoved(one.now, "second", ExitStage.HOLDING, price_of() + peak)
        one.core.state.apply(moved)
        one.rows.append(moved)
        judged = ForecastJudged(one.now, "second", f"forecast {peak}")
        one.core.state.apply(judged)
        one.rows.append(judged)
    kept = still_counting(one.rows)
    state = State.fold(kept)
    assert sum(isinstance(r, ForecastJudged) for r in kept) == 1
    assert state.exits.watches["second"].model == "forecast 3"
    assert list(state.exits.watches) == ["second"]
    assert state.exits.watches["second"].peak == price_of() + 3
    assert list(state.exits.alerts) == ["a-second"]
    assert sum(isinstance(r, ProtectionMoved) for r in kept) == 1
    assert not any(getattr(r, "key", "") == "first" for r in kept)
