"""Checks whether an open order may be revised, and says whether it loses its place in the queue."""

from __future__ import annotations

import msgspec

from kisnb.clock import Ns
from kisnb.market import order_rules
from kisnb.market.instruments import Instrument
from kisnb.orders import PENDING, Intent, Order
from kisnb.terms import OrderKind
from kisnb.trading.gate.risk import No
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks


def why_not_revised(now: Ns, books: OrderBooks, intent: Intent, item: Instrument) -> No | None:
    """Return why ``intent`` cannot revise the order that it supersedes now. None if it can."""
    old = books.orders.get(intent.supersedes or "")
    if old is None or old.ref is None or not old.is_open:
        what = "no order has this key" if old is None else f"the order is {old.state}"
        return No(
            f"nothing to revise: {what} ({intent.supersedes})",
            "place a new order if it is still wanted",
        )
    if old.intent.agent == EXTERNAL:
        return No("the order was not placed from here", "revise it where it was placed")
    if (intent.code, intent.side) != (old.code, old.side) or not intent.kind.priced:
        return No(
            f"a revise moves {old.intent.text} to another price",
            "keep stock and side, and give a price",
        )
    if intent.qty > old.leaves:
        return No(
            f"{intent.qty:,} shares are more than the {old.leaves:,} left",
            f"revise {old.leaves:,} or less",
        )
    others = (
        o for o in books.live.values() if o.intent.supersedes == old.key and o.key != intent.key
    )
    # Only one change at a time: while the outcome of the first is open, it is not known how many
    # shares can still move.
    if old.cancel_asked or any(o.state in PENDING for o in others):
        return No("another change of the order is under way", "wait until it is confirmed")
    # A revise stays at the order's own venue, so that venue is checked, and not the one to which
    # the router would send a new order.
    verdict = order_rules.legal(now, old.ref.venue, intent.kind, item)
    if verdict:
        return None
    # A revise keeps the kind, so another kind is not a cure.
    is_open = bool(order_rules.kinds(now, old.ref.venue, item))
    return No(
        verdict.why_not, f"cancel #{old.number} and place a new order" if is_open else verdict.cure
    )


def may_be_revised(now: Ns, books: OrderBooks, order: Order, item: Instrument) -> bool:
    """Return whether all leaves of ``order`` could move to another price now."""
    kept = msgspec.structs.replace(order.intent, key="", qty=order.leaves, supersedes=order.key)
    movable = kept.kind.priced and kept.kind is not OrderKind.STOP_LIMIT
    return movable and why_not_revised(now, books, kept, item) is None


def place_lost(old: Order, intent: Intent) -> str:
    """Return the reason text of a revise's route: the order keeps or loses its place in the queue.

    With a new price it loses its place. The rule is KRX's: price before time.
    """
    place = (
        "keeps its place"
        if intent.price == old.intent.price
        else "loses its place: the price changes"
    )
    return f"revises #{old.number}, {place}"
