"""K07: execution notices in 26 and 23 columns, their traps, and their encryption."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import FrameError
from kisnb.events import Notice
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.frames import encode
from kisnb.kis.feed.notices import (
    NARROW,
    WIDE,
    Cipher,
    Layout,
    NoticeMore,
    decode_notice,
    encode_notice,
)
from kisnb.terms import OrderKind, Side, Venue

NOON = kst(date(2026, 11, 20), time(12))
ACCOUNT = "1234567801"
KEY, IV = "abcdefghijklmnopqrstuvwxyz012345", "0123456789abcdef"
MORE = NoticeMore("my-hts-id", ACCOUNT, 10, 71_900, OrderKind.LIMIT, "삼성전자")

NOTICES = st.builds(
    Notice,
    t=st.integers(0, 86_399).map(lambda s: kst(date(2026, 11, 20), s)),
    kind=st.sampled_from(["accepted", "filled", "cancelled", "revised", "refused"]),
    number=st.integers(1, 10**10 - 1),
    original=st.integers(0, 10**10 - 1),
    code=st.from_regex(r"[0-9]{5}[0-9A-Z]", fullmatch=True),
    side=st.sampled_from(Side),
    qty=st.integers(1, 10**8),
    price=st.integers(1, 10**8),
    branch=st.just("06010"),
    venue=st.sampled_from([Venue.KRX, Venue.NXT]),
)


@given(NOTICES, st.sampled_from([WIDE, NARROW]))
def test_k07_a_notice_goes_round_in_both_layouts(notice: Notice, layout: Layout) -> None:
    fields = encode_notice(notice, MORE, layout)
    assert len(fields) == layout
    assert decode_notice(fields, ACCOUNT, NOON) == notice


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_k07_the_last_field_is_a_price_and_the_one_before_the_name(layout: Layout) -> None:
    fill = Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_800, "06010", Venue.NXT)
    fields = encode_notice(fill, MORE, layout)
    assert fields[-2:] == ["삼성전자", "71900"]
    assert (fields[19] if layout == WIDE else fields[18]) == ("2" if layout == WIDE else "2Y")


def test_k07_swap_trap_an_order_notice_holds_the_order_and_a_fill_its_own_quantity_and_price() -> (
    None
):
    accepted = Notice(NOON, "accepted", 7, 0, "005930", Side.BUY, 10, 71_900, "06010", Venue.KRX)
    fill = Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_800, "06010", Venue.KRX)
    for notice, qty, price, last in ((accepted, "10", "71900", "0"), (fill, "3", "71800", "71900")):
        fields = encode_notice(notice, MORE)
        assert (fields[9], fields[10], fields[-1], fields[16]) == (qty, price, last, "10")


def test_a_partial_fill_is_an_increment_never_the_order_quantity() -> None:
    fields = encode_notice(
        Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_800, "06010", Venue.KRX), MORE
    )
    notice = decode_notice(fields, ACCOUNT, NOON)
    assert notice is not None
    assert notice.qty == 3


def test_o05_a_confirmed_cancel_has_its_own_number_and_names_the_order_it_cancelled() -> None:
    fields = encode_notice(
        Notice(NOON, "cancelled", 8, 7, "005930", Side.BUY, 4, 71_900, "06010", Venue.KRX), MORE
    )
    assert (fields[2], fields[3], fields[5], fields[14]) == ("0000000008", "0000000007", "2", "2")


def test_a_request_to_cancel_that_is_only_received_says_nothing_yet() -> None:
    fields = encode_notice(
        Notice(NOON, "cancelled", 8, 7, "005930", Side.BUY, 4, 71_900, "06010", Venue.KRX), MORE
    )
    fields[14] = "1"
    assert decode_notice(fields, ACCOUNT, NOON) is None


def test_the_rest_of_an_ioc_order_is_a_cancel_under_the_same_number() -> None:
    fields = encode_notice(
        Notice(NOON, "accepted", 7, 0, "005930", Side.BUY, 4, 71_900, "06010", Venue.KRX), MORE
    )
    fields[14] = "3"
    notice = decode_notice(fields, ACCOUNT, NOON)
    assert notice is not None
    assert (notice.kind, notice.number, notice.original) == ("cancelled", 7, 0)


def test_notices_of_other_accounts_of_the_same_hts_id_are_left_out() -> None:
    fields = encode_notice(
        Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_800, "06010", Venue.KRX), MORE
    )
    assert decode_notice(fields, "9999999901", NOON) is None


@given(st.lists(st.text(max_size=8), max_size=30))
def test_k07_nothing_but_typed_errors_comes_out_of_any_fields(fields: list[str]) -> None:
    if len(fields) > 1:
        fields[1] = ACCOUNT
    try:
        decode_notice(fields, ACCOUNT, NOON)
    except FrameError:
        return


@given(st.text(max_size=300))
def test_an_encrypted_frame_is_decrypted_to_the_same_text(text: str) -> None:
    cipher = Cipher(KEY, IV)
    assert cipher.decrypt(cipher.encrypt(text)) == text


def test_encryption_is_aes_256_cbc_with_pkcs7_and_base64() -> None:
    """The value is that of ``openssl enc -aes-256-cbc -base64``."""
    assert Cipher("0" * 32, "1" * 16).encrypt("H0STCNI0") == "tWwzhIWBCj+BM5aGSi6WAQ=="


@pytest.mark.parametrize(
    "payload", ["", "x", "AAAA", "not base64!", Cipher("x" * 32, IV).encrypt("a secret")]
)
def test_k07_what_cannot_be_decrypted_is_a_typed_error(payload: str) -> None:
    with pytest.raises(FrameError):
        Cipher(KEY, IV).decrypt(payload)


def test_a_key_of_a_wrong_length_is_a_typed_error() -> None:
    with pytest.raises(FrameError):
        Cipher("short", IV)


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_k07_encrypted_notices_are_read_with_the_key_that_came_with_the_subscription(
    layout: Layout,
) -> None:
    notice = Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_800, "06010", Venue.KRX)
    record = "^".join(encode_notice(notice, MORE, layout))
    text = encode("H0STCNI0", [[Cipher(KEY, IV).encrypt(record)]], encrypted=True)
    assert text.startswith("1|H0STCNI0|001|")
    reader = FrameReader(ACCOUNT)
    with pytest.raises(FrameError, match="before its key"):
        reader.read(text, NOON)
    reader.learn_key(cf.ack(cf.SUBSCRIBED, "H0STCNI0", "my-hts-id", key=KEY, iv=IV))
    assert reader.read(text, NOON) == [notice]
    reader.forget_keys()
    with pytest.raises(FrameError):
        reader.read(text, NOON)


def test_a_channel_that_nobody_asked_for_is_a_typed_error() -> None:
    with pytest.raises(FrameError, match="Nobody asked for H0UPCNT0"):
        FrameReader(ACCOUNT).read("0|H0UPCNT0|001|1^2", NOON)
