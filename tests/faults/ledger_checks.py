"""What a session and the simulator's ledger must agree on after the campaign with real
processes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kisnb.desk.record.journal_frame import find_journal, read_journal
from kisnb.events import AccountOpened, SendStarted
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode, Side
from kisnb.trading.state import State
from tests.session.opening import DAY, desk_log, posts, secrets

from .notebook import AGENTS, TYPED

Ledger = dict[str, Any]
SIDES = {"TTTC0012U": Side.BUY, "TTTC0011U": Side.SELL}
CANCEL = "02"
NUMBER = int(DAY.replace("-", ""))


def differences(session: Session, ledger: Ledger) -> list[str]:
    """Between two of: session, journal, ledger, requests; while orders may still be open."""
    return [
        *_orders(session, ledger),
        *_sent_once(session),
        *_sums(session),
        *_journal(session),
        *_secrets(),
    ]


def settled_differences(session: Session, ledger: Ledger) -> list[str]:
    """As ``differences``, when nothing is open any more: money and shares besides."""
    left = [f"still open: {order!r}" for order in session.books.live.values()]
    return [*left, *differences(session, ledger), *_totals(session, ledger)]


def _orders(session: Session, ledger: Ledger) -> Iterator[str]:
    """None lost, none invented: every order of the ledger is one of the books, and has the same
    fills."""
    books = session.books
    there = {
        o["number"]: o
        for o in ledger["orders"]
        if not (o["original"] and o["state"] == "confirmed")
    }
    ours = {o.number: o for o in books.orders.values() if o.number is not None}
    for order in books.orders.values():
        if order.number is not None and order.number not in there:
            yield f"{order!r} is not in the ledger"
        if order.quantity != order.filled + order.cancelled + order.leaves:
            yield f"{order!r}: its shares do not add up"
    unknown = [o for o in books.live.values() if o.state is OrderState.UNKNOWN]
    for number, line in there.items():
        found = ours.get(number)
        if found is None:
            if not any(
                (o.code, o.side, o.quantity) == (line["code"], line["side"], line["qty"])
                for o in unknown
            ):
                yield f"#{number} of the ledger is not in the books: {line}"
        elif (found.filled, found.leaves if found.is_open else 0) != (
            line["filled"],
            line["leaves"],
        ):
            yield f"{found!r}, but the ledger has {line}"
        elif found.quantity != line["qty"] or found.code != line["code"]:
            yield f"{found!r} is taken for another: {line}"


def _sent_once(session: Session) -> Iterator[str]:
    """Every wish went out once at most, and what went out stands in the journal as begun."""
    sent = Counter(_wish(line) for line in posts())
    sent.update(
        ("revise", line["params"]["ORGN_ODNO"]) for line in posts("order-rvsecncl")
        if line["params"]["RVSE_CNCL_DVSN_CD"] != CANCEL
    )  # fmt: skip
    for wish, times in sent.items():
        if times > 1:
            yield f"{wish} was sent {times} times"
    begun = {
        row.key for _, row in read_journal(find_journal(Mode.SIM)) if isinstance(row, SendStarted)
    }
    kept = {(o.code, o.side, o.quantity) for o in session.books.orders.values() if o.key in begun}
    for wish in sent:
        if wish[0] != "revise" and wish not in kept:
            yield f"{wish} was sent, and the journal does not know of it"


def _wish(line: dict[str, Any]) -> tuple[str, Side, int]:
    return line["params"]["PDNO"], SIDES[line["tr_id"]], int(line["params"]["ORD_QTY"])


def _sums(session: Session) -> Iterator[str]:
    """The agents' positions and what nobody holds make the account's."""
    books = session.books
    for code in books.account.positions:
        whole = books.account.position(code).qty
        parts = sum(book.position(code).qty for book in books.agents.values())
        if whole != parts:
            yield f"{code}: {whole} in the account's book, {parts} in all the others"


def _journal(session: Session) -> Iterator[str]:
    """The journal folds to the same books as the session has followed, and the account was opened
    once."""
    rows = [row for _, row in read_journal(find_journal(Mode.SIM))]
    folded = State.fold(rows)
    here, there = _picture(session.books.orders), _picture(folded.books.orders)
    if here != there:
        yield f"the session has {sorted(here ^ there)} apart from the journal"
    openings = [row for row in rows if isinstance(row, AccountOpened)]
    if len(openings) > 1:
        yield f"a difference was taken as it is: {openings[1:]}"


def _picture(orders: dict[str, Order]) -> set[tuple[object, ...]]:
    return {(o.key, str(o.state), o.number or 0, o.filled, o.cancelled) for o in orders.values()}


def _secrets() -> Iterator[str]:
    shown = desk_log()
    if any(secret in shown for secret in secrets()):
        yield "a secret stands in the desk's log"


def _totals(session: Session, ledger: Ledger) -> Iterator[str]:
    """Money and shares, to the won."""
    held = {h["code"]: h["qty"] for h in ledger["holdings"] if h["qty"]}
    ours = {code: p.qty for code, p in session.books.account.positions.items() if p.qty}
    if held != ours:
        yield f"the ledger holds {held}, the books {ours}"
    state = State.fold(row for _, row in read_journal(find_journal(Mode.SIM)))
    if state.cash != ledger["settled_d2"]:
        yield f"cash {state.cash} in the books, {ledger['settled_d2']} at KIS"
    mine = [o for o in ledger["orders"] if o["code"] in (*TYPED, AGENTS)]
    if not mine:
        yield f"nothing was ordered: {json.dumps(ledger)[:200]}"
