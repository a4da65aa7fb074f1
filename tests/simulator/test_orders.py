"""Orders over the wire of the simulated host: replies, notices, refusals, lists.

Rows H03, O03, O05.
"""

from typing import Any

import pytest

from kisnb.terms import Side

from .customer import ACCOUNT, BALANCE, DAY_ORDERS, HYNIX, SAMSUNG, Customer, at, trader

KOSPI_FUND = "069500"
KIND, QTY, PRICE = 13, 9, 10
"""Columns of a notice: CNTG_YN (1 order, 2 fill), quantity, price."""


def brief(columns: list[str]) -> tuple[str, int, int, int]:
    """(accepted | filled | cancelled, number, quantity, price) of a notice."""
    kind = "filled" if columns[KIND] == "2" else "cancelled" if columns[5] == "2" else "accepted"
    return kind, int(columns[2]), int(columns[QTY]), int(columns[PRICE])


def briefs(one: Customer) -> list[tuple[str, int, int, int]]:
    return [brief(columns) for columns in one.notices()]


def day_orders(one: Customer, **changed: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS | changed))[
        "output1"
    ]
    return rows


def test_a_market_buy_is_sent_accepted_and_filled_and_prints_on_the_tape() -> None:
    one = trader()
    reply = one.order("buy", 1_050, None)
    assert (reply["rt_cd"], reply["msg_cd"]) == ("0", "APBK0013")
    assert reply["output"] == {
        "KRX_FWDG_ORD_ORGNO": "00950",
        "ODNO": "0000000001",
        "ORD_TMD": "090030",
    }
    assert one.kinds() == ["H0STCNI0"] * 3 + ["H0STCNT0", "H0STASP0"]
    trades = one.inbox[3].split("|")
    assert trades[2] == "002"
    assert [trades[3].split("^")[i] for i in (12, 12 + 47)] == ["1000", "50"]
    assert briefs(one) == [
        ("accepted", 1, 1_050, 0),
        ("filled", 1, 1_000, 71_000),
        ("filled", 1, 50, 71_100),
    ]


def test_a_limit_order_rests_until_the_market_trades_through_its_price() -> None:
    one = trader()
    assert one.order("buy", 500, 70_900)["rt_cd"] == "0"
    assert briefs(one) == [("accepted", 1, 500, 70_900)]
    one.advance("09:02:59")
    assert briefs(one) == []
    one.advance("09:03")
    fills = briefs(one)
    assert {(kind, number, price) for kind, number, _, price in fills} == {("filled", 1, 70_900)}
    assert sum(qty for _, _, qty, _ in fills) == 500


def test_a_part_is_cancelled_under_a_number_of_its_own_and_the_rest_lives_on() -> None:
    """O05: quantity = filled + cancelled + leaves."""
    one = trader()
    one.order("buy", 500, 70_900)
    one.taken()
    assert one.cancel(1, 200)["output"]["ODNO"] == "0000000002"
    (columns,) = one.notices()
    assert brief(columns) == ("cancelled", 2, 200, 0)
    assert columns[3] == "0000000001"
    cancel, order = day_orders(one)
    assert [order[f] for f in ("ord_qty", "tot_ccld_qty", "cnc_cfrm_qty", "rmn_qty")] == [
        "500",
        "0",
        "200",
        "300",
    ]
    assert (cancel["odno"], cancel["orgn_odno"], cancel["rmn_qty"]) == (
        "0000000002",
        "0000000001",
        "0",
    )


def test_more_than_is_left_cannot_be_cancelled_and_changes_nothing() -> None:
    one = trader()
    one.order("buy", 500, 70_900)
    one.taken()
    assert one.cancel(1, 501)["msg_cd"] == "APBK0927"
    assert one.cancel(9)["msg_cd"] == "APBK0344"
    assert one.inbox == []
    assert one.cancel(1)["rt_cd"] == "0"
    assert one.cancel(1)["msg_cd"] == "APBK0927"


REFUSED = [
    ("cash", ("buy", 2_000, 71_000), "APBK0952", "7"),
    ("cash at the upper limit", ("buy", 1_200_000, None), "APBK0952", "7"),
    ("holdings", ("sell", 1, 71_000), "APBK0400", "1"),
    ("quantity", ("buy", 0, 71_000), "APBK0400", "1"),
    ("tick", ("buy", 1, 71_050), "APBK0506", "1"),
    ("limit", ("buy", 1, 92_400), "APBK0506", "1"),
    ("unknown", ("buy", 1, 71_000, "999999"), "APBK0656", "1"),
]


@pytest.mark.parametrize(
    ("order", "msg_cd", "rt_cd"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refused_order_says_why_and_leaves_no_trace(
    order: tuple[Any, ...], msg_cd: str, rt_cd: str
) -> None:
    """O03: no output, no notice, no number, no reservation."""
    one = trader()
    reply = one.order(*order)
    assert (reply["rt_cd"], reply["msg_cd"]) == (rt_cd, msg_cd)
    assert "output" not in reply
    assert one.inbox == []
    assert day_orders(one) == []
    assert one.core.account.orderable == 100_000_000


def test_outside_the_session_the_market_is_closed() -> None:
    assert trader("08:00").order("buy", 1, 71_000)["msg_cd"] == "APBK0918"
    assert trader("20:00").order("buy", 1, 71_000)["msg_cd"] == "APBK0918"


def test_what_this_host_does_not_trade_is_refused() -> None:
    one = trader()
    body = ACCOUNT | {"PDNO": SAMSUNG, "ORD_QTY": "1", "ORD_UNPR": "71000"}
    for more, code in (
        ({"ORD_DVSN": "00", "EXCG_ID_DVSN_CD": "NXT", "PDNO": KOSPI_FUND}, "APBK3009"),
        ({"ORD_DVSN": "01", "EXCG_ID_DVSN_CD": "NXT"}, "APBK3013"),
        ({"ORD_DVSN": "41", "EXCG_ID_DVSN_CD": "KRX"}, "APBK3013"),
        ({"ORD_DVSN": "99", "EXCG_ID_DVSN_CD": "KRX"}, "APBK3013"),
        ({"ORD_DVSN": "00", "EXCG_ID_DVSN_CD": "NYSE"}, "OPSQ2001"),
        ({"ORD_DVSN": "00", "EXCG_ID_DVSN_CD": "KRX", "ORD_QTY": "1.5"}, "OPSQ2001"),
    ):
        assert one.said(one.ask("order_cash_buy", body | more))["msg_cd"] == code


def test_another_account_and_a_wrong_customer_type_are_refused() -> None:
    one = trader()
    body = ACCOUNT | {
        "CANO": "11111111",
        "PDNO": SAMSUNG,
        "ORD_DVSN": "00",
        "ORD_QTY": "1",
        "ORD_UNPR": "71000",
    }
    assert one.said(one.ask("order_cash_buy", body))["msg_cd"] == "OPSQ2000"
    assert one.said(one.ask("order_cash_buy", body | ACCOUNT, custtype="X"))["msg_cd"] == "EGW00208"


def test_an_order_of_the_opening_auction_fills_at_its_price() -> None:
    one = trader("08:59:59")
    one.order("buy", 10, 71_500)
    assert [b[0] for b in briefs(one)] == ["accepted"]
    one.step("09:00")
    while one.core.now < at("09:00"):
        one.step("09:00")
    kinds = one.kinds()
    assert kinds.index("H0STCNI0") < kinds.index("H0STCNT0") < len(kinds) - 1
    assert briefs(one) == [("filled", 1, 10, 71_000)]


def test_what_is_left_at_the_close_has_expired_without_a_word() -> None:
    """No notice is known to tell of it: the order list shows nothing left."""
    one = trader("15:20")
    one.order("buy", 10, 60_000)
    one.taken()
    one.advance("15:30:01")
    assert one.notices() == []
    (row,) = day_orders(one)
    assert (row["rmn_qty"], row["cnc_cfrm_qty"], row["tot_ccld_qty"]) == ("0", "0", "0")
    assert one.core.account.reserved == 0
    one.advance("20:00")
    assert one.core.closed


def test_the_balance_equals_the_ledger() -> None:
    one = trader()
    one.order("buy", 100, None)
    one.order("sell", 40, None)
    one.order("sell", 10, 71_900)
    account = one.core.account
    said = one.said(one.ask("inquire_balance", BALANCE))
    (holding,), (deposit,) = said["output1"], said["output2"]
    position = account.positions[SAMSUNG]
    assert [
        holding[f] for f in ("pdno", "hldg_qty", "ord_psbl_qty", "thdt_buyqty", "thdt_sll_qty")
    ] == [
        SAMSUNG,
        "60",
        "50",
        "100",
        "40",
    ]
    assert int(holding["pchs_amt"]) == position.cost == 60 * 71_000
    assert int(deposit["dnca_tot_amt"]) == 100_000_000
    assert int(deposit["prvs_rcdl_excc_amt"]) == account.settled_d2
    fees = account.fees + account.taxes
    assert account.settled_d2 == 100_000_000 - 100 * 71_000 + 40 * 70_900 - fees
    assert int(deposit["thdt_tlex_amt"]) == fees


def test_a_market_buy_is_counted_at_the_upper_limit() -> None:
    one = trader()
    asked = ACCOUNT | {"PDNO": SAMSUNG, "CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}
    market = one.said(one.ask("inquire_psbl_order", asked | {"ORD_UNPR": "", "ORD_DVSN": "01"}))[
        "output"
    ]
    limit = one.said(
        one.ask("inquire_psbl_order", asked | {"ORD_UNPR": "71000", "ORD_DVSN": "00"})
    )["output"]
    assert market["psbl_qty_calc_unpr"] == "92300"
    assert int(market["nrcvb_buy_qty"]) < int(limit["nrcvb_buy_qty"])
    assert one.order("buy", int(limit["nrcvb_buy_qty"]) + 1, 71_000)["msg_cd"] == "APBK0952"
    assert one.order("buy", int(limit["nrcvb_buy_qty"]), 71_000)["rt_cd"] == "0"


def test_the_order_list_is_filtered_as_asked() -> None:
    one = trader()
    one.order("buy", 10, None)
    one.order("buy", 10, 70_000)
    one.order("sell", 5, None)
    numbers = {
        name: [int(row["odno"]) for row in day_orders(one, **asked)]
        for name, asked in {
            "all": {},
            "open": {"CCLD_DVSN": "02"},
            "filled": {"CCLD_DVSN": "01"},
            "sells": {"SLL_BUY_DVSN_CD": "01"},
            "one": {"ODNO": "2"},
            "other stock": {"PDNO": HYNIX},
            "other day": {"INQR_END_DT": "20261119"},
            "NXT": {"EXCG_ID_DVSN_CD": "NXT"},
        }.items()
    }
    assert numbers == {
        "all": [3, 2, 1],
        "open": [2],
        "filled": [3, 1],
        "sells": [3],
        "one": [2],
        "other stock": [],
        "other day": [],
        "NXT": [],
    }


def test_a_long_order_list_comes_in_pages_of_a_hundred() -> None:
    one = trader()
    for n in range(105):
        assert one.order("buy", 1, 70_000)["rt_cd"] == "0"
        if n % 10 == 9:
            one.core.advance(one.core.now + 1_000_000_000)
    first = one.ask("inquire_daily_ccld", DAY_ORDERS)
    said = one.said(first)
    assert (first.headers["tr_cont"], len(said["output1"]), len(said["ctx_area_nk100"])) == (
        "M",
        100,
        100,
    )
    keys = {"CTX_AREA_FK100": said["ctx_area_fk100"], "CTX_AREA_NK100": said["ctx_area_nk100"]}
    last = one.ask("inquire_daily_ccld", DAY_ORDERS | keys, tr_cont="N")
    rows = said["output1"] + one.said(last)["output1"]
    assert last.headers["tr_cont"] == "D"
    assert [int(row["odno"]) for row in rows] == list(range(105, 0, -1))


def test_trading_by_hand_shows_in_the_notices_like_any_order() -> None:
    """O08: as from the phone app."""
    one = trader()
    number, frames = one.core.by_hand.trade(SAMSUNG, Side.BUY, 5, None)
    one.receive(frames)
    assert briefs(one) == [("accepted", number, 5, 0), ("filled", number, 5, 71_000)]
