"""The rankings of the simulated market: at most thirty rows, and no next page, as at KIS."""

from __future__ import annotations

from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.ranking_rows import (
    MOST_DEPTHS,
    Order,
    RankingRows,
    bound_of,
    is_excluded,
    number_in,
    numbered,
    ranked,
    top,
)
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    issues,
    number_of,
    one_of,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import (
    DISPARITIES,
    flow_of_trades,
    issue_fields,
    quote_fields,
    rate,
)
from kisnb.terms import Side, Venue

_VOLUME_RANK: dict[str, Order] = {
    "0": ("avrg_vol", 1),
    "1": ("vol_inrt", 1),
    "2": ("nday_vol_tnrt", 1),
    "3": ("acml_tr_pbmn", 1),
    "4": ("nday_tr_pbmn_tnrt", 1),
}
"""The order by FID_BLNG_CLS_CODE of volume-rank."""
_FLUCTUATION: dict[str, Order] = {
    "0": ("prdy_ctrt", 1),
    "1": ("prdy_ctrt", -1),
    "2": ("oprc_vrss_prpr_rate", 1),
    "3": ("oprc_vrss_prpr_rate", -1),
    "4": ("range", 1),
}
"""The order by FID_RANK_SORT_CLS_CODE of fluctuation."""
_QUOTE_BALANCE: dict[str, Order] = {
    "0": ("total_ntsl_bidp_rsqn", 1),
    "1": ("total_ntsl_bidp_rsqn", -1),
    "2": ("shnu_rsqn_rate", 1),
    "3": ("seln_rsqn_rate", 1),
}
"""The order by FID_RANK_SORT_CLS_CODE of quote-balance."""
_EXPECTED: dict[str, Order] = {
    "0": ("prdy_ctrt", 1),
    "1": ("prdy_vrss", 1),
    "2": ("acml_vol", 1),
    "3": ("prdy_ctrt", -1),
    "4": ("prdy_vrss", -1),
    "5": ("cntg_vol", 1),
    "6": ("antc_tr_pbmn", 1),
}
"""The order by FID_RANK_SORT_CLS_CODE of exp-trans-updown."""
_NEAR_LIMIT = {"0": 0.0, "6": 8.0, "5": 10.0, "1": 15.0, "2": 20.0, "3": 25.0}
"""Percent from the limit, by FID_DIV_CLS_CODE of capture-uplowprice."""


class Rankings:
    """Replies with rankings.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self._ranking = RankingRows(view)

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
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
        """Return the stocks ranked by volume, turnover or their growth (거래량순위)."""
        order = _VOLUME_RANK[one_of(params, "FID_BLNG_CLS_CODE", *_VOLUME_RANK)]
        left_out = params["FID_TRGT_EXLS_CLS_CODE"]
        kept = [i for i in self._ranking.of_class(params) if not is_excluded(i, left_out)]
        rows = self._ranking.rows(params, kept, Venue.KRX, Venue.NXT)
        return {"output": ranked("volume_rank", rows, order)}

    def fluctuation(self, params: Params) -> Blocks:
        """Return the stocks ranked by change or range of the price (등락률 순위)."""
        order = _FLUCTUATION[one_of(params, "FID_RANK_SORT_CLS_CODE", *_FLUCTUATION)]
        rows = self._ranking.rows(params, self._ranking.issues(params), Venue.KRX, Venue.NXT)
        low, high = (
            bound_of(params, "FID_RSFL_RATE1", -100.0),
            bound_of(params, "FID_RSFL_RATE2", 100.0),
        )
        # FID_RSFL_RATE1 and 2 bound the change in percent; blank means all (workbook: fluctuation).
        rows = [row for row in rows if low <= float(str(row["prdy_ctrt"])) <= high]
        for row in rows:
            row["range"] = rate(
                number_in(row, "stck_hgpr") - number_in(row, "stck_lwpr"),
                number_in(row, "stck_sdpr"),
            )
        # A stock that has not traded today has no change of today.
        best = top((row for row in rows if row["acml_vol"]), order)
        for row in best:
            # Only the rows that are shown need the times, which are searched among all trades.
            row |= self._ranking.hours(str(row["stck_shrn_iscd"]), venue_of(params))
        return {"output": numbered("fluctuation", "output", best)}

    def market_cap(self, params: Params) -> Blocks:
        """Return the stocks ranked by market value (시가총액 상위)."""
        rows = self._ranking.rows(params, self._ranking.of_class(params), Venue.KRX, Venue.NXT)
        whole = sum(number_in(row, "stck_avls") for row in rows)
        for row in rows:
            row["mrkt_whol_avls_rlim"] = rate(number_in(row, "stck_avls"), whole)
        return {"output": ranked("market_cap", rows, ("stck_avls", 1))}

    def volume_power(self, params: Params) -> Blocks:
        """Return the stocks ranked by trade strength (체결강도 상위)."""
        rows = self._ranking.rows(params, self._ranking.of_class(params), Venue.KRX, Venue.NXT)
        venue = venue_of(params)
        for row in rows:
            row |= flow_of_trades(self._view.sums(str(row["stck_shrn_iscd"]), venue))
        return {"output": ranked("volume_power", rows, ("tday_rltv", 1))}

    def quote_balance(self, params: Params) -> Blocks:
        """Return the stocks ranked by the shares that wait on both sides (호가잔량 순위)."""
        order = _QUOTE_BALANCE[one_of(params, "FID_RANK_SORT_CLS_CODE", *_QUOTE_BALANCE)]
        rows = self._ranking.rows(params, self._ranking.issues(params), Venue.KRX, Venue.NXT)[
            :MOST_DEPTHS
        ]
        return {
            "output": ranked(
                "quote_balance", self._ranking.with_depth(rows, venue_of(params)), order
            )
        }

    def disparity(self, params: Params) -> Blocks:
        """Return the stocks ranked by the price against its moving average (이격도 순위)."""
        days = one_of(params, "FID_HOUR_CLS_CODE", *(str(days) for days in DISPARITIES))
        direction = 1 if one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1") == "0" else -1
        rows = self._ranking.rows(params, self._ranking.issues(params), Venue.KRX, Venue.NXT)
        return {"output": ranked("disparity", rows, (f"d{days}_dsrt", direction))}

    def near_new_highlow(self, params: Params) -> Blocks:
        """Return the stocks ranked by distance from the year's high or low (신고/신저 근접종목)."""
        field = ("hprc_near_rate", "lwpr_near_rate")[
            int(one_of(params, "FID_PRC_CLS_CODE", "0", "1"))
        ]
        least, most = (
            bound_of(params, "FID_INPUT_CNT_1", 0.0),
            bound_of(params, "FID_INPUT_CNT_2", 100.0),
        )
        rows = self._ranking.rows(params, self._ranking.issues(params), Venue.KRX)
        near = [
            row for row in rows if field in row and least <= abs(float(str(row[field]))) <= most
        ]
        # The nearest first: this ranking has no order of its own to choose.
        near.sort(key=lambda row: abs(float(str(row[field]))))
        return {
            "output": numbered(
                "near_new_highlow",
                "output",
                self._ranking.with_depth(near[:MOST_DEPTHS], Venue.KRX),
            )
        }

    def exp_trans_updown(self, params: Params) -> Blocks:
        """Return the stocks ranked by the auction's expected match (예상체결 상승/하락상위)."""
        order = _EXPECTED[one_of(params, "FID_RANK_SORT_CLS_CODE", *_EXPECTED)]
        rows = self._ranking.rows(params, self._ranking.of_class(params), Venue.KRX)[:MOST_DEPTHS]
        return {
            "output": ranked(
                "exp_trans_updown", self._ranking.with_depth(rows, Venue.KRX, expected=True), order
            )
        }

    def exp_closing_price(self, params: Params) -> Blocks:
        """Return the stocks ranked by the expected close, or by limits (장마감 예상체결가)."""
        sort = one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1", "2", "3", "4")
        rows = self._ranking.with_depth(
            self._ranking.rows(params, self._ranking.issues(params), Venue.KRX)[:MOST_DEPTHS],
            Venue.KRX,
            expected=True,
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
        """Return the stocks ranked by the number of large trades (대량체결건수 상위)."""
        field = ("shnu_cntg_csnu", "seln_cntg_csnu")[
            int(one_of(params, "FID_RANK_SORT_CLS_CODE", "0", "1"))
        ]
        least, venue = (
            number_of(params, "FID_INPUT_PRICE_1", 0),
            venue_of(params, Venue.KRX, Venue.NXT),
        )
        only = params["FID_INPUT_ISCD_2"].strip()
        kept = [i for i in self._ranking.issues(params) if only in ("", i.code)]
        # FID_INPUT_PRICE_1 is an amount in won here, not a price as in other rankings.
        rows = self._ranking.rows({**params, "FID_INPUT_PRICE_1": ""}, kept, Venue.KRX, Venue.NXT)
        for row in rows:
            large = [
                t
                for t in self._view.trades(str(row["stck_shrn_iscd"]), venue)
                if t.price * t.qty >= least
            ]
            buys = [t.qty for t in large if t.side is Side.BUY]
            sells = [t.qty for t in large if t.side is Side.SELL]
            # An auction's trade has no taker, so it counts on neither side.
            row["shnu_cntg_csnu"], row["seln_cntg_csnu"] = len(buys), len(sells)
            row["ntby_cnqn"] = sum(buys) - sum(sells)
        return {"output": ranked("bulk_trans_num", rows, (field, 1))}

    def prefer_disparate_ratio(self, params: Params) -> Blocks:
        """Return the preferred shares by their discount to common shares (우선주/괴리율 상위)."""
        venue = venue_of(params, Venue.KRX, Venue.NXT)
        rows: list[Row] = []
        for preferred in (
            i for i in issues(params, self._view.universe) if i.preferred and not i.halted
        ):
            common = self._view.universe.common_of(preferred.code)
            # A distance needs both prices.
            if common is None or common.halted:
                continue
            one, other = (
                self._view.quote(common.code, venue),
                self._view.quote(preferred.code, venue),
            )
            other_fields = quote_fields(other)
            rows.append(
                {
                    **quote_fields(one),
                    **issue_fields(common),
                    "prst_iscd": preferred.code,
                    "prst_kor_isnm": preferred.name,
                    "prst_prpr": other.price,
                    "prst_prdy_vrss": other.change,
                    "prst_prdy_vrss_sign": other_fields["prdy_vrss_sign"],
                    "prst_prdy_ctrt": other.change_pct,
                    "prst_acml_vol": other.volume,
                    "diff_prpr": one.price - other.price,
                    "dprt": rate(one.price - other.price, one.price),
                }
            )
        return {"output": ranked("prefer_disparate_ratio", rows, ("dprt", 1))}

    def capture_uplowprice(self, params: Params) -> Blocks:
        """Return stocks at the upper (0) or lower (1) limit, or within some percent of it.

        The call is 상하한가 포착.
        """
        up = one_of(params, "FID_PRC_CLS_CODE", "0", "1") == "0"
        within = _NEAR_LIMIT[one_of(params, "FID_DIV_CLS_CODE", *_NEAR_LIMIT)]
        field = "stck_mxpr" if up else "stck_llam"
        near = [
            row
            for row in self._ranking.rows(params, self._ranking.issues(params), Venue.KRX)
            if abs(
                rate(
                    number_in(row, field) - number_in(row, "stck_prpr"), number_in(row, "stck_prpr")
                )
            )
            <= within
        ]
        for row in near:
            row |= flow_of_trades(self._view.sums(str(row["stck_shrn_iscd"])))
        near = self._ranking.with_depth(near[:MOST_DEPTHS], Venue.KRX)
        return {"output": ranked("capture_uplowprice", near, ("prdy_ctrt", 1 if up else -1))}
