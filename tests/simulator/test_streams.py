"""The WebSocket of the simulated host: subscriptions, limits, and the order of frames.

Rows H03, K06, K07, K08, K12.
"""

import json
from datetime import date, time

import pytest

from kisnb.clock import kst
from kisnb.events import Depth, Tick
from kisnb.kis.feed import control_frames, frames, market_frames
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.personas import LIVE
from kisnb.simulator.host.streams.market_records import INDEX_COLUMNS
from kisnb.simulator.host.streams.overtime_records import (
    OVERTIME_DEPTH_COLUMNS,
    OVERTIME_DEPTH_TR,
    OVERTIME_EXPECTED_TR,
    OVERTIME_TRADE_COLUMNS,
    OVERTIME_TRADE_TR,
    OVERTIME_TRS,
)
from kisnb.terms import Side

from .customer import HYNIX, KEYS, SAMSUNG, SCRIPT, Customer, at, host, trader


def connected() -> Customer:
    one = Customer(host())
    one.log_in()
    one.connect()
    return one


def test_subscribing_twice_and_releasing_what_is_not_there_is_said_but_harmless() -> None:
    one = connected()
    said = [
        one.subscribe("H0STCNT0", SAMSUNG, tr_type=kind).msg_cd for kind in ("1", "1", "2", "2")
    ]
    assert said == ["OPSP0000", "OPSP0002", "OPSP0001", "OPSP0003"]


def test_a_wrong_approval_key_channel_or_code_is_refused() -> None:
    one = connected()
    assert one.subscribe("H0XXXXX0", SAMSUNG).msg_cd == "OPSP8991"
    assert one.subscribe("H0STCNT0", "999999").msg_cd == "OPSP8992"
    one.approval = "nonsense"
    assert one.subscribe("H0STCNT0", SAMSUNG).msg_cd == "OPSP0011"


def test_the_forty_second_subscription_is_refused() -> None:
    one = connected()
    codes = [item.code for item in Universe.packaged()]
    wanted = [(tr_id, code) for tr_id in ("H0STCNT0", "H0STASP0") for code in codes][:42]
    said = [one.subscribe(tr_id, code).msg_cd for tr_id, code in wanted]
    assert said == ["OPSP0000"] * 41 + ["OPSP0008"]


def test_a_second_connection_of_the_same_appkey_is_refused_until_the_first_closes() -> None:
    """K12."""
    one = connected()
    one.subscribe("H0STCNT0", SAMSUNG)
    one.connect(2)
    refused = one.subscribe("H0STCNT0", HYNIX, sid=2)
    assert (refused.msg_cd, refused.rt_cd) == ("OPSP8996", "9")
    one.core.socket_closed(one.core.now, 1)
    assert one.subscribe("H0STCNT0", HYNIX, sid=2).msg_cd == "OPSP0000"


def test_a_wrong_hts_id_cuts_the_connection() -> None:
    one = connected()
    request = control_frames.SubscriptionRequest(one.approval, "1", "H0STCNI0", "somebody")
    one.receive(one.core.socket_text(one.core.now, 1, control_frames.encode_request(request)))
    assert one.cut
    assert one.inbox == []


def test_nonsense_is_answered_and_the_connection_lives_on() -> None:
    one = connected()
    one.receive(one.core.socket_text(one.core.now, 1, "nonsense"))
    assert "OPSP9999" in one.taken()[0]
    assert one.subscribe("H0STCNT0", SAMSUNG).msg_cd == "OPSP0000"


INPUT = {"tr_id": "H0STCNT0", "tr_key": SAMSUNG}
HEADER = {"approval_key": "x", "custtype": "P", "tr_type": "1"}
WRONG = [
    ("[]", "OPSP9999"),
    ("{}", "OPSP9998"),
    (json.dumps({"header": HEADER}), "OPSP9992"),
    (json.dumps({"header": HEADER, "body": {}}), "OPSP9991"),
    (json.dumps({"header": HEADER, "body": {"input": {"tr_id": "H0STCNT0"}}}), "OPSP9990"),
    (json.dumps({"header": HEADER, "body": {"input": INPUT | {"tr_key": 5930}}}), "OPSP8993"),
    (json.dumps({"header": {"tr_type": "1"}, "body": {"input": INPUT}}), "OPSP9997"),
    (json.dumps({"header": HEADER | {"custtype": "X"}, "body": {"input": INPUT}}), "OPSP8998"),
    (json.dumps({"header": HEADER | {"tr_type": "0"}, "body": {"input": INPUT}}), "OPSP8997"),
    (json.dumps({"header": HEADER, "body": {"input": INPUT}}), "OPSP0011"),
]


@pytest.mark.parametrize(("text", "msg_cd"), WRONG, ids=[code for _, code in WRONG])
def test_what_is_wrong_with_a_request_has_its_code(text: str, msg_cd: str) -> None:
    one = connected()
    one.receive(one.core.socket_text(one.core.now, 1, text))
    answer = control_frames.decode_control(one.taken()[0])
    assert isinstance(answer, control_frames.Ack)
    assert (answer.msg_cd, answer.rt_cd) == (msg_cd, "1")


def test_the_frames_of_one_moment_are_notices_then_trades_then_depth() -> None:
    one = trader()
    one.order("buy", 500, 70_900)
    one.taken()
    while one.core.now < at("09:03"):
        one.taken()
        one.step("09:03")
    kinds = one.kinds()
    assert kinds == sorted(kinds, key=["H0STCNI0", "H0STCNT0", "H0STASP0"].index)
    assert set(kinds) == {"H0STCNI0", "H0STCNT0", "H0STASP0"}


def test_ticks_carry_the_state_of_the_day() -> None:
    one = trader()
    one.step("09:01")
    (tick,) = market_frames.decode_ticks(frames.parse(one.taken()[0]), 0)
    assert (tick.t, tick.price, tick.qty, tick.volume) == (at("09:01"), 71_100, 10, 510)
    assert tick.value == 500 * 71_000 + 10 * 71_100


@pytest.mark.parametrize(
    ("day", "widths", "last"),
    [
        (date(2026, 6, 26), (46, 59, 62, 65), {}),
        (date(2026, 6, 29), (46, 62, 62, 65), {"MID_PRC": "71050"}),
        (date(2026, 9, 14), (47, 63, 62, 66), {"MID_PRC": "71050", "MARKET_CLS_CODE": "2"}),
    ],
)
def test_k07_frames_have_the_columns_of_the_simulated_day_and_a_client_reads_them(
    day: date, widths: tuple[int, ...], last: dict[str, str]
) -> None:
    channels = ("H0STCNT0", "H0STASP0", "H0NXASP0", "H0UNASP0")
    market = Market(Universe.packaged(), day, 1, kst(day, time(9, 0, 31)), {SAMSUNG: SCRIPT})
    one = Customer(Core(market, KEYS, persona=LIVE))
    one.log_in()
    one.connect()
    for tr_id in channels:
        one.subscribe(tr_id, SAMSUNG)
    one.receive(one.core.advance(kst(day, time(9, 1))))
    reader, texts = FrameReader(""), one.taken()
    facts = [fact for text in texts for fact in reader.read(text, one.core.now)]
    assert {type(fact) for fact in facts} == {Tick, Depth}
    assert all(fact.asks and fact.bids for fact in facts if isinstance(fact, Depth))
    assert tuple(len(reader.last_record(tr_id)) for tr_id in channels) == widths
    depth, of_a_day = reader.last_record("H0STASP0"), ("MID_PRC", "MARKET_CLS_CODE")
    assert {name: depth[name] for name in of_a_day if name in depth} == last


def test_only_what_is_subscribed_is_sent() -> None:
    one = trader()
    one.subscribe("H0STASP0", SAMSUNG, tr_type="2")
    one.advance("09:01")
    assert set(one.kinds()) == {"H0STCNT0"}


def test_nothing_is_sent_of_a_stock_that_is_not_subscribed() -> None:
    one = connected()
    one.order("buy", 1, None, HYNIX)
    one.advance("09:10")
    assert one.inbox == []


def test_a_step_ends_at_the_first_event_that_sends_a_frame() -> None:
    """H05: lockstep. Events of stocks that nobody subscribed are run through."""
    one = trader()
    one.receive(one.core.by_hand.trade(HYNIX, Side.BUY, 1, None)[1])
    one.step("10:00")
    assert one.core.now == at("09:01")
    one.step("09:01:30")
    assert one.core.now == at("09:01:30")
    one.step("10:00")
    assert one.core.now == at("09:02")


def test_pingpong_comes_every_ten_simulated_seconds_of_a_free_running_clock() -> None:
    """K08."""
    one = connected()
    one.advance("09:01:00")
    assert one.inbox == []
    one.core.free_running = True
    one.advance("09:01:30")
    pings = [control_frames.decode_control(text) for text in one.taken()]
    assert [p.datetime for p in pings if isinstance(p, control_frames.PingPong)] == [
        "20261120090100",
        "20261120090110",
        "20261120090120",
        "20261120090130",
    ]


def test_every_frame_is_counted_on_its_socket() -> None:
    one = trader()
    (socket,) = one.core.sockets
    before = socket.frames
    one.advance("09:04")
    assert socket.frames - before == len(one.inbox) > 0
    assert KEYS.hts_id.reveal() not in "".join(one.inbox)


def test_h03_an_index_is_told_each_second_of_the_regular_session_as_the_call_tells_it() -> None:
    one = Customer(host("08:59:50", scripted=False))
    one.log_in()
    one.connect()
    assert one.subscribe("H0UPCNT0", "0128").msg_cd == "OPSP8992"
    assert one.subscribe("H0UPCNT0", "0001").msg_cd == "OPSP0000"
    one.taken()
    one.advance("09:00:10")
    told = [
        dict(zip(INDEX_COLUMNS, text.split("|")[3].split("^"), strict=True)) for text in one.taken()
    ]
    assert [row["BSOP_HOUR"] for row in told] == [f"0900{second:02d}" for second in range(11)]
    asked = one.said(
        one.ask("inquire_index_price", {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001"})
    )
    assert told[-1]["PRPR_NMIX"] == asked["output"]["bstp_nmix_prpr"]
    assert int(told[-1]["ACML_VOL"]) - int(told[-2]["ACML_VOL"]) == int(told[-1]["PCAS_VOL"])
    assert one.subscribe("H0UPCNT0", "0001", tr_type="2").msg_cd == "OPSP0001"
    one.taken()
    one.advance("09:00:20")
    assert one.taken() == []


def test_h03_indices_end_with_the_regular_session() -> None:
    one = Customer(host("15:29:58", scripted=False))
    one.log_in()
    one.connect()
    one.subscribe("H0UPCNT0", "1001")
    one.taken()
    one.advance("15:31:00")
    assert [text.split("^")[1] for text in one.taken()] == ["152958", "152959", "153000"]


def test_h03_the_single_price_session_after_hours_is_told_on_its_own_channels() -> None:
    """Matches against the close, the book in nine levels, and in each call what it would match
    before it does."""
    day = date(2025, 7, 1)
    one = Customer(Core(Market(Universe.packaged(), day, 1, kst(day, time(16, 1))), KEYS))
    one.log_in()
    one.connect()
    for tr_id in OVERTIME_TRS:
        assert one.subscribe(tr_id, SAMSUNG).msg_cd == "OPSP0000"
    assert one.taken() == []
    one.receive(one.core.advance(kst(day, time(18))))
    told: dict[str, list[dict[str, str]]] = {tr_id: [] for tr_id in OVERTIME_TRS}
    for text in one.taken():
        if text[0] == "0":
            _, tr_id, _, payload = text.split("|", 3)
            names = OVERTIME_DEPTH_COLUMNS if tr_id == OVERTIME_DEPTH_TR else OVERTIME_TRADE_COLUMNS
            told[tr_id].append(dict(zip(names, payload.split("^"), strict=True)))
    matches = told[OVERTIME_TRADE_TR]
    trades = [trade for trade in one.core._market.trades(SAMSUNG) if trade.t > kst(day, time(16))]
    assert [(int(m["STCK_PRPR"]), int(m["CNTG_VOL"])) for m in matches] == [
        (t.price, t.qty) for t in trades
    ]
    assert int(matches[-1]["ACML_VOL"]) == sum(t.qty for t in trades)
    assert int(matches[-1]["STCK_HGPR"]) == max(t.price for t in trades)
    reply = one.said(
        one.ask(
            "inquire_overtime_price", {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
        )
    )["output"]
    assert matches[-1]["PRDY_VRSS"] == reply["ovtm_untp_prdy_vrss"]
    assert matches[-1]["PRDY_CTRT"] == reply["ovtm_untp_prdy_ctrt"]
    first = matches[0]["STCK_CNTG_HOUR"]
    before = [row for row in told[OVERTIME_EXPECTED_TR] if row["STCK_CNTG_HOUR"] < first]
    assert (before[-1]["STCK_PRPR"], before[-1]["ACML_VOL"]) == (matches[0]["STCK_PRPR"], "0")
    book = [row for row in told[OVERTIME_DEPTH_TR] if row["BSOP_HOUR"] < first][-1]
    assert (book["ANTC_CNPR"], book["ANTC_CNQN"]) == (
        before[-1]["STCK_PRPR"],
        before[-1]["CNTG_VOL"],
    )
    assert int(book["TOTAL_BIDP_RSQN"]) >= sum(int(book[f"BIDP_RSQN{n}"]) for n in range(1, 10)) > 0


def test_h03_after_the_reform_the_single_price_channels_are_silent() -> None:
    one = connected()
    for tr_id in OVERTIME_TRS:
        assert one.subscribe(tr_id, SAMSUNG).msg_cd == "OPSP0000"
    one.advance("18:00:00")
    assert not set(one.kinds()) & OVERTIME_TRS
