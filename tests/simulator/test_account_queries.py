"""What the account says of itself beyond balance and orders: hand cases to the won, pages to the
end. Rows K05, H03."""

from __future__ import annotations

import pytest

from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_params
from kisnb.kis.catalogue import APIS
from kisnb.kis.http.paging import Paging
from kisnb.market.costs import BANKIS
from kisnb.terms import Board, Kind, Venue

from .customer import ACCOUNT, DAY, SAMSUNG, Customer, at, trader

PERIOD = {"INQR_STRT_DT": "20261101", "INQR_END_DT": "20261130"}
EVENING = "16:00:00"
RESERVATION = {
    "PDNO": SAMSUNG,
    "ORD_QTY": "3",
    "ORD_UNPR": "70000",
    "SLL_BUY_DVSN_CD": "02",
    "ORD_DVSN_CD": "00",
    "ORD_OBJT_CBLC_DVSN_CD": "10",
}
LISTED = {"RSVN_ORD_ORD_DT": "20261120", "RSVN_ORD_END_DT": "20261123", "TMNL_MDIA_KIND_CD": "00"}


def ask(one: Customer, name: str, params: dict[str, str] | None = None, **headers: str) -> ApiReply:
    """One call with blanks for what is not given, a second after the last."""
    one.receive(one.core.advance(one.core.now + 1_000_000_000))
    api = APIS[name]
    given = (
        dict.fromkeys(api.params, "")
        | {p: v for p, v in ACCOUNT.items() if p in api.params}
        | (params or {})
    )
    reply = one.ask(name, encode_params(api, **given), **headers)
    return decode_reply(api, reply.body, status=reply.status, tr_cont=reply.headers["tr_cont"])


def traded() -> Customer:
    """20 bought at 71,100, 8 of them sold at 71,000."""
    one = trader("09:01:30")
    one.order("buy", 20, None)
    one.order("sell", 8, None)
    return one


def test_what_can_be_sold_is_what_is_held_less_what_an_open_sale_claims() -> None:
    one = traded()
    one.order("sell", 5, 75_000)
    row = ask(one, "inquire_psbl_sell", {"PDNO": SAMSUNG}).one()
    assert {
        name: row[name] for name in ("buy_qty", "sll_qty", "cblc_qty", "ord_psbl_qty", "pchs_amt")
    } == {
        "buy_qty": "20",
        "sll_qty": "8",
        "cblc_qty": "12",
        "ord_psbl_qty": "7",
        "pchs_amt": str(one.core.account.positions[SAMSUNG].cost),
    }


def test_realised_profit_is_the_same_in_all_replies_and_right_to_the_won() -> None:
    one = traded()
    orders = [order for order in one.core.account.orders.values() if order.filled]
    bought, sold = orders[0].value, orders[1].value
    cost = bought * 8 // 20
    fees = sum(BANKIS.fee(order.value, Venue.KRX, Kind.STOCK) for order in orders)
    tax = BANKIS.tax(sold, DAY, Kind.STOCK, Board.KOSPI)
    earned = sold - cost
    held = ask(one, "inquire_balance_rlz_pl", {"COST_ICLD_YN": "N"}).one("output2")
    after = ask(one, "inquire_balance_rlz_pl", {"COST_ICLD_YN": "Y"}).one("output2")
    day = ask(one, "inquire_period_profit", PERIOD)
    issue = ask(one, "inquire_period_trade_profit", PERIOD)
    assert int(held["rlzt_pfls"]) == earned
    assert int(after["rlzt_pfls"]) == earned - fees - tax
    for row in (day.one("output1"), issue.one("output1")):
        assert [int(row[name]) for name in ("rlzt_pfls", "fee", "tl_tax")] == [
            earned - fees - tax,
            fees,
            tax,
        ]
    assert (
        int(day.one("output2")["tot_rlzt_pfls"])
        == int(issue.one("output2")["tot_rlzt_pfls"])
        == earned - fees - tax
    )
    assert (issue.one("output1")["hldg_qty"], issue.one("output1")["sll_qty"]) == ("12", "8")


def test_another_period_and_another_stock_have_earned_nothing() -> None:
    one = traded()
    past = {"INQR_STRT_DT": "20261001", "INQR_END_DT": "20261031"}
    assert ask(one, "inquire_period_profit", past).rows("output1") == []
    assert (
        ask(one, "inquire_period_trade_profit", PERIOD | {"PDNO": "000660"}).rows("output1") == []
    )


def test_the_parts_of_the_assets_add_up_to_their_total() -> None:
    one = traded()
    reply = ask(one, "inquire_account_balance")
    parts = sum(int(row["evlu_amt"]) for row in reply.rows("output1"))
    assert parts == int(reply.one("output2")["tot_asst_amt"])
    margin = ask(one, "intgr_margin").one()
    assert int(margin["stck_cash_ord_psbl_amt"]) == one.core.account.orderable


def walk(one: Customer, name: str, params: dict[str, str]) -> tuple[list[int], Paging]:
    """Every page of a reply, by our own paging; how many rows each had."""
    api = APIS[name]
    full = (
        dict.fromkeys(api.params, "")
        | {p: v for p, v in ACCOUNT.items() if p in api.params}
        | params
    )
    pages = Paging(api, encode_params(api, **full))
    sizes = []
    while not pages.done:
        reply = ask(one, name, pages.params, tr_cont=pages.tr_cont)
        sizes.append(len(reply.rows(api.row_block)))
        pages.receive(reply)
    return sizes, pages


def test_k05_open_orders_are_read_to_the_end_page_by_page() -> None:
    one = trader("09:01:30")
    for n in range(53):
        one.core.advance(one.core.now + 200_000_000)
        assert one.order("buy", 1, 60_000 + 100 * (n % 50))["rt_cd"] == "0"
    sizes, pages = walk(one, "inquire_psbl_rvsecncl", {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0"})
    assert sizes == [50, 3]
    assert pages.complete
    numbers = [int(row["odno"]) for page in pages.pages for row in page.rows()]
    assert numbers == list(range(53, 0, -1))
    assert walk(one, "inquire_psbl_rvsecncl", {"INQR_DVSN_1": "0", "INQR_DVSN_2": "1"})[0] == [0]


def test_k05_a_page_that_moved_begins_the_walk_anew() -> None:
    one = trader("09:01:30")
    for n in range(52):
        one.core.advance(one.core.now + 200_000_000)
        one.order("buy", 1, 60_000 + 100 * (n % 50))
    api = APIS["inquire_psbl_rvsecncl"]
    given = dict.fromkeys(api.params, "") | ACCOUNT | {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}
    pages = Paging(api, encode_params(api, **given))
    pages.receive(ask(one, api.name, pages.params))
    one.order("buy", 1, 60_000)
    pages.receive(ask(one, api.name, pages.params, tr_cont=pages.tr_cont))
    assert pages.pages == []
    assert pages.tr_cont == ""
    while not pages.done:
        pages.receive(ask(one, api.name, pages.params, tr_cont=pages.tr_cont))
    assert pages.complete
    assert sum(len(page.rows()) for page in pages.pages) == 53


def test_reservations_are_taken_in_the_evening_listed_changed_and_cancelled() -> None:
    one = trader(EVENING)
    for n in range(21):
        row = ask(one, "order_resv", RESERVATION | {"ORD_QTY": str(n + 1)}, custtype="P").one()
        assert row["rsvn_ord_seq"] == str(n + 1)
    assert ask(one, "order_resv_rvsecncl_cancel", {"RSVN_ORD_SEQ": "1"}).one() == {
        "nrml_prcs_yn": "Y"
    }
    changed = ask(
        one, "order_resv_rvsecncl_revise", RESERVATION | {"RSVN_ORD_SEQ": "2", "ORD_QTY": "99"}
    )
    assert changed.one() == {"nrml_prcs_yn": "Y"}
    sizes, pages = walk(one, "order_resv_ccnl", LISTED)
    assert sizes == [20, 1]
    rows = {row["rsvn_ord_seq"]: row for page in pages.pages for row in page.rows()}
    assert (rows["1"]["prcs_rslt"], rows["2"]["ord_rsvn_qty"], rows["3"]["ord_rsvn_unpr"]) == (
        "취소",
        "99",
        "70000",
    )
    assert sum(walk(one, "order_resv_ccnl", LISTED | {"CNCL_YN": "Y"})[0]) == 20
    assert one.core.account.orders == {}


def test_a_reserved_order_becomes_an_order_when_the_opening_auction_begins() -> None:
    one = trader("07:00:00")
    ask(one, "order_resv", RESERVATION, custtype="P")
    ask(one, "order_resv", RESERVATION | {"ORD_UNPR": "70001"}, custtype="P")
    assert one.core.account.orders == {}
    one.receive(one.core.advance(at("08:31")))
    (order,) = one.core.account.orders.values()
    assert (order.qty, order.price, order.state) == (3, 70_000, "accepted")
    rows = {row["rsvn_ord_seq"]: row for row in ask(one, "order_resv_ccnl", LISTED).rows()}
    assert (int(rows["1"]["odno"]), rows["1"]["prcs_rslt"]) == (order.number, "처리")
    assert (rows["2"]["odno"], rows["2"]["prcs_rslt"]) == ("", "거부")
    assert rows["2"]["rjct_rson2"].startswith("주식주문호가단위")
    api = APIS["order_resv_rvsecncl_cancel"]
    given = dict.fromkeys(api.params, "") | ACCOUNT | {"RSVN_ORD_SEQ": "1"}
    assert one.said(one.ask(api.name, given))["msg_cd"] == "APBK0927"


@pytest.mark.parametrize(
    ("start", "name", "params", "msg_cd"),
    [
        ("11:00:00", "order_resv", RESERVATION, "APBK0918"),
        (EVENING, "order_resv", RESERVATION | {"PDNO": "999999"}, "APBK0656"),
        (EVENING, "order_resv", RESERVATION | {"ORD_QTY": "0"}, "APBK0400"),
        (EVENING, "order_resv_rvsecncl_cancel", {"RSVN_ORD_SEQ": "7"}, "APBK0344"),
    ],
)
def test_what_cannot_be_reserved_is_refused(
    start: str, name: str, params: dict[str, str], msg_cd: str
) -> None:
    one = trader(start)
    api = APIS[name]
    given = (
        dict.fromkeys(api.params, "")
        | {p: v for p, v in ACCOUNT.items() if p in api.params}
        | params
    )
    assert one.said(one.ask(name, given))["msg_cd"] == msg_cd
