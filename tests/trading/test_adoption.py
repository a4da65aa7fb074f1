"""An agent takes over a holding with its quantity and cost. Row A18, invariant 11."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.desk.record.archive import still_counting
from kisnb.events import AccountOpened, HoldingAdopted, Trouble
from kisnb.orders import OrderState
from kisnb.terms import OrderKind, Side
from kisnb.trading.gate.adoption import adoptable
from kisnb.trading.order_books.order_book import BY_HAND, NOBODY, UNASSIGNED, OrderBooks
from kisnb.trading.ports.commands import Halt
from kisnb.trading.ports.journal_rows import decode_row, encode_row
from kisnb.trading.ports.queries import AdoptHolding
from kisnb.trading.state import State
from tests.trading.desk import CODE, NOON, Desk, notice, price_of
from tests.trading.test_halt import answer as answer_switch

P = price_of()
COST = 20 * P + 1


def desk(held: int = 20, cost: int = COST) -> Desk:
    return Desk([AccountOpened(NOON, 10**10, ((CODE, held, cost),) if held else ())])


def adopt(one: Desk, qty: int | None = None, agent: str = "mom", key: str = "a") -> None:
    one.say(AdoptHolding(key, agent, CODE, qty))


def bought(one: Desk, key: str, number: int, qty: int, agent: str = BY_HAND) -> None:
    one.submit(key, qty=qty, agent=agent)
    one.sent(key, number)
    one.say(notice("filled", number, qty))


def sold(one: Desk, key: str, number: int, qty: int, price: int, agent: str = "mom") -> None:
    one.submit(key, qty=qty, agent=agent, side=Side.SELL, price=price)
    one.sent(key, number)
    one.say(notice("filled", number, qty, price, side=Side.SELL))


def books(one: Desk) -> OrderBooks:
    return one.core.state.books


def refused(one: Desk) -> str:
    return [e.text for e in one.published if isinstance(e, Trouble)][-1]


def test_a18_quantity_and_cost_go_over_and_the_account_is_what_it_was():
    one = desk()
    adopt(one)
    mom = books(one).of("mom").position(CODE)
    assert (mom.qty, mom.cost, mom.average) == (20, COST, COST / 20)
    assert books(one).of(UNASSIGNED).position(CODE).qty == 0
    assert books(one).unassigned == {}
    assert (books(one).account.position(CODE).qty, books(one).account.position(CODE).cost) == (
        20,
        COST,
    )


def test_a18_shares_that_are_not_adopted_stay_unassigned():
    one = desk()
    adopt(one, 5)
    assert books(one).unassigned == {CODE: 15}
    assert books(one).of("mom").position(CODE).cost == 5 * P
    assert books(one).of(UNASSIGNED).position(CODE).cost == 15 * P + 1


def test_a18_a_sale_is_measured_against_the_holding_s_own_cost_to_the_won():
    """The agent's own buy at another price is matched after the adopted shares: first in, first out
    in its book."""
    one = desk()
    adopt(one)
    bought(one, "b", 1, 10, agent="mom")
    sold(one, "s", 2, 20, P + 1_000)
    mom = books(one).of("mom").position(CODE)
    (fill,) = one.order("s").fills
    assert mom.realised == 20 * (P + 1_000) - COST
    assert mom.realised_net == mom.realised - fill.fee - fill.tax
    assert (mom.qty, mom.cost, mom.unrealised(P - 100)) == (10, 10 * P, -1_000)


def test_a18_shares_that_a_person_bought_bring_the_fee_of_their_buy_along():
    one = desk(held=0)
    bought(one, "b", 1, 10)
    (buy,) = one.order("b").fills
    adopt(one)
    mom = books(one).of("mom").position(CODE)
    assert mom.cost_with_fees == 10 * P + buy.fee
    sold(one, "s", 2, 10, P)
    (sell,) = one.order("s").fills
    assert mom.realised_net == -(buy.fee + sell.fee + sell.tax)
    assert mom.qty == 0


def test_a18_the_break_even_price_of_an_adopted_holding_covers_fee_and_tax():
    one = desk()
    adopt(one)
    price = one.core.rules.break_even(NOON, CODE, books(one).of("mom").position(CODE))
    for at, earns in ((price, True), (price - 100, False)):
        fee, tax = one.core.rules.fee_and_tax(
            NOON, CODE, Side.SELL, 0, 20 * at, one.core.rules.capabilities.venues[0]
        )
        assert (20 * at - fee - tax >= COST) is earns


def test_a18_it_is_a_row_of_the_journal_and_survives_a_restart_and_the_archive():
    one = desk()
    adopt(one, 8)
    row = one.rows[-1]
    assert isinstance(row, HoldingAdopted)
    assert (row.qty, row.cost, decode_row(encode_row(row))) == (8, 8 * P, row)
    for rows in (one.rows, still_counting(one.rows)):
        again = State.fold(rows).books
        assert again.of("mom").position(CODE).cost == 8 * P
        assert again.unassigned == {CODE: 12}


def test_a18_an_adoption_of_what_is_sold_out_leaves_the_journal_with_it():
    one = desk()
    adopt(one)
    sold(one, "s", 1, 20, P)
    kept = still_counting(one.rows)
    assert not any(isinstance(row, HoldingAdopted) for row in kept)
    assert State.fold(kept).books.unassigned == {}


def test_a18_a_repeated_call_moves_nothing_and_another_under_its_key_is_refused():
    one = desk()
    adopt(one, 5)
    adopt(one, 5)
    assert books(one).of("mom").position(CODE).qty == 5
    adopt(one, 6)
    assert "already let mom adopt 5" in refused(one)
    adopt(one, 6, key="b")
    assert books(one).of("mom").position(CODE).qty == 11


@pytest.mark.parametrize(
    ("qty", "agent", "why"),
    [
        (21, "mom", "20 shares"),
        (0, "mom", "at least 1"),
        (5, UNASSIGNED, "not an agent"),
        (5, "", "not an agent"),
    ],
)
def test_a18_what_cannot_be_adopted_is_refused_with_its_cure(qty: int, agent: str, why: str):
    one = desk()
    adopt(one, qty, agent)
    assert why in refused(one)
    assert not any(isinstance(row, HoldingAdopted) for row in one.rows)


def test_a18_another_agent_s_shares_and_those_on_sale_cannot_be_adopted():
    one = desk()
    adopt(one, 5, "other", "o")
    one.submit("s", side=Side.SELL, qty=10)
    one.sent("s", 1)
    assert adoptable(books(one), CODE) == 5
    adopt(one, 6)
    assert "5 shares" in refused(one)


def test_a18_an_agent_sells_what_is_its_own_and_is_told_how_to_get_the_rest():
    one = desk()
    one.submit("s1", side=Side.SELL, qty=5, agent="mom")
    assert one.order("s1").state is OrderState.DENIED
    assert f"%kis agents adopt mom {CODE}" in one.order("s1").text
    adopt(one, 5)
    one.submit("s2", side=Side.SELL, qty=5, agent="mom")
    assert one.order("s2").state is OrderState.SENDING
    one.sent("s2", 1)
    one.submit("s3", side=Side.SELL, qty=1, agent="mom")
    assert one.order("s3").state is OrderState.DENIED, "its five are on sale already"
    one.submit("s4", side=Side.SELL, qty=15)
    assert one.order("s4").state is OrderState.SENDING, "a person sells what no agent holds"


def test_a07_flatten_sells_an_agent_s_shares_in_its_own_name():
    one = desk()
    adopt(one, 8)
    one.say(Halt("enough", flatten=True))
    answer_switch(one)
    one.sent(one.sends[-1].intent.key, 1)
    sells = [(s.intent.agent, s.intent.qty, s.intent.kind) for s in one.sends]
    assert sells == [("mom", 8, OrderKind.MARKET), (UNASSIGNED, 12, OrderKind.MARKET)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell", "adopt"]),
            st.sampled_from(["", "a", "b"]),
            st.integers(1, 30),
        ),
        max_size=25,
    )
)
def test_invariant_11_the_agents_and_nobody_hold_what_the_account_holds(steps):
    """And all that was paid and earned is in some book, to the won, whoever's book the shares went
    through."""
    one = desk()
    for number, (what, agent, qty) in enumerate(steps, start=1):
        key, price = f"k{number}", P + 100 * (number % 7 - 3)
        if what == "adopt":
            adopt(one, qty, agent or "a", key)
            continue
        side = Side.BUY if what == "buy" else Side.SELL
        one.submit(key, qty=qty, agent=agent, side=side, price=price)
        if one.order(key).state is OrderState.SENDING:
            one.sent(key, number)
            one.say(notice("filled", number, qty, price, side=side))
    every, account = books(one).agents, books(one).account.position(CODE)
    agents = sum(b.position(CODE).qty for name, b in every.items() if name not in NOBODY)
    assert agents + books(one).unassigned.get(CODE, 0) == account.qty
    assert sum(b.position(CODE).qty for b in every.values()) == account.qty
    assert all(b.position(CODE).qty >= 0 for name, b in every.items() if name not in NOBODY)
    paid = sum(f.fee + f.tax for _, f in books(one).account.fills)
    flow = (
        sum(
            (1 if o.side is Side.SELL else -1) * f.qty * f.price
            for o, f in books(one).account.fills
        )
        - paid
    )
    assert account.realised_net - account.cost_with_fees == flow - COST
    if not any(o.intent.agent == "" and o.side is Side.SELL for o in books(one).orders.values()):
        positions = [b.position(CODE) for b in every.values()]
        assert sum(p.realised_net - p.cost_with_fees for p in positions) == flow - COST
