"""H03: KRX's regular session: checks, auctions, continuous trading, expiry."""

from collections import Counter
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import SECOND, Ns, kst
from kisnb.exchange.exchange import Exchange
from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotAccepted,
    Traded,
)
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind, OrderKind, Phase, Side, Venue

DAY = date(2026, 11, 20)
BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET = OrderKind.LIMIT, OrderKind.MARKET
SAMSUNG, FROZEN = "005930", "000880"


def at(text: str) -> Ns:
    return kst(DAY, time.fromisoformat(text))


NINE = at("09:00")


@pytest.fixture
def universe() -> Universe:
    return Universe(
        [
            Instrument(SAMSUNG, "삼성전자", Board.KOSPI, Kind.STOCK, 1_000_000, 71_000, 10_000),
            Instrument(FROZEN, "한화", Board.KOSPI, Kind.STOCK, 1_000_000, 50_000, 0, halted=True),
        ]
    )


@pytest.fixture
def exchange(universe: Universe) -> Exchange:
    return Exchange(universe, DAY, NINE)


@pytest.mark.parametrize(
    ("now", "code", "kind", "qty", "price", "why"),
    [
        ("09:00", "999999", LIMIT, 1, 71_000, "unknown"),
        ("09:00", SAMSUNG, LIMIT, 0, 71_000, "quantity"),
        ("09:00", SAMSUNG, LIMIT, -5, 71_000, "quantity"),
        ("08:29:59", SAMSUNG, LIMIT, 1, 71_000, "closed"),
        ("15:30", SAMSUNG, MARKET, 1, None, "kind"),
        ("16:30", SAMSUNG, LIMIT, 1, 71_000, "kind"),
        ("20:00", SAMSUNG, LIMIT, 1, 71_000, "closed"),
        ("09:00", FROZEN, LIMIT, 1, 50_000, "halted"),
        ("09:00", SAMSUNG, LIMIT, 1, 71_050, "tick"),
        ("09:00", SAMSUNG, LIMIT, 1, None, "tick"),
        ("09:00", SAMSUNG, LIMIT, 1, 0, "tick"),
        ("09:00", SAMSUNG, LIMIT, 1, 92_400, "limit"),
        ("09:00", SAMSUNG, LIMIT, 1, 49_600, "limit"),
    ],
)
def test_h03_an_order_that_breaks_a_rule_is_refused_with_the_reason(
    universe: Universe, now: str, code: str, kind: OrderKind, qty: int, price: int | None, why: str
) -> None:
    exchange = Exchange(universe, DAY, at(now))
    assert exchange.enter(at(now), code, 1, BUY, kind, qty, price) == [
        OrderNotAccepted(at(now), 1, why)
    ]
    assert exchange.leaves_of(1) == 0


@pytest.mark.parametrize("price", [92_300, 49_700])
def test_h03_limit_prices_themselves_are_taken(exchange: Exchange, price: int) -> None:
    assert exchange.enter(NINE, SAMSUNG, 1, BUY, LIMIT, 1, price)[0] == OrderAccepted(NINE, 1)


def test_m06_liquidation_trading_has_neither_limits_nor_interruptions() -> None:
    ending = Instrument(
        SAMSUNG, "삼성전자", Board.KOSPI, Kind.STOCK, 1, 71_000, 1, liquidation=True
    )
    exchange = Exchange(Universe([ending]), DAY, NINE)
    exchange.enter(NINE, SAMSUNG, 1, SELL, LIMIT, 1, 3)
    assert OrderFilled(NINE, 2, 1, 3, Venue.KRX) in exchange.enter(
        NINE, SAMSUNG, 2, BUY, LIMIT, 1, 900_000
    )
    assert exchange.phase(SAMSUNG) is Phase.CONTINUOUS


def test_m06_the_exchange_keeps_the_wider_limits_of_a_leveraged_etf() -> None:
    fund = Instrument(SAMSUNG, "KODEX 레버리지", Board.KOSPI, Kind.ETF, 1, 17_310, 1, multiple=2.0)
    exchange = Exchange(Universe([fund]), DAY, NINE)
    refusals = [
        exchange.why_not(NINE, SAMSUNG, BUY, LIMIT, 1, price)
        for price in (6_920, 6_925, 27_695, 27_700)
    ]
    assert refusals == ["limit", None, None, "limit"]


def test_h03_a_trade_prints_fills_both_own_sides_and_counts(exchange: Exchange) -> None:
    exchange.enter(NINE, SAMSUNG, 1, SELL, LIMIT, 10, 71_100)
    said = exchange.enter(NINE + 1, SAMSUNG, 2, BUY, LIMIT, 4, 71_200)
    assert said == [
        OrderAccepted(NINE + 1, 2),
        Traded(
            NINE + 1, SAMSUNG, 71_100, 4, BUY, 2, 1, 4, 284_400, 71_100, 71_100, 71_100, 71_100, 0
        ),
        OrderFilled(NINE + 1, 1, 4, 71_100),
        OrderFilled(NINE + 1, 2, 4, 71_100),
        DepthChanged(NINE + 1, SAMSUNG),
    ]
    assert (exchange.leaves_of(1), exchange.leaves_of(2)) == (6, 0)
    assert exchange.depth(SAMSUNG) == (((71_100, 6),), ())


def test_h03_the_rest_of_a_market_order_is_cancelled_at_once(exchange: Exchange) -> None:
    exchange.listing(SAMSUNG).provide(NINE, -1, BUY, 70_900, 3)
    said = exchange.enter(NINE, SAMSUNG, 1, SELL, MARKET, 5)
    assert [h for h in said if isinstance(h, (OrderFilled, OrderCancelled))] == [
        OrderFilled(NINE, 1, 3, 70_900),
        OrderCancelled(NINE, 1, 2),
    ]


def test_h03_the_background_is_silent_but_for_trades(exchange: Exchange) -> None:
    samsung = exchange.listing(SAMSUNG)
    samsung.provide(NINE, -1, SELL, 71_000, 3)
    assert exchange.take_happenings() == []
    samsung.provide(NINE, -2, BUY, 71_000, 3)
    assert [type(h) for h in exchange.take_happenings()] == [Traded]


def test_o05_a_cancel_takes_at_most_the_leaves_of_an_order(exchange: Exchange) -> None:
    exchange.enter(NINE, SAMSUNG, 1, BUY, LIMIT, 10, 70_000)
    assert exchange.cancel(NINE, 1, 4)[0] == OrderCancelled(NINE, 1, 4)
    assert exchange.cancel(NINE, 1, 0) == [OrderNotAccepted(NINE, 1, "quantity")]
    assert exchange.cancel(NINE, 1, 99)[0] == OrderCancelled(NINE, 1, 6)
    assert exchange.cancel(NINE, 1) == [OrderNotAccepted(NINE, 1, "unknown")]


def test_h03_the_opening_auction_is_one_print_at_one_price(universe: Universe) -> None:
    exchange = Exchange(universe, DAY, at("08:00"))
    early = at("08:30")
    for order_id, side, kind, qty, price in (
        (1, BUY, LIMIT, 10, 71_300),
        (2, BUY, MARKET, 5, None),
        (3, SELL, LIMIT, 12, 71_100),
        (4, BUY, LIMIT, 9, 70_000),
        (5, SELL, LIMIT, 2, 71_200),
    ):
        said = exchange.enter(early, SAMSUNG, order_id, side, kind, qty, price)
        assert said[-2:] == [OrderAccepted(early, order_id), DepthChanged(early, SAMSUNG)]
    assert exchange.depth(SAMSUNG)[1][0] == (71_300, 10)
    said = exchange.advance(NINE)
    trades = [h for h in said if isinstance(h, Traded)]
    assert [(h.price, h.qty, h.taker, h.ask, h.bid) for h in trades] == [
        (71_200, 14, None, 0, 71_300)
    ]
    assert {(h.id, h.qty, h.price) for h in said if isinstance(h, OrderFilled)} == {
        (2, 5, 71_200),
        (1, 9, 71_200),
        (3, 12, 71_200),
        (5, 2, 71_200),
    }
    assert exchange.leaves_of(1) == 1


def test_h03_a_market_order_left_by_the_opening_auction_is_cancelled(universe: Universe) -> None:
    exchange = Exchange(universe, DAY, at("08:45"))
    exchange.enter(at("08:45"), SAMSUNG, 1, BUY, MARKET, 5)
    exchange.enter(at("08:45"), SAMSUNG, 2, SELL, LIMIT, 3, 71_000)
    said = exchange.advance(NINE)
    assert OrderFilled(NINE, 1, 3, 71_000) in said
    assert OrderCancelled(NINE, 1, 2) in said
    assert exchange.depth(SAMSUNG) == ((), ())


def test_h03_closing_auction_then_everything_left_expires(exchange: Exchange) -> None:
    late, close = at("15:25"), at("15:30")
    exchange.enter(NINE, SAMSUNG, 1, BUY, LIMIT, 10, 70_000)
    exchange.enter(late, SAMSUNG, 2, BUY, LIMIT, 10, 71_500)
    exchange.enter(late, SAMSUNG, 3, SELL, LIMIT, 4, 71_500)
    exchange.enter(late, SAMSUNG, 4, BUY, MARKET, 7)
    said = exchange.advance(at("18:00"))
    assert {(h.id, h.qty, h.price) for h in said if isinstance(h, OrderFilled)} == {
        (4, 4, 71_500),
        (3, 4, 71_500),
    }
    assert {h for h in said if isinstance(h, OrderExpired)} == {
        OrderExpired(close, 1, 10),
        OrderExpired(close, 2, 10),
        OrderExpired(close, 4, 3),
    }
    assert exchange.cancel(at("18:00"), 1) == [OrderNotAccepted(at("18:00"), 1, "unknown")]


def test_h03_an_order_passes_the_phase_changes_that_came_before_it(universe: Universe) -> None:
    exchange = Exchange(universe, DAY, at("08:45"))
    exchange.enter(at("08:45"), SAMSUNG, 1, SELL, LIMIT, 3, 71_000)
    exchange.enter(at("08:45"), SAMSUNG, 2, BUY, LIMIT, 3, 71_000)
    said = exchange.enter(NINE + SECOND, SAMSUNG, 3, BUY, LIMIT, 1, 71_000)
    assert [h.t for h in said] == sorted(h.t for h in said)
    assert said.index(OrderAccepted(NINE + SECOND, 3)) > said.index(OrderFilled(NINE, 1, 3, 71_000))


steps = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.sampled_from(Side),
        st.sampled_from((LIMIT, MARKET)),
        st.integers(1, 30),
        st.integers(705, 715),
        st.booleans(),
    ),
    max_size=60,
)


@given(steps)
def test_h03_quantity_is_filled_cancelled_expired_or_left(
    moves: list[tuple[int, Side, OrderKind, int, int, bool]],
) -> None:
    """Invariant 7, and volume and value are the sums of the prints."""
    universe = Universe(
        [Instrument(SAMSUNG, "삼성전자", Board.KOSPI, Kind.STOCK, 1_000_000, 71_000, 10_000)]
    )
    now = at("08:30")
    exchange = Exchange(universe, DAY, now)
    said: list[Happening] = []
    ordered = Counter[int]()
    for i, (wait, side, kind, qty, hundreds, cancel) in enumerate(moves, start=1):
        now += wait * SECOND
        said += exchange.enter(
            now, SAMSUNG, i, side, kind, qty, hundreds * 100 if kind is LIMIT else None
        )
        if not isinstance(said[-1], OrderNotAccepted):
            ordered[i] = qty
        if cancel:
            said += exchange.cancel(now, max(1, i - 2), qty)
    for moment in (now, at("20:00")):
        said += exchange.advance(max(now, moment))
        ended = Counter[int]()
        for h in said:
            if isinstance(h, (OrderFilled, OrderCancelled, OrderExpired)):
                ended[h.id] += h.qty
        assert {i: exchange.leaves_of(i) + ended[i] for i in ordered} == dict(ordered)
    assert not any(exchange.leaves_of(i) for i in ordered)
    trades = [h for h in said if isinstance(h, Traded)]
    assert exchange.tally(SAMSUNG).volume == sum(h.qty for h in trades)
    assert exchange.tally(SAMSUNG).value == sum(h.qty * h.price for h in trades)
    assert 2 * sum(h.qty for h in trades) == sum(h.qty for h in said if isinstance(h, OrderFilled))
