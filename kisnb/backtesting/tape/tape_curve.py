"""Equity and minute bars of a run over a tape, collected while it plays."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from kisnb.backtesting.run_record import equity_frame, minute_bars
from kisnb.clock import MINUTE, Ns
from kisnb.events import Tick
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl


class TapeCurve:
    """Collects the account's state after each minute with events, and the agent's trades."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._minute = 0
        """The minute of the newest batch, counted from the begin of 1970."""
        self._notes: list[tuple[Ns, int, int]] = []
        self._newest: dict[str, int] = {}
        """The newest price of each stock, won."""
        self._codes: dict[str, int] = {}
        self._trades = tuple(array("q") for _ in range(4))
        """Index of the stock, time, price and shares of each trade."""

    def begin(self, t: Ns) -> None:
        """Begin a batch at ``t``. If a new minute begins, note the account after the last one."""
        minute = t // MINUTE
        if minute > self._minute:
            if self._minute:
                self._note()
            self._minute = minute

    def add(self, tick: Tick) -> None:
        """Add a trade that agents see."""
        self._newest[tick.code] = tick.price
        codes, times, prices, shares = self._trades
        codes.append(self._codes.setdefault(tick.code, len(self._codes)))
        times.append(tick.t)
        prices.append(tick.price)
        shares.append(tick.qty)

    def end(self) -> None:
        """Note the account after the last minute of the tape."""
        self._note()

    def equity(self, cash: int) -> pl.DataFrame:
        """Return the columns of ``RunRecord.equity``. ``cash`` is the cash at the start, won."""
        return equity_frame([(t, cash + flow, held) for t, flow, held in self._notes])

    def bars(self) -> pl.DataFrame:
        """Return the columns of ``RunRecord.bars``: the minutes of the collected trades."""
        import polars as pl

        names = pl.Series("code", list(self._codes), dtype=pl.String)
        index, *columns = (pl.Series(values) for values in self._trades)
        trades = pl.DataFrame(columns, schema=["t", "price", "qty"])
        return minute_bars(trades.with_columns(names.gather(index)))

    def _note(self) -> None:
        held = self._state.books.account.positions.items()
        value = sum(p.qty * self._newest.get(code, 0) for code, p in held if p.qty)
        self._notes.append(((self._minute + 1) * MINUTE, self._state.flow, value))


__all__ = ["TapeCurve"]
