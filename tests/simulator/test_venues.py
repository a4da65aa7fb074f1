"""Both venues over the wire of the simulated host. Rows H03, R08, K09, O05, O06, invariant 7."""

from datetime import date, time
from itertools import pairwise
from typing import Any

import pytest

from kisnb.clock import Ns, kst
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.kis.feed import frames
from kisnb.kis.feed.notices import decode_notice
from kisnb.kis.order_codes import ORD_EXG_GB
from kisnb.market.costs import BANKIS
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.day.market_day import ScriptedDay
from kisnb.simulator.host.core import Core
from kisnb.terms import Board, Kind, Venue

from .customer import ACCOUNT, DAY_ORDERS, KEYS, SAMSUNG, Customer, at, host, trader

ONLY_KRX = "069500"
VENUE_AT = 19
"""ORD_EXG_GB in a wide notice."""


def sent(
    one: Customer, side: str, qty: int, price: int, kind: str, venue: str, **more: str
) -> dict[str, Any]:
    body = ACCOUNT | {
        "PDNO": SAMSUNG,
        "ORD_DVSN": kind,
        "ORD_QTY": str(qty),
        "ORD_UNPR": str(price),
    }
    return one.said(one.ask(f"order_cash_{side}", body | {"EXCG_ID_DVSN_CD": venue} | more))


def changed(
    one: Customer, number: int, what: str, qty: int, price: int, venue: str
) -> dict[str, Any]:
    body = ACCOUNT | {
        "KRX_FWDG_ORD_ORGNO": "",
        "ORGN_ODNO": str(number),
        "ORD_DVSN": "00",
        "ORD_UNPR": str(price),
    }
    more = {"ORD_QTY": str(qty), "QTY_ALL_ORD_YN": "N" if qty else "Y"}
    asked = body | more | {"RVSE_CNCL_DVSN_CD": what, "EXCG_ID_DVSN_CD": venue}
    return one.said(one.ask("order_rvsecncl", asked))


def notices_of(one: Customer) -> list[tuple[str, int, int, int, int, str]]:
    """(kind, number, original, shares, won, ORD_EXG_GB) of every notice since the last look."""
    read = []
    for columns in one.notices():
        notice = decode_notice(columns, KEYS.full_account, one.core.now)
        assert notice is not None
        assert notice.venue is ORD_EXG_GB[columns[VENUE_AT]]
        told = (
            notice.kind,
            notice.number,
            notice.original,
            notice.qty,
            notice.price,
            columns[VENUE_AT],
        )
        read.append(told)
    return read


def followed(one: Customer, *channels: dict[Venue, str], code: str = SAMSUNG) -> None:
    for channel in channels:
        for tr_id in channel.values():
            one.subscribe(tr_id, code)
    one.taken()


def records(one: Customer, tr_id: str) -> list[dict[str, str]]:
    found = [frames.parse(text) for text in one.inbox if text.startswith(f"0|{tr_id}|")]
    return [record for frame in found for record in frames.named_records(frame)]


# orders


def test_an_order_at_nextrade_trades_in_its_book_and_its_notices_say_so() -> None:
    one = trader()
    before = one.core._market.quote(SAMSUNG).volume
    assert sent(one, "buy", 100, 71_000, "00", "NXT")["rt_cd"] == "0"
    assert notices_of(one) == [
        ("accepted", 1, 0, 100, 71_000, "2"),
        ("filled", 1, 0, 100, 71_000, "2"),
    ]
    assert one.core._market.quote(SAMSUNG).volume == before
    assert one.core._market.quote(SAMSUNG, Venue.NXT).volume == 100
    assert one.core._market.quote(SAMSUNG, Venue.SOR).volume == before + 100
    assert one.core.account.fees == BANKIS.fee(7_100_000, Venue.NXT, Kind.STOCK)


def test_a_routed_order_says_in_its_notices_where_it_went() -> None:
    """ORD_EXG_GB 3 and 4."""
    one = trader()
    sent(one, "buy", 100, 71_000, "00", "SOR")
    assert [row[-1] for row in notices_of(one)] == ["3", "3"]
    sent(one, "buy", 900, 71_000, "11", "KRX")  # what KRX has left at this price
    one.taken()
    sent(one, "buy", 100, 71_000, "00", "SOR")
    assert [row[-1] for row in notices_of(one)] == ["4", "4"]


@pytest.mark.parametrize(
    ("kind", "qty", "price", "filled", "left"),
    [
        ("03", 1_050, 0, 1_000, 50),
        ("04", 5, 0, 0, 5),
        ("11", 1_200, 71_000, 1_000, 0),
        ("12", 1_200, 71_000, 0, 0),
        ("13", 1_050, 0, 1_050, 0),
        ("14", 1_050, 0, 1_050, 0),
        ("15", 1_050, 0, 1_000, 0),
        ("16", 1_050, 0, 0, 0),
        ("02", 1_200, 71_000, 1_000, 200),
    ],
)
def test_every_kind_of_the_regular_session_does_what_its_name_says(
    kind: str, qty: int, price: int, filled: int, left: int
) -> None:
    one = trader()
    assert sent(one, "buy", qty, price, kind, "KRX")["rt_cd"] == "0"
    order = one.core.account.orders[1]
    assert (order.filled, order.leaves, order.filled + order.leaves + order.cancelled) == (
        filled,
        left,
        qty,
    )
    (row,) = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"]
    assert (row["ord_dvsn_cd"], row["tot_ccld_qty"], row["rmn_qty"]) == (
        kind,
        str(filled),
        str(left),
    )


def test_a_stop_order_takes_its_stop_price_from_cndt_pric() -> None:
    one = trader()
    assert sent(one, "buy", 10, 71_300, "22", "KRX", CNDT_PRIC="71200")["rt_cd"] == "0"
    assert one.core.account.orders[1].filled == 0
    one.advance("09:04")
    assert one.core.account.orders[1].filled == 10


def test_a_revision_has_a_number_of_its_own_and_is_listed_with_the_order_that_it_comes_from() -> (
    None
):
    """O06."""
    one = trader()
    sent(one, "buy", 500, 70_900, "00", "KRX")
    one.taken()
    assert changed(one, 1, "01", 200, 70_800, "KRX")["output"]["ODNO"] == "0000000002"
    assert notices_of(one) == [("revised", 2, 1, 200, 70_800, "1")]
    heir, order = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"]
    assert (order["ord_qty"], order["rmn_qty"], order["cnc_cfrm_qty"]) == ("500", "300", "200")
    assert (heir["orgn_odno"], heir["ord_qty"], heir["ord_unpr"], heir["rmn_qty"]) == (
        "0000000001",
        "200",
        "70800",
        "200",
    )
    account = one.core.account
    needed = [300 * 70_900, 200 * 70_800]
    assert account.reserved == sum(n + BANKIS.fee(n, Venue.KRX, Kind.STOCK) for n in needed)
    assert changed(one, 2, "02", 0, 0, "KRX")["rt_cd"] == "0"
    assert changed(one, 1, "01", 301, 70_800, "KRX")["msg_cd"] == "APBK0927"
    assert changed(one, 1, "01", 0, 99_000_000, "KRX")["msg_cd"] == "APBK0952"
    assert changed(one, 1, "01", 0, 70_850, "KRX")["msg_cd"] == "APBK0506"
    assert account.orders[1].leaves == 300


def test_an_order_is_changed_at_its_own_venue_only() -> None:
    """R08."""
    one = trader()
    sent(one, "buy", 5, 70_000, "00", "NXT")
    assert changed(one, 1, "02", 0, 0, "KRX")["msg_cd"] == "APBK0344"
    assert changed(one, 1, "02", 0, 0, "")["msg_cd"] == "APBK0344"
    assert changed(one, 1, "02", 0, 0, "NXT")["rt_cd"] == "0"


def test_the_order_list_is_filtered_by_the_venue_that_was_asked_for() -> None:
    one = trader()
    for venue in ("KRX", "NXT", "SOR"):
        sent(one, "buy", 5, 70_000, "00", venue)
    asked = {
        venue: [
            int(row["odno"])
            for row in one.said(
                one.ask("inquire_daily_ccld", DAY_ORDERS | {"EXCG_ID_DVSN_CD": venue})
            )["output1"]
        ]
        for venue in ("ALL", "KRX", "NXT", "SOR")
    }
    assert asked == {"ALL": [3, 2, 1], "KRX": [1], "NXT": [2], "SOR": [3]}


def test_an_order_at_nextrade_lives_on_after_krx_has_closed() -> None:
    one = trader("15:00")
    sent(one, "buy", 5, 70_000, "00", "KRX")
    sent(one, "buy", 6, 70_000, "00", "NXT")
    one.advance("15:31")
    assert [o.leaves for o in one.core.account.orders.values()] == [0, 6]
    one.advance("20:00")
    assert [(o.leaves, o.expired) for o in one.core.account.orders.values()] == [(0, 5), (0, 6)]
    assert one.core.closed


def test_the_evening_at_krx_has_kinds_of_its_own() -> None:
    one = trader("16:30")
    assert sent(one, "buy", 5, 71_300, "00", "KRX")["msg_cd"] == "APBK3013"
    assert sent(one, "buy", 5, 71_300, "41", "KRX")["rt_cd"] == "0"
    assert sent(one, "buy", 5, 0, "44", "KRX")["rt_cd"] == "0"


# channels


def test_k09_each_channel_carries_its_venue_and_the_unified_one_both() -> None:
    one = trader()
    followed(one, TRADE_TRS, DEPTH_TRS)
    sent(one, "buy", 10, 71_000, "11", "NXT")
    sent(one, "buy", 20, 71_000, "11", "KRX")
    traded = {
        tr_id: [int(row["CNTG_VOL"]) for row in records(one, tr_id)] for tr_id in TRADE_TRS.values()
    }
    assert traded == {"H0STCNT0": [20], "H0NXCNT0": [10], "H0UNCNT0": [10, 20]}
    assert [int(row["ACML_VOL"]) for row in records(one, "H0UNCNT0")] == [510, 530]
    assert [int(row["ACML_VOL"]) for row in records(one, "H0NXCNT0")] == [10]
    unified = records(one, "H0UNASP0")[-1]
    sizes = {tr: int(records(one, tr)[-1]["ASKP_RSQN1"]) for tr in ("H0STASP0", "H0NXASP0")}
    assert int(unified["ASKP_RSQN1"]) == sum(sizes.values())
    assert unified["KMID_PRC"] == "70950"


def test_k09_nothing_comes_on_nextrades_and_the_unified_channel_of_a_krx_only_stock() -> None:
    one = trader()
    followed(one, TRADE_TRS, DEPTH_TRS, code=ONLY_KRX)
    one.advance("09:05")
    seen = {text.split("|")[1] for text in one.inbox if ONLY_KRX in text}
    assert seen == {"H0STCNT0", "H0STASP0"}


def test_h03_program_channels_tell_what_the_calls_tell() -> None:
    one = Customer(host("11:00:00", scripted=False))
    one.log_in()
    one.connect()
    followed(one, PROGRAM_TRS)
    one.advance("11:05")
    for tr_id in PROGRAM_TRS.values():
        last = records(one, tr_id)[-1]
        assert last["MKSC_SHRN_ISCD"] == SAMSUNG
        assert int(last["NTBY_CNQN"]) == int(last["SHNU_CNQN"]) - int(last["SELN_CNQN"]) != 0
    for tr_id in PROGRAM_TRS.values():
        assert one.subscribe(tr_id, SAMSUNG, tr_type="2").msg_cd == "OPSP0001"
    one.subscribe("H0UNPGM0", SAMSUNG)
    one.step("11:06")
    told = one.said(
        one.ask(
            "program_trade_by_stock", {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
        )
    )
    assert told["output"][0]["whol_smtn_ntby_qty"] == records(one, "H0UNPGM0")[-1]["NTBY_CNQN"]


def test_k09_the_volume_of_the_unified_channel_never_jumps() -> None:
    """K11: what is missing shows as a jump, so none may come of itself."""
    core = Core(Market(Universe.packaged(), date(2026, 11, 20), 3, at("08:30")), KEYS)
    one = Customer(core)
    one.log_in()
    one.connect()
    followed(one, TRADE_TRS)
    one.advance("09:20")
    for tr_id in TRADE_TRS.values():
        rows = [(int(row["ACML_VOL"]), int(row["CNTG_VOL"])) for row in records(one, tr_id)]
        assert len(rows) > 20
        assert all(after - qty == before for (before, _), (after, qty) in pairwise(rows))


def test_nextrade_keeps_within_two_ticks_of_krx() -> None:
    m = Market(Universe.packaged(), date(2026, 11, 20), 3, at("09:05"))
    m.activate(SAMSUNG)
    for minute in range(6, 60, 3):
        m.advance(at(f"09:{minute:02d}"))
        krx, nxt = m.depth(SAMSUNG), m.depth(SAMSUNG, Venue.NXT)
        tick = m.quote(SAMSUNG).tick
        assert abs(krx.asks[0][0] - nxt.asks[0][0]) <= 2 * tick
        assert abs(krx.bids[0][0] - nxt.bids[0][0]) <= 2 * tick


def test_expected_matches_come_in_auctions_and_the_book_shows_them() -> None:
    one = trader("15:21")
    followed(one, EXPECTED_TRS, DEPTH_TRS)
    sent(one, "buy", 50, 71_300, "00", "KRX")
    expected, book = records(one, "H0STANC0")[-1], records(one, "H0STASP0")[-1]
    assert (expected["HOUR_CLS_CODE"], book["HOUR_CLS_CODE"]) == ("A", "A")
    assert int(expected["CNTG_VOL"]) == int(book["ANTC_CNQN"]) == 50
    assert expected["STCK_PRPR"] == book["ANTC_CNPR"] != "0"
    assert expected["PRDY_VRSS"] == book["ANTC_CNTG_VRSS"]
    assert records(one, "H0UNANC0")[-1]["STCK_PRPR"] == expected["STCK_PRPR"]
    assert records(one, "H0NXANC0") == []


def test_market_operation_tells_the_sessions_a_vi_and_a_halt() -> None:
    one = trader("15:19")
    followed(one, OPERATION_TRS)
    one.advance("15:40")
    codes = {
        tr_id: [row["MKOP_CLS_CODE"] for row in records(one, tr_id)]
        for tr_id in OPERATION_TRS.values()
    }
    assert codes["H0STMKO0"] == ["121", "129", "140", "146"]
    assert len(records(one, "H0UNMKO0")[0]) == 10
    one = trader("10:00")
    followed(one, OPERATION_TRS)
    one.receive(one.core.by_hand.halt(SAMSUNG))
    (row,) = records(one, "H0STMKO0")
    assert (row["TRHT_YN"], row["MKOP_CLS_CODE"], row["ISCD_STAT_CLS_CODE"]) == ("Y", "164", "58")
    assert [h.why for h in one.core._market.interruptions] == ["halt", "halt"]
    assert one.order("buy", 1, 71_000)["msg_cd"] == "APBK0918"
    one.receive(one.core.by_hand.resume(SAMSUNG))
    assert one.order("buy", 1, 71_000)["rt_cd"] == "0"


def test_a_circuit_breaker_stops_the_board_and_is_told() -> None:
    one = trader("10:00")
    followed(one, OPERATION_TRS)
    one.receive(one.core.by_hand.break_circuit(Board.KOSPI, 1))
    assert records(one, "H0STMKO0")[0]["MKOP_CLS_CODE"] == "174"
    assert sent(one, "buy", 1, 71_000, "00", "NXT")["msg_cd"] == "APBK0918"
    one.advance("10:31")
    assert records(one, "H0STMKO0")[-1]["MKOP_CLS_CODE"] == "175"
    assert sent(one, "buy", 1, 71_000, "00", "NXT")["rt_cd"] == "0"


def jumping() -> Customer:
    """A host on which the scripted stock would trade 11 % higher at 09:01."""
    script = ScriptedDay(
        [(time(9), 71_000, 500), (time(9, 1), 79_000, 10), (time(9, 2), 79_100, 20)], size=1_000
    )
    one = Customer(
        Core(
            Market(Universe.packaged(), date(2026, 11, 20), 1, at("09:00:30"), {SAMSUNG: script}),
            KEYS,
        )
    )
    one.log_in()
    one.connect()
    followed(one, OPERATION_TRS, TRADE_TRS, EXPECTED_TRS)
    return one


def test_a_vi_shows_on_the_channels_and_the_market_joins_its_call() -> None:
    one = jumping()
    one.advance("09:02:59")
    (vi,) = one.core._market.interruptions
    assert (vi.t, vi.until, vi.venue) == (at("09:01"), at("09:03"), Venue.KRX)
    assert records(one, "H0STMKO0")[0]["VI_CLS_CODE"] == "Y"
    assert records(one, "H0STCNT0") == []
    assert records(one, "H0STANC0")[-1]["HOUR_CLS_CODE"] == "C"
    one.advance("09:03")
    assert records(one, "H0STMKO0")[-1]["VI_CLS_CODE"] == "N"
    (print_,) = records(one, "H0STCNT0")
    assert (print_["CCLD_DVSN"], int(print_["CNTG_VOL"])) == ("3", 30)


@pytest.mark.parametrize(
    ("moment", "tr_id", "market"),
    [("08:20", "H0NXCNT0", "1"), ("09:01", "H0STCNT0", "2"), ("09:02", "H0NXCNT0", "2"),
     ("15:45", "H0NXCNT0", "3"),
     ("16:05", "H0STCNT0", "3")],
)  # fmt: skip
def test_market_cls_code_says_in_which_market_a_trade_was_made(
    moment: str, tr_id: str, market: str
) -> None:
    one = Customer(Core(Market(Universe.packaged(), date(2026, 11, 20), 3, at(moment)), KEYS))
    one.log_in()
    one.connect()
    followed(one, TRADE_TRS)
    while not records(one, tr_id):
        one.step("20:00")
    assert records(one, tr_id)[0]["MARKET_CLS_CODE"] == market


def test_before_the_reform_krx_has_single_price_auctions_and_no_after_market() -> None:
    day = date(2026, 9, 11)

    def moment(text: str) -> Ns:
        return kst(day, time.fromisoformat(text))

    one = Customer(Core(Market(Universe.packaged(), day, 3, moment("16:01")), KEYS))
    one.log_in()
    assert sent(one, "buy", 5, 0, "44", "KRX")["msg_cd"] == "APBK3013"
    close = one.core._market.exchange.listing(SAMSUNG).close
    assert sent(one, "buy", 5, close + 700, "07", "KRX")["rt_cd"] == "0"
    one.core.advance(moment("16:10"))
    assert one.core.account.orders[1].filled == 5


def test_an_auction_fills_up_and_its_expected_price_nears_the_one_that_it_prints() -> None:
    one = Customer(Core(Market(Universe.packaged(), date(2026, 11, 20), 3, at("08:30")), KEYS))
    one.log_in()
    one.connect()
    followed(one, EXPECTED_TRS, TRADE_TRS)
    one.advance("09:00")
    (print_,) = records(one, "H0STCNT0")[-1:]
    expected = records(one, "H0STANC0")
    sizes = [int(row["CNTG_VOL"]) for row in expected]
    assert len(expected) > 10
    assert sizes == sorted(sizes)
    last = int(expected[-1]["STCK_PRPR"])
    assert abs(last - int(print_["STCK_PRPR"])) <= 200
    assert sum(int(row["CNTG_VOL"]) for row in records(one, "H0STCNT0")) == int(print_["ACML_VOL"])
