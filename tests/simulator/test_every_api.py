"""Every catalogued call of the domestic stock desk, once, through our own client's encoder and
decoder. Rows H03, M05.

What is answered comes with every documented column; what no simulated fact answers is refused as an
unknown service, and says its name in the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kisnb.errors import ApiError
from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_params
from kisnb.kis.catalogue import APIS, Api
from kisnb.simulator.host.record import DayRecorder

from .customer import ACCOUNT, HYNIX, KEYS, SAMSUNG, Customer, host, trader

STOCK_DESK = sorted(
    name for name, api in APIS.items() if api.path.startswith("/uapi/domestic-stock/v1/")
)
LACKING = {
    "issues' finances": [name for name in STOCK_DESK if "/finance/" in APIS[name].path]
    + ["dividend_rate", "estimate_perform", "finance_ratio", "market_value", "profit_asset_index"],
    "corporate actions": [name for name in STOCK_DESK if "/ksdinfo/" in APIS[name].path],
    "opinions and news": ["invest_opbysec", "invest_opinion", "news_title"],
    "brokers": [
        "frgnmem_pchs_trend",
        "frgnmem_trade_estimate",
        "frgnmem_trade_trend",
        "inquire_member",
        "inquire_member_daily",
        "traded_by_company",
    ],
    "what a broker lends": [
        "credit_by_company",
        "daily_loan_trans",
        "lendable_by_company",
        "order_credit_buy",
        "order_credit_sell",
    ],
    "what people look at": [
        "hts_top_view",
        "intstock_grouplist",
        "intstock_stocklist_by_group",
        "top_interest_stock",
    ],
    "other markets": ["comp_interest", "inquire_elw_price", "mktfunds"],
    "pension accounts": [name for name in STOCK_DESK if name.startswith("pension_")],
}
"""What the simulated market has no facts of."""
UNSERVED = {name for names in LACKING.values() for name in names}
CONDITIONS = {"psearch_title", "psearch_result"}
"""Answered as KIS answers a customer without saved conditions: by a refusal."""
ORDERS = {"order_cash_buy", "order_cash_sell", "order_rvsecncl"}
RESERVATIONS = {name for name in STOCK_DESK if name.startswith("order_resv")}
EMPTY = {
    "capture_uplowprice",
    "inquire_daily_ccld_old",
    "inquire_time_overtimeconclusion",
    "inquire_vi_status",
    "overtime_exp_trans_fluct",
    "overtime_fluctuation",
    "overtime_volume",
    "period_rights",
}
"""Replies with nothing to tell on this day."""

COMMON = ACCOUNT | {
    "FID_COND_MRKT_DIV_CODE": "J",
    "FID_INPUT_ISCD": SAMSUNG,
    "PDNO": SAMSUNG,
    "MKSC_SHRN_ISCD": SAMSUNG,
    "FID_PERIOD_DIV_CODE": "D",
    "FID_INPUT_DATE_1": "20261001",
    "FID_INPUT_DATE_2": "20261120",
    "FID_INPUT_HOUR_1": "110000",
    "FID_PW_DATA_INCU_YN": "Y",
    "FID_RANK_SORT_CLS_CODE": "0",
    "FID_BLNG_CLS_CODE": "0",
    "FID_DIV_CLS_CODE": "0",
    "FID_PRC_CLS_CODE": "0",
    "FID_ETC_CLS_CODE": "0",
    "FID_MKOP_CLS_CODE": "1",
    "FID_MRKT_CLS_CODE": "K",
    "INQR_DVSN_1": "0",
    "INQR_DVSN_2": "0",
    "INQR_STRT_DT": "20261101",
    "INQR_END_DT": "20261130",
    "CCLD_DVSN": "00",
    "SLL_BUY_DVSN_CD": "00",
    "EXCG_ID_DVSN_CD": "ALL",
    "PRDT_TYPE_CD": "300",
    "COST_ICLD_YN": "Y",
    "BASS_DT": "20261120",
    "RSVN_ORD_ORD_DT": "20261101",
    "RSVN_ORD_END_DT": "20261130",
}
INDEX = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001", "FID_INPUT_DATE_1": "20261120"}
OWN: dict[str, dict[str, str]] = {
    "disparity": {"FID_HOUR_CLS_CODE": "20"},
    "foreign_institution_total": {"FID_COND_MRKT_DIV_CODE": "V"},
    "inquire_daily_indexchartprice": {**INDEX, "FID_INPUT_DATE_1": "20261001"},
    "inquire_index_category_price": INDEX,
    "inquire_index_daily_price": INDEX,
    "inquire_index_price": INDEX,
    "inquire_index_tickprice": INDEX,
    "inquire_index_timeprice": INDEX | {"FID_INPUT_HOUR_1": "60"},
    "inquire_time_indexchartprice": INDEX | {"FID_INPUT_HOUR_1": "60"},
    "exp_total_index": INDEX,
    "exp_index_trend": INDEX,
    "inquire_investor_time_by_market": {"FID_INPUT_ISCD": "KSP", "FID_INPUT_ISCD_2": "0001"},
    "inquire_investor_daily_by_market": {**INDEX, "FID_INPUT_ISCD_1": "KSP"},
    "investor_program_trade_today": {"EXCH_DIV_CLS_CODE": "J", "MRKT_DIV_CLS_CODE": "1"},
    "investor_trade_by_stock_daily": {"FID_INPUT_DATE_1": "20261120"},
    "program_trade_by_stock_daily": {"FID_INPUT_DATE_1": "20261120"},
    "daily_credit_balance": {"FID_INPUT_DATE_1": "20261120"},
    "inquire_time_dailychartprice": {"FID_INPUT_DATE_1": "20261120"},
    "intstock_multprice": {
        "FID_COND_MRKT_DIV_CODE_1": "J",
        "FID_INPUT_ISCD_1": SAMSUNG,
        "FID_COND_MRKT_DIV_CODE_2": "UN",
        "FID_INPUT_ISCD_2": HYNIX,
    },
    "inquire_vi_status": {"FID_MRKT_CLS_CODE": "0"},
    "near_new_highlow": {"FID_INPUT_CNT_1": "0", "FID_INPUT_CNT_2": "100"},
    "bulk_trans_num": {"FID_INPUT_ISCD": "0000"},
    "inquire_credit_psamount": {"ORD_DVSN": "00"},
    "inquire_psbl_order": {"ORD_DVSN": "01"},
    "after_hour_balance": {"FID_RANK_SORT_CLS_CODE": "2"},
    "overtime_fluctuation": {"FID_DIV_CLS_CODE": "2"},
}


def params_of(api: Api) -> dict[str, str]:
    """A full set of sensible parameters; blank where KIS says blank."""
    given = (
        COMMON
        | ({"FID_INPUT_ISCD": "0000"} if "/ranking/" in api.path else {})
        | OWN.get(api.name, {})
    )
    return encode_params(api, **{name: given.get(name.upper(), "") for name in api.params})


def ask(customer: Customer, api: Api) -> ApiReply:
    """One call, a second later than the last so that the host's limit is kept."""
    customer.receive(customer.core.advance(customer.core.now + 1_000_000_000))
    reply = customer.ask(api.name, params_of(api))
    return decode_reply(api, reply.body, status=reply.status, tr_cont=reply.headers["tr_cont"])


@pytest.fixture(scope="module")
def customer() -> Customer:
    """At eleven on a made-up day, with a holding, a sale and an open order."""
    one = trader("11:00:00", scripted=False)
    for side, qty, price in (("buy", 20, None), ("buy", 5, 60_000), ("sell", 8, None)):
        assert one.order(side, qty, price)["rt_cd"] == "0"
    return one


SERVED = [name for name in STOCK_DESK if name not in UNSERVED | CONDITIONS | ORDERS | RESERVATIONS]


@pytest.mark.parametrize("name", SERVED)
def test_h03_every_documented_column_comes_back(customer: Customer, name: str) -> None:
    api = APIS[name]
    reply = ask(customer, api)
    for block in api.blocks:
        rows = reply.rows(block.name)
        if block.shape == "object" or name not in EMPTY:
            assert rows, (name, block.name)
        for row in rows:
            assert row.keys() == {field.name.lower() for field in block.fields}
    assert name in EMPTY or any(_says_something(reply, api))


def _says_something(reply: ApiReply, api: Api) -> Iterator[bool]:
    """Whether a row has anything but the value of nothing."""
    for block in api.blocks:
        empty = {name.lower(): value for name, value in block.empty.items()}
        yield from (row != empty for row in reply.rows(block.name))


@pytest.mark.parametrize("name", sorted(UNSERVED))
def test_h03_what_no_simulated_fact_answers_is_an_unknown_service_and_named_in_the_record(
    name: str,
) -> None:
    lines: list[bytes] = []
    one = Customer(host(recorder=DayRecorder(lines.append)))
    one.log_in()
    with pytest.raises(ApiError, match="OPSQ0002"):
        ask(one, APIS[name])
    said = [json.loads(line) for line in lines]
    assert [line["api"] for line in said if line["kind"] == "unserved"] == [name]


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_h03_a_customer_without_saved_conditions_is_told_so_as_kis_does(
    customer: Customer, name: str
) -> None:
    with pytest.raises(ApiError, match="MCA05918"):
        ask(customer, APIS[name])


def test_h03_the_host_answers_what_is_not_listed_as_lacking_and_nothing_else(
    customer: Customer,
) -> None:
    gateway: Any = customer.core._gateway
    answered = gateway._repliers.keys() | gateway._pages.keys() | gateway._orders.keys()
    assert answered == set(STOCK_DESK) - UNSERVED
    assert KEYS.product == "01"


def test_the_page_states_how_many_calls_are_served() -> None:
    page = (Path(__file__).parents[2] / "SIMULATOR.md").read_text("utf-8")
    served = len(STOCK_DESK) - len(UNSERVED | CONDITIONS)
    assert f"serves {served} of KIS's {len(STOCK_DESK)} REST calls" in page
    assert f"{len(UNSERVED)} return `OPSQ0002`" in page
