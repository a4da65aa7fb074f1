"""The recording: rows H05 (the same requests give the same bytes) and N11 (no secret
stands in it)."""

import json
from typing import Any

import pytest

from kisnb.kis.credentials import Credentials, Secret
from kisnb.kis.feed import frames, market_frames
from kisnb.simulator.host.record import DayRecorder

from . import customer
from .customer import DAY_ORDERS, HYNIX, KEYS, SAMSUNG, Customer, at, host


class Recording:
    """What was written, as bytes and as lines."""

    def __init__(self) -> None:
        self.bytes = b""
        self.recorder = DayRecorder(self.write)

    def write(self, line: bytes) -> None:
        self.bytes += line

    def lines(self, kind: str = "") -> list[dict[str, Any]]:
        said = [json.loads(line) for line in self.bytes.splitlines()]
        return [line for line in said if not kind or line["kind"] == kind]


def traded_morning(recording: Recording, *, scripted: bool = False) -> Customer:
    """Half an hour in lockstep with orders, a partial cancel, refusals and questions."""
    one = Customer(host("08:59:59", recorder=recording.recorder, scripted=scripted))
    one.log_in()
    one.connect()
    hts_id = customer.KEYS.hts_id.reveal()
    for tr_id, key in (
        ("H0STCNI0", hts_id),
        ("H0STCNT0", SAMSUNG),
        ("H0STASP0", SAMSUNG),
        ("H0STCNT0", HYNIX),
    ):
        one.subscribe(tr_id, key)
    for minute in range(30):
        until = f"09:{minute:02d}:30"
        while one.core.now < at(until):
            one.step(until)
        if minute % 7 == 2:
            one.order("buy", 3 + minute, None)
            bid = int(
                market_frames.decode_depth(
                    frames.parse([t for t in one.inbox if "H0STASP0" in t][-1]), 0
                )[0].bids[3][0]
            )
            number = int(one.order("buy", 20, bid)["output"]["ODNO"])
            one.cancel(number, 5)
            one.order("sell", 1, None)
            one.order("sell", 10_000, None)
            one.ask("inquire_daily_ccld", DAY_ORDERS)
    return one


def test_the_same_requests_on_the_same_seed_give_the_same_bytes() -> None:
    """H05."""
    first, second = Recording(), Recording()
    traded_morning(first)
    traded_morning(second)
    assert len(first.lines("frame")) > 300
    assert first.bytes == second.bytes


def test_other_keys_do_not_change_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """H05, N11: keys are made up afresh for every run."""
    first, second = Recording(), Recording()
    traded_morning(first)
    others = Credentials(Secret("X" * 36), Secret("Y" * 180), KEYS.account, "01", KEYS.hts_id)
    monkeypatch.setattr(customer, "KEYS", others)
    traded_morning(second)
    assert first.bytes == second.bytes


def test_no_secret_stands_in_a_recording_wherever_a_client_put_it() -> None:
    """N11."""
    recording = Recording()
    one = traded_morning(recording)
    leaks = {
        "FID_COND_MRKT_DIV_CODE": KEYS.appkey.reveal(),
        "FID_INPUT_ISCD": KEYS.account.reveal(),
    }
    one.ask("inquire_price", leaks | {KEYS.hts_id.reveal(): "x"})
    one.call("GET", f"/{KEYS.appsecret.reveal()}", one.headers(KEYS.appkey.reveal()), {})
    one.oauth("revoke_token", token=one.token)
    text = recording.bytes.decode()
    secrets = [KEYS.appkey, KEYS.appsecret, KEYS.account, KEYS.hts_id]
    assert [s.reveal() in text for s in secrets] == [False] * 4
    assert one.token not in text
    assert one.approval not in text


def test_every_frame_that_was_sent_stands_in_the_recording_in_order() -> None:
    recording = Recording()
    one = Customer(host(recorder=recording.recorder))
    one.log_in()
    one.connect()
    one.subscribe("H0STCNT0", SAMSUNG)
    one.advance("15:31")
    recorded = [line for line in recording.lines("frame") if line["tr_id"] == "H0STCNT0"]
    assert [line["text"] for line in recorded] == one.taken()
    assert [line["t"] for line in recorded] == [
        at(t) for t in ("09:01", "09:02", "09:03", "09:04", "15:30")
    ]
    assert [line["n"] for line in recording.lines("frame")] == list(range(1, 2 + len(recorded)))


def test_notices_are_recorded_decrypted_and_masked() -> None:
    recording = Recording()
    traded_morning(recording, scripted=True)
    first = next(line for line in recording.lines("frame") if line["tr_id"] == "H0STCNI0")
    assert first["text"].startswith("1|H0STCNI0|001|***^***^0000000001^")
    assert "삼성전자" in first["text"]


def test_an_order_is_recorded_with_every_change_after_its_reply() -> None:
    recording = Recording()
    one = Customer(host(recorder=recording.recorder))
    one.log_in()
    one.order("buy", 1_050, None)
    one.order("buy", 10, 70_000)
    one.cancel(2)
    states = [(line["number"], line["state"], line["leaves"]) for line in recording.lines("order")]
    assert states == [
        (1, "accepted", 1_050),
        (1, "partially filled", 50),
        (1, "filled", 0),
        (2, "accepted", 10),
        (2, "cancelled", 0),
    ]
    kinds = [line["kind"] for line in recording.lines()]
    assert kinds[4:9] == ["request", "reply", "order", "order", "order"]
