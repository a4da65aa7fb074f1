"""The rankings: thirty rows at most and no next page, of the stocks of the simulated market.

A universe may hold thousands of issues whose day is made only when it is looked at: what is ranked are the
``CANDIDATES`` issues of the largest typical turnover that pass the filters of the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nlargest
from typing import TypeAlias

from kisnb.clock import hhmmss
from kisnb.market.instruments import Instrument
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    issues,
    number_of,
    one_of,
    pick,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import (
    DISPARITIES,
    depth_fields,
    flow_of_trades,
    issue_fields,
    quote_fields,
    rate,
    stock_fields,
)
from kisnb.terms import Kind, Side, Venue

RANKED = 30
CANDIDATES = 50
BOOKS = 30
"""Rankings by book look at no more books than this, for each one looked at lives from then on."""

Order: TypeAlias = tuple[str, int]
"""The field that ranks, and 1 for the largest first, -1 for the smallest."""
_VOLUME_RANK: dict[str, Order] = {
    "0": ("avrg_vol", 1),
    "1": ("vol_inrt", 1),
    "2": ("nday_vol_tnrt", 1),
    "3": ("acml_tr_pbmn", 1),
    "4": ("nday_tr_pbmn_tnrt", 1),
}
_FLUCTUATION: dict[str, Order] = {
    "0": ("prdy_ctrt", 1),
    "1": ("prdy_ctrt", -1),
    "2": ("oprc_vrss_prpr_rate", 1),
    "3": ("oprc_vrss_prpr_rate", -1),
    "4": ("range", 1),
}
_QUOTE_BALANCE: dict[str, Order] = {
    "0": ("total_ntsl_bidp_rsqn", 1),
    "1": ("total_ntsl_bidp_rsqn", -1),
    "2": ("shnu_rsqn_rate", 1),
    "3": ("seln_rsqn_rate", 1),
}
_EXPECTED: dict[str, Order] = {
    "0": ("prdy_ctrt", 1),
    "1": ("prdy_vrss", 1),
    "2": ("acml_vol", 1),
    "3": ("prdy_ctrt", -1),
    "4": ("prdy_vrss", -1),
    "5": ("cntg_vol", 1),
    "6": ("antc_tr_pbmn", 1),
}
_PREFERRED, _HALTED, _ETF, _ETN = 4, 5, 6, 7
"""Places of FID_TRGT_EXLS_CLS_CODE of volume-rank."""


class Rankings:
    """Each answer raises ApiError with KIS's code for wrong parameters."""

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        return {
            "volume_rank": self.volume_rank,
            "fluctuation": self.fluctuation,
            "market_cap": self.market_cap,
            "volume_power": self.volume_power,
            "quote_balance": self.quote_balance,
            "disparity": self.disparity,
            "near_new_highlow": self.near_new_highlow,
            "exp_trans_updown": self.exp_trans_updown,
            "bulk_trans_num": self.bulk_trans_num,
            "prefer_disparate_ratio": self.prefer_disparate_ratio,
            "capture_uplowprice": self.capture_uplowprice,
            "exp_closing_price": self.exp_closing_price,
        }

    def volume_rank(self, params: Params) -> Blocks:
        order = _VOLUME_RANK[one_of(params, "FID_BLNG_CLS_CODE", *_VOLUME_RANK)]
        left_out = params["FID_TRGT_EXLS_CLS_CODE"]
        kept = [i for i in self._of_class(params) if not _excluded(i, left_out)]
        rows = self._rows(params, kept, Venue.KRX, Venue.NXT)
        return {"output": ranked("volume_rank", rows, order)}

    def fluctuation(self, params: Params) -> Blocks:
        order = _FLUCTUATION[one_of(params, "FID_RANK_SORT_CLS_CODE", *_FLUCTUATION)]
        rows = self._rows(params, self._all(params), Venue.KRX, Venue.NXT)
        low, high = (
            _bound(params, "FID_RSFL_RATE1", -100.0),
            _bound(params, "FID_RSFL_RATE2", 100.0),
        )
        rows = [row for row in rows if low <= float(str(row["prdy_ctrt"])) <= high]
        for row in rows:
            row["range"] = rate(
                _number(row, "stck_hgpr") - _number(row, "stck_lwpr"), _number(row, "stck_sdpr")
            )
        best = top((row for row in rows if row["acml_vol"]), order)
        for row in best:
            row |= self._hours(str(row["stck_shrn_iscd"]), venue_of(params))
        return {"output": numbered("fluctuation", "output", best)}

    def market_cap(self, params: Params) -> Blocks:
        rows = self._rows(params, self._of_class(params), Venue.KRX, Venue.NXT)
        whole = sum(_number(row, "stck_avls") for row in rows)
        for row in rows:
            row["mrkt_whol_avls_rlim"] = rate(_number(row, "stck_avls"), whole)
        return {"output": ranked("market_cap", rows, ("stck_avls", 1))}

    def volume_power(self, params: Params) -> Blocks:
        rows = self._rows(params, self._of_class(params), Venue.KRX, Venue.NXT)
        venue = venue_of(params)
        for row in rows:
            row |= flow_of_trades(self._view.sums(str(row["stck_shrn_iscd"]), venue))
        return {"output": ranked("volume_power", rows, ("tday_rltv", 1))}

    def quote_balance(self, params: Params) -> Blocks:
        order = _QUOTE_BALANCE[one_of(params, "FID_RANK_SORT_CLS_CODE", *_QUOTE_BALANCE)]
        rows = self._rows(params, self._all(params), Venue.KRX, Venue.NXT)[:BOOKS]
        return {"output": ranked("quote_balance", self._with_depth(rows, venue_of(params)), order)}

    def disparity(self, params: Params) -> Blocks:
        days = one_of(params, "FID_HOUR_CLS_CODE", *(str(days) for days in DISPARITIES))
        direction = 1 if one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1") == "0" else -1
        rows = self._rows(params, self._all(params), Venue.KRX, Venue.NXT)
        return {"output": ranked("disparity", rows, (f"d{days}_dsrt", direction))}

    def near_new_highlow(self, params: Params) -> Blocks:
        field = ("hprc_near_rate", "lwpr_near_rate")[
            int(one_of(params, "FID_PRC_CLS_CODE", "0", "1"))
        ]
        least, most = (
            _bound(params, "FID_INPUT_CNT_1", 0.0),
            _bound(params, "FID_INPUT_CNT_2", 100.0),
        )
        rows = self._rows(params, self._all(params), Venue.KRX)
        near = [
            row for row in rows if field in row and least <= abs(float(str(row[field]))) <= most
        ]
        near.sort(key=lambda row: abs(float(str(row[field]))))
        return {
            "output": numbered(
                "near_new_highlow", "output", self._with_depth(near[:BOOKS], Venue.KRX)
            )
        }

    def exp_trans_updown(self, params: Params) -> Blocks:
        order = _EXPECTED[one_of(params, "FID_RANK_SORT_CLS_CODE", *_EXPECTED)]
        rows = self._rows(params, self._of_class(params), Venue.KRX)[:BOOKS]
        return {
            "output": ranked(
                "exp_trans_updown", self._with_depth(rows, Venue.KRX, expected=True), order
            )
        }

    def exp_closing_price(self, params: Params) -> Blocks:
        sort = one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1", "2", "3", "4")
        rows = self._with_depth(
            self._rows(params, self._all(params), Venue.KRX)[:BOOKS], Venue.KRX, expected=True
        )
        if sort in ("1", "2"):
            sign = "1" if sort == "1" else "4"
            rows = [row for row in rows if row["prdy_vrss_sign"] == sign]
        return {
            "output": ranked(
                "exp_closing_price", rows, ("prdy_ctrt", -1 if sort in ("2", "4") else 1)
            )
        }

    def bulk_trans_num(self, params: Params) -> Blocks:
        field = ("shnu_cntg_csnu", "seln_cntg_csnu")[
            int(one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1"))
        ]
        least, venue = (
            number_of(params, "FID_INPUT_PRICE_1", 0),
            venue_of(params, Venue.KRX, Venue.NXT),
        )
        only = params["FID_INPUT_ISCD_2"].strip()
        kept = [i for i in self._all(params) if only in ("", i.code)]
        rows = self._rows({**params, "FID_INPUT_PRICE_1": ""}, kept, Venue.KRX, Venue.NXT)
        for row in rows:
            large = [
                t
                for t in self._view.trades(str(row["stck_shrn_iscd"]), venue)
                if t.price * t.qty >= least
            ]
            buys = [t.qty for t in large if t.side is Side.BUY]
            sells = [t.qty for t in large if t.side is Side.SELL]
            row["shnu_cntg_csnu"], row["seln_cntg_csnu"] = len(buys), len(sells)
            row["ntby_cnqn"] = sum(buys) - sum(sells)
        return {"output": ranked("bulk_trans_num", rows, (field, 1))}

    def prefer_disparate_ratio(self, params: Params) -> Blocks:
        """By how far a preferred share stands below its common one (괴리율)."""
        venue = venue_of(params, Venue.KRX, Venue.NXT)
        rows: list[Row] = []
        for preferred in (
            i for i in issues(params, self._view.universe) if i.preferred and not i.halted
        ):
            common = self._view.universe.common_of(preferred.code)
            if common is None or common.halted:
                continue
            one, other = (
                self._view.quote(common.code, venue),
                self._view.quote(preferred.code, venue),
            )
            said = quote_fields(other)
            rows.append(
                {
                    **quote_fields(one),
                    **issue_fields(common),
                    "prst_iscd": preferred.code,
                    "prst_kor_isnm": preferred.name,
                    "prst_prpr": other.price,
                    "prst_prdy_vrss": other.change,
                    "prst_prdy_vrss_sign": said["prdy_vrss_sign"],
                    "prst_prdy_ctrt": other.change_pct,
                    "prst_acml_vol": other.volume,
                    "diff_prpr": one.price - other.price,
                    "dprt": rate(one.price - other.price, one.price),
                }
            )
        return {"output": ranked("prefer_disparate_ratio", rows, ("dprt", 1))}

    def capture_uplowprice(self, params: Params) -> Blocks:
        """Stocks at, or within some per cent of, the upper (0) or lower (1) limit."""
        up = one_of(params, "FID_PRC_CLS_CODE", "0", "1") == "0"
        within = _NEAR_LIMIT[one_of(params, "FID_DIV_CLS_CODE", *_NEAR_LIMIT)]
        field = "stck_mxpr" if up else "stck_llam"
        near = [
            row
            for row in self._rows(params, self._all(params), Venue.KRX)
            if abs(rate(_number(row, field) - _number(row, "stck_prpr"), _number(row, "stck_prpr")))
            <= within
        ]
        for row in near:
            row |= flow_of_trades(self._view.sums(str(row["stck_shrn_iscd"])))
        near = self._with_depth(near[:BOOKS], Venue.KRX)
        return {"output": ranked("capture_uplowprice", near, ("prdy_ctrt", 1 if up else -1))}

    def _all(self, params: Params) -> list[Instrument]:
        return issues(params, self._view.universe)

    def _of_class(self, params: Params) -> list[Instrument]:
        """By FID_DIV_CLS_CODE: 0 all, 1 common, 2 preferred."""
        wanted = one_of(params, "FID_DIV_CLS_CODE", "", "0", "1", "2")
        return [
            i for i in self._all(params) if wanted in ("", "0") or i.preferred == (wanted == "2")
        ]

    def _rows(self, params: Params, items: Iterable[Instrument], *venues: Venue) -> list[Row]:
        """The candidates that pass the filters of price and volume, largest typical turnover first."""
        venue = venue_of(params, *venues)
        listed = [i for i in items if not i.halted and (venue is not Venue.NXT or i.nxt)]
        prices = _either(params, "FID_INPUT_PRICE_1", "FID_APLY_RANG_PRC_1", 0)
        below = _either(params, "FID_INPUT_PRICE_2", "FID_APLY_RANG_PRC_2", 0) or 10**9
        volume = _either(params, "FID_VOL_CNT", "FID_APLY_RANG_VOL", 0)
        rows = (stock_fields(self._view, item.code, venue) for item in most_traded(listed))
        return [
            r
            for r in rows
            if prices <= _number(r, "stck_prpr") <= below and _number(r, "acml_vol") >= volume
        ]

    def _with_depth(
        self, rows: Sequence[Row], venue: Venue, *, expected: bool = False
    ) -> list[Row]:
        """Rows with the best prices; ``expected`` also with what an auction would trade now."""
        found = []
        for row in rows:
            code = str(row["stck_shrn_iscd"])
            more = self._view.expected_fields(code) if expected else {}
            found.append({**row, **depth_fields(self._view.depth(code, venue)), **more})
        return found

    def _hours(self, code: str, venue: Venue) -> Row:
        """When the day's high and low were first traded."""
        trades = self._view.trades(code, venue)
        if not trades:
            return {}
        return {
            "hgpr_hour": hhmmss(max(trades, key=lambda trade: trade.price).t),
            "lwpr_hour": hhmmss(min(trades, key=lambda trade: trade.price).t),
        }


_NEAR_LIMIT = {"0": 0.0, "6": 8.0, "5": 10.0, "1": 15.0, "2": 20.0, "3": 25.0}
"""FID_DIV_CLS_CODE of capture-uplowprice: per cent from the limit."""


def most_traded(items: Iterable[Instrument]) -> list[Instrument]:
    """The candidates of a ranking: issues of the largest typical turnover, halted ones left out."""
    return nlargest(
        CANDIDATES, (i for i in items if not i.halted), key=lambda i: (i.volume * i.base, i.code)
    )


def top(rows: Iterable[Row], order: Order) -> list[Row]:
    """The first thirty; the code decides between equals."""
    field, direction = order
    kept = [row for row in rows if field in row]
    return sorted(
        kept, key=lambda row: (-direction * float(str(row[field])), str(row["mksc_shrn_iscd"]))
    )[:RANKED]


def numbered(api: str, block: str, rows: Iterable[Row]) -> list[Row]:
    """Rows of a block, with their rank."""
    return [pick(api, block, row, {"data_rank": rank}) for rank, row in enumerate(rows, start=1)]


def ranked(api: str, rows: Iterable[Row], order: Order, block: str = "output") -> list[Row]:
    return numbered(api, block, top(rows, order))


def _excluded(item: Instrument, flags: str) -> bool:
    out = {place for place, flag in enumerate(flags) if flag == "1"}
    kinds = {Kind.ETF: _ETF, Kind.ETN: _ETN}
    return (
        (item.preferred and _PREFERRED in out)
        or (item.halted and _HALTED in out)
        or kinds.get(item.kind, -1) in out
    )


def _number(row: Row, field: str) -> int:
    value = row[field]
    assert isinstance(value, int)
    return value


def _bound(params: Params, name: str, default: float) -> float:
    text = params[name].strip()
    try:
        return float(text) if text else default
    except ValueError:
        return default


def _either(params: Params, one: str, other: str, default: int) -> int:
    return (
        number_of(params, one if one in params else other, default)
        if one in params or other in params
        else default
    )
