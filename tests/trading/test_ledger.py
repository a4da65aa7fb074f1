"""Positions and PnL from fills alone (row O09's arithmetic)."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kisnb.events import AccountOpened, Notice
from kisnb.orders import Fill
from kisnb.terms import Side, Venue
from kisnb.trading.order_books.ledger import Position
from tests.trading.desk import CODE, NOON, Desk, price_of


def fill(qty: int, price: int, fee: int = 0, tax: int = 0) -> Fill:
    return Fill(0, qty, price, fee, tax, Venue.KRX)


def test_a_partial_sell_keeps_the_rest_and_matches_first_in_first_out():
    position = Position("005930")
    position.apply(Side.BUY, fill(10, 1_000, fee=10))
    position.apply(Side.BUY, fill(10, 2_000, fee=21))
    position.apply(Side.SELL, fill(15, 3_000, fee=5, tax=90))
    assert position.qty == 5
    assert position.cost == 5 * 2_000
    assert position.realised == 10 * 2_000 + 5 * 1_000
    assert position.realised_net == position.realised - 10 - 10 - 5 - 90
    assert position.cost_with_fees == 10_000 + 11
    assert position.unrealised(2_500) == 5 * 500


def test_no_position_has_no_average():
    assert Position("005930").average is None
    assert repr(Position("005930")) == "<Position 005930: 0 shares, cost 0>"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side), st.integers(1, 50), st.integers(1, 9_999), st.integers(0, 40)
        ),
        max_size=30,
    )
)
def test_cash_and_value_are_conserved(trades):
    """Realised plus unrealised after cost equals what came in less what went out plus what
    is held."""
    position, cash, held = Position("005930"), 0, 0
    for side, qty, price, fee in trades:
        if side is Side.SELL and qty > held:
            continue
        held += qty if side is Side.BUY else -qty
        cash += (-1 if side is Side.BUY else 1) * qty * price - fee
        position.apply(side, fill(qty, price, fee))
    left_fees = position.cost_with_fees - position.cost
    assert position.qty == held
    assert position.realised_net + position.unrealised(5_000) - left_fees == cash + held * 5_000


def held_and_cash(desk: Desk) -> tuple[Position, int]:
    assert desk.core.state.cash is not None
    return desk.core.state.books.account.position(desk.order("b1").code), desk.core.state.cash


def trade(desk: Desk, key: str, side: Side, price: int, *parts: int, code: str = CODE) -> None:
    """An order that fills in parts at its price."""
    number = len(desk.core.state.books.orders) + 1
    desk.submit(key, side=side, qty=sum(parts), price=price, code=code)
    desk.sent(key, number)
    for second, part in enumerate(parts):
        desk.say(
            Notice(
                desk.now + second, "filled", number, 0, code, side, part, price, "06010", Venue.KRX
            )
        )


def test_o09_a_day_of_a_kospi_stock_by_hand():
    """Fee 0.0140527 % of each order, tax 0.20 % of each sale, both rounded down.

    Shares go first in, first out.

    | what              | value   | fee | tax   | of it matched               | realised |
    |-------------------|---------|-----|-------|-----------------------------|----------|
    | buy 10 at 70,000  | 700,000 | 98  |       |                             |          |
    | buy 7 at 70,500   | 493,500 | 69  |       |                             |          |
    | sell 12 at 71,300 | 855,600 | 120 | 1,711 | 10 at 70,000, 2 at 70,500   | 14,600   |
    | sell 5 at 70,700  | 353,500 | 49  | 707   | 5 at 70,500, parts of 3 + 2 | 1,000    |

    After cost the sales realise 98 + 19 + 120 + 1,711 and 50 + 49 + 707 won less.
    """
    desk = Desk([AccountOpened(NOON, 10_000_000, ())])
    trade(desk, "b1", Side.BUY, 70_000, 10)
    trade(desk, "b2", Side.BUY, 70_500, 7)
    trade(desk, "s1", Side.SELL, 71_300, 12)
    position, cash = held_and_cash(desk)
    assert (position.qty, position.cost, position.cost_with_fees) == (5, 352_500, 352_550)
    assert (position.realised, position.realised_net) == (14_600, 12_652)
    assert position.unrealised(70_000) == -2_500
    assert cash == 10_000_000 - 700_098 - 493_569 + 853_769
    # 5 at 70,600 bring 352,245 after 49 and 706; 5 at 70,700 bring 352,744 after 49 and 707:
    # 352,550 were paid.
    assert desk.core.rules.break_even(desk.now, CODE, position) == 70_700
    trade(desk, "s2", Side.SELL, 70_700, 3, 2)
    position, cash = held_and_cash(desk)
    assert (position.qty, position.average, position.costs) == (
        0,
        None,
        98 + 69 + 120 + 1_711 + 49 + 707,
    )
    assert position.realised_net == 12_652 + 194 == cash - 10_000_000


def test_o09_an_etf_pays_its_own_fee_and_no_tax():
    code = "069500"
    price = price_of(code) // 5 * 5
    desk = Desk([AccountOpened(NOON, 10**9, ())])
    trade(desk, "b1", Side.BUY, price, 30, code=code)
    trade(desk, "s1", Side.SELL, price + 10, 30, code=code)
    position, cash = held_and_cash(desk)
    fees = [30 * p * 146_527 // 10**9 for p in (price, price + 10)]
    assert (position.taxes, position.costs) == (0, sum(fees))
    assert position.realised_net == 300 - sum(fees) == cash - 10**9


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side),
            st.integers(-40, 40),
            st.lists(st.integers(1, 60), min_size=1, max_size=4),
        ),
        max_size=14,
    )
)
def test_o09_fill_matched_lots_equal_a_second_naive_computation(plan):
    """Share by share from a list, fees as fractions, against lots with whole won.

    Through the whole desk.
    """
    desk = Desk([AccountOpened(NOON, 10**10, ())])
    shares: list[tuple[int, Fraction]] = []
    flow = realised = 0
    matched, takes = Fraction(0), 0
    for count, (side, steps, parts) in enumerate(plan):
        price, key = price_of() + 100 * steps, f"b{count + 1}"
        if side is Side.SELL and sum(parts) > len(shares):
            continue
        trade(desk, key, side, price, *parts)
        for fill in desk.order(key).fills:
            value = fill.qty * price
            if side is Side.BUY:
                flow -= value + fill.fee
                shares += [(price, Fraction(fill.fee, fill.qty))] * fill.qty
            else:
                flow += value - fill.fee - fill.tax
                sold, shares = shares[: fill.qty], shares[fill.qty :]
                realised += sum(price - bought for bought, _ in sold)
                matched += sum(fee for _, fee in sold)
                takes += len({id(fee) for _, fee in sold}) + 1
        order = desk.order(key)
        total = sum(parts) * price
        assert (sum(f.fee for f in order.fills), sum(f.tax for f in order.fills)) == (
            total * 140_527 // 10**9,
            total * 2 // 1_000 if side is Side.SELL else 0,
        )
    position = desk.core.state.books.account.position(CODE)
    assert desk.core.state.cash == 10**10 + flow
    assert (position.qty, position.cost) == (len(shares), sum(price for price, _ in shares))
    assert position.realised == realised
    assert position.unrealised(price_of()) == sum(price_of() - price for price, _ in shares)
    left = position.cost_with_fees - position.cost
    assert abs(left - sum((fee for _, fee in shares), Fraction(0))) <= takes
    assert abs(position.buy_fees - left - matched) <= takes
    assert position.realised_net == flow + position.cost_with_fees


def test_o13_a_sale_of_shares_whose_cost_is_not_known_is_neither_won_nor_lost():
    position = Position("005930")
    position.apply(Side.SELL, fill(10, 3_000, fee=5, tax=60))
    assert (position.wins, position.losses, position.realised, position.realised_net) == (
        0,
        0,
        0,
        -65,
    )
    position.open(15, 5 * 2_000)
    position.apply(Side.SELL, fill(5, 3_000))
    assert (position.wins, position.losses, position.qty) == (1, 0, 0)
