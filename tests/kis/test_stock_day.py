"""The day's facts of a stock as KIS states them: row M06."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kisnb.clock import kst
from kisnb.errors import FrameError
from kisnb.events import StockDay
from kisnb.kis.calls.messages import ApiReply
from kisnb.kis.calls.stock_day import read_stock_day
from kisnb.kis.calls.stock_messages import read_stock
from kisnb.terms import Board, Kind

NOW = kst(date(2026, 11, 20), 10 * 3600)
PRICE = {"stck_sdpr": "272000", "stck_mxpr": "353500", "stck_llam": "190500", "stck_prpr": "275500",
         "aspr_unit": "500", "lstn_stcn": "5969782550", "temp_stop_yn": "N", "sltr_yn": "N",
         "iscd_stat_cls_code": "55", "rprs_mrkt_kor_name": "KOSPI200"}  # fmt: skip
INFO = {"prdt_abrv_name": "새회사", "mket_id_cd": "KSQ", "scty_grp_id_cd": "ST",
        "cptt_trad_tr_psbl_yn": "Y", "nxt_tr_stop_yn": "N",
        "lstg_stqt": "1000000", "bfdy_clpr": ""}  # fmt: skip


def read(info: dict[str, str] | None = None, code: str = "005930", **changes: Any) -> StockDay:
    price = ApiReply("inquire_price", {"output": [PRICE | changes]})
    named = ApiReply("search_stock_info", {"output": [info]}) if info is not None else None
    return read_stock_day(price, read_stock(named, code) if named else None, code, NOW)


def test_m06_base_limits_and_halt_are_those_of_the_quote():
    day = read()
    assert (day.base, day.limits, day.price) == (272_000, (190_500, 353_500), 275_500)
    assert (day.halted, day.liquidation, day.shares) == (False, False, 5_969_782_550)
    assert (day.day, day.t) == (date(2026, 11, 20), NOW)
    assert read(temp_stop_yn="Y").halted
    assert read(iscd_stat_cls_code="58").halted


@pytest.mark.parametrize(
    "changes",
    [{"sltr_yn": "Y"}, {"stck_mxpr": "0"}, {"stck_llam": ""}, {"stck_mxpr": "100"}],
    ids=str,
)
def test_m06_without_limits_there_are_none(changes: dict[str, str]):
    day = read(**changes)
    assert day.limits is None
    assert day.liquidation is ("sltr_yn" in changes)


@pytest.mark.parametrize("base", ["0", "", "000000000"])
def test_m06_a_reply_without_a_base_price_is_an_error(base: str):
    with pytest.raises(FrameError, match="KIS states no base price of 0000X0"):
        read(code="0000X0", stck_sdpr=base)


def test_m06_what_the_paper_host_does_not_state_stays_unknown():
    day = read()
    assert (day.name, day.board, day.kind, day.nxt) == ("", Board.KOSPI, None, None)
    assert read(rprs_mrkt_kor_name="기타").board is None


def test_m06_a_tick_that_no_share_has_shows_an_etf():
    assert read(stck_prpr="35120", aspr_unit="5").kind is Kind.ETF
    assert read(stck_prpr="35150", aspr_unit="50").kind is None
    assert read(stck_prpr="0", aspr_unit="5").kind is None
    assert read(code="Q530036").kind is Kind.ETN


def test_m06_live_names_a_stock_that_no_list_has():
    day = read(INFO)
    assert (day.name, day.board, day.kind, day.nxt) == ("새회사", Board.KOSDAQ, Kind.STOCK, True)
    assert read(INFO | {"nxt_tr_stop_yn": "Y"}).nxt is False
    assert read(INFO | {"scty_grp_id_cd": "EF"}).kind is Kind.ETF


@pytest.mark.parametrize("group", ["SR", "EW", "KN", ""])
def test_m06_a_kind_of_issue_that_kisnb_does_not_trade_is_marked(group: str):
    day = read(INFO | {"scty_grp_id_cd": group})
    assert not day.is_tradable
    assert day.base == 272_000, "its value counts all the same"
