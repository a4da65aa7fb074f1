"""What the kill switch promises: a pull never lowers the state, and a flatten goes on until flat or
until a person ends it. While it goes on, and in HALTED, nothing but its sells passes. Row A07,
invariant 6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.events import FlattenSet, HaltSet, HaltStep
from kisnb.orders import Intent, OrderState
from kisnb.terms import Side
from kisnb.trading.ports.commands import Halt
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.queries import LiftHalt

if TYPE_CHECKING:
    from .campaign import Run
    from .invariants import Watch

RANK = {"": 0, "active": 0, "reducing": 1, "halted": 2}


class Halts:
    """Compares the journal's rows with what people have said.

    ``watch`` holds the journal's fold.
    """

    def __init__(self, run: Run, watch: Watch) -> None:
        self._run = run
        self._watch = watch
        self._floor = 0
        """Rank of the strongest state that was asked for since a person lifted a halt."""
        self._pulled: Halt | None = None
        self._lifted: LiftHalt | None = None
        self._ended = False
        """What the person says to whom the desk listens at this moment."""

    def said(self, said: object) -> None:
        """A person, or anybody else, is about to say something to the desk."""
        self._pulled = said if isinstance(said, Halt) else None
        lifts = said if isinstance(said, LiftHalt) else None
        # While a flatten runs a lift ends the flatten, and the state stays.
        self._ended = lifts is not None and self._watch.shadow.flatten_reason is not None
        self._lifted = None if self._ended else lifts

    def began(self) -> None:
        """A new life of the desk begins: what was said to the one before counts only if the journal
        has it."""
        self._pulled, self._lifted, self._ended = None, None, False

    def stepped(self) -> None:
        """The desk has done what it was told, and lives."""
        state, pulled = self._watch.shadow, self._pulled
        if pulled is not None:
            lost = pulled.flatten and state.flatten_reason is None and self._is_holding()
            self._watch.demand(
                not lost, "a flatten was asked for, and the journal does not know of it"
            )
            self._watch.demand(
                bool(state.halting),
                "the kill switch was pulled, and the journal does not know of it",
            )
        if self._ended and state.flatten_reason is None:
            sells = [o for o in state.books.live.values() if o.intent.key.startswith("flatten:")]
            left = [repr(o) for o in sells if o.ref is not None and not o.cancel_asked]
            self._watch.demand(not left, f"a person ended the flatten, and its sells stay: {left}")
        self._pulled, self._lifted, self._ended = None, None, False

    def persisted(self, row: Row) -> None:
        """A row is about to join the fold."""
        state, demand = self._watch.shadow, self._watch.demand
        match row:
            case HaltSet(state=to) if self._lifted is not None:
                demand(to == self._lifted.to, f"{self._lifted} made the desk {to}")
                self._floor = RANK[to]
            case HaltSet(state=to) if RANK[to] < RANK[state.halt]:
                block_ends = bool(state.halting) and RANK[to] >= self._floor
                demand(block_ends, f"the desk was {state.halt}, and nobody lifted it: {row}")
            case HaltStep(step="block", ends=ends):
                wish = RANK[self._pulled.state] if self._pulled is not None else 0
                self._floor = max(self._floor, wish)
                demand(
                    RANK[ends] >= self._floor,
                    f"the kill switch is to end in less than was asked for: {row}",
                )
            case HaltStep(step="notify"):
                demand(
                    RANK[state.halt] >= self._floor, f"the kill switch ended in {state.halt}: {row}"
                )
            case FlattenSet(on=False):
                allowed = self._ended or not self._is_holding()
                demand(
                    allowed,
                    f"the flatten ended, nobody ended it, and {self._held()} are held: {row}",
                )

    def passes(self, intent: Intent) -> bool:
        """Whether the trading state may let the order pass."""
        state = self._watch.shadow
        if state.flatten_reason is not None:
            return intent.side is Side.SELL and intent.key.startswith("flatten:")
        return state.halt != "halted"

    def settled(self) -> None:
        """A flatten that nobody ended has sold, or is about to, all that can be sold."""
        state = self._watch.shadow
        if state.flatten_reason is None or state.opened is None:
            return
        live = state.books.live.values()
        waits = {o.code for o in live if o.side is Side.SELL or o.state is OrderState.UNKNOWN}
        left = {code: qty for code, qty in self._held().items() if code not in waits}
        self._watch.demand(not left, f"a flatten goes on, and nothing sells {left}")

    def _held(self) -> dict[str, int]:
        return {code: p.qty for code, p in self._run.host.core.account.positions.items() if p.qty}

    def _is_holding(self) -> bool:
        """Whether anything is held that the desk knows of, or can know of: what the phone bought
        unseen does not count."""
        books = self._watch.shadow.books
        return any(books.account.position(code).qty for code in self._held())
