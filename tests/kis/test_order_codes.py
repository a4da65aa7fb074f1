"""R09: every kind of order has its ORD_DVSN, both ways."""

import pytest

from kisnb.kis.order_codes import KIND_NAME, ORD_DVSN, kind_code, read_kind
from kisnb.terms import OrderKind

CODES = [
    "00", "01", "02", "03", "04", "05", "06", "07", "11", "12", "13", "14", "15", "16", "21", "22",
    "23", "24",
    "27", "28", "29", "41", "42", "43", "44", "45", "46", "47",
]  # fmt: skip
PRICED = {"00", "02", "07", "11", "12", "22", "27", "41", "42", "43"}
IMMEDIATE = {"11", "12", "13", "14", "15", "16", "23", "24", "42", "43", "45", "46"}


def test_r09_the_codes_are_those_of_kis() -> None:
    assert sorted(ORD_DVSN.values()) == CODES
    assert set(ORD_DVSN) == set(KIND_NAME) == set(OrderKind)


@pytest.mark.parametrize("kind", OrderKind)
def test_r09_a_kind_goes_round(kind: OrderKind) -> None:
    assert read_kind(kind_code(kind)) is kind


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (OrderKind.MARKET, "01"),
        (OrderKind.LIMIT_FOK, "12"),
        (OrderKind.MARKET_IOC, "13"),
        (OrderKind.STOP_LIMIT, "22"),
        (OrderKind.MID_PRICE_IOC, "23"),
        (OrderKind.NXT_PRE_BEST_OWN, "29"),
        (OrderKind.AFTER_LIMIT, "41"),
        (OrderKind.AFTER_BEST_OPPOSITE_FOK, "46"),
        (OrderKind.AFTER_BEST_OWN, "47"),
    ],
)
def test_r09_codes_by_the_workbook_and_the_notice(kind: OrderKind, code: str) -> None:
    assert kind_code(kind) == code


def test_r09_an_unknown_code_reads_as_what_rests_in_the_book() -> None:
    assert read_kind("99") is OrderKind.LIMIT


def test_r09_a_price_is_named_by_limit_orders_only() -> None:
    assert {kind_code(k) for k in OrderKind if k.priced} == PRICED
    assert {kind_code(k) for k in OrderKind if k.immediate} == IMMEDIATE
