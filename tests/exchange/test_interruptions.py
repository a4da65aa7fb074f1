"""H03: volatility interruptions, circuit breaker, halts: when they begin, what they take, how they
end."""

from datetime import date

import pytest

from kisnb.exchange import volatility
from kisnb.exchange.halts import Breaker
from kisnb.exchange.happenings import Happening, TradingInterrupted, TradingResumed
from kisnb.exchange.volatility import Bounds
from kisnb.terms import Board, Phase, Venue
from kisnb.terms import OrderKind as K

from .days import (
    BUY,
    DAY,
    KRX,
    NXT,
    OLD_DAY,
    ONLY_KRX,
    SAMSUNG,
    SELL,
    Play,
    ended,
    fills,
    refused,
    trades,
)


def halted(said: list[Happening]) -> list[tuple[Venue, str]]:
    return [(h.venue, h.why) for h in said if isinstance(h, TradingInterrupted)]


def resumed(said: list[Happening]) -> list[tuple[Venue, str]]:
    return [(h.venue, h.why) for h in said if isinstance(h, TradingResumed)]


def traded_at(price: int, day: date = DAY) -> Play:
    """10:00, after one trade at ``price`` on KRX."""
    play = Play("10:00", day)
    play.order(SELL, 1, price)
    play.order(BUY, 1, price)
    return play


@pytest.mark.parametrize(
    ("venue", "day", "bounds"),
    [(KRX, DAY, Bounds(63_900, 78_100)), (NXT, DAY, Bounds(63_900, 78_100)), (NXT, OLD_DAY, None)],
)
def test_h03_the_static_bounds_are_ten_percent_and_nextrade_has_them_since_the_reform(
    venue: Venue, day: date, bounds: Bounds | None
) -> None:
    assert volatility.static_bounds(venue, day, 71_000) == bounds


@pytest.mark.parametrize(
    ("when", "narrow", "bounds"),
    [
        ("regular", True, Bounds(9_700, 10_300)),
        ("regular", False, Bounds(9_400, 10_600)),
        ("closing auction", True, Bounds(9_800, 10_200)),
        ("closing auction", False, Bounds(9_600, 10_400)),
        ("after hours", True, Bounds(9_700, 10_300)),
    ],
)
def test_h03_the_dynamic_vi_has_its_bounds_on_krx_and_none_on_nextrade(
    when: volatility.When, narrow: bool, bounds: Bounds
) -> None:
    assert volatility.dynamic_bounds(KRX, DAY, when, 10_000, kospi200=narrow) == bounds
    assert volatility.dynamic_bounds(NXT, DAY, when, 10_000, kospi200=narrow) is None


def test_h03_an_order_trades_up_to_the_bound_and_its_rest_begins_a_call_of_two_minutes() -> None:
    play = traded_at(71_000)  # KOSDAQ: dynamic at 6 %, from 75,260
    for price in (71_100, 75_200, 75_300):
        play.order(SELL, 10, price)
    said = play.order(BUY, 30, 75_300)
    assert trades(said) == [(KRX, 10, 71_100), (KRX, 10, 75_200)]
    assert halted(said) == [(KRX, "dynamic VI")]
    assert play.exchange.phase(SAMSUNG) is Phase.AUCTION
    assert play.exchange.leaves_of(6) == 10
    assert trades(play.until("10:01:59")) == []
    said = play.until("10:02")
    assert (trades(said), resumed(said)) == ([(KRX, 10, 75_300)], [(KRX, "dynamic VI")])
    assert play.exchange.listing(SAMSUNG).vi.reference == 75_300


def test_h03_a_market_order_joins_the_call_too_and_what_nobody_takes_is_cancelled_after_it() -> (
    None
):
    play = traded_at(71_000)
    play.order(SELL, 10, 76_000)
    said = play.order(BUY, 15)
    assert (trades(said), halted(said)) == ([], [(KRX, "dynamic VI")])
    said = play.until("10:02")
    assert (trades(said), ended(said)) == ([(KRX, 10, 76_000)], [("cancelled", 4, 5)])


def test_h03_the_static_bound_is_measured_from_the_last_auction() -> None:
    play = Play("08:45")
    play.order(SELL, 1, 71_000)
    play.order(BUY, 1, 71_000)
    play.until("10:00")
    for price in (74_000, 77_000, 78_100):
        play.order(SELL, 1, price)
        play.order(BUY, 1, price)
    assert halted(play.said) == [(KRX, "static VI")]
    assert trades(play.until("10:02"))[-1:] == [(KRX, 1, 78_100)]


@pytest.mark.parametrize(
    ("kind", "price", "why"),
    [(K.LIMIT, 71_000, ""), (K.MARKET, None, ""), (K.LIMIT_IOC, 71_000, "kind"),
     (K.MID_PRICE, None, "kind"),
     (K.BEST_OWN, None, "kind"), (K.MARKET_FOK, None, "kind")],
)  # fmt: skip
def test_h03_a_call_takes_limit_and_market_orders_alone(
    kind: K, price: int | None, why: str
) -> None:
    play = traded_at(71_000)
    play.order(SELL, 10, 76_000)
    play.order(BUY, 10, 76_000)
    assert refused(play.order(BUY, 1, price, kind)) == why


def test_h03_both_bounds_at_once_are_one_call() -> None:
    play = traded_at(71_000)
    play.order(SELL, 10, 78_500)
    assert halted(play.order(BUY, 10, 78_500)) == [(KRX, "static and dynamic VI")]


def test_h03_before_the_reform_nextrade_stands_still_with_krx() -> None:
    play = traded_at(71_000, OLD_DAY)
    play.order(BUY, 5, 70_000, venue=NXT)
    play.order(SELL, 10, 76_000)
    assert halted(play.order(BUY, 10, 76_000)) == [(KRX, "dynamic VI"), (NXT, "dynamic VI")]
    assert refused(play.order(SELL, 5, 70_000, venue=NXT)) == "halted"
    assert ended(play.cancel(3, 2)) == [("cancelled", 3, 2)]
    assert resumed(play.until("10:02")) == [(KRX, "dynamic VI"), (NXT, "dynamic VI")]
    assert fills(play.order(SELL, 1, 70_000, venue=NXT)) == [(3, 1, 70_000), (7, 1, 70_000)]


def test_h03_since_the_reform_nextrade_has_calls_of_its_own() -> None:
    play = Play("10:00")
    play.order(SELL, 10, 78_200, venue=NXT)
    assert halted(play.order(BUY, 10, 78_200, venue=NXT)) == [(NXT, "static VI")]
    assert play.exchange.phase(SAMSUNG, KRX) is Phase.CONTINUOUS
    assert trades(play.until("10:02")) == [(NXT, 10, 78_200)]


def test_h03_a_call_that_the_closing_auction_overtakes_becomes_part_of_it() -> None:
    play = Play("15:19")
    play.order(SELL, 10, 78_200)
    play.order(BUY, 10, 78_200)
    assert resumed(play.until("15:20")) == [(KRX, "static VI")]
    assert trades(play.until("15:29")) == []
    assert halted(play.until("15:30")) == [(KRX, "static VI")]  # and the auction strays as far
    assert refused(play.order(BUY, 1, 78_200)) == "kind"
    assert ended(play.said) == []
    assert trades(play.until("15:32")) == [(KRX, 10, 78_200)]
    assert play.exchange.listing(SAMSUNG).close == 78_200


def test_h03_an_opening_price_ten_percent_away_is_two_minutes_late() -> None:
    play = Play("08:45")
    play.order(SELL, 10, 80_000)
    play.order(BUY, 10, 80_000)
    assert (trades(play.until("09:00")), halted(play.said)) == ([], [(KRX, "static VI")])
    assert trades(play.until("09:02")) == [(KRX, 10, 80_000)]


def test_h03_an_opening_at_the_upper_limit_allots_by_size_and_no_later_auction_does() -> None:
    upper = 92_300
    play = Play("08:45")
    play.order(BUY, 300, upper)
    play.order(BUY, 1_000, upper)
    play.order(SELL, 500, upper)
    play.until("09:00")
    assert sorted(fills(play.until("09:02"))) == [(1, 100, upper), (2, 400, upper), (3, 500, upper)]
    play.until("15:25")
    play.order(SELL, 300, upper)
    assert sorted(fills(play.until("15:30"))) == [(1, 200, upper), (2, 100, upper), (4, 300, upper)]


def test_h03_a_nextrade_call_that_a_pause_overtakes_is_matched_then() -> None:
    play = Play("08:49")
    play.order(SELL, 10, 78_200, venue=NXT)
    play.order(BUY, 10, 78_200, venue=NXT)
    assert trades(play.until("08:50")) == [(NXT, 10, 78_200)]


# circuit breaker


def test_h03_the_breaker_needs_a_minute_below_eight_percent_and_comes_once() -> None:
    play = Play("10:00")
    breaker = Breaker(DAY, 1_000.0)
    assert breaker.receive(play.at("10:00"), 919.0) is None
    assert (
        breaker.receive(play.at("10:00:30"), 921.0) is None
    )  # it recovered: the minute begins anew
    assert breaker.receive(play.at("10:01"), 915.0) is None
    assert breaker.receive(play.at("10:01:59"), 915.0) is None
    assert breaker.receive(play.at("10:02"), 915.0) == 1
    assert breaker.receive(play.at("10:40"), 915.0) is None
    assert breaker.receive(play.at("14:00"), 845.0) is None
    assert breaker.receive(play.at("14:01"), 845.0) == 2


def test_h03_levels_one_and_two_end_at_1450_and_level_three_lasts_longer() -> None:
    play = Play("10:00")
    breaker = Breaker(DAY, 1_000.0)
    assert breaker.receive(play.at("14:49"), 900.0) is None
    assert breaker.receive(play.at("14:50"), 900.0) is None
    late = Breaker(DAY, 1_000.0)
    for begin, end, value in (
        ("10:00", "10:01", 900.0),
        ("11:00", "11:01", 840.0),
        ("15:00", "15:01", 790.0),
    ):
        assert late.receive(play.at(begin), value) is None
        assert late.receive(play.at(end), value) is not None


def test_h03_a_circuit_breaker_stops_its_board_on_both_venues_and_ends_in_calls() -> None:
    play = Play("10:00")
    play.order(BUY, 5, 71_000)
    play.order(BUY, 5, 71_000, venue=NXT)
    play.order(BUY, 5, 50_000, code=ONLY_KRX)
    said = play.exchange.break_circuit(play.now, Board.KOSDAQ, 1)
    assert halted(said) == [(KRX, "circuit breaker"), (NXT, "circuit breaker")]
    assert refused(play.order(SELL, 5, 71_000)) == "halted"
    assert ended(play.cancel(1, 1)) == [("cancelled", 1, 1)]
    assert fills(play.order(SELL, 1, 50_000, code=ONLY_KRX)) != []  # the other board trades on
    play.until("10:20")
    assert play.exchange.phase(SAMSUNG) is Phase.AUCTION
    assert refused(play.order(SELL, 4, 71_000)) == ""
    assert refused(play.order(SELL, 4, 71_000, venue=NXT)) == "halted"
    assert trades(play.until("10:29:59")) == []
    assert trades(play.until("10:30")) == [(KRX, 4, 71_000)]
    assert play.exchange.phase(SAMSUNG, NXT) is Phase.AUCTION
    play.order(SELL, 4, 71_000, venue=NXT)
    assert trades(play.until("10:30:30")) == [(NXT, 4, 71_000)]


def test_h03_level_three_ends_the_day_of_the_board() -> None:
    play = Play("10:00")
    play.order(BUY, 5, 71_000)
    said = play.exchange.break_circuit(play.now, Board.KOSDAQ, 3)
    assert ended(said) == [("expired", 1, 5)]
    assert halted(said) == [(KRX, "circuit breaker"), (NXT, "circuit breaker")]
    play.until("15:00")
    play.exchange.resume_trading(play.now, SAMSUNG)
    assert play.exchange.phase(SAMSUNG) is Phase.CLOSED
    assert refused(play.order(BUY, 5, 71_000)) == "closed"
    assert refused(play.order(BUY, 5, 71_000, venue=NXT)) == "closed"


def test_h03_the_index_sets_it_off() -> None:
    play = Play("10:00")
    assert play.exchange.receive_index(play.now, Board.KOSDAQ, 910.0, 1_000.0)[0] is None
    level, _ = play.exchange.receive_index(play.at("10:01"), Board.KOSDAQ, 910.0, 1_000.0)
    assert level == 1
    play.until("10:01")
    assert refused(play.order(BUY, 5, 71_000)) == "halted"


# halts of one stock


def test_h03_a_halted_stock_takes_cancels_alone_and_comes_back_with_a_call() -> None:
    play = Play("10:00")
    play.order(BUY, 5, 71_000)
    assert halted(play.exchange.halt(play.now, SAMSUNG)) == [(KRX, "halt"), (NXT, "halt")]
    play.until("11:00")
    assert refused(play.order(SELL, 5, 71_000)) == "halted"
    assert ended(play.cancel(1, 2)) == [("cancelled", 1, 2)]
    play.exchange.resume_trading(play.now, SAMSUNG)
    play.order(SELL, 3, 71_000)
    assert refused(play.order(SELL, 3, 71_000, venue=NXT)) == "halted"
    assert trades(play.until("11:09:59")) == []
    said = play.until("11:10")
    assert (trades(said), resumed(said)) == ([(KRX, 3, 71_000)], [(KRX, "halt")])
    assert play.exchange.phase(SAMSUNG, NXT) is Phase.AUCTION
    assert resumed(play.until("11:10:30")) == [(NXT, "halt")]


def test_h03_a_circuit_breaker_does_not_lift_a_halt() -> None:
    play = Play("10:00")
    play.exchange.halt(play.now, SAMSUNG)
    play.exchange.break_circuit(play.now, Board.KOSDAQ, 1)
    play.until("11:00")
    assert refused(play.order(BUY, 5, 71_000)) == "halted"


def test_h03_what_came_in_before_a_late_close_trades_at_that_close() -> None:
    play = Play("15:25")
    play.order(SELL, 10, 78_200)
    play.order(BUY, 10, 78_200)
    play.until("15:31")  # the closing auction strays ten percent: it matches at 15:32
    play.order(BUY, 3, kind=K.POST_CLOSE)
    play.order(SELL, 3, kind=K.POST_CLOSE)
    assert trades(play.until("15:40")) == [(KRX, 10, 78_200), (KRX, 3, 78_200)]


def test_h03_a_halt_until_the_close_ends_with_the_day() -> None:
    play = Play("15:00")
    play.order(BUY, 5, 71_000)
    play.exchange.halt(play.now, SAMSUNG)
    assert ended(play.until("15:30")) == [("expired", 1, 5)]
