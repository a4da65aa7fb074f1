"""A13: the strategies of flows, of volatility and of a pair, each with its hand case."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

import kisnb
from kisnb.backtesting.results.result import BacktestResult
from kisnb.errors import BadInput
from kisnb.strategies import foreign_follower, preferred_pair, volatility_tracker
from kisnb.strategies.foreign_follower import ForeignFollower
from kisnb.strategies.preferred_pair import PreferredPair
from kisnb.strategies.volatility_tracker import VolatilityTracker
from kisnb.trading.agents.agent import Agent
from tests.backtesting.bars import CODE, daily, flat, trading_days

LISTED = 1_000_000
PART = LISTED // 2_000
"""0.05 % of the listed shares."""


def played(agent: Agent, data: pl.DataFrame, **options: object) -> BacktestResult:
    result = kisnb.backtest(agent, data, costs="krx=0", cash=10_000_000, **options)  # type: ignore[arg-type]
    assert isinstance(result, BacktestResult)
    return result


def trades_of(result: BacktestResult) -> list[tuple[str, str, str, int]]:
    """Day, code, side and shares of each fill."""
    fills = result.fills
    return [
        (str(row["time"].date()), row["code"], row["side"], row["quantity"])
        for row in fills.sort("time").iter_rows(named=True)
    ]


# foreign_follower


@pytest.mark.parametrize(
    ("net", "listed", "held", "wish"),
    [
        ([PART, PART, PART], LISTED, False, "buy"),
        ([PART, PART, 0], LISTED, False, "hold"),
        ([300, 300, 400], LISTED, False, "hold"),  # 0.1 % exactly is not above it
        ([300, 300, 401], LISTED, False, "buy"),
        ([PART, None, PART], LISTED, False, "hold"),
        ([PART, PART, PART], None, False, "hold"),
        ([PART, -1, -1], LISTED, True, "sell"),
        ([PART, -1, 1], LISTED, True, "hold"),
        ([None, -1, -1], LISTED, True, "sell"),  # the two days of leaving are known
        ([PART, -1, None], LISTED, True, "hold"),
    ],
)
def test_a13_foreign_follower_decides_by_days_in_a_row(
    net: list[int | None], listed: int | None, held: bool, wish: str
) -> None:
    assert foreign_follower.decide(net, listed, 3, 0.001, 2, held=held)[0] == wish


def flows(net: list[int | None], code: str = CODE) -> pl.DataFrame:
    return pl.DataFrame(
        {"date": trading_days(len(net)), "code": [code] * len(net), "foreign": net},
        schema_overrides={"foreign": pl.Int64},
    )


def test_a13_foreign_follower_buys_at_the_open_of_the_fourth_day_and_leaves() -> None:
    net = [PART, PART, PART, PART, -1, -1, -1]
    result = played(ForeignFollower(listed=LISTED), flat([10_000] * 8), flows=flows([*net, 0]))
    days = [str(day) for day in trading_days(8)]
    assert [(day, side) for day, _, side, _ in trades_of(result)] == [
        (days[3], "buy"),
        (days[6], "sell"),
    ]


def test_a13_a_missing_flow_is_no_reason_to_trade() -> None:
    agent = ForeignFollower(listed=LISTED)
    result = played(agent, flat([10_000] * 6), flows=flows([PART, PART, None, PART, PART, -1]))
    assert result.fills.is_empty()
    assert played(ForeignFollower(listed=LISTED), flat([10_000] * 6)).fills.is_empty()


class Peeker(Agent):
    """Writes down which days' flows it is shown, and when."""

    every = "1m"
    code = CODE

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.seen: set[tuple[date, date | None]] = set()

    def on_bar(self, bar: kisnb.Bar) -> None:
        newest = self.flows(1)[0]
        from kisnb.clock import kst_day

        self.seen.add((kst_day(self.now), None if newest is None else newest.day))


def test_a13_an_agent_never_sees_the_flow_of_a_day_that_is_not_over() -> None:
    from tests.backtesting.bars import minutes

    agent = Peeker()
    played(agent, minutes(3, 1), flows=flows([1, 2, 3]))
    first, second, third = trading_days(3)
    assert agent.seen == {(first, None), (second, first), (third, second)}


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.DataFrame({"date": [date(2024, 3, 4)], "code": [CODE]}), "lack a column"),
        (pl.DataFrame({"date": ["x"], "code": [CODE], "foreign": [1]}), "no dates"),
        (
            pl.DataFrame({"date": [date(2024, 3, 4)], "code": [CODE], "foreign": [1.5]}),
            "no whole shares",
        ),
        (pl.concat([flows([1]), flows([2])]), "two rows of 005930"),
    ],
)
def test_a13_flows_that_cannot_serve_are_refused_with_the_cure(
    frame: pl.DataFrame, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        played(ForeignFollower(), flat([10_000] * 3), flows=frame)


# volatility_tracker


@pytest.mark.parametrize(
    ("held", "equity", "atr", "is_cheap", "goal"),
    [
        (0, 10_000_000, 200.0, True, 250),  # ATR 2 % of 10,000 won: 2.5 million won
        (0, 10_000_000, 200.0, False, 0),
        (0, 10_000_000, 200.0, None, 0),
        (0, None, 200.0, True, 0),
        (0, 10_000_000, None, True, 0),
        (201, 10_000_000, 200.0, True, 201),  # less than 20 % away
        (200, 10_000_000, 200.0, True, 250),
        (200, 10_000_000, 200.0, False, 200),
        (300, 10_000_000, 200.0, False, 250),  # less risk is taken at any time
        (299, 10_000_000, 200.0, False, 299),
    ],
)
def test_a13_volatility_tracker_holds_a_range_for_half_a_percent(
    held: int, equity: int | None, atr: float | None, is_cheap: bool | None, goal: int
) -> None:
    assert volatility_tracker.decide(held, equity, atr, is_cheap, 0.005, 0.2)[0] == goal


def days_of(close: int, wide: int, n: int) -> list[tuple[int, int, int, int, int]]:
    return [(close, close + wide // 2, close - wide // 2, close, 1_000_000)] * n


def test_a13_volatility_tracker_buys_two_and_a_half_of_ten_million_below_the_mean() -> None:
    data = daily(days_of(10_100, 200, 45) + days_of(10_000, 200, 17))
    result = played(VolatilityTracker(), data)
    assert [(side, qty) for _, _, side, qty in trades_of(result)] == [("buy", 250)]
    # The 60th bar is the first with a mean. Its order trades on the next day.
    assert trades_of(result)[0][0] == str(trading_days(62)[60])


def test_a13_volatility_tracker_sells_when_the_range_grows() -> None:
    rows = days_of(10_100, 200, 45) + days_of(10_000, 200, 15) + days_of(10_000, 800, 14)
    trades = trades_of(played(VolatilityTracker(), daily(rows)))
    assert trades[0][2:] == ("buy", 250)
    assert {side for _, _, side, _ in trades[1:]} == {"sell"}
    held = 250 - sum(qty for _, _, _, qty in trades[1:])
    # The last decision that trades knows 13 ranges of 800 won and one of 200: 50,000 ÷ 757.1 = 66.
    assert 0 <= held - 66 < 66 * 0.2


def test_a13_volatility_tracker_compares_price_to_book_value_when_it_is_given() -> None:
    data = daily(days_of(10_000, 200, 62))
    assert trades_of(played(VolatilityTracker(), data)) == []
    # The book value rises with the newest days, so the same price is cheap.
    days = trading_days(62)
    books = ((str(days[0]), 5_000), (str(days[58]), 6_000))
    trades = trades_of(played(VolatilityTracker(book_values=books), data))
    assert [(side, qty) for _, _, side, qty in trades] == [("buy", 250)]
    late = ((str(days[30]), 5_000),)
    assert trades_of(played(VolatilityTracker(book_values=late), data)) == []


# preferred_pair


@pytest.mark.parametrize(
    ("z", "held", "leg"),
    [
        (2.1, "neither", "preferred"),
        (1.9, "neither", "hold"),
        (-2.1, "neither", "common"),
        (0.5, "preferred", "neither"),
        (0.6, "preferred", "hold"),
        (-0.5, "common", "neither"),
        (-0.6, "common", "hold"),
        (-2.1, "preferred", "common"),
        (-3.0, "common", "common"),
        (None, "preferred", "hold"),
    ],
)
def test_a13_preferred_pair_holds_the_cheap_leg(z: float | None, held: str, leg: str) -> None:
    assert preferred_pair.decide(z, held, 2.0, 0.5) == leg


PREFERRED = "005935"


def pair(common: list[int], volume: int = 1_000_000) -> pl.DataFrame:
    """Common shares at these prices, preferred shares at 10,000 won."""
    other = flat([10_000] * len(common), PREFERRED, volume)
    return pl.concat([flat(common), other])


QUIET = [12_000, 12_100] * 30


def test_a13_preferred_pair_buys_the_preferred_share_and_sells_it_when_the_spread_is_back() -> None:
    result = played(PreferredPair(code=CODE), pair([*QUIET, 12_400, 12_400, 12_050, 12_050]))
    days = [str(day) for day in trading_days(64)]
    assert [(day, code, side) for day, code, side, _ in trades_of(result)] == [
        (days[61], PREFERRED, "buy"),
        (days[63], PREFERRED, "sell"),
    ]


def test_a13_preferred_pair_changes_legs_one_after_another() -> None:
    result = played(PreferredPair(code=CODE), pair([*QUIET, 12_400, 11_000, 11_000, 11_000]))
    assert [(code, side) for _, code, side, _ in trades_of(result)] == [
        (PREFERRED, "buy"),
        (PREFERRED, "sell"),
        (CODE, "buy"),
    ]


def test_a13_a_leg_that_does_not_fill_whole_is_undone() -> None:
    data = pair([*QUIET, 12_400, 12_400, 12_400, 12_400], volume=100)
    result = played(PreferredPair(code=CODE), data)
    buys, sells = (
        sum(qty for _, _, side, qty in trades_of(result) if side == wanted)
        for wanted in ("buy", "sell")
    )
    assert buys == sells == 100
    assert result.book.position(PREFERRED).qty == 0


def test_a13_an_agent_of_two_stocks_needs_the_bars_of_both() -> None:
    with pytest.raises(BadInput, match="do not have 005935, which is followed by PreferredPair"):
        played(PreferredPair(code=CODE), flat([10_000] * 3))
