"""N11: one masking for what the client logs and what the simulator records."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from kisnb.kis.masking import HIDDEN, SECRET_FIELDS, Mask
from kisnb.simulator.host.record import DayRecorder
from tests.kis.scripted_kis import KEYS

WORDS = st.text("abcXYZ0123456789/+=", min_size=6, max_size=40)


@given(st.lists(WORDS, min_size=1, max_size=5), st.text(max_size=10), st.text(max_size=10))
def test_n11_no_secret_survives_wherever_it_stands_also_in_addresses(
    secrets: list[str], before: str, after: str
) -> None:
    mask = Mask(*secrets)
    for secret in secrets:
        for spelling in (secret, quote(secret, safe="")):
            assert spelling not in mask.text(f"{before}{spelling}{after}")


def test_n11_a_secret_within_another_one_leaves_no_rest_of_it() -> None:
    mask = Mask("12345678")
    mask.keep("", "1234567801")
    assert mask.text("account 1234567801, 12345678") == f"account {HIDDEN}, {HIDDEN}"


def test_n11_secret_fields_are_never_written_whatever_stands_in_them() -> None:
    said = Mask("MY-KEY").fields(
        {"CANO": 1, "Authorization": "Bearer x", "PDNO": "005930", "x MY-KEY": "a MY-KEY b"}
    )
    assert said == {
        "CANO": HIDDEN,
        "Authorization": HIDDEN,
        "PDNO": "005930",
        f"x {HIDDEN}": f"a {HIDDEN} b",
    }
    assert {"appkey", "appsecret", "secretkey", "approval_key", "access_token"} <= SECRET_FIELDS


def test_n11_a_mask_shows_nothing_itself() -> None:
    assert "MY-KEY" not in repr(Mask("MY-KEY"))


def test_n11_client_and_simulator_use_this_one() -> None:
    assert type(DayRecorder().mask) is type(KEYS.masking()) is Mask
