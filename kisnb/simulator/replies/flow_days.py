"""The days of investors' trades, of one stock and of all stocks of a board."""

from __future__ import annotations

from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.simulator.day.investor_flows import Flows
from kisnb.simulator.replies.bars import DayBar
from kisnb.simulator.replies.flow_fields import added, group_fields
from kisnb.simulator.replies.market_view import KEPT_DAYS, MarketView
from kisnb.simulator.replies.ranking_rows import most_traded
from kisnb.simulator.replies.reply import Params, Row, day_of
from kisnb.simulator.replies.stock_fields import bar_fields
from kisnb.terms import Board

DAYS = 30
"""Days that a reply by day goes back."""
MARKET_ROWS = 10
"""Days, or minutes, of a reply about a whole market."""


class FlowDays:
    """Reads the trades of investors by day. Days are listed newest first."""

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self._market_days: dict[Board, list[tuple[DayBar, Flows]]] = {}
        """The days of each board. They are kept, because they lie in the past."""

    def days(self, code: str, n: int) -> list[tuple[DayBar, Flows]]:
        """Return the last ``n`` days of a stock. This day is among them once it has closed."""
        days = [
            (self._view.as_bar(dated), flows)
            for dated, flows in reversed(self._view.facts.past_flows(code, n))
        ]
        # KIS fills this day's row only after the close (workbook: inquire-investor).
        today = self._view.today(code)
        if today and self._view.now >= sessions.regular_close(self._view.day):
            days.insert(0, (today, self._view.facts.flows(code, self._view.now)))
        return days[:n]

    def days_until(self, params: Params, code: str) -> list[tuple[DayBar, Flows]]:
        """Return thirty days of a stock back from FID_INPUT_DATE_1."""
        last = day_of(params, "FID_INPUT_DATE_1", self._view.day)
        # The window ends in the past. So as many days more are read as lie between its end and this
        # day.
        days = self.days(code, min(self._view.trading_days_since(last), KEPT_DAYS) + DAYS)
        return [(bar, flows) for bar, flows in days if bar.day <= last][:DAYS]

    def day(self, code: str, bar: DayBar, flows: Flows) -> Row:
        """Return a day's bar and its trades by group as a row."""
        return {**self.bar(code, bar), **group_fields(flows)}

    def bar(self, code: str, bar: DayBar) -> Row:
        """Return a day's bar as a row."""
        return bar_fields(bar, self._view.close_before(code, bar.day))

    def members(self, board: Board) -> list[Instrument]:
        """Return the issues whose trades represent those of the whole board."""
        return most_traded(item for item in self._view.universe if item.board is board)

    def days_of_market(self, board: Board) -> list[tuple[DayBar, Flows]]:
        """Return the days of a board: its members' volumes and trades added up."""
        # Adding up all members takes long, and the past does not change during the day.
        if board not in self._market_days:
            by_stock = [
                self._view.facts.past_flows(item.code, MARKET_ROWS) for item in self.members(board)
            ]
            by_day: dict[object, list[tuple[DayBar, Flows]]] = {}
            for days in by_stock:
                for dated, flows in days:
                    by_day.setdefault(dated.day, []).append((self._view.as_bar(dated), flows))
            self._market_days[board] = [
                (
                    DayBar(
                        # A board has no prices of its own here. The rows take them from the index.
                        bars[0][0].day,
                        0,
                        0,
                        0,
                        0,
                        sum(b.volume for b, _ in bars),
                        sum(b.value for b, _ in bars),
                    ),
                    added(bars[0][1].t, (flows for _, flows in bars)),
                )
                for _, bars in sorted(by_day.items(), key=lambda entry: str(entry[0]), reverse=True)
            ]
        return self._market_days[board]
