"""H03: price, then time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kisnb.exchange.limit_book import LimitBook, Match
from kisnb.terms import Side

BUY, SELL = Side.BUY, Side.SELL


def book_of(*orders: tuple[int, Side, int, int]) -> LimitBook:
    book = LimitBook()
    for order in orders:
        assert book.add(*order) == []
    return book


def test_h03_better_prices_first_then_earlier_orders() -> None:
    book = book_of((1, SELL, 101, 10), (2, SELL, 100, 10), (3, SELL, 100, 10))
    assert book.add(9, BUY, 101, 25) == [
        Match(2, 9, 100, 10, 0),
        Match(3, 9, 100, 10, 0),
        Match(1, 9, 101, 5, 5),
    ]
    assert book.levels(SELL, 5) == ((101, 5),)
    assert book.best_bid is None


def test_h03_a_limit_order_rests_with_what_is_left() -> None:
    book = book_of((1, SELL, 100, 10))
    assert book.add(2, BUY, 100, 30) == [Match(1, 2, 100, 10, 0)]
    assert (book.best_bid, book.best_ask, book.leaves_of(2)) == (100, None, 20)


def test_h03_the_rest_of_a_market_order_is_dropped() -> None:
    book = book_of((1, BUY, 100, 10), (2, BUY, 90, 10))
    assert [m.price for m in book.add(3, SELL, None, 30)] == [100, 90]
    assert (book.leaves_of(3), book.best_ask, book.best_bid) == (0, None, None)


def test_o05_a_partial_cancel_keeps_its_place_and_more_than_left_takes_what_is_left() -> None:
    book = book_of((1, BUY, 100, 10), (2, BUY, 100, 10))
    assert book.cancel(1, 4) == 4
    assert [m.maker_id for m in book.add(3, SELL, 100, 7)] == [1, 2]
    assert book.cancel(2, 100) == 9
    assert book.cancel(2) == 0
    assert book.cancel(77) == 0


def test_h03_levels_are_best_first() -> None:
    book = book_of(
        (1, BUY, 98, 1), (2, BUY, 100, 2), (3, BUY, 99, 3), (4, SELL, 103, 4), (5, SELL, 101, 5)
    )
    assert book.levels(BUY, 2) == ((100, 2), (99, 3))
    assert book.levels(SELL, 10) == ((101, 5), (103, 4))


class AgainstAList(RuleBasedStateMachine):
    """The book against the plainest one: a list, sorted anew for each order."""

    def __init__(self) -> None:
        super().__init__()
        self.book = LimitBook()
        self.plain: list[list[int]] = []  # id, sign, price, left; in the order of arrival
        self.count = 0

    @rule(
        side=st.sampled_from(Side), price=st.none() | st.integers(95, 105), qty=st.integers(1, 20)
    )
    def add(self, side: Side, price: int | None, qty: int) -> None:
        self.count += 1
        sign = 1 if side is BUY else -1
        expected = []
        for maker in sorted((o for o in self.plain if o[1] == -sign), key=lambda o: sign * o[2]):
            if not qty or (price is not None and sign * maker[2] > sign * price):
                break
            n = min(qty, maker[3])
            qty -= n
            maker[3] -= n
            expected.append(Match(maker[0], self.count, maker[2], n, maker[3]))
        if qty and price is not None:
            self.plain.append([self.count, sign, price, qty])
        self.plain = [o for o in self.plain if o[3]]
        given_qty = qty + sum(m.qty for m in expected)
        assert self.book.add(self.count, side, price, given_qty) == expected

    @precondition(lambda self: self.plain)
    @rule(data=st.data(), qty=st.none() | st.integers(1, 25))
    def cancel(self, data: st.DataObject, qty: int | None) -> None:
        order = data.draw(st.sampled_from(self.plain))
        taken = order[3] if qty is None else min(qty, order[3])
        assert self.book.cancel(order[0], qty) == taken
        order[3] -= taken
        self.plain = [o for o in self.plain if o[3]]

    @invariant()
    def same_levels(self) -> None:
        for side, sign in ((BUY, 1), (SELL, -1)):
            totals = Counter[int]()
            for _, s, price, left in self.plain:
                if s == sign:
                    totals[price] += left
            best_first = sorted(totals.items(), key=lambda level: -sign * level[0])
            assert self.book.levels(side, 100) == tuple(best_first)
            assert [o.order_id for o in self.book.queue(side)] == [
                o[0]
                for o in sorted((o for o in self.plain if o[1] == sign), key=lambda o: -sign * o[2])
            ]
        assert self.book.order_ids() == [o[0] for o in self.plain]


TestAgainstAList = AgainstAList.TestCase


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(95, 105), st.integers(1, 50)), max_size=60
    )
)
def test_h03_the_book_is_never_crossed(orders: list[tuple[Side, int, int]]) -> None:
    book = LimitBook()
    for i, (side, price, qty) in enumerate(orders):
        book.add(i, side, price, qty)
        if book.best_bid is not None and book.best_ask is not None:
            assert book.best_bid < book.best_ask
