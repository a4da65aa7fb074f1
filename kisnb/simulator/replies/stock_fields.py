"""KIS's fields of one stock. A field means the same in every reply, so each reply picks its own.

Won and shares; rates in percent. ``hts_avls`` and ``stck_avls`` are in 억 (100 million won).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from kisnb.events import Depth, Quote
from kisnb.kis.calls.quote_messages import LEVELS, change_sign, quote_row
from kisnb.kis.wire_text import yyyymmdd
from kisnb.market.instruments import Instrument
from kisnb.market.price_past import IndexDay
from kisnb.simulator.replies.bars import DayBar, Marks, Sums
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import Row
from kisnb.terms import Kind, Venue

EOK = 100_000_000
"""억: the unit of market values."""
HALTED, NORMAL = "58", "00"
"""Values of iscd_stat_cls_code for a halted and an ordinary stock."""
DISPARITIES = (5, 10, 20, 60, 120)
"""Days of the averages from which disparity (이격도) is measured."""


def rate(part: float, whole: float) -> float:
    """Return ``part`` in percent of ``whole``; 0 when ``whole`` is 0."""
    return part / whole * 100 if whole else 0.0


def sign_of(change: float) -> str:
    """Return the prdy_vrss_sign of a change: 2 up, 3 flat, 5 down. Price limits are ignored."""
    return "2" if change > 0 else "5" if change < 0 else "3"


def change_fields(price: int, quote: Quote) -> Row:
    """Return the fields of a price of the day, and of its change from the base price."""
    return {
        "stck_prpr": price,
        "prdy_vrss": price - quote.base,
        "prdy_vrss_sign": change_sign(price, quote.base, quote.upper, quote.lower),
        "prdy_ctrt": rate(price - quote.base, quote.base),
    }


def quote_fields(quote: Quote) -> Row:
    """Return the fields of the current price, and of the day's prices and volumes."""
    opened, high, low = quote.open, quote.high, quote.low
    price, base = quote.price, quote.base
    return {
        **quote_row(quote),
        "stck_prdy_clpr": base,
        "wghn_avrg_stck_prc": quote.value / quote.volume if quote.volume else 0.0,
        "avrg_prc": quote.value // quote.volume if quote.volume else 0,
        "oprc_vrss_prpr": price - opened,
        "oprc_vrss_prpr_sign": sign_of(price - opened),
        "oprc_vrss_prpr_rate": rate(price - opened, opened),
        "hgpr_vrss_prpr": price - high,
        "hgpr_vrss_prpr_sign": sign_of(price - high),
        "hgpr_vrss_prpr_rate": rate(price - high, high),
        "lwpr_vrss_prpr": price - low,
        "lwpr_vrss_prpr_sign": sign_of(price - low),
        "lwpr_vrss_prpr_rate": rate(price - low, low),
        "prdy_clpr_vrss_oprc_rate": rate(opened - base, base),
        "prdy_clpr_vrss_hgpr_rate": rate(high - base, base),
        "prdy_clpr_vrss_lwpr_rate": rate(low - base, base),
        "oprc_vrss_hgpr_rate": rate(high - opened, opened),
        "sdpr_vrss_prpr": price - base,
        "sdpr_vrss_prpr_rate": rate(price - base, base),
        "vol_tnrt": rate(quote.volume, quote.listed_shares),
        "tr_pbmn_tnrt": rate(quote.value, quote.listed_shares * price),
        "new_hgpr_lwpr_cls_code": "",
        # KIS gives market values in 억 (workbook: inquire-price).
        "hts_avls": price * quote.listed_shares // EOK,
        "stck_avls": price * quote.listed_shares // EOK,
        "trht_yn": quote.halted,
    }


def issue_fields(item: Instrument) -> Row:
    """Return the fields that do not change during the day: names, board, shares and flags."""
    return {
        "hts_kor_isnm": item.name,
        "mksc_shrn_iscd": item.code,
        "stck_shrn_iscd": item.code,
        "rprs_mrkt_kor_name": str(item.board),
        "bstp_kor_isnm": str(item.board),
        "kospi_kosdaq_cls_name": str(item.board),
        "lstn_stcn": item.shares,
        "marg_rate": "100.00",
        # The account has no credit, and no issue carries a warning.
        "crdt_able_yn": "N",
        "iscd_stat_cls_code": HALTED if item.halted else NORMAL,
        "mrkt_warn_cls_code": "00",
        "elw_pblc_yn": "N",
        "mang_issu_yn": "N",
        "short_over_yn": "N",
        "invt_caful_yn": "N",
        "sltr_yn": "Y" if item.liquidation else "N",
        "insn_pbnt_yn": "N",
        "stange_runup_yn": "N",
        "ssts_hot_yn": "N",
        "low_current_yn": "N",
        "ssts_yn": "Y" if item.kind is Kind.STOCK else "N",
        "oprc_rang_cont_yn": "N",
        "clpr_rang_cont_yn": "N",
    }


def bar_fields(bar: DayBar, before: int) -> Row:
    """Return the fields of a stock's daily bar. ``before`` is the close of the day before it."""
    return {
        "stck_bsop_date": yyyymmdd(bar.day),
        "stck_clpr": bar.close,
        "stck_prpr": bar.close,
        "stck_oprc": bar.open,
        "stck_hgpr": bar.high,
        "stck_lwpr": bar.low,
        "acml_vol": bar.volume,
        "acml_tr_pbmn": bar.value,
        "avrg_prc": bar.value // bar.volume if bar.volume else 0,
        "prdy_vrss": bar.close - before,
        "prdy_vrss_sign": sign_of(bar.close - before),
        "prdy_ctrt": rate(bar.close - before, before),
        # No ex-rights, splits or revaluations: the simulated issues have none.
        "flng_cls_code": "00",
        "prtt_rate": "0.00",
        "acml_prtt_rate": "0.00",
        "mod_yn": "N",
        "revl_issu_reas": "00",
    }


def index_fields(day: IndexDay, days: Mapping[date, IndexDay]) -> Row:
    """Return the fields of an index's bar.

    Its change is measured from the bar before it, which ``days`` contains.
    """
    before = max((d for d in days if d < day.day), default=None)
    # The oldest day that is known has none before it. Its change is measured from its open.
    base = days[before].close if before else day.open
    return {
        "stck_bsop_date": yyyymmdd(day.day),
        "bstp_nmix_prpr": day.close,
        "bstp_nmix_oprc": day.open,
        "bstp_nmix_hgpr": day.high,
        "bstp_nmix_lwpr": day.low,
        "bstp_nmix_prdy_vrss": day.close - base,
        "prdy_vrss_sign": sign_of(day.close - base),
        "bstp_nmix_prdy_ctrt": rate(day.close - base, base),
        "stck_prdy_clpr": round(base),
        "acml_vol": day.volume,
        "acml_tr_pbmn": day.value,
        "mod_yn": "N",
    }


def depth_fields(depth: Depth) -> Row:
    """Return the fields of the best prices, and of the ten levels added up."""
    asks, bids = depth.asks[:LEVELS], depth.bids[:LEVELS]
    asked, bid = sum(size for _, size in asks), sum(size for _, size in bids)
    return {
        "askp": asks[0][0] if asks else 0,
        "bidp": bids[0][0] if bids else 0,
        "askp_rsqn1": asks[0][1] if asks else 0,
        "bidp_rsqn1": bids[0][1] if bids else 0,
        "seln_rsqn": asks[0][1] if asks else 0,
        "shnu_rsqn": bids[0][1] if bids else 0,
        "total_askp_rsqn": asked,
        "total_bidp_rsqn": bid,
        "total_ntsl_bidp_rsqn": bid - asked,
        "shnu_rsqn_rate": rate(bid, asked),
        "seln_rsqn_rate": rate(asked, bid),
    }


def flow_of_trades(sums: Sums) -> Row:
    """Return the fields of the trades, added up by the taker's side."""
    return {
        "tday_rltv": sums.strength,
        "shnu_cnqn_smtn": sums.bought,
        "seln_cnqn_smtn": sums.sold,
        "shnu_cnqn": sums.bought,
        "seln_cnqn": sums.sold,
        "ntby_cnqn": sums.bought - sums.sold,
        "shnu_cntg_csnu": sums.buys,
        "seln_cntg_csnu": sums.sells,
        "ntby_cntg_csnu": sums.buys - sums.sells,
    }


def history_fields(quote: Quote, marks: Marks | None) -> Row:
    """Return the fields that compare the day with earlier days; empty for a stock without any."""
    if marks is None:
        return {}
    before, price = marks.before, quote.price
    fields: Row = {
        "prdy_vol": before.volume,
        "prdy_tr_pbmn": before.value,
        "stck_prdy_oprc": before.open,
        "stck_prdy_hgpr": before.high,
        "stck_prdy_lwpr": before.low,
        "prdy_vrss_vol": quote.volume - before.volume,
        "prdy_vrss_vol_rate": rate(quote.volume, before.volume),
        "avrg_vol": marks.average_volume,
        "avrg_tr_pbmn": marks.average_value,
        "vol_inrt": rate(quote.volume - before.volume, before.volume),
        "nday_vol_tnrt": rate(marks.average_volume, quote.listed_shares),
        "nday_tr_pbmn_tnrt": rate(marks.average_value, quote.listed_shares * price),
        "n_befr_clpr_vrss_prpr_rate": rate(price - before.close, before.close),
        "dsgt_date_clpr_vrss_prpr_rate": rate(price - before.close, before.close),
        "prd_rsfl": price - before.close,
        "prd_rsfl_rate": rate(price - before.close, before.close),
    }
    for days in DISPARITIES:
        # The average counts this day as its newest, so it needs one day less of the past.
        past = min(days - 1, len(marks.closes))
        fields[f"d{days}_dsrt"] = price / ((price + marks.totals[past]) / (past + 1)) * 100
    fields["cnnt_ascn_dynu"] = _run(price, marks.closes, 1)
    fields["cnnt_down_dynu"] = _run(price, marks.closes, -1)
    return fields | _extreme_fields(price, marks)


def _run(price: int, closes: Sequence[int], direction: int) -> int:
    """Return the number of days for which the close has gone in one direction."""
    days = 0
    for before in closes:
        # An unchanged close ends the run in both directions.
        if (price - before) * direction <= 0:
            break
        days, price = days + 1, before
    return days


def _extreme_fields(price: int, marks: Marks) -> Row:
    """Return the fields of the highest and lowest prices of 250 days, 52 weeks and this year."""
    fields: Row = {}
    for name, extremes in marks.extremes.items():
        ending = "vrss_prpr_ctrt" if name == "w52" else "vrss_prpr_rate"
        for side, extreme in zip(("hgpr", "lwpr"), extremes, strict=True):
            # KIS spells the fields of this year with "stck_", the others without.
            fields[f"stck_{name}_{side}" if name == "dryy" else f"{name}_{side}"] = extreme.price
            fields[f"{name}_{side}_date"] = yyyymmdd(extreme.day)
            fields[f"{name}_{side}_{ending}"] = rate(price - extreme.price, extreme.price)
    top, bottom = marks.extremes["w52"]
    return fields | {
        "new_hgpr": top.price,
        "new_lwpr": bottom.price,
        "hprc_near_rate": rate(price - top.price, top.price),
        "lwpr_near_rate": rate(price - bottom.price, bottom.price),
        "acml_hgpr_date": fields["d250_hgpr_date"],
        "acml_lwpr_date": fields["d250_lwpr_date"],
    }


def stock_fields(view: MarketView, code: str, venue: Venue = Venue.KRX) -> Row:
    """Return the price, issue and history fields of a stock."""
    quote = view.quote(code, venue)
    return {
        **quote_fields(quote),
        **issue_fields(view.item(code)),
        **history_fields(quote, view.marks(code)),
    }
