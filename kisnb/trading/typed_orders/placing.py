"""Answers typed orders and words the answers: sent, shown or refused (row O11).

The session decides first, from the orders that it knows. The desk decides again from the whole
journal, and its decision counts. Both call ``place``, so both use the same words. In this module,
``known`` has the orders to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.events import HoldingAdopted
from kisnb.orders import Intent, Naming, Order, same_wish
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.order_books.order_words import named_order
from kisnb.trading.ports.commands import ReviseOrder, ShowOrder, Submit
from kisnb.trading.ports.queries import AdoptHolding, OrderRequest
from kisnb.trading.ports.replies import PlaceAnswer
from kisnb.trading.typed_orders.naming_rule import NamingRule, Refuse, SendNew, ShowKnown
from kisnb.trading.typed_orders.order_names import NamedOrder, OrderNames

KEPT = "nothing new was sent, because another order of this call is refused"


class Known(Protocol):
    """The orders with which ``place`` compares: a desk's state, or a session's copy of it."""

    @property
    def books(self) -> OrderBooks:
        """The orders and adoptions."""
        ...

    @property
    def names(self) -> OrderNames:
        """The namings of typed orders and adoptions."""
        ...


def is_dead(books: OrderBooks, key: str) -> bool:
    """Return whether the order was denied or rejected. An adoption is never dead."""
    order = books.orders.get(key)
    return order is not None and order.is_dead


def root_of(books: OrderBooks, key: str) -> str:
    """Return the key of the first order in the chain of revises that ends with this key."""
    # A revise may be revised again. Two calls about any two orders of one chain are about the same
    # shares.
    while (order := books.orders.get(key)) is not None and order.intent.supersedes:
        key = order.intent.supersedes
    return key


def naming_rule(now: Ns, known: Known, scope: str) -> NamingRule:
    """Return the rule for one call. ``scope`` (account or simulator run) becomes part of keys."""
    books = known.books
    return NamingRule(
        now,
        known.names,
        scope,
        is_dead=lambda key: is_dead(books, key),
        is_key=lambda key: key in books.orders or key in books.adoptions,
        root=lambda key: root_of(books, key),
    )


# orders


def place(
    now: Ns,
    known: Known,
    scope: str,
    requests: Sequence[OrderRequest],
) -> tuple[PlaceAnswer, ...]:
    """Return the answers to the orders of one call. If one is refused, all are refused."""
    # One rule object answers the whole call: each answer counts for the next request, so that two
    # equal lines of a batch do not get one key.
    rule, plain = naming_rule(now, known, scope), dict[str, Intent]()
    answers = tuple(_answer(known, rule, plain, request) for request in requests)
    if all(answer.outcome != "refused" for answer in answers):
        return answers
    # A batch is sent as a whole or not at all. Otherwise a person who corrects the refused line and
    # runs the cell again would get the orders of the first run.
    return tuple(
        answer if answer.outcome == "refused" else PlaceAnswer("refused", request.intent, KEPT)
        for request, answer in zip(requests, answers, strict=True)
    )


def commands(
    known: Known, requests: Sequence[OrderRequest], answers: Sequence[PlaceAnswer]
) -> list[Submit | ReviseOrder | ShowOrder]:
    """Return the commands that carry out the answers of ``place``. Empty for a refused call."""
    wanted: list[Submit | ReviseOrder | ShowOrder] = []
    for request, answer in zip(requests, answers, strict=True):
        intent, naming = answer.intent, request.naming
        if answer.outcome == "refused":
            # ``place`` has refused all orders of the call together, so none of them may be sent.
            return []
        if answer.outcome == "sent":
            wanted.append((ReviseOrder if intent.supersedes else Submit)(intent, naming))
        # Each place at which an order was shown is journaled. Then the next run there is a
        # repetition too, even after a restart.
        elif naming is not None and (shown := show(known.names, intent.key, naming)) is not None:
            wanted.append(shown)
    return wanted


def show(names: OrderNames, key: str, naming: Naming) -> ShowOrder | None:
    """Return the command that journals a shown order. None when the journal has it already."""
    named = names.get(key)
    # A cell that runs a hundred times must not add a hundred rows.
    if named is None or named.is_known_at(naming.place):
        return None
    return ShowOrder(key, naming.place, naming.token)


def _answer(
    known: Known,
    rule: NamingRule,
    plain: dict[str, Intent],
    request: OrderRequest,
) -> PlaceAnswer:
    intent, naming = request.intent, request.naming
    if naming is None:
        return _answer_plain(known, plain, intent)
    outcome = rule.answer(naming, request.answered)
    match outcome:
        case SendNew(key=key):
            return PlaceAnswer("sent", msgspec.structs.replace(intent, key=key))
        case ShowKnown(key=key):
            order = known.books.orders.get(key)
            # An order that this call itself sends is not in the order books yet.
            same = order.intent if order is not None else msgspec.structs.replace(intent, key=key)
            return PlaceAnswer("shown", same, shown_text(known, rule, naming, key))
        case Refuse():
            text, cure = refusal(known, rule, intent.text, naming, outcome)
            return PlaceAnswer("refused", intent, text, cure)


def _answer_plain(known: Known, plain: dict[str, Intent], intent: Intent) -> PlaceAnswer:
    """Answer an order without a naming. It keeps its own key.

    Agents send such orders, and so do calls that need no naming (``ticket``). ``plain`` has the
    earlier orders of this call by key.
    """
    order = known.books.orders.get(intent.key)
    # ``plain`` has the orders of this call itself, which are in no order book yet.
    before = order.intent if order is not None else plain.get(intent.key)
    if before is None:
        plain[intent.key] = intent
        return PlaceAnswer("sent", intent)
    at = f", at {clock_text(order.t)}" if order is not None else " in this call"
    if same_wish(before, intent):
        text = f"sent before{at}; nothing new was sent; another key sends another"
        return PlaceAnswer("shown", before, text)
    what = _order(order) if order is not None else before.text
    text = f"the key {intent.key!r} already names {what}{at}; this call asks for {intent.text}"
    return PlaceAnswer("refused", intent, text, "give the new order another key")


# words for people


def shown_text(known: Known, rule: NamingRule, naming: Naming, key: str) -> str:
    """Return a sentence: where and when a shown order was sent, and how to send another."""
    named = rule.named(key)
    adopts = naming.wish.side is None
    done = "carried out" if adopts else "tried" if is_dead(known.books, key) else "sent"
    nothing = "nothing more was adopted" if adopts else "nothing new was sent"
    told = [f"{done} before{_when(named)}", nothing]
    again = "adopts once more" if adopts else "sends another"
    if naming.name:
        told.append(f"another name (key=) {again}")
    else:
        n = rule.first_free(naming)
        told.append(f"--again {n} (again={n}) {again}")
    return "; ".join(told)


def refusal(
    known: Known,
    rule: NamingRule,
    asked: str,
    naming: Naming,
    refused: Refuse,
) -> tuple[str, str]:
    """Return why a call is refused, and the cure. ``asked`` is the order of the call in words."""
    named = rule.named(refused.key)
    what = _described(known.books, refused.key, asked)
    when = _when(named)
    match refused.letter:
        case "key":
            tried = is_dead(known.books, refused.key)
            text = _name_taken(naming.name, f"{what}{when}", asked, tried=tried)
            return text, "choose another name"
        case "g":
            text = f"this run of the cell already asked for {what}{when}"
            n = refused.again
            return text, (
                f"number the orders of a loop from 0 with again=i: 0 is the order that was sent, "
                f"--again {n} (again={n}) the next; or name each with key=, or write an Agent"
            )
        case "b":
            text = f"another cell already sent {what}{when}"
        case "c":
            text = f"this call already sent {what}{when}; now it asks for {asked}"
        case "d":
            text = f"an earlier kernel already tried {what}{when}"
    return text, _cure(refused.again, adopts=naming.wish.side is None)


def _name_taken(name: str, what: str, asked: str, *, tried: bool) -> str:
    if tried:
        return f"an earlier kernel already tried the name {name!r}: {what}"
    return f"the name {name!r} belongs to {what}; this call asks for {asked}"


def _cure(n: int, *, adopts: bool) -> str:
    once = "to adopt once more" if adopts else "to send one more"
    daily = "for what you mean every day"
    return f"{once}: --again {n} (again={n}); {daily}: --key NAME (key='NAME')"


def _when(named: NamedOrder | None) -> str:
    """Return when and where an order was typed, as far as that is known. Otherwise empty.

    The form is ``", at 09:01:05 from cell [3] of 04_orders.ipynb (process 4711)"``.
    """
    if named is None:
        return ""
    where = named.naming.place.where
    return f", at {clock_text(named.t)}{f' from {where}' if where else ''}"


def _described(books: OrderBooks, key: str, asked: str) -> str:
    if (order := books.orders.get(key)) is not None:
        return _order(order)
    if (taken := books.adoptions.get(key)) is not None:
        return adoption_text(taken)
    return asked


def _order(order: Order) -> str:
    why = f": {order.text}" if order.is_dead and order.text else ""
    return f"{named_order(order)} ({order.state}{why})"


def adoption_text(taken: HoldingAdopted) -> str:
    """Return an adoption in words, such as ``"the adoption of 5 005930 by mom"``."""
    return f"the adoption of {taken.qty:,} {taken.code} by {taken.agent}"


def adoption_asked(wish: AdoptHolding) -> str:
    """Return a requested adoption in words, such as ``"the adoption of 5 005930 by mom"``."""
    what = "all" if wish.qty is None else f"{wish.qty:,}"
    return f"the adoption of {what} {wish.code} by {wish.agent}"
