"""Positions and PnL from fills alone (row O09's arithmetic)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kisnb.orders import Fill
from kisnb.terms import Side, Venue
from kisnb.trading.ledger import Position


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


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(1, 9_999), st.integers(0, 40)), max_size=30
    )
)
def test_cash_and_value_are_conserved(trades):
    """Realised plus unrealised after cost equals what came in less what went out plus what is held."""
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
