"""The two hosts: what paper takes, how it words what it does not, its TR ids, pages and channels.

Rows H03, K13.
"""

from __future__ import annotations

from datetime import date
from typing import Any, get_args

import pytest

from kisnb.kis.catalogue import APIS
from kisnb.kis.error_codes import CODES
from kisnb.kis.feed import frames
from kisnb.simulator.host.access import Access, GatewayRefusal
from kisnb.simulator.host.keys import made_up
from kisnb.simulator.host.personas import LIVE, OLD_TRS, PAPER, PERSONAS, Persona, Reason
from kisnb.simulator.host.quirks import with_quirks
from kisnb.terms import Mode, OrderKind, Venue

from .customer import (
    ACCOUNT,
    BALANCE,
    DAY,
    DAY_ORDERS,
    HYNIX,
    KEYS,
    SAMSUNG,
    Customer,
    at,
    host,
    trader,
)

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}


def paper(start: str = "09:00:30", persona: Persona = PAPER) -> Customer:
    """Logged in; the clock is a second further for each call, as the paper host wants it."""
    one = Customer(host(start, persona=persona))
    one.log_in()
    return one


def later(one: Customer) -> None:
    one.core.advance(one.core.now + 1_000_000_000)


def order(one: Customer, side: str = "buy", **changed: str) -> dict[str, Any]:
    body = ACCOUNT | {
        "PDNO": SAMSUNG,
        "ORD_DVSN": "00",
        "ORD_QTY": "1",
        "ORD_UNPR": "71000",
        "EXCG_ID_DVSN_CD": "KRX",
    }
    later(one)
    return one.said(one.ask(f"order_cash_{side}", body | changed))


@pytest.mark.parametrize("mode", PERSONAS)
def test_every_host_has_words_for_every_reason(mode: Mode) -> None:
    assert PERSONAS[mode].refusals.keys() == set(get_args(Reason))
    assert {CODES[refusal.msg_cd].order for refusal in PERSONAS[mode].refusals.values()} == {
        "not placed"
    }


def test_paper_and_live_keep_their_codes_apart() -> None:
    codes = {
        mode: {refusal.msg_cd for refusal in PERSONAS[mode].refusals.values()} for mode in PERSONAS
    }
    assert all(code.isdecimal() and len(code) == 8 for code in codes[Mode.PAPER])
    assert all(code.startswith("APBK") for code in codes[Mode.LIVE])


def test_paper_has_five_account_calls_with_tr_ids_of_its_own_and_its_own_words() -> None:
    one = paper()
    bought = order(one, ORD_UNPR="70000")
    assert (bought["rt_cd"], bought["msg_cd"], bought["output"]["ODNO"]) == (
        "0",
        "40600000",
        "0000000001",
    )
    cancelled = (later(one), one.cancel(1))[1]
    assert (cancelled["rt_cd"], cancelled["msg_cd"]) == ("0", "40630000")
    later(one)
    assert one.said(one.ask("inquire_balance", BALANCE))["msg_cd"] == "20310000"
    later(one)
    assert one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["msg_cd"] == "20310000"


REFUSED = [
    ("09:00:30", {"ORD_UNPR": "71050"}, "40030000", "호가단위"),
    ("09:00:30", {"PDNO": "999999"}, "40070000", "매매불가"),
    ("09:00:30", {"ORD_UNPR": "900"}, "40070000", "매매불가"),
    ("09:00:30", {"ORD_QTY": "99999999"}, "40310000", "매수가능금액"),
    ("09:00:30", {"EXCG_ID_DVSN_CD": "NXT"}, "90000000", "제공되지"),
    ("08:40:00", {}, "40570000", "장시작전"),
    ("15:30:00", {}, "40580000", "장종료"),
]


@pytest.mark.parametrize(
    ("start", "changed", "msg_cd", "words"), REFUSED, ids=[row[2] + row[0] for row in REFUSED]
)
def test_paper_refuses_in_eight_digits(
    start: str, changed: dict[str, str], msg_cd: str, words: str
) -> None:
    said = order(paper(start), **changed)
    assert (said["rt_cd"], said["msg_cd"]) == ("1", msg_cd)
    assert words in said["msg1"]
    assert "output" not in said


def test_paper_has_nothing_to_sell_and_nothing_to_cancel() -> None:
    one = paper()
    assert order(one, "sell")["msg_cd"] == "40240000"
    later(one)
    assert one.cancel(9)["msg_cd"] == "40330000"


def test_paper_takes_limit_and_market_orders_unless_a_quirk_says_otherwise() -> None:
    assert order(paper(), ORD_DVSN="03", ORD_UNPR="0")["msg_cd"] == "90000000"
    everything = with_quirks(PAPER, ("paper-kinds",))
    assert {everything.refuses(Venue.KRX, kind, 71_000, at("10:00")) for kind in OrderKind} == {
        None
    }


def test_a_call_that_paper_lacks_and_a_tr_of_the_other_host_are_told_apart() -> None:
    one = paper()
    later(one)
    lacking = one.ask("volume_rank", {}, tr_id="FHPST01710000")
    assert (lacking.status, one.said(lacking)["msg_cd"]) == (500, "EGW02006")
    later(one)
    live_tr = one.ask("inquire_balance", BALANCE, tr_id="TTTC8434R")
    assert (live_tr.status, one.said(live_tr)["msg_cd"]) == (500, "EGW02006")
    other = trader()
    paper_tr = other.ask("inquire_balance", BALANCE, tr_id="VTTC8434R")
    assert (paper_tr.status, other.said(paper_tr)["msg_cd"]) == (500, "EGW02004")


@pytest.mark.parametrize(("mode", "msg_cd"), [(Mode.PAPER, "EGW02007"), (Mode.LIVE, "EGW02004")])
def test_keys_of_the_other_host_are_told_from_wrong_ones(mode: Mode, msg_cd: str) -> None:
    access = Access(made_up(mode), PERSONAS[mode], DAY)
    other = made_up(Mode.LIVE if mode is Mode.PAPER else Mode.PAPER)
    given = {
        "appkey": other.appkey.reveal(),
        "appsecret": other.appsecret.reveal(),
        "authorization": "Bearer x",
    }
    with pytest.raises(GatewayRefusal) as refused:
        access.check(at("09:00"), given)
    assert (refused.value.msg_cd, refused.value.status) == (msg_cd, 500)
    with pytest.raises(GatewayRefusal) as refused:
        access.check(at("09:00"), given | {"appkey": "PS" + "z" * 34})
    assert refused.value.msg_cd == "EGW00103"


def test_paper_takes_one_call_a_second_and_took_two_before_the_twentieth_of_april() -> None:
    one = paper()
    later(one)
    said = [one.said(one.ask("inquire_price", PRICE))["msg_cd"] for _ in range(2)]
    assert said == ["MCA00000", "EGW00201"]
    assert [PAPER.rate(date(2026, 4, day)) for day in (19, 20)] == [2, 1]


def test_paper_pages_by_twenty_holdings_and_fifteen_orders() -> None:
    one = paper()
    for _ in range(31):
        order(one, ORD_DVSN="01", ORD_UNPR="0")
    later(one)
    first = one.ask("inquire_daily_ccld", DAY_ORDERS)
    said = one.said(first)
    assert (first.headers["tr_cont"], len(said["output1"]), said["msg_cd"]) == ("M", 15, "20312000")
    later(one)
    keys = {name: said[name.lower()] for name in ("CTX_AREA_FK100", "CTX_AREA_NK100")}
    second = one.ask("inquire_daily_ccld", DAY_ORDERS | keys, tr_cont="N")
    assert second.headers["tr_cont"] == "M"
    later(one)
    keys = {name: one.said(second)[name.lower()] for name in keys}
    last = one.ask("inquire_daily_ccld", DAY_ORDERS | keys, tr_cont="N")
    assert (last.headers["tr_cont"], len(one.said(last)["output1"])) == ("D", 1)
    assert PAPER.balance_page == 20


def test_paper_streams_trades_and_depth_of_krx_and_its_own_notices() -> None:
    one = trader(persona=PAPER)
    for tr_id, key in (
        ("H0NXCNT0", SAMSUNG),
        ("H0UNCNT0", SAMSUNG),
        ("H0STCNI0", KEYS.hts_id.reveal()),
    ):
        assert one.subscribe(tr_id, key).msg_cd == "OPSP8991"
    assert one.subscribe("H0STCNT0", HYNIX).msg_cd == "OPSP0000"
    order(one, ORD_DVSN="01", ORD_UNPR="0")
    assert [text.split("|")[1] for text in one.inbox if text[0] == "1"] == ["H0STCNI9"] * 2
    assert [notice[13] for notice in one.notices()] == ["1", "2"]


def test_the_tr_ids_of_before_2025_do_the_same_unless_a_quirk_forbids_them() -> None:
    body = ACCOUNT | {"PDNO": SAMSUNG, "ORD_DVSN": "01", "ORD_QTY": "1", "ORD_UNPR": "0"}
    one = trader()
    assert one.said(one.ask("order_cash_buy", body, tr_id="TTTC0802U"))["rt_cd"] == "0"
    other = trader(persona=with_quirks(LIVE, ("no-old-trs",)))
    assert other.said(other.ask("order_cash_buy", body, tr_id="TTTC0802U"))["msg_cd"] == "OPSQ0002"
    assert {api.tr_live for api in APIS.values()} | {api.tr_paper for api in APIS.values()} >= set(
        OLD_TRS.values()
    )


def test_columns_are_those_of_the_day() -> None:
    one = trader()
    one.advance("09:01:00")
    widths = {
        frame.tr_id: len(frames.records(frame)[0]) for frame in map(frames.parse, one.taken())
    }
    assert widths == {"H0STCNT0": 47, "H0STASP0": 63}
