"""Books are the fold of the desk's facts, whatever a session expected."""

from __future__ import annotations

from kisnb.events import IntentTaken
from kisnb.trading.order_book import Books
from tests.trading.desk import NOON, intent


def test_o11_the_intent_that_the_desk_took_counts_not_the_one_that_was_expected():
    books = Books()
    order = books.expect(intent("k", qty=11), NOON)
    books.apply(IntentTaken(NOON, intent("k", qty=10)))
    assert order.quantity == 10
