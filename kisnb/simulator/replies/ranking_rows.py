"""The rows of a ranking: which issues are ranked, by what, and how many are listed.

A universe may hold thousands of issues whose day is made only when a call reads it. So a ranking
takes the ``CANDIDATES`` issues of the largest typical turnover that pass the filters of the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nlargest
from typing import TypeAlias

from kisnb.clock import hhmmss
from kisnb.market.instruments import Instrument
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Params,
    Row,
    issues,
    number_of,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import depth_fields, stock_fields
from kisnb.terms import Kind, Venue

RANKED = 30
"""Rows of a ranking (KIS's workbook)."""
CANDIDATES = 50
"""Issues that a ranking looks through."""
MOST_DEPTHS = 30
"""Most stocks whose depth a ranking reads. Reading a depth makes a stock active for the whole day.
"""

Order: TypeAlias = tuple[str, int]
"""The field that ranks, and 1 for the largest first or -1 for the smallest first."""

_PREFERRED, _HALTED, _ETF, _ETN = 4, 5, 6, 7
"""Places of FID_TRGT_EXLS_CLS_CODE of volume-rank."""


class RankingRows:
    """Reads the rows from which a ranking is made."""

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def issues(self, params: Params) -> list[Instrument]:
        """Return the issues of the market that the call asks for."""
        return issues(params, self._view.universe)

    def of_class(self, params: Params) -> list[Instrument]:
        """Return the issues by FID_DIV_CLS_CODE: 0 all, 1 common, 2 preferred."""
        wanted = one_of(params, "FID_DIV_CLS_CODE", "", "0", "1", "2")
        return [
            i for i in self.issues(params) if wanted in ("", "0") or i.preferred == (wanted == "2")
        ]

    def rows(self, params: Params, items: Iterable[Instrument], *venues: Venue) -> list[Row]:
        """Return rows of the candidates that pass the filters of price and volume.

        The issue with the largest typical turnover comes first. ``venues`` are those that the call
        knows.
        """
        venue = venue_of(params, *venues)
        # A ranking of Nextrade has the issues that it lists.
        listed = [i for i in items if not i.halted and (venue is not Venue.NXT or i.nxt)]
        prices = _either(params, "FID_INPUT_PRICE_1", "FID_APLY_RANG_PRC_1", 0)
        # A blank bound filters nothing.
        below = _either(params, "FID_INPUT_PRICE_2", "FID_APLY_RANG_PRC_2", 0) or 10**9
        volume = _either(params, "FID_VOL_CNT", "FID_APLY_RANG_VOL", 0)
        rows = (stock_fields(self._view, item.code, venue) for item in most_traded(listed))
        return [
            r
            for r in rows
            if prices <= number_in(r, "stck_prpr") <= below and number_in(r, "acml_vol") >= volume
        ]

    def with_depth(self, rows: Sequence[Row], venue: Venue, *, expected: bool = False) -> list[Row]:
        """Return the same rows with the fields of the best bid and ask added.

        With ``expected``, the fields of what an auction would trade now are added too.
        """
        found = []
        for row in rows:
            code = str(row["stck_shrn_iscd"])
            more = self._view.expected_fields(code) if expected else {}
            found.append({**row, **depth_fields(self._view.depth(code, venue)), **more})
        return found

    def hours(self, code: str, venue: Venue) -> Row:
        """Return the fields of the times of the day's high and low; empty without a trade."""
        trades = self._view.trades(code, venue)
        if not trades:
            return {}
        return {
            "hgpr_hour": hhmmss(max(trades, key=lambda trade: trade.price).t),
            "lwpr_hour": hhmmss(min(trades, key=lambda trade: trade.price).t),
        }


def most_traded(items: Iterable[Instrument]) -> list[Instrument]:
    """Return the candidates of a ranking: the issues of the largest typical turnover.

    Halted issues are left out.
    """
    return nlargest(
        # Typical turnover is known without making an issue's day.
        CANDIDATES,
        (i for i in items if not i.halted),
        key=lambda i: (i.volume * i.base, i.code),
    )


def top(rows: Iterable[Row], order: Order) -> list[Row]:
    """Return the first thirty rows. The code decides between equals."""
    field, direction = order
    # An issue without a past has no averages, and cannot be ranked by them.
    kept = [row for row in rows if field in row]
    return sorted(
        kept, key=lambda row: (-direction * float(str(row[field])), str(row["mksc_shrn_iscd"]))
    )[:RANKED]


def numbered(api: str, block: str, rows: Iterable[Row]) -> list[Row]:
    """Return rows of a block, with their rank."""
    return [pick(api, block, row, {"data_rank": rank}) for rank, row in enumerate(rows, start=1)]


def ranked(api: str, rows: Iterable[Row], order: Order, block: str = "output") -> list[Row]:
    """Return the first thirty rows of a block, with their rank."""
    return numbered(api, block, top(rows, order))


def number_in(row: Row, field: str) -> int:
    """Return a whole number of a row."""
    value = row[field]
    assert isinstance(value, int)
    return value


def bound_of(params: Params, name: str, default: float) -> float:
    """Return a parameter as a number; ``default`` when it is blank or no number."""
    text = params[name].strip()
    try:
        return float(text) if text else default
    except ValueError:
        return default


def _either(params: Params, one: str, other: str, default: int) -> int:
    return (
        # The rankings spell the same filter in two ways (workbook: volume-rank and
        # exp-trans-updown, for example).
        number_of(params, one if one in params else other, default)
        if one in params or other in params
        else default
    )


def is_excluded(item: Instrument, flags: str) -> bool:
    """Return whether the FID_TRGT_EXLS_CLS_CODE of a call leaves an issue out."""
    # The other places are warnings and kinds of funds that no simulated issue has.
    out = {place for place, flag in enumerate(flags) if flag == "1"}
    kinds = {Kind.ETF: _ETF, Kind.ETN: _ETN}
    return (
        (item.preferred and _PREFERRED in out)
        or (item.halted and _HALTED in out)
        or kinds.get(item.kind, -1) in out
    )
