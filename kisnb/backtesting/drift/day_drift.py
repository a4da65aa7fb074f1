"""``kisnb.drift``: compares a day that an agent traded with the day's back-test, order by order.

Three runs of the agent's day are compared:

    promised   the back-test with latency 0: what a person expected
    met        the back-test in which the orders reach the exchange as late as on the day
    live       the orders of the day

    live − promised = latency (met − promised) + slippage + missed + rules + decisions + costs

The difference is in won. Each order is valued at the last price of its stock on the tape, after fee
and tax.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kisnb.backtesting.drift.order_pairs import NEAR, Apart, Pair, apart, paired, value
from kisnb.backtesting.given import Agents, read_cash, read_costs, single_agent
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.run_record import RunRecord
from kisnb.backtesting.tape.tape_backtest import tape_record
from kisnb.backtesting.tape.tape_feed import is_recording
from kisnb.clock import SECOND, Ns
from kisnb.columns import number, signed, tone_of
from kisnb.drawing.tables import Cell, card, html_table, text_table
from kisnb.errors import BadInput
from kisnb.events import Accepted, Filled, Sent
from kisnb.market.costs import CostModel
from kisnb.market.universe import Universe
from kisnb.orders import Order
from kisnb.trading.order_books.order_book import OrderBook, OrderBooks
from kisnb.trading.ports.limits import Limits

if TYPE_CHECKING:
    import polars as pl

MILLISECOND: Ns = SECOND // 1000
PARTS = ("latency", "slippage", "missed", "rules", "decisions", "costs")
"""The parts of the drift. Each is in won; below 0 the day was worse than the back-test."""
_MEANINGS = {
    "latency": "orders reached the exchange later than in a back-test with latency 0",
    "slippage": "other prices of shares that both filled",
    "missed": "shares that one of both filled alone, at the day's last price",
    "rules": "the same, because one of both was denied or rejected",
    "decisions": "orders that one of both decided alone",
    "costs": "other fees and taxes",
}


class HasBooks(Protocol):
    """Anything with the order books of a day, such as a session."""

    @property
    def books(self) -> OrderBooks:
        """The order books of the account and of every agent."""


class _Row:
    """One order: of the day, of the back-test, or the same order of both."""

    def __init__(self, live: Order | None, met: Order | None, promised: Order | None) -> None:
        self.live, self.met, self.promised = live, met, promised
        self.of_day = Apart()
        self.latency = 0

    @property
    def order(self) -> Order:
        """The order whose stock, side and time the row shows."""
        found = self.live or self.met or self.promised
        assert found is not None
        return found

    @property
    def parts(self) -> tuple[int, ...]:
        """The won of each part of the drift, in the order of ``PARTS``."""
        return (self.latency, *self.of_day)


class Drift:
    """The drift of one day: how the day differs from its back-test.

    ``orders`` lists the drift by order, ``summary`` by its parts.
    """

    def __init__(
        self,
        live: Sequence[Order],
        met: RunRecord,
        promised: RunRecord,
        marks: Mapping[str, int],
        latency: Ns | None,
    ) -> None:
        """Compare the day's orders with two back-tests of the day.

        ``met`` ran with the day's latency, ``promised`` with latency 0. ``latency`` is the median
        latency of the day's orders, ns; None when it is not known.
        """
        self.promised = BacktestResult(promised)
        """The back-test with latency 0."""
        self.met = BacktestResult(met)
        """The back-test with the day's latency."""
        self.latency = latency
        """Median time from a decision until its order was at the exchange, ns; None: not known."""
        self._rows = _rows(live, met, promised, marks, latency or 0)

    @property
    def total(self) -> int:
        """Result of the day minus the result of the back-test with latency 0, won.

        Below 0: the day was worse.
        """
        return sum(sum(row.parts) for row in self._rows)

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order of the day or of the back-test, in the order of time.

        Columns: time (Datetime ns, KST, of the decision), code, side, quantity (shares), filled and
        test_filled (shares), price and test_price (average, won; null without a fill), latency_ms
        (null: not known), then latency, slippage, missed, rules, decisions, costs, total (won;
        below 0: the day was worse than the back-test with latency 0), note.
        """
        import polars as pl

        whole = pl.Int64()
        schema: dict[str, Any] = {
            "time": whole, "code": pl.String(), "side": pl.String(), "quantity": whole,
            "filled": whole, "test_filled": whole, "price": pl.Float64(),
            "test_price": pl.Float64(), "latency_ms": pl.Float64(),
            **dict.fromkeys((*PARTS, "total"), whole), "note": pl.String(),
        }  # fmt: skip
        frame = pl.DataFrame([_cells(row) for row in self._rows], schema=schema, orient="row").sort(
            "time"
        )
        moments = pl.from_epoch("time", time_unit="ns").dt.replace_time_zone("UTC")
        return frame.with_columns(moments.dt.convert_time_zone("Asia/Seoul"))

    @property
    def summary(self) -> pl.DataFrame:
        """One row per part of the drift, and a last row over all parts.

        Columns: part, won, orders, meaning.
        """
        import polars as pl

        rows = [(name, won, count, _MEANINGS[name]) for name, won, count in self._sums()]
        rows.append(("total", self.total, len(self._rows), "the day − the back-test"))
        return pl.DataFrame(rows, schema=["part", "won", "orders", "meaning"], orient="row")

    def _sums(self) -> list[tuple[str, int, int]]:
        columns = [[row.parts[i] for row in self._rows] for i in range(len(PARTS))]
        return [
            (name, sum(column), sum(1 for won in column if won))
            for name, column in zip(PARTS, columns, strict=True)
        ]

    def _headline(self) -> str:
        late = "" if self.latency is None else f", latency {self.latency / MILLISECOND:,.0f} ms"
        orders = f"{len(self._rows):,} order{'' if len(self._rows) == 1 else 's'}"
        return f"Drift of {self.promised.title}: {signed(self.total)} won over {orders}{late}"

    def _table(self) -> list[list[Cell]]:
        return [
            [
                Cell(name, left=True), Cell(signed(won), tone_of(won)), Cell(number(count)),
                Cell(_MEANINGS[name], left=True),
            ]
            for name, won, count in self._sums()
        ]  # fmt: skip

    def __repr__(self) -> str:
        _, _, table = text_table(("", "", "", ""), self._table()).partition("\n")
        return f"{self._headline()}\n{table}"

    def _repr_html_(self) -> str:
        return str(card(None, self._headline(), html_table(_HEAD, self._table())))


_HEAD = ("part", "won", "orders", "meaning")


def drift(
    agent: Agents,
    recording: str | Path,
    live: HasBooks | OrderBook,
    *,
    params: Mapping[str, object] | None = None,
    latency: float | None = None,
    limits: Limits | None = None,
    costs: CostModel | str | None = None,
    cash: int | None = None,
    universe: Universe | None = None,
) -> Drift:
    """Compare a day that an agent traded with the back-test of that day, order by order.

    ``agent`` is an agent or a class, with the parameters that it had on the day. ``recording`` is
    the day's tape, or a recording of KIS's messages. ``live`` is the session in which the agent
    traded, or the agent's order book. Only the orders of this agent's id count.

    ``latency`` is the time from a decision until its order is at the exchange, in seconds. Without
    it the median of the day's orders is used. A tape that contains the agent's orders says when
    each of them reached the exchange. The other arguments are those of ``backtest``. Raises
    BadInput and ConfigError with the cure.
    """
    if not is_recording(recording):
        raise BadInput(f"{recording} is no tape and no recording", "name the file of the day")
    # Each run needs a fresh agent.
    fresh = single_agent(agent, params)
    orders = list(_book(live, fresh).orders.values())
    seen = latency_of(orders)
    behind = seen if latency is None else int(latency * SECOND)
    options: dict[str, Any] = {
        "limits": limits, "costs": None if costs is None else read_costs(costs),
        "cash": None if cash is None else read_cash(cash), "universe": universe,
    }  # fmt: skip
    promised = tape_record(copy.deepcopy(fresh), recording, as_new=True, **options)
    met = tape_record(
        copy.deepcopy(fresh), recording, as_new=latency is not None, latency=(behind or 0) / SECOND,
        **options,
    )  # fmt: skip
    last = promised.bars.group_by("code", maintain_order=True).last()
    marks = dict(zip(last["code"], last["close"], strict=True))
    return Drift(orders, met, promised, marks, behind)


def latency_of(orders: Sequence[Order]) -> Ns | None:
    """Return the median time from an order's decision until it was at the exchange, ns.

    None when no order reached the exchange.
    """
    found = [late for order in orders if (late := _latency(order)) is not None]
    return int(statistics.median(found)) if found else None


def _latency(order: Order) -> Ns | None:
    at = next((f.t for f in order.facts if isinstance(f, Accepted | Sent | Filled)), None)
    return None if at is None else at - order.t


def _book(live: HasBooks | OrderBook, agent: Any) -> OrderBook:
    """Return the agent's order book of the day. Raises BadInput when it has no orders."""
    if isinstance(live, OrderBook):
        return live
    name = agent.id or type(agent).__name__
    known = live.books.agents
    book = known.get(name)
    if book is None:
        near = [other for other in known if other.startswith(name)]
        if len(near) != 1:
            raise BadInput(
                f"no agent {name!r} has orders on this day",
                f"set the agent's id to one of {', '.join(known) or 'the day'}",
            )
        book = known[near[0]]
    return book


def _rows(
    live: Sequence[Order],
    met: RunRecord,
    promised: RunRecord,
    marks: Mapping[str, int],
    latency: Ns,
) -> list[_Row]:
    near = NEAR + latency
    of_met: dict[str, _Row] = {}
    rows: list[_Row] = []
    for pair in paired(live, met.book.orders.values(), near):
        row = _Row(pair.one, pair.other, None)
        row.of_day = apart(pair, marks)
        rows.append(row)
        if pair.other is not None:
            of_met[pair.other.key] = row
    for pair in paired(met.book.orders.values(), promised.book.orders.values(), near):
        row = of_met[pair.one.key] if pair.one is not None else _Row(None, None, pair.other)
        if pair.one is None:
            rows.append(row)
        row.promised = pair.other
        row.latency = _worth(pair.one, marks) - _worth(pair.other, marks)
    return rows


def _worth(order: Order | None, marks: Mapping[str, int]) -> int:
    return 0 if order is None else value(order, marks)


def _cells(row: _Row) -> tuple[object, ...]:
    order, live, test = row.order, row.live, row.promised
    late = None if live is None else _latency(live)
    return (
        order.t, order.code, str(order.side), order.quantity,
        0 if live is None else live.filled, 0 if test is None else test.filled,
        None if live is None else live.average, None if test is None else test.average,
        None if late is None else late / MILLISECOND, *row.parts, sum(row.parts), _note(row),
    )  # fmt: skip


def _note(row: _Row) -> str:
    if row.live is None:
        return "not ordered on the day"
    if row.promised is None and row.met is None:
        return "not ordered in the back-test"
    dead = next(((who, o) for who, o in (("the day", row.live), ("the back-test", row.met))
                 if o is not None and o.is_dead), None)  # fmt: skip
    return "" if dead is None else f"{dead[0]}: {dead[1].state}, {dead[1].text}"


__all__ = ["PARTS", "Drift", "Pair", "drift", "latency_of"]
