"""M04: commission and tax, to the won."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import ConfigError
from kisnb.market import costs, ticks
from kisnb.market.costs import CostModel
from kisnb.terms import Board, Kind, Side, Venue

STOCK, ETF = Kind.STOCK, Kind.ETF
DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("value", "venue", "kind", "won"),
    [
        (7_100_000, Venue.KRX, STOCK, 997),  # 997.7417
        (7_100_000, Venue.NXT, STOCK, 926),  # 926.7417
        (7_100_000, Venue.SOR, STOCK, 997),
        (3_500_000, Venue.KRX, ETF, 512),  # 512.8445
        (7_000, Venue.KRX, STOCK, 0),
        (1_000_000_000, Venue.KRX, STOCK, 140_527),
    ],
)
def test_m04_bankis_commission_by_hand(value: int, venue: Venue, kind: Kind, won: int) -> None:
    assert CostModel().fee(value, venue, kind) == won


ROUND_TRIPS = [
    # bought, sold on, board, kind, venue, shares, buy and sell price, and by hand: fee, fee, tax
    (date(2019, 6, 3), Board.KOSPI, STOCK, Venue.KRX, 100, 45_000, 46_000, 632, 646, 11_500),
    (date(2020, 12, 30), Board.KOSDAQ, STOCK, Venue.KRX, 7, 123_400, 120_000, 121, 118, 2_100),
    (date(2021, 1, 4), Board.KOSPI, STOCK, Venue.KRX, 33, 82_600, 83_000, 383, 384, 6_299),
    (date(2022, 12, 29), Board.KOSDAQ, STOCK, Venue.KRX, 1, 999, 1_001, 0, 0, 2),
    (date(2023, 1, 2), Board.KOSPI, STOCK, Venue.KRX, 3, 500_000, 501_000, 210, 211, 3_006),
    (date(2024, 1, 2), Board.KOSDAQ, STOCK, Venue.KRX, 250, 9_990, 10_010, 350, 351, 4_504),
    (date(2025, 3, 4), Board.KOSPI, STOCK, Venue.NXT, 12, 54_800, 55_100, 85, 86, 991),
    (date(2025, 12, 30), Board.KOSDAQ, STOCK, Venue.NXT, 999, 1_999, 2_005, 260, 261, 3_004),
    (date(2026, 1, 2), Board.KOSPI, STOCK, Venue.KRX, 10, 71_000, 71_100, 99, 99, 1_422),
    (date(2026, 9, 14), Board.KOSDAQ, STOCK, Venue.NXT, 41, 240_500, 241_000, 1_287, 1_289, 19_762),
    (date(2026, 9, 14), Board.KOSPI, ETF, Venue.KRX, 200, 35_005, 35_010, 1_025, 1_025, 0),
    (date(2026, 9, 14), Board.KOSPI, Kind.ETN, Venue.KRX, 17, 1_999, 12_345, 4, 30, 0),
]


@pytest.mark.parametrize(
    ("day", "board", "kind", "venue", "qty", "bought", "sold", "buy_fee", "sell_fee", "tax"),
    ROUND_TRIPS,
)
def test_m04_round_trips_by_hand(
    day: date, board: Board, kind: Kind, venue: Venue, qty: int, bought: int, sold: int,
    buy_fee: int, sell_fee: int,
    tax: int,
) -> None:  # fmt: skip
    model = CostModel()
    assert model.fee(bought * qty, venue, kind) == buy_fee
    assert model.fee(sold * qty, venue, kind) == sell_fee
    assert model.tax(sold * qty, day, kind, board) == tax


def test_m04_each_account_profile_has_its_commission() -> None:
    value = 10_000_000
    found = [
        m.fee(value, Venue.KRX, STOCK)
        for m in (costs.BANKIS, costs.AGENCY_ONLY, costs.BRANCH, costs.PAPER)
    ]
    assert found == [1_405, 363, 14_700, 1_420]
    assert CostModel() == costs.BANKIS


@pytest.mark.parametrize(
    ("day", "won"),
    [
        (date(2019, 6, 3), 25_000),
        (date(2020, 12, 31), 25_000),
        (date(2021, 1, 1), 23_000),
        (date(2022, 12, 31), 23_000),
        (date(2023, 1, 2), 20_000),
        (date(2024, 1, 2), 18_000),
        (date(2025, 1, 2), 15_000),
        (date(2025, 12, 31), 15_000),
        (date(2026, 1, 2), 20_000),
    ],
)
@pytest.mark.parametrize("board", Board)
def test_m04_tax_by_sale_date(day: date, won: int, board: Board) -> None:
    assert CostModel().tax(10_000_000, day, STOCK, board) == won


@pytest.mark.parametrize("kind", [Kind.ETF, Kind.ETN])
def test_m04_funds_pay_no_tax_on_any_day(kind: Kind) -> None:
    assert CostModel().tax(10_000_000, date(2010, 5, 3), kind, Board.KOSPI) == 0


def test_m04_an_early_sale_needs_explicit_costs() -> None:
    with pytest.raises(ConfigError, match="2019-05-31"):
        CostModel().tax(10_000_000, date(2019, 5, 31), STOCK, Board.KOSPI)
    assert (
        CostModel(stock_tax=3_000_000).tax(10_000_000, date(2019, 5, 31), STOCK, Board.KOSPI)
        == 30_000
    )


def test_m04_break_even_by_hand() -> None:
    # bought 100 at 71,000 with 997 of fee; 71,100 brings in 7,094,781, 71,200 brings in 7,104,760
    assert CostModel().break_even(7_100_997, 100, DAY, STOCK, Board.KOSPI) == 71_200


@given(st.integers(1, 1_000_000), st.integers(1, 10_000), st.sampled_from([STOCK, ETF]))
def test_m04_break_even_is_the_lowest_price_that_covers(
    per_share: int, qty: int, kind: Kind
) -> None:
    model, cost = CostModel(), per_share * qty + qty // 3

    def brings(price: int) -> int:
        value = price * qty
        return value - model.fee(value, Venue.KRX, kind) - model.tax(value, DAY, kind, Board.KOSDAQ)

    price = model.break_even(cost, qty, DAY, kind, Board.KOSDAQ)
    assert ticks.on_grid(price, kind, DAY)
    assert brings(price) >= cost
    lower = ticks.step(price, -1, kind, DAY)
    while lower * qty >= cost:
        assert brings(lower) < cost
        lower = ticks.step(lower, -1, kind, DAY)
    assert ticks.snap(price, Side.BUY, kind, DAY) == price


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("bankis", costs.BANKIS),
        (" Branch ", costs.BRANCH),
        ("agencies", costs.AGENCY_ONLY),
        ("krx=0.0140527,nxt=0.0130527,fund=0.0146527", costs.BANKIS),
        ("krx=0.015% nxt=0", CostModel(150_000, 0, 150_000)),
        ("krx=0.015", CostModel(150_000, 150_000, 150_000)),
    ],
)
def test_m04_the_commission_is_a_named_plan_or_own_rates(text: str, model: CostModel):
    assert costs.read_fees(text) == model


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a commission plan"),
        ("banks", r"Did you mean bankis\? take bankis, agencies, branch, paper, or own rates"),
        ("nxt=0.01", "is not a commission plan"),
        ("krx=0.01,krx=0.02", "is not a commission plan"),
        ("krx=a lot", "is not a commission plan"),
        ("krx=nan", "is not valid"),
        ("krx=-0.01", "is not valid"),
        ("krx=14", r"A commission of 14 percent is not valid\. Give 0 to 1 percent"),
        ("krx=0.01405271", "too many digits"),
    ],
)
def test_m04_a_wrong_commission_is_refused_with_the_cure(text: str, why: str):
    with pytest.raises(ConfigError, match=why):
        costs.read_fees(text)
