"""Notebooks, kernels and a desk in small.

They order as a session does, by ``RunCalls`` and ``place``.

The desk's state is real and folded from rows. What KIS does to an order is said by the test.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from kisnb.clock import DAY, SECOND, Ns, kst_day
from kisnb.events import (
    Accepted,
    Cancelled,
    Denied,
    Expired,
    Filled,
    IntentTaken,
    OrderShown,
    Rejected,
    Resolved,
    SendStarted,
    SendUnknown,
    Sent,
)
from kisnb.orders import Intent, Naming, OrderRef, Place, Route, Wish
from kisnb.session.typed_orders.run_calls import Claim, RunCalls
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.ports.commands import ReviseOrder, ShowOrder, Submit
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.queries import OrderRequest
from kisnb.trading.ports.replies import PlaceAnswer
from kisnb.trading.state import State
from kisnb.trading.typed_orders.naming_rule import NamingRule, Refuse, SendNew, ShowKnown
from kisnb.trading.typed_orders.placing import commands, is_dead, naming_rule, place
from tests.trading.desk import NOON

SCOPE = "run"
Fate = Literal[
    "accepted",
    "denied",
    "rejected",
    "unknown",
    "never",
    "cancelled",
    "expired",
    "filled",
]


@dataclass(frozen=True)
class Buy:
    """A call in a cell, as it is written and as it is evaluated."""

    code: str = "A"
    qty: int | None = 1
    price: int | None = None
    again: int = 0
    key: str = ""
    source: str = ""
    """The call as written, without ordinal and key; left out, what it evaluates to."""
    at: Hashable = None
    """Its position; left out, its place in the cell."""
    fate: Fate = "accepted"
    lost: bool = False
    """The caller went before the outcome came."""
    revises: str = ""
    agent: str = ""
    """Of an adoption."""

    @property
    def call(self) -> str:
        price = "" if self.price is None else f" @{self.price}"
        return self.source or f"buy {self.code} {self.qty}{price}"

    @property
    def text(self) -> str:
        ordinal = f" --again {self.again}" if self.again else ""
        return f"{self.call}{ordinal}{f' --key {self.key}' if self.key else ''}"

    @property
    def wish(self) -> Wish:
        side = None if self.agent else Side.BUY
        price, old, agent = self.price, self.revises, self.agent
        return Wish(self.code, side, self.qty, price=price, revises=old, agent=agent)

    @property
    def intent(self) -> Intent:
        kind = OrderKind.MARKET if self.price is None else OrderKind.LIMIT
        old = self.revises or None
        return Intent("", "", self.code, Side.BUY, self.qty or 10, kind, self.price, supersedes=old)


@dataclass(frozen=True)
class Asked:
    """What a call was answered."""

    run: Run
    call: Buy
    word: str
    """send, show, denied, rejected, or refuse and its letter."""
    key: str
    again: int = 0
    """The ordinal that a refusal printed."""


class DeskModel:
    """A desk whose clock the test moves. ``#n`` is the n-th order that it sent."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.state = State()
        self.now: Ns = NOON
        self.sent: list[str] = []
        self.log: list[Asked] = []
        self.kernels = itertools.count(1)
        self.tokens = itertools.count(1)

    def keep(self, row: Row) -> None:
        self.rows.append(row)
        self.state.apply(row)

    def restart(self) -> None:
        """The desk dies and folds its journal."""
        self.state = State.fold(self.rows)

    def next_day(self) -> None:
        self.now += DAY

    def ask(self, requests: Sequence[OrderRequest]) -> tuple[PlaceAnswer, ...]:
        self.now += SECOND
        answers = place(self.now, self.state, SCOPE, requests)
        for command in commands(self.state, requests, answers):
            match command:
                case Submit() | ReviseOrder():
                    self.keep(IntentTaken(self.now, command.intent, command.naming))
                    self.sent.append(command.intent.key)
                case ShowOrder(key=key, place=where, token=token):
                    self.keep(OrderShown(self.now, key, where, token))
        return answers

    def rule(self) -> NamingRule:
        return naming_rule(self.now, self.state, SCOPE)

    def is_dead(self, key: str) -> bool:
        return is_dead(self.state.books, key)

    def number(self, key: str) -> str:
        return f"#{self.sent.index(key) + 1}"

    def befall(self, key: str, fate: Fate) -> None:
        """What becomes of an order."""
        t, n = self.now, len(self.rows)
        if fate == "denied":
            self.keep(Denied(t, key, "the gate is shut"))
            return
        self.keep(SendStarted(t, key, Route(Venue.KRX, OrderKind.LIMIT, "test")))
        if fate == "rejected":
            self.keep(Rejected(t, key, "APBK0000", "no"))
            return
        if fate in ("unknown", "never"):
            self.keep(SendUnknown(t, key, "the line broke"))
            if fate == "never":
                self.keep(Resolved(t, key, None, "it is not in the list"))
            return
        ref = OrderRef(20261120, "06010", n)
        self.keep(Sent(t, key, ref))
        self.keep(Accepted(t, key, ref))
        qty = self.state.books.orders[key].quantity
        if fate == "cancelled":
            self.keep(Cancelled(t, key, qty))
        elif fate == "expired":
            self.keep(Expired(t, key, qty))
        elif fate == "filled":
            self.keep(Filled(t, key, qty, 70_000, 0, 0, Venue.KRX))


@dataclass
class Kernel:
    """A kernel and its notebook; an unknown notebook is ``""``."""

    desk: DeskModel
    notebook: str = "n.ipynb"
    calls: RunCalls = field(default_factory=RunCalls)
    runs: int = 0

    def __post_init__(self) -> None:
        self.name = f"kernel {next(self.desk.kernels)}"

    def restarted(self) -> Kernel:
        """The same notebook with a new kernel."""
        return Kernel(self.desk, self.notebook)

    def begin(self, cell: str, *texts: str) -> Run:
        """A run of a cell; ``texts`` are those of the cell and of the cells that it runs."""
        self.runs += 1
        return Run(self, self.runs, cell, texts)

    def run(self, cell: str, *calls: Buy, text: str = "") -> str:
        """Run a cell that makes these calls; a refusal or a dead order ends the run."""
        run = self.begin(cell, text or "\n".join(call.text for call in calls))
        done: list[str] = []
        for n, call in enumerate(calls):
            done.append(run.order(replace(call, at=n if call.at is None else call.at)))
            if done[-1].startswith("refuse"):
                break
        return " · ".join(done)


@dataclass
class Run:
    """One run of one cell; a task that the cell started keeps it."""

    kernel: Kernel
    number: int
    cell: str
    texts: tuple[str, ...]

    def naming(self, call: Buy) -> Naming:
        kernel = self.kernel
        where = f"cell [{self.number}] of {kernel.notebook or 'a notebook'} ({kernel.name})"
        notebook, texts = kernel.notebook, self.texts
        place = Place(kernel.name, self.number, notebook, self.cell, texts, call.call, where)
        token = f"t{next(kernel.desk.tokens)}"
        return Naming(call.wish, place, call.again, call.key, token)

    def begin(self, call: Buy, naming: Naming) -> Claim | Refuse:
        desk, calls = self.kernel.desk, self.kernel.calls
        day = kst_day(desk.now)
        return calls.begin(
            naming,
            call.at,
            naming.token,
            desk.is_dead,
            day=day,
            first_free=lambda asked: desk.state.names.first_free(day, asked),
        )

    def order(self, call: Buy) -> str:
        """What becomes of a call, in the words of the table of cases."""
        desk, calls = self.kernel.desk, self.kernel.calls
        claim = self.begin(call, self.naming(call))
        if isinstance(claim, Refuse):
            return self.refused(call, claim)
        request = OrderRequest(call.intent, claim.naming, calls.answered(self.number))
        outcome = desk.rule().answer(claim.naming, request.answered)
        (answer,) = desk.ask([request])
        match outcome:
            case Refuse():
                assert answer.outcome == "refused"
                if outcome.again:
                    assert f"--again {outcome.again} (again={outcome.again})" in answer.cure
                calls.drop(claim)
                return self.refused(call, outcome)
            case ShowKnown(key=key):
                assert (answer.outcome, answer.intent.key) == ("shown", key)
                word = "show"
            case SendNew(key=key):
                assert (answer.outcome, answer.intent.key) == ("sent", key)
                word = call.fate if call.fate in ("denied", "rejected") else "send"
        calls.answer(claim, key)
        if answer.outcome == "sent":
            desk.befall(key, call.fate)
        (calls.lose if call.lost else calls.reach)(claim)
        desk.log.append(Asked(self, call, word, key))
        return f"{word} {desk.number(key)}{', not reached' if call.lost else ''}"

    def refused(self, call: Buy, refuse: Refuse) -> str:
        word = f"refuse {refuse.letter}"
        self.kernel.desk.log.append(Asked(self, call, word, refuse.key, refuse.again))
        number = self.kernel.desk.number(refuse.key)
        again = f" → again {refuse.again}" if refuse.again else ""
        return f"{word} {number}{again}"

    def batch(self, *lines: Buy) -> str:
        """One call of several orders, all or none."""
        desk, calls = self.kernel.desk, self.kernel.calls
        claims: list[Claim] = []
        for n, line in enumerate(lines):
            claim = self.begin(replace(line, at=("batch", n)), self.naming(line))
            assert isinstance(claim, Claim)
            claims.append(claim)
        answered = calls.answered(self.number)
        pairs = zip(lines, claims, strict=True)
        requests = [OrderRequest(x.intent, c.naming, answered) for x, c in pairs]
        told = []
        for answer, claim in zip(desk.ask(requests), claims, strict=True):
            if answer.outcome == "refused":
                calls.drop(claim)
                told.append("refuse")
                continue
            calls.answer(claim, answer.intent.key)
            calls.reach(claim)
            word = "send" if answer.outcome == "sent" else "show"
            told.append(f"{word} {desk.number(answer.intent.key)}")
        return " · ".join(told)
