"""Replies to the quotation APIs, from the simulated market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from kisnb.clock import hhmmss
from kisnb.errors import ApiError
from kisnb.events import Quote
from kisnb.exchange.happenings import Traded
from kisnb.kis.quote_messages import MARKET_DIV, change_sign, depth_blocks, quote_row
from kisnb.market.instruments import Instrument
from kisnb.simulator.market import Market
from kisnb.terms import Venue

Blocks: TypeAlias = dict[str, dict[str, object] | list[dict[str, object]]]
LAST_TRADES = 30
RANKED = 30
RANKED_BY: dict[str, Callable[[Instrument], int]] = {
    "0": lambda item: item.volume,
    "3": lambda item: item.volume * item.base,
}
_VENUES = {code: venue for venue, code in MARKET_DIV.items()}
EOK = 100_000_000
"""hts_avls counts in 억: 100 million won."""


class Quotations:
    """Prices of either venue, or of both unified. Every answer raises ApiError with KIS's code for wrong parameters."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def inquire_price(self, params: Mapping[str, str]) -> Blocks:
        quote = self._market.quote(*self._stock(params))
        average = quote.value / quote.volume if quote.volume else 0.0
        board = self._market.universe.get(quote.code).board
        more = {
            "rprs_mrkt_kor_name": str(board),
            "wghn_avrg_stck_prc": average,
            "hts_avls": quote.price * quote.listed_shares // EOK,
        }
        return {"output": quote_row(quote) | more}

    def inquire_asking_price_exp_ccn(self, params: Mapping[str, str]) -> Blocks:
        code, venue = self._stock(params)
        return {**depth_blocks(self._market.depth(code, venue), self._market.quote(code, venue))}

    def inquire_ccnl(self, params: Mapping[str, str]) -> Blocks:
        code, venue = self._stock(params)
        quote = self._market.quote(code, venue)
        trades = reversed(self._market.last_trades(code, LAST_TRADES, venue))
        return {"output": [_trade_row(trade, quote) for trade in trades]}

    def volume_rank(self, params: Mapping[str, str]) -> Blocks:
        """By a typical day's volume (FID_BLNG_CLS_CODE 0) or value (3), halted issues last; filters do nothing."""
        sort = RANKED_BY.get(params["FID_BLNG_CLS_CODE"])
        if params["FID_COND_MRKT_DIV_CODE"] != MARKET_DIV[Venue.KRX] or sort is None:
            raise ApiError("ERROR : INPUT INVALID_CHECK_FIELD", msg_cd="OPSQ2001")
        ranked = sorted(self._market.universe, key=lambda item: (item.halted, -sort(item), item.code))
        return {"output": [self._rank_row(n, item) for n, item in enumerate(ranked[:RANKED], start=1)]}

    def _rank_row(self, rank: int, item: Instrument) -> dict[str, object]:
        quote = self._market.quote(item.code)
        return {
            "hts_kor_isnm": item.name,
            "mksc_shrn_iscd": item.code,
            "data_rank": rank,
            "stck_prpr": quote.price,
            "prdy_vrss": quote.change,
            "prdy_vrss_sign": change_sign(quote.price, quote.base, quote.upper, quote.lower),
            "prdy_ctrt": quote.change_pct,
            "acml_vol": quote.volume,
            "acml_tr_pbmn": quote.value,
            "lstn_stcn": item.shares,
            "avrg_vol": item.volume,
            "avrg_tr_pbmn": item.volume * item.base,
        }

    def _stock(self, params: Mapping[str, str]) -> tuple[str, Venue]:
        venue = _VENUES.get(params["FID_COND_MRKT_DIV_CODE"])
        if venue is None:
            raise ApiError("ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE", msg_cd="OPSQ2001")
        code = params["FID_INPUT_ISCD"]
        if code not in self._market.universe:
            raise ApiError("종목코드 오류입니다", msg_cd="MCA05918")
        return code, venue


def _trade_row(trade: Traded, quote: Quote) -> dict[str, object]:
    return {
        "stck_cntg_hour": hhmmss(trade.t),
        "stck_prpr": trade.price,
        "prdy_vrss": trade.price - quote.base,
        "prdy_vrss_sign": change_sign(trade.price, quote.base, quote.upper, quote.lower),
        "cntg_vol": trade.qty,
        "prdy_ctrt": (trade.price - quote.base) / quote.base * 100,
    }
