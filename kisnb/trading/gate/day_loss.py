"""The circuit breaker: compares the loss of the day with its limit (``max_day_loss``)."""

from __future__ import annotations

from datetime import date

from kisnb.clock import kst_day
from kisnb.events import BreakerTripped, HaltSet, StockDay, Tick
from kisnb.market.sessions import gives_price
from kisnb.orders import Account
from kisnb.trading.gate.risk import Gate
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


class DayLoss:
    """Sets the desk to reducing when the day has lost more than its limit.

    A person may lift this state, and trade on. The desk is set to reducing again on the same day
    when the loss exceeds twice the limit, then three times the limit, and so on.
    """

    def __init__(self, gate: Gate, state: State) -> None:
        self._gate = gate
        self._state = state
        self._prices: dict[str, int] = {}
        """The price of the newest trade of each held stock, won."""
        self._stated: dict[str, int] = {}
        """The newest price that KIS stated of each stock, won.

        It counts for stocks without a trade.
        """
        self._day: date | None = None
        """The Korean day of these prices."""
        self._left_out: set[str] = set()
        """Stocks that are not counted, and that were reported as such."""

    def is_held(self, code: str) -> bool:
        """Return whether the account has a position of the stock, so that its price matters."""
        return code in self._state.books.account.positions

    def on_tick(self, turn: Turn, tick: Tick) -> None:
        """Note the price of a held stock, and check the loss when it fell.

        A price that does not count at this moment (``gives_price``) is ignored.
        """
        if not gives_price(tick.venue, tick.t):
            return
        self._begin_day(turn)
        before, self._prices[tick.code] = self._prices.get(tick.code), tick.price
        # A rising price cannot raise the loss, because the account has no short positions. So at
        # most ticks the sum over all stocks is not needed.
        if before is None or tick.price < before:
            self.check(turn)

    def on_account(self, turn: Turn, account: Account | None) -> None:
        """Note the prices at which KIS values the holdings (``prpr``).

        KIS stated nothing when ``account`` is None.
        """
        self._begin_day(turn)
        if account is not None:
            self._stated |= {h.code: h.price for h in account.holdings if h.price > 0}

    def on_stated(self, turn: Turn, stated: StockDay | None) -> None:
        """Note the price that KIS states of a stock, and check the loss.

        ``stated`` None: KIS stated nothing.
        """
        self._begin_day(turn)
        if stated is not None and stated.price > 0:
            self._stated[stated.code] = stated.price
        self.check(turn)

    def check(self, turn: Turn) -> None:
        """Set the desk to reducing if the day's loss is above its limit.

        Only an active desk is changed.
        """
        limit, day = self._gate.limits.max_day_loss, self._state.day
        if limit is None or self._state.halt != "active":
            return
        # The first tick of a day may come before the day's first row. Without this check
        # yesterday's loss would count.
        day.roll(turn.now, self._state.books)
        self._begin_day(turn)
        books, rules = self._state.books, self._gate.rules
        # Stocks that were sold today are only in the holdings of the opening. Their loss counts
        # too.
        codes = {*books.account.positions, *day.opening}
        stated = ((code, rules.days.base(turn.now, code)) for code in codes)
        bases = {code: base for code, base in stated if base is not None}
        prices = self._stated | self._prices
        standing = day.standing(books, bases, prices)
        self._report_left_out(turn, standing.uncounted)
        if standing.breaks(limit * (day.trips + 1)):
            turn.record(BreakerTripped(turn.now, -standing.result, standing.stake))
            percent = standing.result * 100 / standing.stake
            lost, stake = f"{-standing.result:,}", f"{standing.stake:,}"
            why = f"the day lost {lost} won of {stake} at stake ({percent:.2f} %)"
            # The state is reducing and not halted, because exits must pass. Otherwise the loss
            # could only grow.
            turn.record(HaltSet(turn.now, "reducing", why))
            turn.report(f"circuit breaker: {why}; only cancels and reducing sells pass")

    def _begin_day(self, turn: Turn) -> None:
        """Forget the prices of an earlier day, because a split may have changed their level."""
        if (day := kst_day(turn.now)) != self._day:
            self._day = day
            self._prices.clear()
            self._stated.clear()

    def _report_left_out(self, turn: Turn, codes: frozenset[str]) -> None:
        """Report, once, the stocks that are not counted."""
        # At first a reading of the stock is under way. It brings the missing figure.
        new = {c for c in codes - self._left_out if self._gate.rules.days.why_not(c)}
        self._left_out |= new
        for code in sorted(new):
            why = self._gate.rules.days.why_not(code)
            turn.report(
                f"the circuit breaker does not count {code}: its value at the opening is not "
                f"known ({why})"
            )
