"""Row H04: every fault by script, by chance with a seed, and by the control URL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND
from kisnb.errors import ConfigError
from kisnb.kis.error_codes import CODES
from kisnb.kis.feed import control_frames
from kisnb.simulator.host.core import Core, ServedReply
from kisnb.simulator.host.faults import DEEDS, Fault, Faults
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.serve.control import ControlRefused
from kisnb.simulator.serve.fault_file import read_faults

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
from .test_control import PORT, Controlled

QUOTE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}


def faulty(*script: Fault, seed: int = 1, start: str = "09:00:30") -> Customer:
    """A logged-in trader on a host with these faults, armed after the log-in."""
    one = trader(start)
    armed = Faults(DAY, script, seed=seed)
    for fault in armed.armed:
        one.core.faults.add(fault)
    return one


def asked(one: Customer, code: str = SAMSUNG) -> str:
    said: dict[str, Any] = one.said(one.ask("inquire_price", QUOTE | {"FID_INPUT_ISCD": code}))
    return str(said["msg_cd"])


def sent(one: Customer, qty: int = 10, price: int | None = None) -> ServedReply:
    """A market buy, and its raw reply."""
    body = ACCOUNT | {
        "PDNO": SAMSUNG,
        "ORD_DVSN": "01" if price is None else "00",
        "ORD_QTY": str(qty),
        "ORD_UNPR": str(price or 0),
        "EXCG_ID_DVSN_CD": "KRX",
    }
    return one.ask("order_cash_buy", body)


def held(one: Customer) -> int:
    position = one.core.account.positions.get(SAMSUNG)
    return position.qty if position else 0


# calls


def test_an_accepted_order_whose_reply_never_comes_lives_and_is_told_by_notices() -> None:
    one = faulty(Fault("order", "cut", done=True))
    assert sent(one).lost
    assert held(one) == 10
    assert [notice[13] for notice in one.notices()] == ["1", "2"]


def test_a_cut_order_that_was_not_done_left_no_trace() -> None:
    one = faulty(Fault("order", "cut"))
    assert sent(one).lost
    assert (held(one), one.core.account.orders, one.taken()) == (0, {}, [])
    assert not sent(one).lost


@pytest.mark.parametrize("done", [False, True])
def test_an_http_error_has_no_body_of_kis_and_says_nothing_about_the_order(done: bool) -> None:
    one = faulty(Fault("order", "error", status=503, done=done))
    reply = sent(one)
    assert (reply.status, reply.headers["Content-Type"]) == (503, "text/html")
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    assert held(one) == (10 if done else 0)


def test_a_transaction_timeout_may_hide_an_order_that_lives() -> None:
    one = faulty(Fault("order", "refuse", msg_cd="EGW00302", done=True))
    reply = sent(one)
    assert (reply.status, one.said(reply)["msg_cd"]) == (500, "EGW00302")
    assert held(one) == 10


@pytest.mark.parametrize("msg_cd", [code for code in CODES if not code.startswith("OPSP")])
def test_any_code_can_be_answered(msg_cd: str) -> None:
    one = faulty(Fault("call", "refuse", msg_cd=msg_cd))
    reply = one.ask("inquire_price", QUOTE)
    assert (one.said(reply)["rt_cd"], one.said(reply)["msg_cd"]) == ("1", msg_cd)
    assert reply.status == (500 if msg_cd[:3] in ("EGW", "IGW", "OPS") else 200)
    assert asked(one) == "MCA00000"


def test_a_slow_reply_is_held_back_and_its_notices_go_ahead() -> None:
    one = faulty(Fault("order", "slow", seconds=2.5))
    reply = sent(one)
    assert reply.delay == 2_500_000_000
    assert one.said(reply)["rt_cd"] == "0"
    assert len(one.notices()) == 2


def test_a_reply_can_lack_a_field_or_have_another_value_in_it() -> None:
    one = faulty(
        Fault("read", "rewrite", field="stck_prpr"),
        Fault("read", "rewrite", field="stck_prpr", value="x", nth=2),
        Fault("order", "rewrite", field="rt_cd", value=""),
    )
    first, second, third = (one.said(one.ask("inquire_price", QUOTE)) for _ in range(3))
    assert "stck_prpr" not in first["output"]
    assert second["output"]["stck_prpr"] == "x"
    assert int(third["output"]["stck_prpr"])
    said = json.loads(sent(one).body)
    assert (said["rt_cd"], said["msg_cd"], held(one)) == ("", "APBK0013", 10)


def test_one_row_of_a_list_can_be_spoilt_and_a_blank_one_added() -> None:
    one = faulty(
        Fault("read", "rewrite", field="rmn_qty", row=2),
        Fault("read", "pad", nth=2),
    )
    sent(one)
    sent(one)
    first, second = (
        one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"] for _ in range(2)
    )
    assert ["rmn_qty" in row for row in first] == [True, False]
    assert [any(row.values()) for row in second] == [True, True, False]


def test_a_list_can_be_empty_lack_its_newest_row_or_show_a_part_of_each_order() -> None:
    one = faulty(Fault("read", "empty"), Fault("read", "miss", nth=2), Fault("read", "part", nth=3))
    sent(one, 20)
    sent(one, 30)
    empty, missed, part, true = (
        one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"] for _ in range(4)
    )
    names = ("ord_qty", "tot_ccld_qty", "rmn_qty")
    shown = [[[int(row[n]) for n in names] for row in rows] for rows in (empty, missed, part)]
    assert shown == [[], [[20, 20, 0]], [[12, 12, 0], [8, 8, 0]]]
    values = [[int(row["tot_ccld_amt"]) for row in rows] for rows in (part, true)]
    assert values[0] == [value * 2 // 5 for value in values[1]]


def test_a_statement_can_lack_its_holdings_and_keep_its_cash() -> None:
    one = faulty(Fault("read", "empty"), Fault("read", "part", nth=2))
    sent(one, 20)
    empty, part = (one.said(one.ask("inquire_balance", BALANCE)) for _ in range(2))
    assert (empty["output1"], len(empty["output2"])) == ([], 1)
    assert [int(row["hldg_qty"]) for row in part["output1"]] == [8]


def test_an_order_is_taken_and_the_exchange_refuses_it_by_a_notice() -> None:
    one = faulty(Fault("order", "reject"))
    reply = one.said(sent(one))
    assert (reply["msg_cd"], reply["output"]["ODNO"]) == ("APBK0013", "0000000001")
    (notice,) = one.notices()
    assert (notice[2], notice[12], notice[13]) == ("0000000001", "1", "1")
    row = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"][0]
    assert (row["rjct_qty"], row["rmn_qty"], row["tot_ccld_qty"]) == ("10", "0", "0")
    account = one.core.account
    assert (held(one), account.orderable) == (0, account.deposit)
    assert one.said(sent(one))["rt_cd"] == "0"
    assert held(one) == 10


def test_a_token_request_can_be_refused_in_its_own_shape() -> None:
    one = Customer(host())
    one.core.faults.add(Fault("oauth", "refuse", msg_cd="EGW00002"))
    reply = one.oauth("token")
    assert (reply.status, one.said(reply)["error_code"]) == (403, "EGW00002")
    one.log_in()


def test_tokens_expire_or_are_revoked_on_script() -> None:
    one = faulty(Fault("read", "expire"))
    assert [asked(one), asked(one)] == ["EGW00123", "EGW00123"]
    one = faulty(Fault("time", "revoke", since="09:02:00"))
    one.advance("09:01:59")
    assert asked(one) == "MCA00000"
    one.advance("09:02:00")
    assert asked(one) == "EGW00121"


def test_a_fault_fits_by_stock_tr_and_count() -> None:
    one = faulty(
        Fault(
            "read", "refuse", msg_cd="EGW00316", code=HYNIX, tr_id="FHKST01010100", nth=2, times=2
        )
    )
    said = [asked(one, code) for code in (HYNIX, SAMSUNG, HYNIX, HYNIX, HYNIX)]
    assert said == ["MCA00000", "MCA00000", "EGW00316", "EGW00316", "MCA00000"]


def test_a_fault_strikes_only_between_its_times() -> None:
    one = faulty(
        Fault("read", "refuse", msg_cd="EGW00316", since="09:01:00", until="09:02:00", times=99)
    )
    said = []
    for moment in ("09:00:59", "09:01:00", "09:01:59", "09:02:00"):
        one.advance(moment)
        said.append(asked(one))
    assert said == ["MCA00000", "EGW00316", "EGW00316", "MCA00000"]


# frames


def notice_numbers(one: Customer) -> list[tuple[int, str]]:
    """Order number and CNTG_YN of each notice."""
    return [(int(n[2]), n[13]) for n in one.notices()]


def test_a_lost_notice_is_lost_and_the_next_one_comes() -> None:
    one = faulty(Fault("notice", "drop"))
    sent(one)
    assert notice_numbers(one) == [(1, "2")]


def test_a_duplicated_notice_comes_twice() -> None:
    one = faulty(Fault("notice", "duplicate", nth=2))
    sent(one)
    assert notice_numbers(one) == [(1, "1"), (1, "2"), (1, "2")]


def test_a_reordered_notice_comes_behind_the_next() -> None:
    one = faulty(Fault("notice", "reorder"))
    sent(one)
    assert notice_numbers(one) == [(1, "2"), (1, "1")]


def test_a_reordered_notice_that_nothing_follows_comes_a_second_later() -> None:
    one = faulty(Fault("notice", "reorder"))
    sent(one, price=70_000)
    assert one.notices() == []
    one.advance("09:00:31")
    assert notice_numbers(one) == [(1, "1")]


def test_a_delayed_notice_leaves_when_its_time_has_come_in_lockstep_too() -> None:
    one = faulty(Fault("notice", "delay", seconds=7, times=2))
    sent(one)
    assert one.notices() == []
    one.step("10:00")
    assert one.core.now == at("09:00:37")
    assert notice_numbers(one) == [(1, "1"), (1, "2")]


def test_a_frame_that_is_late_dies_with_its_socket() -> None:
    one = faulty(Fault("notice", "delay", seconds=7))
    sent(one, price=70_000)
    one.core.socket_closed(one.core.now, 1)
    one.connect(2)
    one.taken()
    one.advance("09:00:40")
    assert one.taken() == []


def test_acks_pings_and_trades_can_go_wrong_each_by_itself() -> None:
    one = faulty(
        Fault("ack", "duplicate"),
        Fault("ping", "drop", times=99),
        Fault("frame", "drop", tr_id="H0STCNT0", times=9_999),
    )
    one.core.free_running = True
    one.subscribe("H0STCNT0", HYNIX)
    one.advance("09:03:00")
    texts = one.taken()
    assert not [text for text in texts if "PINGPONG" in text]
    assert {text.split("|")[1] for text in texts if text[0] == "0"} == {"H0STASP0"}
    assert sum("SUBSCRIBE SUCCESS" in text for text in texts) == 1


def test_a_socket_is_killed_by_time_again_and_again_and_by_a_frame() -> None:
    one = faulty(Fault("time", "kill", since="09:02:00", seconds=60, times=2))
    for moment, sid in (("09:02:00", 2), ("09:03:00", 3)):
        one.advance(moment)
        assert one.cut
        assert one.core.sockets == []
        one.cut = False
        one.connect(sid)
    one.advance("09:10:00")
    assert not one.cut
    one = faulty(Fault("frame", "kill"))
    one.advance("09:01:00")
    assert one.cut
    assert one.core.sockets == []


def test_an_order_whose_notices_die_with_the_socket() -> None:
    one = faulty(Fault("order", "kill"))
    assert one.said(sent(one))["rt_cd"] == "0"
    assert (one.cut, one.taken(), held(one)) == (True, [], 10)


# chance


def struck(seed: int) -> list[tuple[int, str]]:
    script = (
        Fault("notice", "drop", probability=0.3),
        Fault("read", "refuse", msg_cd="EGW00201", probability=0.5),
        Fault("frame", "delay", seconds=0.5, probability=0.1),
    )
    one = faulty(*script, seed=seed)
    for minute in range(5):
        one.advance(f"09:0{minute + 1}:00")
        sent(one)
        asked(one)
    return [(s.t, s.fault.what) for s in one.core.faults.struck]


def test_the_same_seed_strikes_alike_and_another_one_does_not() -> None:
    chances = {seed: [one.random() for one in _chances(seed)] for seed in (1, 2)}
    assert chances[1] == [one.random() for one in _chances(1)]
    assert chances[1] != chances[2]
    assert struck(1) == struck(1)
    assert struck(1)


def _chances(seed: int) -> list[Any]:
    faults = Faults(DAY, [Fault("notice", "drop", probability=0.5)] * 3, seed=seed)
    return [one.chance for one in faults._armed]


@given(st.floats(0.05, 0.95), st.integers(0, 10_000))
def test_a_fault_strikes_with_its_probability_or_exactly_as_often_as_its_count(
    probability: float, seed: int
) -> None:
    faults = Faults(DAY, [Fault("notice", "drop", probability=probability)], seed=seed)
    hits = sum(faults.strike(at("09:00"), ("notice",)) is not None for _ in range(1_000))
    assert abs(hits / 1_000 - probability) < 0.1
    faults = Faults(DAY, [Fault("notice", "drop", times=7, nth=3)], seed=seed)
    said = [faults.strike(at("09:00"), ("notice",)) is not None for _ in range(50)]
    assert said == [False] * 2 + [True] * 7 + [False] * 41


def test_one_more_fault_does_not_move_the_chances_of_the_others() -> None:
    def drops(*more: Fault) -> list[bool]:
        faults = Faults(DAY, [Fault("notice", "drop", probability=0.5), *more])
        return [
            (fault := faults.strike(at("09:00"), ("notice",))) is not None and fault.what == "drop"
            for _ in range(50)
        ]

    assert drops() == drops(Fault("notice", "duplicate", probability=0.5))


def test_what_struck_stands_in_the_recording() -> None:
    lines: list[dict[str, Any]] = []
    core: Core = host(recorder=DayRecorder(lambda line: lines.append(json.loads(line))))
    one = Customer(core)
    one.log_in()
    core.faults.add(Fault("read", "refuse", msg_cd="EGW00316"))
    asked(one)
    kinds = [line["kind"] for line in lines[-3:]]
    assert kinds == ["request", "fault", "reply"]
    assert lines[-2]["fault"] == {"on": "read", "what": "refuse", "msg_cd": "EGW00316"}


# the control URL


def test_a_connection_is_cut_by_its_port_or_all_are() -> None:
    one = Controlled()
    assert one.ask("POST", "cut", port=1) == {"cut": 0}
    assert not one.customer.cut
    assert one.ask("POST", "cut", port=PORT) == {"cut": 1}
    assert one.customer.cut
    one.customer.connect(2)
    assert one.ask("POST", "cut") == {"cut": 1}


def test_tokens_end_before_their_printed_time_and_a_new_one_is_given_after_a_minute() -> None:
    one = Controlled()
    assert asked(one.customer) == "MCA00000"
    before = one.customer.token
    assert one.ask("POST", "expire") == {"expired": 1}
    assert asked(one.customer) == "EGW00123"
    assert one.customer.said(one.customer.oauth("token"))["error_code"] == "EGW00133"
    one.customer.advance("09:01:31")
    one.customer.log_in()
    assert one.customer.token != before
    assert asked(one.customer) == "MCA00000"
    assert one.ask("POST", "revoke") == {"revoked": 2}
    assert asked(one.customer) == "EGW00121"


def test_any_fault_of_a_file_is_injected_seen_and_called_off() -> None:
    one = Controlled()
    assert one.ask("POST", "fault", on="read", what="refuse", msg_cd="EGW00215", times=5) == {
        "armed": 1
    }
    assert one.ask("POST", "fault", on="time", what="kill", since="10:00:00") == {"armed": 2}
    assert [asked(one.customer) for _ in range(2)] == ["EGW00215"] * 2
    said = json.loads(msgspec.json.encode(one.ask("GET", "faults")))
    assert [fault["what"] for fault in said["armed"]] == ["refuse", "kill"]
    assert [(s["t"], s["tr_id"], s["code"]) for s in said["struck"]] == [
        (at("09:00:30"), "FHKST01010100", SAMSUNG)
    ] * 2
    assert one.ask("POST", "calm") == {"disarmed": 2}
    assert asked(one.customer) == "MCA00000"


def test_the_fault_refuses_calls_and_socket_requests_the_given_number_of_times() -> None:
    one = Controlled()
    one.ask("POST", "fault", on="call", what="refuse", msg_cd="EGW00215", times=2)
    one.ask("POST", "fault", on="request", what="refuse", msg_cd="OPSP0007")
    assert [asked(one.customer) for _ in range(3)] == ["EGW00215", "EGW00215", "MCA00000"]
    assert [one.customer.subscribe("H0STCNT0", "000660").msg_cd for _ in range(2)] == [
        "OPSP0007",
        "OPSP0000",
    ]


def test_silence_neither_does_nor_answers_what_a_socket_asks() -> None:
    one = Controlled()
    one.ask("POST", "fault", on="request", what="silence")
    request = control_frames.SubscriptionRequest(one.customer.approval, "1", "H0STCNT0", "000660")
    assert (
        one.customer.core.socket_text(at("09:00:30"), 1, control_frames.encode_request(request))
        == []
    )
    assert one.customer.subscribe("H0STCNT0", "000660").msg_cd == control_frames.SUBSCRIBED


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("fault", {"on": "call", "what": "refuse", "msg_cd": "XYZ"}),
        ("fault", {"on": "call", "what": "rewrite"}),
        ("fault", {"on": "call", "what": "refuse", "msg_cd": "OPSP0007"}),
        ("fault", {"on": "call", "what": "refuse", "msg_cd": "EGW00201", "times": 0}),
        ("fault", {"on": "request", "what": "silence", "times": 10**9}),
        ("fault", {"on": "order"}),
        ("fault", {"on": "time", "what": "drop", "since": "10:00"}),
        ("fault", {"on": "order", "what": "cut", "wen": 1}),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_one_sentence(verb: str, body: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused) as caught:
        Controlled().ask("POST", verb, **body)
    assert caught.value.status == 400
    assert "\n" not in caught.value.text


# the file

GOOD = """
seed = 7
[[fault]]
on = "order"
what = "cut"
done = true
nth = 2

[[fault]]
on = "notice"
what = "drop"
probability = 0.05
since = "10:00:00"
"""


def test_a_file_gives_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(GOOD)
    assert read_faults(file, DAY).armed == [
        Fault("order", "cut", done=True, nth=2),
        Fault("notice", "drop", probability=0.05, since="10:00:00"),
    ]


BAD: Sequence[tuple[str, str, str]] = (
    ('what = "cut"', 'what = "cat"', "line 5: Invalid enum value 'cat'"),
    ('what = "drop"', 'what = "cut"', "line 9: notice cannot cut; it can delay, drop"),
    ("probability = 0.05", "probability = 5", "line 12"),
    ('since = "10:00:00"', 'since = "ten"', "line 9: 'ten' is not a time of day"),
    ("nth = 2", "nht = 2", "line 3: Object contains unknown field `nht`"),
    ("done = true", "done = ", "not TOML"),
    ("seed = 7", "sead = 7", "sead"),
    (
        'on = "order"\nwhat = "cut"',
        'on = "order"\nwhat = "refuse"\nmsg_cd = "EGW9"',
        "'EGW9' is not a code",
    ),
)


@pytest.mark.parametrize(
    ("before", "after", "words"), BAD, ids=[row[1].partition("\n")[0] for row in BAD]
)
def test_a_wrong_file_is_refused_with_its_line_and_the_cure(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(GOOD.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        read_faults(file, DAY)
    assert words in caught.value.text
    assert caught.value.cure
    assert "\n" not in str(caught.value)


def test_every_deed_at_every_point_leaves_the_day_going() -> None:
    """A long morning in which everything goes wrong at once: no exception, and the ledger
    adds up."""
    script = [
        Fault(
            point,
            what,
            msg_cd="" if what != "refuse" else "OPSP0007" if point == "request" else "EGW00002",
            seconds=1.5 if what in ("slow", "delay") else 0,
            field="rt_cd" if what == "rewrite" else "",
            since="09:30:00" if point == "time" else "",
            probability=None if point == "time" else 0.03,
        )
        for point, deeds in DEEDS.items()
        for what in sorted(deeds)
    ]
    one = Customer(Core(host()._market, KEYS, faults=Faults(DAY, script, seed=3)))
    core, sid = one.core, 0
    core.free_running = True
    for second in range(0, 3_600, 20):
        core.advance(at("09:01") + second * SECOND)
        if not core.sockets:
            sid += 1
            core.socket_opened(core.now, sid, 40_000 + sid)
        token = one.oauth("token")
        if b'access_token"' in token.body and not token.lost:
            one.token = one.said(token)["access_token"]
        approval = one.oauth("approval")
        if b"approval_key" in approval.body and not approval.lost:
            one.approval = one.said(approval)["approval_key"]
        for tr_id, key in (("H0STCNI0", KEYS.hts_id.reveal()), ("H0STCNT0", SAMSUNG)):
            request = control_frames.SubscriptionRequest(one.approval, "1", tr_id, key)
            core.socket_text(core.now, sid, control_frames.encode_request(request))
        sent(one, qty=2)
        one.ask("inquire_price", QUOTE)
    account = core.account
    held_shares = sum(order.filled for order in account.orders.values())
    assert held(one) == held_shares > 0
    assert account.settled_d2 == account.deposit - account.buy_value - account.fees
    assert {s.fault.what for s in core.faults.struck} == set().union(*DEEDS.values())
    assert core.now >= at("09:59") - MINUTE
