"""The true account of a simulated customer: invariant 3, to the won, and invariant 7."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.market.costs import BANKIS
from kisnb.market.universe import Universe
from kisnb.simulator.host.account.account import AccountRejected, SimulatedAccount
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.terms import Board, Kind, OrderKind, Side, Venue

DAY = date(2026, 11, 20)
ITEM = Universe.packaged().get("005930")
BUY, SELL = Side.BUY, Side.SELL


def order(number: int, side: Side, qty: int, price: int = 70_000) -> AccountOrder:
    reserve = price if side is BUY else 0
    return AccountOrder(0, number, ITEM, side, OrderKind.LIMIT, qty, price, reserve_price=reserve)


def test_a_buy_reserves_its_price_and_fee_until_it_ends() -> None:
    account = SimulatedAccount(DAY, 1_000_000)
    account.enter(order(1, BUY, 10))
    assert account.reserved == 700_000 + BANKIS.fee(700_000, Venue.KRX, Kind.STOCK)
    account.cancel(1, 10)
    assert account.reserved == 0
    assert account.orderable == 1_000_000


def test_two_buys_cannot_spend_the_same_cash() -> None:
    account = SimulatedAccount(DAY, 1_000_000)
    account.enter(order(1, BUY, 10))
    with pytest.raises(AccountRejected, match="cash"):
        account.enter(order(2, BUY, 10))


def test_a_share_can_be_offered_once() -> None:
    account = SimulatedAccount(DAY)
    account.enter(order(1, BUY, 10))
    account.fill(1, 10, 70_000)
    account.enter(order(2, SELL, 6))
    assert account.sellable(ITEM.code) == 4
    with pytest.raises(AccountRejected, match="holdings"):
        account.enter(order(3, SELL, 5))


def test_what_a_sale_brings_in_can_be_ordered_with_at_once_but_settles_in_two_days() -> None:
    account = SimulatedAccount(DAY, 1_000_000)
    account.enter(order(1, BUY, 10))
    account.fill(1, 10, 70_000)
    account.enter(order(2, SELL, 10))
    account.fill(2, 10, 71_000)
    fees = BANKIS.fee(700_000, Venue.KRX, Kind.STOCK) + BANKIS.fee(710_000, Venue.KRX, Kind.STOCK)
    tax = BANKIS.tax(710_000, DAY, Kind.STOCK, Board.KOSPI)
    assert account.settled_d2 == account.orderable == 1_000_000 - 700_000 + 710_000 - fees - tax
    assert account.deposit == 1_000_000


def test_only_a_live_order_can_be_cancelled() -> None:
    account = SimulatedAccount(DAY)
    account.enter(order(1, BUY, 10))
    account.cancel(1, 10)
    with pytest.raises(AccountRejected, match="no leaves"):
        account.cancellable(1)
    with pytest.raises(AccountRejected, match="no order"):
        account.cancellable(7)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "fill", "cancel", "expire"]),
        st.integers(1, 60),
        st.integers(1, 200),
    ),
    max_size=60,
)


@given(STEPS)
def test_cash_is_the_sum_of_flows_and_shares_the_sum_of_fills(
    steps: list[tuple[str, int, int]],
) -> None:
    account = SimulatedAccount(DAY, 10_000_000)
    flow = held = 0
    traded: Counter[int] = Counter()
    for n, (what, qty, tick) in enumerate(steps, start=1):
        price = 60_000 + tick * 100
        if what in ("buy", "sell"):
            try:
                account.enter(order(n, BUY if what == "buy" else SELL, qty, price))
            except AccountRejected:
                continue
        live = [o for o in account.orders.values() if o.leaves]
        if what in ("buy", "sell") or not live:
            continue
        target = live[tick % len(live)]
        qty = min(qty, target.leaves)
        if what == "fill":
            at = (
                target.price - 100 * (tick % 3)
                if target.side is BUY
                else target.price + 100 * (tick % 3)
            )
            # Fee and tax are rounded on what an order traded, however many fills it came in.
            before = traded[target.number]
            traded[target.number] = after = before + qty * at
            fee = BANKIS.fee(after, Venue.KRX, Kind.STOCK) - BANKIS.fee(
                before, Venue.KRX, Kind.STOCK
            )
            tax = 0
            if target.side is SELL:
                tax = sum(
                    n * BANKIS.tax(v, DAY, Kind.STOCK, Board.KOSPI)
                    for n, v in ((1, after), (-1, before))
                )
            flow += (-1 if target.side is BUY else 1) * qty * at - fee - tax
            held += qty if target.side is BUY else -qty
            account.fill(target.number, qty, at)
        elif what == "cancel":
            account.cancel(target.number, qty)
        else:
            account.expire(target.number, target.leaves)
    position = account.positions.get(ITEM.code)
    assert account.settled_d2 == account.deposit + flow
    assert (position.qty if position else 0) == held >= 0
    assert account.orderable >= 0
    assert account.sellable(ITEM.code) >= 0
    assert not position or (position.cost == 0 if not position.qty else position.cost > 0)
    assert all(
        o.qty == o.filled + o.cancelled + o.expired + o.leaves for o in account.orders.values()
    )
