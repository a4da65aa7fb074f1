"""Replies, both ways: the envelope, blocks of every shape, and what kisnb understands of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import Ns, kst
from kisnb.errors import ApiError, FrameError
from kisnb.events import Depth, Quote
from kisnb.kis.calls import account_messages, order_messages, quote_messages
from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_error, encode_reply
from kisnb.kis.calls.order_messages import cancel_body, day_orders_params, order_body, revise_body
from kisnb.kis.catalogue import APIS
from kisnb.kis.wire_text import moment_today, order_number, seconds_of, whole
from kisnb.orders import Account, Holding, Intent, OrderRef, OrderRow, Route
from kisnb.terms import OrderKind, Side, Venue

DAY = date(2026, 11, 20)
NOON = kst(DAY, time(12))
WON = st.integers(0, 10**13)
SHARES = st.integers(0, 10**9)
CODE = st.from_regex(r"[0-9]{5}[0-9A-Z]", fullmatch=True)
MOMENT = st.integers(0, 86_399).map(lambda s: kst(DAY, s))
ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}


def through_the_wire(api: str, values: dict[str, object]) -> ApiReply:
    body = json.dumps(encode_reply(APIS[api], values), ensure_ascii=False)  # type: ignore[arg-type]
    return decode_reply(APIS[api], body)


# the envelope


def test_a_reply_names_every_field_in_order_and_every_scalar_is_text() -> None:
    values = {"stck_prpr": 71_900, "prdy_ctrt": -0.1389, "temp_stop_yn": False}
    body = encode_reply(APIS["inquire_price"], {"output": values})
    assert list(body) == ["rt_cd", "msg_cd", "msg1", "output"]
    assert (body["rt_cd"], body["msg_cd"], body["msg1"].rstrip()) == (
        "0",
        "MCA00000",
        "정상처리 되었습니다!",
    )
    assert len(body["msg1"]) == 80
    output = body["output"]
    assert list(output) == list(APIS["inquire_price"].blocks[0].empty)
    assert all(isinstance(value, str) for value in output.values())
    assert (output["stck_prpr"], output["prdy_ctrt"], output["temp_stop_yn"]) == (
        "71900",
        "-0.14",
        "N",
    )
    assert (output["acml_vol"], output["w52_hgpr_date"]) == ("0", "")


def test_order_replies_have_upper_case_keys_and_are_read_in_either() -> None:
    ref = OrderRef(20261120, "06010", 1_569_157)
    body = encode_reply(APIS["order_cash_buy"], {"output": order_messages.ref_row(ref, NOON)})
    assert body["output"] == {
        "KRX_FWDG_ORD_ORGNO": "06010",
        "ODNO": "0001569157",
        "ORD_TMD": "120000",
    }
    lower = body | {"output": {name.lower(): value for name, value in body["output"].items()}}
    for said in (body, lower):
        reply = decode_reply(APIS["order_cash_buy"], json.dumps(said))
        assert order_messages.read_ref(reply, Venue.KRX, NOON) == ref


@pytest.mark.parametrize(
    ("odno", "number"), [("0001569157", 1_569_157), ("47589", 47_589), ("0000000762", 762)]
)
def test_order_numbers_compare_as_integers_whatever_their_padding(odno: str, number: int) -> None:
    reply = decode_reply(
        APIS["order_cash_buy"], json.dumps({"rt_cd": "0", "output": {"ODNO": odno}})
    )
    assert order_messages.read_ref(reply, Venue.KRX, NOON).number == number


def test_o03_a_refusal_carries_kis_code_words_and_our_cure() -> None:
    body = json.dumps(encode_error("APBK0952", "주문가능금액을 초과 했습니다", rt_cd="7"))
    with pytest.raises(
        ApiError, match=r"주문가능금액을 초과 했습니다 \[APBK0952\]\. Lower the quantity"
    ) as caught:
        decode_reply(APIS["order_cash_buy"], body)
    assert caught.value.msg_cd == "APBK0952"


def test_the_body_of_an_http_error_is_read_too() -> None:
    body = json.dumps(encode_error("EGW00201", "초당 거래건수를 초과하였습니다."))
    with pytest.raises(ApiError) as caught:
        decode_reply(APIS["inquire_price"], body, status=500)
    assert (caught.value.msg_cd, caught.value.status) == ("EGW00201", 500)


@pytest.mark.parametrize(
    "body",
    ["", "<html>502</html>", "[]", "3", '{"a":1}', "null", b"\xff\xfe"]
    + [
        f'{{"rt_cd":"0","output":{output}}}'
        for output in ("3", "[1]", "[]", '"text"', "[" * 100_000)
    ],
)
def test_a_malformed_body_is_a_typed_error(body: str | bytes) -> None:
    with pytest.raises(FrameError):
        decode_reply(APIS["inquire_price"], body, status=502).one()


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)
)
def test_nothing_but_typed_errors_comes_out_of_any_body(body: bytes | str) -> None:
    for api in APIS.values():
        try:
            decode_reply(api, body)
        except (ApiError, FrameError):
            continue


@pytest.mark.parametrize("empty", ["[]", "{}", "null", None])
def test_an_empty_result_may_come_in_any_shape(empty: str | None) -> None:
    body = '{"rt_cd":"0"}' if empty is None else f'{{"rt_cd":"0","output1":{empty}}}'
    assert decode_reply(APIS["inquire_balance"], body).rows("output1") == []


def test_a_field_that_kis_does_not_have_cannot_be_sent() -> None:
    with pytest.raises(KeyError, match="stck_price"):
        encode_reply(APIS["inquire_price"], {"output": {"stck_price": 1}})


def test_k05_the_keys_of_the_next_page_are_padded_and_copied() -> None:
    body = encode_reply(APIS["inquire_balance"], {}, ctx=("12345678^01", "page 2"))
    assert len(body["ctx_area_fk100"]) == 100
    reply = decode_reply(APIS["inquire_balance"], json.dumps(body), tr_cont="M")
    assert reply.has_more
    assert reply.ctx[1].rstrip() == "page 2"


# KIS's own examples


def test_kis_example_of_a_balance() -> None:
    body = {
        "rt_cd": "0",
        "msg_cd": "KIOK0510",
        "msg1": "조회가 완료되었습니다",
        "ctx_area_fk100": "",
        "ctx_area_nk100": "",
        "output1": [
            {
                "pdno": "009150",
                "prdt_name": "삼성전기",
                "hldg_qty": "1657",
                "ord_psbl_qty": "1611",
                "pchs_avg_pric": "135440.2517",
                "pchs_amt": "224424497",
                "prpr": "0",
                "fltt_rt": "-100.00000000",
            },
            {
                "pdno": "000660",
                "prdt_name": "SK하이닉스",
                "hldg_qty": "0",
                "ord_psbl_qty": "0",
                "pchs_amt": "0",
            },
        ],
        "output2": [
            {"dnca_tot_amt": "346455", "nxdy_excc_amt": "346455", "prvs_rcdl_excc_amt": "346455"}
        ],
    }
    orderable = {
        "rt_cd": "0",
        "output": {"ord_psbl_cash": "741191178", "nrcvb_buy_amt": "107177377"},
    }
    account = account_messages.read_account(
        [decode_reply(APIS["inquire_balance"], json.dumps(body))],
        decode_reply(APIS["inquire_psbl_order"], json.dumps(orderable)),
        complete=True,
    )
    assert account.holdings == (Holding("009150", "삼성전기", 1657, 1611, 224_424_497, 0),)
    assert (account.cash, account.orderable) == (346_455, 107_177_377)


def test_kis_example_of_a_refused_order_in_the_list_of_a_day() -> None:
    row = {
        "ord_dt": "20220103",
        "ord_gno_brno": "06010",
        "odno": "0001568197",
        "orgn_odno": "",
        "ord_dvsn_name": "Limit",
        "sll_buy_dvsn_cd": "02",
        "sll_buy_dvsn_cd_name": "BUY REJECT",
        "pdno": "009150",
        "ord_qty": "10",
        "ord_unpr": "150000",
        "ord_tmd": "170100",
        "tot_ccld_qty": "0",
        "avg_prvs": "0",
        "ord_dvsn_cd": "00",
        "cnc_cfrm_qty": "",
        "rmn_qty": "0",
        "rjct_qty": "10",
        "excg_id_dvsn_Cd": "",
    }
    reply = decode_reply(
        APIS["inquire_daily_ccld"], json.dumps({"rt_cd": "0", "output1": [row], "output2": {}})
    )
    order = order_messages.read_order(reply.rows("output1")[0])
    assert order == OrderRow(
        OrderRef(20220103, "06010", 1_568_197),
        0,
        "009150",
        Side.BUY,
        OrderKind.LIMIT,
        10,
        150_000,
        0,
        0,
        0,
        0,
        10,
        kst(date(2022, 1, 3), time(17, 1)),
        0,
        venue_given=False,
    )


@pytest.mark.parametrize(
    ("code", "kind", "known"), [("01", OrderKind.MARKET, True), ("61", OrderKind.LIMIT, False)]
)
def test_o02_a_listed_order_says_whether_its_kind_is_known(
    code: str, kind: OrderKind, known: bool
) -> None:
    listed = OrderRow(
        OrderRef(20261120, "06010", 7, Venue.NXT),
        0, "005930", Side.BUY, OrderKind.LIMIT, 1, 71_000, 0, 0, 1, 0, 0, NOON, 0,
    )  # fmt: skip
    row = {name.lower(): str(text) for name, text in order_messages.order_row(listed).items()}
    order = order_messages.read_order(row | {"ord_dvsn_cd": code})
    assert (order.kind, order.kind_known, order.venue_given) == (kind, known, True)


# round trips


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    won = [draw(WON) for _ in range(10)]
    return Quote(
        NOON,
        draw(CODE),
        "",
        Venue.KRX,
        *won[:4],
        low=won[4],
        volume=won[5],
        value=won[6],
        upper=won[7],
        lower=won[8],
        tick=won[9],
        halted=draw(st.booleans()),
        listed_shares=draw(SHARES),
        received=NOON,
    )


@given(quotes())
def test_a_quote_goes_round(quote: Quote) -> None:
    reply = through_the_wire("inquire_price", {"output": quote_messages.quote_row(quote)})
    assert quote_messages.read_quote(reply, quote.code, Venue.KRX, NOON) == quote


LEVELS = st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), max_size=10).map(tuple)


@given(CODE, MOMENT, LEVELS, LEVELS, quotes())
def test_a_depth_goes_round(
    code: str,
    t: Ns,
    asks: tuple[tuple[int, int], ...],
    bids: tuple[tuple[int, int], ...],
    quote: Quote,
) -> None:
    depth = Depth(t, code, Venue.KRX, asks, bids, NOON)
    blocks: dict[str, object] = {**quote_messages.depth_blocks(depth, quote)}
    reply = through_the_wire("inquire_asking_price_exp_ccn", blocks)
    assert quote_messages.read_depth(reply, code, Venue.KRX, NOON) == depth


@given(
    st.builds(
        OrderRow,
        ref=st.builds(
            OrderRef,
            day=st.just(20261120),
            branch=st.just("06010"),
            number=st.integers(1, 10**10 - 1),
            venue=st.sampled_from(Venue),
        ),
        original=st.integers(0, 10**9),
        code=CODE,
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderKind),
        qty=SHARES,
        price=WON,
        filled=SHARES,
        average=WON,
        leaves=SHARES,
        cancelled=SHARES,
        rejected=SHARES,
        t=MOMENT,
        value=WON,
    ).filter(lambda order: not order.filled or bool(order.value))
)
def test_an_order_of_the_day_goes_round(order: OrderRow) -> None:
    values: dict[str, object] = {
        "output1": [order_messages.order_row(order, "이름")],
        "output2": order_messages.order_totals([order]),
    }
    reply = through_the_wire("inquire_daily_ccld", values)
    assert order_messages.read_order(reply.rows("output1")[0]) == order


@given(
    WON,
    WON,
    WON,
    WON,
    st.lists(
        st.builds(
            Holding,
            code=CODE,
            name=st.just("이름"),
            qty=st.integers(1, 10**9),
            sellable=SHARES,
            cost=WON,
            price=WON,
        ),
        unique_by=lambda holding: holding.code,
    ),
    WON,
)
def test_an_account_goes_round(
    cash: int, d1: int, d2: int, orderable: int, holdings: list[Holding], costs: int
) -> None:
    account = Account(cash, d1, d2, orderable, tuple(holdings), complete=True, costs=costs)
    balance = through_the_wire(
        "inquire_balance",
        {
            "output1": [account_messages.holding_row(h) for h in holdings],
            "output2": account_messages.deposit_row(account),
        },
    )
    cash_reply = through_the_wire(
        "inquire_psbl_order", {"output": account_messages.orderable_row(orderable)}
    )
    assert account_messages.read_account([balance], cash_reply, complete=True) == account


# orders


# replies of any content

NUMBERS = st.booleans() | st.integers() | st.floats()
ANYTHING = st.none() | NUMBERS | st.text(max_size=12) | st.lists(st.text(max_size=3))
READERS: dict[str, Callable[[ApiReply], object]] = {
    "inquire_price": lambda r: quote_messages.read_quote(r, "005930", Venue.KRX, NOON),
    "inquire_asking_price_exp_ccn": lambda r: quote_messages.read_depth(
        r, "005930", Venue.KRX, NOON
    ),
    "order_cash_buy": lambda r: order_messages.read_ref(r, Venue.KRX, NOON),
    "inquire_daily_ccld": lambda r: [order_messages.read_order(row) for row in r.rows("output1")],
    "inquire_balance": lambda r: account_messages.read_account([r], r, complete=True),
    "inquire_psbl_order": lambda r: account_messages.read_account([r], r, complete=True),
}


@given(st.sampled_from(sorted(READERS)), st.data())
def test_k07_nothing_but_typed_errors_comes_out_of_a_reply_of_any_content(
    name: str, data: st.DataObject
) -> None:
    body = encode_reply(APIS[name], {b.name: {} for b in APIS[name].blocks})
    for block in APIS[name].blocks:
        fields = data.draw(
            st.dictionaries(st.sampled_from([*block.empty, "new_field"]), ANYTHING, max_size=6)
        )
        row = {**block.empty, **fields}
        for gone in data.draw(st.sets(st.sampled_from(sorted(row)), max_size=3)):
            del row[gone]
        body[block.name] = data.draw(
            st.sampled_from([row, [row], [row, row], [], {}, None, "text", 7, [row, 7]])
        )
    try:
        READERS[name](decode_reply(APIS[name], json.dumps(body)))
    except (FrameError, ApiError):
        return


def test_only_the_wire_knows_that_a_market_order_is_01() -> None:
    intent = Intent("k", "me", "005930", Side.BUY, 10, OrderKind.LIMIT, 71_900)
    limit = order_body(intent, Route(Venue.KRX, OrderKind.LIMIT, ""), ACCOUNT)
    market = order_body(intent, Route(Venue.KRX, OrderKind.MARKET, ""), ACCOUNT)
    assert limit == ACCOUNT | {
        "PDNO": "005930",
        "ORD_DVSN": "00",
        "ORD_QTY": "10",
        "ORD_UNPR": "71900",
        "EXCG_ID_DVSN_CD": "KRX",
    }
    assert (market["ORD_DVSN"], market["ORD_UNPR"]) == ("01", "0")


@pytest.mark.parametrize("venue", list(Venue))
def test_r02_r08_orders_cancels_and_revisions_carry_their_venue(venue: Venue) -> None:
    ref = OrderRef(20261120, "06010", 7, venue)
    intent = Intent("k", "me", "005930", Side.SELL, 10, OrderKind.LIMIT, 71_900)
    bodies = (
        order_body(intent, Route(venue, OrderKind.LIMIT, ""), ACCOUNT),
        cancel_body(ref, None, ACCOUNT),
        cancel_body(ref, 3, ACCOUNT),
        revise_body(ref, 3, 71_000, ACCOUNT),
    )
    assert [body["EXCG_ID_DVSN_CD"] for body in bodies] == [str(venue)] * 4


def test_a_full_and_a_partial_cancel() -> None:
    ref = OrderRef(20261120, "06010", 1_566_017)
    full, part = cancel_body(ref, None, ACCOUNT), cancel_body(ref, 3, ACCOUNT)
    assert (full["QTY_ALL_ORD_YN"], full["ORD_QTY"], full["ORGN_ODNO"]) == ("Y", "0", "0001566017")
    assert (part["QTY_ALL_ORD_YN"], part["ORD_QTY"], part["RVSE_CNCL_DVSN_CD"]) == ("N", "3", "02")


def test_the_orders_of_a_day_are_asked_for_on_all_venues() -> None:
    params = day_orders_params(DAY, ACCOUNT)
    assert (params["EXCG_ID_DVSN_CD"], params["INQR_STRT_DT"], params["INQR_END_DT"]) == (
        "ALL",
        "20261120",
        "20261120",
    )


def test_orders_of_more_than_three_months_ago_are_asked_for_under_another_tr_id() -> None:
    assert order_messages.day_orders_api(DAY, DAY).tr_live == "TTTC0081R"
    assert order_messages.day_orders_api(date(2026, 8, 24), DAY).tr_live == "TTTC0081R"
    assert order_messages.day_orders_api(date(2026, 8, 20), DAY).tr_live == "CTSC9215R"


# texts


@pytest.mark.parametrize(
    ("text", "value"),
    [("0000001569157", 1_569_157), ("-500", -500), ("", 0), ("  12 ", 12), ("3.0000", 3)],
)
def test_numbers_of_the_wire(text: str, value: int) -> None:
    assert whole(text) == value


@pytest.mark.parametrize("text", ["twelve", "1.x", "--1", "nan", "1.e999"])
def test_what_is_no_number_is_a_typed_error(text: str) -> None:
    with pytest.raises(FrameError):
        whole(text)


@pytest.mark.parametrize("text", ["", "9:1530", "096000", "250000", "0900", "-90000", "09 000"])
def test_what_is_no_time_is_a_typed_error(text: str) -> None:
    with pytest.raises(FrameError):
        seconds_of(text)


def test_times_are_of_the_korean_day() -> None:
    assert moment_today(kst(DAY, time(8)), "093000") == kst(DAY, time(9, 30))
    assert order_number(0) == ""
