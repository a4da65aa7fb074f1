"""``session.status``: the state of the desk and of the link to it, for panels and magics."""

from __future__ import annotations

from kisnb.clock import clock_text
from kisnb.events import Armed, HaltStep
from kisnb.orders import Order
from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.open_orders import OpenOrders
from kisnb.trading.halt.halt_words import Trading
from kisnb.trading.order_books.account_figures import AccountFigures, account_figures
from kisnb.trading.orders.cash_words import gap_text


class SessionStatus:
    """The state of one session and of its desk, up to the newest event."""

    def __init__(self, link: Link, state: SessionState, open_orders: OpenOrders) -> None:
        self._link = link
        self._state = state
        self._open_orders = open_orders

    @property
    def name(self) -> str:
        """The name that the desk gave this session."""
        return self._link.name

    @property
    def run(self) -> str:
        """The simulated day. At paper and live: a digest of the account number."""
        return self._state.run

    def clock_text(self) -> str:
        """Return the time of day of the session's clock, KST: ``"09:10:00"``."""
        return clock_text(self._state.now)

    @property
    def runs_free(self) -> bool:
        """True when the clock runs with real time, and False in lockstep.

        In lockstep the market waits for this session.
        """
        return self._state.runs_free

    @property
    def trading(self) -> Trading:
        """The trading state in a sentence. While the desk is out of reach, the last one known."""
        return self._link.state.confirmed(self._state.trading)

    @property
    def halt_run(self) -> list[HaltStep]:
        """The steps of the newest run of the kill switch. Empty once its halt is lifted."""
        return self._state.halt_run

    @property
    def halt_steps(self) -> list[HaltStep]:
        """All steps of the kill switch since this session was opened, oldest first."""
        return self._state.halt_steps

    @property
    def armed(self) -> Armed | None:
        """The end of the arming, and the won for which a live desk accepts buys until then.

        None: the desk is not armed.
        """
        return self._state.armed

    @property
    def link(self) -> str:
        """The link's state:

        ``"up"``, ``"down"``, ``"desk silent"``, ``"desk restarting"``, ``"desk lost"``.
        """
        return self._link.state.text

    @property
    def silence(self) -> str:
        """A sentence for people when the desk does not answer. Empty while it answers."""
        return self._link.state.silence

    @property
    def doubt(self) -> str:
        """The reason why orders and positions may differ from those shown, and since when.

        Empty when there is no such reason.
        """
        return self._link.state.doubt or self.readings

    @property
    def readings(self) -> str:
        """A sentence for people when KIS's orders and account cannot be read: since when, and why.

        Empty while they can be read, and for the first four failed readings in a row.
        """
        failed = self._state.readings_failed
        return failed.text if failed is not None else ""

    @property
    def cash_gap(self) -> str:
        """A sentence about today's change of cash that no fill explains.

        Empty when there is none.
        """
        gap = self._state.desk.unexplained(self._state.now)
        return gap_text(gap) if gap else ""

    @property
    def figures(self) -> AccountFigures:
        """Equity, cash and the result of the day, at the newest prices that this session knows.

        A stock that has not traded counts at the price that KIS stated today.
        """
        state, desk, now = self._state, self._state.desk, self._state.now
        # Before the first fact of a day, the desk's day has not begun yet, and yesterday's result
        # would count.
        desk.day.roll(now, desk.books)
        codes = {*desk.books.account.positions, *desk.day.opening}
        stated = [day for code in codes if (day := state.stocks.of(now, code)) is not None]
        prices = {day.code: day.price for day in stated if day.price > 0}
        bases = {day.code: day.base for day in stated if day.base > 0}
        return account_figures(desk.cash, desk.day, desk.books, bases, prices | state.data.prices)

    def may_be_revised(self, order: Order) -> bool:
        """Return whether all leaves of an order could move to another price now."""
        return self._open_orders.may_be_revised(order)
