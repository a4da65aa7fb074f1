"""Subscribe, release, acknowledgement and PINGPONG, both ways, in KIS's words."""

from __future__ import annotations

import json
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import ApiError, FrameError
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frame_reader import FrameReader

NOON = kst(date(2026, 11, 20), time(12))


def test_a_subscription_as_kis_documents_it() -> None:
    said = json.loads(
        cf.encode_request(cf.SubscriptionRequest("key", cf.SUBSCRIBE, "H0STCNT0", "005930"))
    )
    assert said == {
        "header": {"approval_key": "key", "custtype": "P", "tr_type": "1", "content-type": "utf-8"},
        "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}},
    }


@given(st.text(), st.sampled_from([cf.SUBSCRIBE, cf.RELEASE]), st.text(), st.text(min_size=1))
def test_an_encoded_subscription_request_is_decoded_to_the_same_request(
    approval: str, tr_type: str, tr_id: str, tr_key: str
) -> None:
    request = cf.SubscriptionRequest(approval, tr_type, tr_id, tr_key)
    assert cf.decode_request(cf.encode_request(request)) == request


@pytest.mark.parametrize(
    ("text", "msg_cd"),
    [
        ("not json", "OPSP9999"),
        ("[]", "OPSP9999"),
        ("{}", "OPSP9998"),
        ('{"header":{}}', "OPSP9992"),
        ('{"header":{},"body":{}}', "OPSP9991"),
        ('{"header":{},"body":{"input":{}}}', "OPSP9990"),
        ('{"header":{"tr_type":"0"},"body":{"input":{"tr_key":"005930"}}}', "OPSP8997"),
    ],
)
def test_a_wrong_request_gets_the_code_that_kis_gives(text: str, msg_cd: str) -> None:
    with pytest.raises(ApiError) as caught:
        cf.decode_request(text)
    assert caught.value.msg_cd == msg_cd


def test_kis_example_of_an_accepted_subscription() -> None:
    text = (
        '{"header":{"tr_id":"H0STCNT0","tr_key":"005930","encrypt":"N"},'
        '"body":{"rt_cd":"0","msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS",'
        '"output":{"iv":"0123456789abcdef","key":"abcdefghijklmnopqrstuvwxyz012345"}}}'
    )
    ack = cf.decode_control(text)
    assert ack == cf.ack(
        cf.SUBSCRIBED,
        "H0STCNT0",
        "005930",
        key="abcdefghijklmnopqrstuvwxyz012345",
        iv="0123456789abcdef",
    )
    assert json.loads(cf.encode_ack(ack)) == json.loads(text)


@pytest.mark.parametrize(
    ("msg_cd", "rt_cd", "ok"),
    [
        (cf.SUBSCRIBED, "0", True),
        (cf.RELEASED, "0", True),
        (cf.ALREADY, "1", True),
        (cf.NOT_FOUND, "1", True),
        (cf.TOO_MANY, "1", False),
        (cf.BAD_APPROVAL, "1", False),
        (cf.APPKEY_IN_USE, "9", False),
    ],
)
def test_acknowledgements_go_round_with_their_rt_cd(msg_cd: str, rt_cd: str, ok: bool) -> None:
    ack = cf.ack(msg_cd, "H0STCNT0", "005930")
    assert (ack.rt_cd, ack.ok) == (rt_cd, ok)
    assert cf.decode_control(cf.encode_ack(ack)) == ack


def test_pingpong_goes_round_to_either_side() -> None:
    text = cf.encode_ping(NOON)
    assert json.loads(text) == {"header": {"tr_id": "PINGPONG", "datetime": "20261120120000"}}
    assert cf.decode_control(text) == cf.decode_request(text) == cf.PingPong("20261120120000")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        "{}",
        '{"header":3}',
        '{"header":{"tr_id":"H0STCNT0"}}',
        '{"header":{},"body":{}}',
    ],
)
def test_an_unreadable_control_frame_is_a_typed_error(text: str) -> None:
    with pytest.raises(FrameError):
        cf.decode_control(text)


def test_n11_no_key_shows_in_a_repr() -> None:
    shown = repr(
        [
            cf.SubscriptionRequest("approval-key", cf.SUBSCRIBE, "H0STCNI0", "my-hts-id"),
            cf.ack(cf.SUBSCRIBED, "H0STCNI0", "my-hts-id", key="the-aes-key", iv="the-iv"),
        ]
    )
    assert not any(
        secret in shown for secret in ("approval-key", "my-hts-id", "the-aes-key", "the-iv")
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "header",
                    "body",
                    "input",
                    "output",
                    "tr_id",
                    "tr_key",
                    "tr_type",
                    "msg_cd",
                    "key",
                    "iv",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=80) | JSON.map(json.dumps))
def test_k07_whatever_a_control_frame_holds_it_is_read_or_a_typed_error_on_both_sides(
    text: str,
) -> None:
    try:
        said = cf.decode_control(text)
    except FrameError:
        pass
    else:
        assert isinstance(said, cf.Ack | cf.PingPong)
    try:
        asked = cf.decode_request(text)
    except ApiError as e:
        msg_cd = e.msg_cd
    else:
        msg_cd = "OPSP"
        assert isinstance(asked, cf.SubscriptionRequest | cf.PingPong)
    assert msg_cd.startswith("OPSP")


@given(JSON.map(json.dumps), st.sampled_from(["H0STCNI0", "H0STCNT0"]))
def test_k07_an_answer_with_a_key_of_any_shape_is_taken_or_a_typed_error(
    output: str, tr_id: str
) -> None:
    header = f'{{"tr_id":"{tr_id}","tr_key":"x"}}'
    try:
        ack = cf.decode_control(
            f'{{"header":{header},"body":{{"rt_cd":"0","msg_cd":"OPSP0000","output":{output}}}}}'
        )
        assert isinstance(ack, cf.Ack)
        FrameReader("").learn_key(ack)
    except FrameError:
        pass
