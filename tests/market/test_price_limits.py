"""M03 and M06: the daily limit prices of an issue."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.market import ticks
from kisnb.market.instruments import Instrument, multiple_of
from kisnb.terms import Board, Kind, Side

TODAY = date(2026, 11, 20)
kinds = st.sampled_from(Kind)
boards = st.sampled_from(Board)
days = st.sampled_from(
    [None, date(2015, 6, 12), date(2023, 1, 24), date(2023, 12, 8), date(2026, 11, 20)]
)
multiples = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0])


def issue(
    base: int, kind: Kind = Kind.STOCK, name: str = "삼성전자", **facts: object
) -> Instrument:
    known = {"multiple": multiple_of(kind, name), **facts}
    return Instrument("005930", name, Board.KOSPI, kind, 1, base, 1, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "lower", "upper"),
    [
        (272_000, 190_500, 353_500),  # KIS's reply of 2026-10-07
        (71_000, 49_700, 92_300),
        (10_010, 7_010, 13_010),
        (2_005, 1_405, 2_605),
        (1_540, 1_078, 2_000),
        (1_000, 700, 1_300),
    ],
)
def test_m03_the_width_is_cut_to_the_tick_of_the_base_and_the_upper_limit_to_its_own(
    base: int, lower: int, upper: int
) -> None:
    assert ticks.limits(base, Kind.STOCK) == (lower, upper)
    assert ticks.limits_of(issue(base), TODAY) == (lower, upper)


def test_m03_limits_were_fifteen_percent_before_june_2015_with_the_same_cut() -> None:
    assert ticks.limits(10_000, Kind.STOCK, date(2015, 6, 12)) == (8_500, 11_500)
    assert ticks.limits(10_000, Kind.STOCK, date(2015, 6, 15)) == (7_000, 13_000)
    # 15 % of 272,000 are 40,800. The tick of the base is 500.
    assert ticks.limits(272_000, Kind.STOCK, date(2015, 6, 12)) == (231_500, 312_500)


@pytest.mark.parametrize(
    ("name", "kind", "base", "lower", "upper"),
    [
        ("KODEX 레버리지", Kind.ETF, 17_310, 6_925, 27_695),  # KIS's reply of 2026-10-07
        ("KODEX 200선물인버스2X", Kind.ETF, 2_005, 805, 3_205),
        ("삼성 인버스 2X 코스닥150 선물 ETN", Kind.ETN, 10_000, 4_000, 16_000),
        ("메리츠 3X 레버리지 국채10년 ETN", Kind.ETN, 10_000, 1_000, 19_000),
        ("KODEX 인버스", Kind.ETF, 10_000, 7_000, 13_000),
        ("TIGER 미국테크TOP10X", Kind.ETF, 10_000, 7_000, 13_000),
        ("신한 인버스 0.5X ETN", Kind.ETN, 10_000, 7_000, 13_000),
        ("신한 1.5X ETN", Kind.ETN, 10_000, 5_500, 14_500),
        ("KODEX 200", Kind.ETF, 35_000, 24_500, 45_500),
        ("레버리지건설", Kind.STOCK, 10_000, 7_000, 13_000),
    ],
)
def test_m06_a_leveraged_etf_or_etn_has_a_multiple_of_the_width(
    name: str, kind: Kind, base: int, lower: int, upper: int
) -> None:
    assert ticks.limits_of(issue(base, kind, name), TODAY) == (lower, upper)


@pytest.mark.parametrize(("multiple", "lower"), [(0.5, 7_000), (1.5, 5_500)])
def test_m06_a_multiple_below_one_has_the_usual_width(multiple: float, lower: int) -> None:
    assert ticks.limits_of(issue(10_000, Kind.ETN, multiple=multiple), TODAY) == (
        lower,
        20_000 - lower,
    )


def test_m06_a_listing_day_goes_from_60_to_400_percent_of_the_offer_price() -> None:
    listed = issue(26_000, listed_on=TODAY, offer=26_000)
    assert ticks.limits_of(listed, TODAY) == (15_600, 104_000)
    assert ticks.limits_of(listed, date(2026, 11, 23)) == (18_200, 33_800)


def test_m06_limits_that_are_not_known_are_none_and_no_number() -> None:
    assert ticks.limits_of(issue(0), TODAY) is None
    assert ticks.limits_of(issue(26_000, listed_on=TODAY), TODAY) is None
    # Until 2023-06-25 the opening auction of the listing day made the base price.
    before = date(2023, 6, 23)
    assert ticks.limits_of(issue(26_000, listed_on=before, offer=26_000), before) is None


def test_m06_an_etf_has_the_usual_limits_on_its_listing_day() -> None:
    listed = issue(10_000, Kind.ETF, "KODEX 레버리지", listed_on=TODAY)
    assert ticks.limits_of(listed, TODAY) == (4_000, 16_000)


def test_m06_liquidation_trading_has_no_limits() -> None:
    assert ticks.limits_of(issue(71_000, liquidation=True), TODAY) is None


@given(st.integers(1, 3_000_000), kinds, days, boards, multiples)
def test_m03_limits_are_on_the_grid_and_never_beyond_the_percentage(
    price: int, kind: Kind, day: date | None, board: Board, multiple: float
) -> None:
    base = ticks.snap(price, Side.SELL, kind, day, board)
    lower, upper = ticks.limits(base, kind, day, board, multiple)
    percent = max(multiple, 1) * (15 if day == date(2015, 6, 12) else 30)
    assert lower <= base <= upper
    assert ticks.on_grid(lower, kind, day, board)
    assert ticks.on_grid(upper, kind, day, board)
    assert base * (100 - percent) <= lower * 100
    assert upper * 100 <= base * (100 + percent)


@given(st.integers(1, 3_000_000), kinds, days, boards, multiples)
def test_m03_limits_rise_with_the_base(
    price: int, kind: Kind, day: date | None, board: Board, multiple: float
) -> None:
    first = ticks.snap(price, Side.SELL, kind, day, board)
    bases = [ticks.step(first, n, kind, day, board) for n in range(4)]
    found = [ticks.limits(base, kind, day, board, multiple) for base in bases]
    assert all(a.lower <= b.lower and a.upper <= b.upper for a, b in pairwise(found))
