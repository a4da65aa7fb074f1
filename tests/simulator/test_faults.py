"""What a host does wrong when its control URL says so. Rows H04, K02, K03, K06, K08, K10."""

from __future__ import annotations

from typing import Any

import pytest

from kisnb.kis import control_frames
from kisnb.simulator.control import ControlRefused

from .customer import SAMSUNG, at
from .test_control import PORT, Controlled

QUOTE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}


def asked(one: Controlled) -> str:
    said: dict[str, Any] = one.customer.said(one.customer.ask("inquire_price", QUOTE))
    return str(said["msg_cd"])


def test_a_connection_is_cut_by_its_port_or_all_are() -> None:
    one = Controlled()
    assert one.ask("POST", "cut", port=1) == {"cut": 0}
    assert not one.customer.cut
    assert one.ask("POST", "cut", port=PORT) == {"cut": 1}
    assert one.customer.cut
    assert one.ask("POST", "cut") == {"cut": 1}


def test_tokens_end_before_their_printed_time_and_a_new_one_is_given_after_a_minute() -> None:
    one = Controlled()
    assert asked(one) == "MCA00000"
    before = one.customer.token
    assert one.ask("POST", "expire") == {"expired": 1}
    assert asked(one) == "EGW00123"
    assert one.customer.said(one.customer.oauth("token"))["error_code"] == "EGW00133"
    one.customer.advance("09:01:31")
    one.customer.log_in()
    assert one.customer.token != before
    assert asked(one) == "MCA00000"


def test_calls_and_socket_requests_are_refused_so_many_times() -> None:
    one = Controlled()
    one.ask("POST", "refuse", msg_cd="EGW00215", times=2)
    one.ask("POST", "refuse", msg_cd="OPSP0007")
    assert [asked(one) for _ in range(3)] == ["EGW00215", "EGW00215", "MCA00000"]
    assert [one.customer.subscribe("H0STCNT0", "000660").msg_cd for _ in range(2)] == ["OPSP0007", "OPSP0000"]


def test_silence_neither_does_nor_answers_what_a_socket_asks() -> None:
    one = Controlled()
    one.ask("POST", "silence", times=1)
    request = control_frames.Request(one.customer.approval, "1", "H0STCNT0", "000660")
    assert one.customer.core.socket_text(at("09:00:30"), 1, control_frames.encode_request(request)) == []
    assert one.customer.subscribe("H0STCNT0", "000660").msg_cd == control_frames.SUBSCRIBED


@pytest.mark.parametrize(
    ("verb", "body"),
    [("refuse", {"msg_cd": "XYZ"}), ("refuse", {"msg_cd": "EGW00201", "times": 0}), ("silence", {"times": 10**9})],
)
def test_a_fault_that_cannot_be_is_refused_in_one_sentence(verb: str, body: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused) as caught:
        Controlled().ask("POST", verb, **body)
    assert caught.value.status == 400
    assert "\n" not in caught.value.text
