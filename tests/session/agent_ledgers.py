"""What each agent's order book and the simulator's ledger must agree on, order by order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kisnb.orders import Order
from kisnb.session.session import Session


def agent_differences(session: Session, truth: dict[str, Any]) -> list[str]:
    """Each difference as a sentence; none when all shares and every won agree."""
    return [*_orders(session, truth), *_shares(session, truth), *_won(session, truth)]


def _orders(session: Session, truth: dict[str, Any]) -> Iterator[str]:
    lines = {line["number"]: line for line in truth["orders"]}
    ours: dict[int, tuple[str, Order]] = {}
    for name, book in session.books.agents.items():
        for order in book.orders.values():
            if order.number is None:
                continue
            if order.number in ours:
                yield f"#{order.number} is in two order books: {name}, {ours[order.number][0]}"
            ours[order.number] = name, order
            line = lines.get(order.number)
            if line is None:
                yield f"{order!r} of {name} is not in the ledger"
                continue
            value = sum(fill.qty * fill.price for fill in order.fills)
            leaves = order.leaves if order.is_open else 0
            here = (order.code, order.quantity, order.filled, value, leaves)
            there = (line["code"], line["qty"], line["filled"], line["value"], line["leaves"])
            if here != there:
                yield f"{order!r} of {name}: {here}, but the ledger has {there}"
    for number, line in lines.items():
        if line["filled"] and number not in ours:
            yield f"#{number} of the ledger is in no order book: {line}"


def _shares(session: Session, truth: dict[str, Any]) -> Iterator[str]:
    held = {h["code"]: h["qty"] for h in truth["holdings"] if h["qty"]}
    books = session.books
    ours = {code: p.qty for code, p in books.account.positions.items() if p.qty}
    if held != ours:
        yield f"the ledger holds {held}, the account's order book {ours}"
    for code in {*held, *ours}:
        parts = sum(book.position(code).qty for book in books.agents.values())
        if parts != held.get(code, 0):
            yield f"{code}: {parts} in the order books of all owners, {held.get(code, 0)} are held"


def _won(session: Session, truth: dict[str, Any]) -> Iterator[str]:
    fills = [fill for book in session.books.agents.values() for _, fill in book.fills]
    costs = sum(fill.fee for fill in fills), sum(fill.tax for fill in fills)
    if costs != (truth["fees"], truth["taxes"]):
        yield f"fees and taxes {costs}, the ledger has {truth['fees'], truth['taxes']}"
    cash = session._parts.state.desk.cash
    if cash != truth["settled_d2"]:
        yield f"cash {cash}, the ledger has {truth['settled_d2']}"
