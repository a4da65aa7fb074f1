"""``kisnb.backtest``: an agent over bars or over a recorded day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from kisnb.backtesting.bar_backtest import bar_record
from kisnb.backtesting.bar_feed import Data
from kisnb.backtesting.given import (
    Agents,
    Sizing,
    read_cash,
    read_costs,
    read_day,
    read_flow_table,
    single_agent,
)
from kisnb.backtesting.results.benchmark import BenchmarkLike
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.tape.tape_backtest import tape_record
from kisnb.backtesting.tape.tape_feed import is_recording
from kisnb.backtesting.ticks.tick_backtest import tick_record
from kisnb.backtesting.ticks.tick_feed import is_trades
from kisnb.errors import BadInput
from kisnb.market.costs import CostModel
from kisnb.market.universe import Universe
from kisnb.trading.ports.limits import Limits

if TYPE_CHECKING:
    import polars as pl


def backtest(
    agent: Agents,
    data: Data,
    *,
    cash: int | None = None,
    costs: CostModel | str | None = None,
    fills: int | None = 100,
    latency: float = 0.0,
    sizing: Sizing = "decision",
    params: Mapping[str, object] | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    every: str = "",
    separate: bool = False,
    limits: Limits | None = None,
    universe: Universe | None = None,
    patience: float = 60.0,
    benchmark: BenchmarkLike = None,
    flows: pl.DataFrame | None = None,
) -> BacktestResult:
    """Run an agent over bars, or over a recorded day, and return the result.

    ``agent`` is an agent, several agents, or a class. For a class, each stock of the data gets its
    own agent, made with ``params``. ``data`` are bars or trades: a DataFrame, a dict of code ->
    DataFrame, or a parquet or CSV file. Bars have the columns code, time (or date), open, high,
    low, close (won), volume (shares). Trades have the columns code, time, price (won), qty
    (shares). A tape (``.tape``) or a recording (``.jsonl``) of a day has trades and depth.

    - ``cash``: won at the start. None: 100 million for bars. On a recorded day None means that
      the cash is not checked. All agents share the cash. With ``separate=True`` each agent has this
      amount.
    - ``costs``: a commission plan such as ``"bankis"``, or a CostModel. It is required for bars.
    - ``fills``: the largest part of a bar's volume that orders may take, percent. None: no limit.
    - ``latency``: seconds from the decision until the order is at the exchange.
    - ``sizing``: ``"decision"`` sizes ``target`` and ``buy_value`` at the decision, as live does.
      ``"fill"`` sizes them at the price of the fill, for research on bars.
    - ``start``, ``end``: first and last day, inclusive. ``every``: length of the bars, when the
      data do not show it. ``limits``: the desk's own limits; None for no limits. ``patience``:
      seconds after which a handler that does not return ends the run. ``universe``: the list of
      stocks; None for the list in ``KISNB_DATA``, or the list that comes with kisnb.
    - ``benchmark``: an index such as ``"KOSPI"`` (from ``KISNB_DATA``), a stock of the data, or a
      DataFrame of date and close.
    - ``flows``: the data for ``Agent.flows``: a DataFrame with date, code and foreign (shares
      bought net), such as ``session.history.flows`` returns. Without it agents get no flows.

    An order can be filled from the next bar of its stock on (rules: ``exchange/BAR_FILLS.md``).
    Raises BadInput and ConfigError with the cure, and RuntimeError with the agent's traceback when
    an agent fails.
    """
    table = read_flow_table(flows, agent)
    if is_recording(data):
        _check_options("a recorded day", sizing, every, start, end, separate=separate)
        record = tape_record(
            single_agent(agent, params), data, limits=limits,
            costs=None if costs is None else read_costs(costs),
            cash=None if cash is None else read_cash(cash), latency=latency, universe=universe,
            patience=patience, flows=table,
        )  # fmt: skip
    elif is_trades(data):
        _check_options("trades", sizing, every, separate=separate)
        record = tick_record(
            agent, data, read_costs(costs), cash=read_cash(cash), fills=fills, latency=latency,
            params=params or {}, start=read_day(start), end=read_day(end), limits=limits,
            universe=universe, patience=patience, flows=table,
        )  # fmt: skip
    else:
        record = bar_record(
            agent, data, read_costs(costs), cash=read_cash(cash), fills=fills, latency=latency,
            sizing=sizing, params=params or {}, start=read_day(start), end=read_day(end),
            every=every, separate=separate, limits=limits, universe=universe, patience=patience,
            flows=table,
        )  # fmt: skip
    return BacktestResult(record, benchmark)


def _check_options(
    data: str, sizing: object, every: str, start: object = None, end: object = None, *,
    separate: bool,
) -> None:  # fmt: skip
    """Raise BadInput for an option that works only in a run over bars."""
    for name, given in (
        ("sizing='fill'", sizing == "fill"), ("separate", separate), ("every", bool(every)),
        ("start", start is not None), ("end", end is not None),
    ):  # fmt: skip
        if given:
            raise BadInput(f"{name} is for bars, and this is {data}", "leave it out")


__all__ = ["backtest"]
