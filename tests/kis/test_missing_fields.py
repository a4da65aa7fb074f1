"""K16: a field that must be there and is not is an error that names call and field, and never 0.

The replies are those of the simulated host, with one field changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any

import pytest

from kisnb.clock import kst
from kisnb.errors import FieldError, FrameError
from kisnb.events import Notice
from kisnb.kis.calls import account_messages, order_messages, quote_messages
from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_reply
from kisnb.kis.catalogue import APIS
from kisnb.kis.feed.columns import COLUMNS
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.notices import NoticeMore, decode_notice, encode_notice
from kisnb.orders import Holding, OrderRef, OrderRow
from kisnb.terms import OrderKind, Side, Venue
from tests.simulator.customer import ACCOUNT, Customer, host

NOW = kst(date(2026, 11, 20), time(12))
PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
Body = dict[str, Any]


def listed(number: int = 7, **changes: Any) -> dict[str, str]:
    """Return a row of the list of a day as it stands on the wire."""
    order = OrderRow(
        OrderRef(20261120, "06010", number),
        0, "005930", Side.BUY, OrderKind.LIMIT, 10, 71_000, 4, 71_000, 6, 0, 0, NOW, 284_000,
    )  # fmt: skip
    body = encode_reply(APIS["inquire_daily_ccld"], {"output1": [order_messages.order_row(order)]})
    reply = decode_reply(APIS["inquire_daily_ccld"], json.dumps(body))
    return reply.rows("output1")[0] | changes


def without(row: Mapping[str, str], field: str) -> dict[str, str]:
    return {name: text for name, text in row.items() if name != field}


@pytest.fixture(scope="module")
def customer() -> Customer:
    one = Customer(host("11:00:00", scripted=False))
    one.log_in()
    return one


def reply_of(customer: Customer, name: str, params: Mapping[str, str]) -> ApiReply:
    customer.core.advance(customer.core.now + 1_000_000_000)
    return decode_reply(APIS[name], customer.ask(name, dict(params)).body)


def changed(reply: ApiReply, block: str, field: str, text: str | None) -> ApiReply:
    """Return a reply whose rows of a block have another text in a field, or lack the field."""
    rows = [
        without(row, field) if text is None else row | {field: text} for row in reply.rows(block)
    ]
    return ApiReply(reply.api, reply.blocks | {block: rows})


# one row


def test_k16_a_quote_without_its_price_is_an_error_and_no_price_of_0() -> None:
    body = json.dumps({"rt_cd": "0", "output": {"rprs_mrkt_kor_name": "KOSPI200"}})
    with pytest.raises(FieldError, match=r"stck_prpr of inquire_price is missing") as caught:
        quote_messages.read_quote(
            decode_reply(APIS["inquire_price"], body), "005930", Venue.KRX, NOW
        )
    assert (caught.value.call, caught.value.field) == ("inquire_price", "stck_prpr")


@pytest.mark.parametrize("text", [None, "", "n/a"])
@pytest.mark.parametrize("field", ["stck_prpr", "stck_sdpr", "stck_mxpr", "stck_llam", "acml_vol"])
def test_k16_a_quote_that_lacks_a_price_a_limit_or_its_volume_is_an_error(
    customer: Customer, field: str, text: str | None
) -> None:
    reply = changed(reply_of(customer, "inquire_price", PRICE), "output", field, text)
    with pytest.raises(FieldError, match=field):
        quote_messages.read_quote(reply, "005930", Venue.KRX, NOW)


def test_k16_a_quote_before_the_first_trade_may_have_an_empty_open(customer: Customer) -> None:
    reply = changed(reply_of(customer, "inquire_price", PRICE), "output", "stck_oprc", "")
    assert quote_messages.read_quote(reply, "005930", Venue.KRX, NOW).open == 0
    with pytest.raises(FieldError, match="stck_oprc"):
        quote_messages.read_quote(
            changed(reply, "output", "stck_oprc", None), "005930", Venue.KRX, NOW
        )


def test_k16_a_depth_level_may_be_empty_and_may_not_be_missing(customer: Customer) -> None:
    reply = reply_of(customer, "inquire_asking_price_exp_ccn", PRICE)
    full = quote_messages.read_depth(reply, "005930", Venue.KRX, NOW)
    emptied = changed(reply, "output1", "askp10", "")
    assert (
        quote_messages.read_depth(emptied, "005930", Venue.KRX, NOW).asks
        == full.asks[: len(full.asks) - (len(full.asks) == 10)]
    )
    for text in (None, "x"):
        with pytest.raises(FieldError, match="askp1 of inquire_asking_price_exp_ccn"):
            quote_messages.read_depth(
                changed(reply, "output1", "askp1", text), "005930", Venue.KRX, NOW
            )


@pytest.mark.parametrize("text", [None, "", "-"])
@pytest.mark.parametrize(
    "field", ["odno", "sll_buy_dvsn_cd", "ord_qty", "tot_ccld_qty", "rmn_qty", "ord_dt"]
)
def test_k16_a_listed_order_that_lacks_a_figure_is_an_error_and_not_cancelled(
    field: str, text: str | None
) -> None:
    row = without(listed(), field) if text is None else listed(**{field: text})
    with pytest.raises(FieldError, match=f"field {field} of inquire_daily_ccld"):
        order_messages.read_order(row)


def test_k16_shares_that_were_filled_for_no_money_are_an_error() -> None:
    with pytest.raises(FieldError, match="although 4 shares were filled"):
        order_messages.read_order(listed(tot_ccld_amt="", avg_prvs="0"))
    assert order_messages.read_order(listed(tot_ccld_amt="")).average == 71_000


def test_k16_fields_that_kis_leaves_empty_are_none_and_no_error() -> None:
    order = order_messages.read_order(listed(orgn_odno="", cnc_cfrm_qty="", excg_id_dvsn_cd=""))
    assert (order.original, order.cancelled, order.venue_given) == (0, 0, False)


def statement(customer: Customer) -> tuple[ApiReply, ApiReply]:
    balance = reply_of(customer, "inquire_balance", account_messages.balance_params(ACCOUNT))
    cash = reply_of(customer, "inquire_psbl_order", account_messages.orderable_params(ACCOUNT))
    return balance, cash


@pytest.mark.parametrize("text", [None, "", "many"])
@pytest.mark.parametrize(
    ("block", "field"),
    [
        ("output2", "dnca_tot_amt"),
        ("output2", "prvs_rcdl_excc_amt"),
        ("output", "nrcvb_buy_amt"),
    ],
)
def test_k16_an_account_without_its_cash_is_an_error_and_no_cash_of_0(
    customer: Customer, block: str, field: str, text: str | None
) -> None:
    balance, cash = statement(customer)
    if block == "output":
        cash = changed(cash, block, field, text)
    else:
        balance = changed(balance, block, field, text)
    with pytest.raises(FieldError, match=field):
        account_messages.read_account([balance], cash, complete=True)


# lists


def test_k16_a_list_keeps_its_good_rows_and_names_the_bad_one() -> None:
    rows, bad = order_messages.read_orders([listed(9), listed(8, sll_buy_dvsn_cd=""), listed(7)])
    assert [row.ref.number for row in rows] == [9, 7]
    assert bad == ("row 2: the field sll_buy_dvsn_cd of inquire_daily_ccld is empty",)


def test_k16_a_wholly_blank_row_of_a_list_is_padding_and_no_order() -> None:
    rows, bad = order_messages.read_orders([listed(9), dict.fromkeys(listed(), " "), {}])
    assert ([row.ref.number for row in rows], bad) == ([9], ())


def test_k16_a_row_that_is_listed_twice_counts_once() -> None:
    rows, bad = order_messages.read_orders([listed(7), listed(6), listed(7)])
    assert [row.ref.number for row in rows] == [7, 6]
    assert bad == ()


@pytest.mark.parametrize(
    ("changes", "held", "complete"),
    [({}, [("005930", 10)], True), ({"hldg_qty": "21"}, [], False)],
)
def test_k16_a_holding_that_is_listed_twice_is_not_held_twice(
    customer: Customer, changes: dict[str, str], held: list[tuple[str, int]], *, complete: bool
) -> None:
    balance, cash = statement(customer)
    row = account_messages.holding_row(Holding("005930", "삼성전자", 10, 10, 710_000, 71_000))
    texts = {name: str(value) for name, value in row.items()}
    page = ApiReply(balance.api, balance.blocks | {"output1": [texts, texts | changes]})
    account = account_messages.read_account([page], cash, complete=True)
    assert [(h.code, h.qty) for h in account.holdings] == held
    assert account.complete is complete
    assert any("005930 twice" in text for text in account.bad) is not complete


def test_k16_an_unreadable_holding_makes_the_account_incomplete(customer: Customer) -> None:
    balance, cash = statement(customer)
    held = account_messages.holding_row(Holding("000660", "", 5, 5, 900_000, 182_000))
    row = {name: str(value) for name, value in held.items()}
    sold = row | {"hldg_qty": "0", "pdno": "035720", "pchs_amt": "", "prpr": ""}
    for spoilt in (row | {"hldg_qty": ""}, without(row, "ord_psbl_qty")):
        pages = [ApiReply(balance.api, balance.blocks | {"output1": [row, spoilt, sold]})]
        account = account_messages.read_account(pages, cash, complete=True)
        assert [h.code for h in account.holdings] == ["000660"]
        assert (account.complete, len(account.bad)) == (False, 1)
        assert "row 2" in account.bad[0]


# an order's reply


YES: Body = {"msg_cd": "APBK0013", "msg1": "", "output": {"ODNO": "0000000007"}}
NO: Body = {"msg_cd": "APBK0918", "msg1": "장운영시간이 아닙니다."}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rt_cd": "", **YES}, 200),
        ({"rt_cd": None, **YES}, 200),
        ({"rt_cd": "1", **YES}, 200),
        ({"rt_cd": "1", "msg_cd": "APBK0013", "msg1": ""}, 200),
        ({"rt_cd": "1", **NO, "output": {"ODNO": "0000000007"}}, 200),
        ({"rt_cd": "0", **NO, "output": {"ODNO": "0000000007"}}, 200),
        ({"rt_cd": "0", **YES}, 500),
        ({"rt_cd": "", **NO}, 200),
    ],
)
def test_k16_an_order_reply_that_contradicts_itself_is_neither_yes_nor_no(
    body: Body, status: int
) -> None:
    with pytest.raises(FrameError, match=r"Look at the orders of the day"):
        decode_reply(APIS["order_cash_buy"], json.dumps(body), status=status)


def test_k16_a_reading_without_a_sign_of_success_is_an_error() -> None:
    with pytest.raises(FrameError, match="does not say whether the call went well"):
        decode_reply(APIS["inquire_price"], json.dumps({"rt_cd": "", "output": {}}))


# frames


def frame(tr_id: str, **texts: str) -> str:
    """Return a frame of one record in which every other column is 1."""
    given = {"MKSC_SHRN_ISCD": "005930", "STCK_CNTG_HOUR": "120000", "BSOP_DATE": "20261120"}
    columns = dict.fromkeys(COLUMNS[tr_id], "1") | given | texts
    return f"0|{tr_id}|001|{'^'.join(columns.values())}"


@pytest.mark.parametrize(
    ("tr_id", "column", "text"),
    [
        ("H0STCNT0", "STCK_PRPR", ""),
        ("H0STCNT0", "CNTG_VOL", "x"),
        ("H0STCNT0", "MKSC_SHRN_ISCD", ""),
        ("H0STANC0", "STCK_PRPR", ""),
        ("H0STANC0", "CNTG_VOL", ""),
        ("H0STPGM0", "NTBY_CNQN", ""),
        ("H0STPGM0", "SELN_TR_PBMN", "-"),
    ],
)
def test_k07_a_frame_that_lacks_a_price_or_a_figure_is_no_fact(
    tr_id: str, column: str, text: str
) -> None:
    reader = FrameReader("5123456701")
    assert len(reader.read(frame(tr_id), NOW)) == 1
    with pytest.raises(FrameError):
        reader.read(frame(tr_id, **{column: text}), NOW)


FILLED = Notice(NOW, "filled", 7, 0, "005930", Side.BUY, 10, 71_000, "06010", Venue.KRX)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (2, ""),
        (2, "0"),
        (4, ""),
        (5, ""),
        (5, "7"),
        (8, " "),
        (9, ""),
        (10, ""),
        (12, ""),
        (13, ""),
    ],
)
def test_k07_a_notice_that_lacks_its_order_its_figures_or_a_flag_is_no_fact(
    column: int, text: str
) -> None:
    more = NoticeMore("user", "5123456701", 10, 71_000)
    fields = encode_notice(FILLED, more)
    assert decode_notice(fields, "5123456701", NOW) == FILLED
    fields[column] = text
    with pytest.raises(FrameError):
        decode_notice(fields, "5123456701", NOW)
