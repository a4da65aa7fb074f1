"""Net purchases of the groups of investors, day by day: figures that agents decide on.

A day's figures are final after its close. So each caller also names the newest day whose figures
may be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from kisnb.errors import BadInput
from kisnb.market.calendar import last_trading_day, previous_trading_day
from kisnb.values import numbered_code

if TYPE_CHECKING:
    import polars as pl

GROUPS = ("individual", "foreign", "institution")


class DayFlow(msgspec.Struct, frozen=True, gc=False):
    """The net purchases of one stock on one day. Shares; negative for net sales."""

    day: date
    code: str
    individual: int | None = None
    """Net purchase of individuals. None: not known."""
    foreign: int | None = None
    """Net purchase of foreigners. None: not known."""
    institution: int | None = None
    """Net purchase of institutions. None: not known."""


class FlowTable:
    """The flows of stocks by day."""

    def __init__(self, flows: Iterable[DayFlow] = ()) -> None:
        self._of: dict[str, dict[date, DayFlow]] = {}
        for flow in flows:
            self.add(flow)

    def add(self, flow: DayFlow) -> None:
        """Add the flow of a day. It replaces an earlier figure of that day."""
        self._of.setdefault(flow.code, {})[flow.day] = flow

    def newest(self, code: str, last: date, n: int) -> list[DayFlow | None]:
        """Return the flows of ``n`` trading days up to ``last``, oldest first.

        None stands for a day whose flow is not known. Raises ConfigError for a year whose holidays
        are not known.
        """
        known = self._of.get(code, {})
        found: list[DayFlow | None] = []
        day = last_trading_day(last)
        for _ in range(n):
            found.append(known.get(day))
            day = previous_trading_day(day)
        return found[::-1]


def read_flows(frame: pl.DataFrame, code: str = "") -> list[DayFlow]:
    """Return the rows of a table of flows, such as ``session.history.flows`` returns.

    Columns: date; code, which a table of one stock may leave out when ``code`` names it; and at
    least one of individual, foreign, institution (shares; null: not known). Others are ignored.
    Raises BadInput.
    """
    import polars as pl

    groups = [name for name in GROUPS if name in frame.columns]
    if "date" not in frame.columns or not groups or ("code" not in frame.columns and not code):
        raise BadInput(
            "the flows lack a column: date, code and foreign are needed",
            "give what session.history.flows returns, or a table with date, code and foreign "
            "(shares bought net)",
        )
    if frame["date"].dtype != pl.Date:
        raise BadInput("the dates of the flows are no dates", "read them with pl.Date")
    for name in groups:
        if not frame[name].dtype.is_integer() and frame[name].dtype != pl.Null:
            raise BadInput(f"the flows of {name} are no whole shares", "give them as integers")
    codes = frame["code"].to_list() if "code" in frame.columns else [code] * frame.height
    columns = {name: frame[name].to_list() for name in groups}
    flows = [
        DayFlow(day, numbered_code(of) or of, **{n: columns[n][row] for n in groups})
        for row, (day, of) in enumerate(zip(frame["date"].to_list(), codes, strict=True))
    ]
    seen: set[tuple[str, date]] = set()
    for flow in flows:
        if (flow.code, flow.day) in seen:
            cure = "keep one row for each stock and day"
            raise BadInput(f"the flows have two rows of {flow.code} on {flow.day}", cure)
        seen.add((flow.code, flow.day))
    return flows
