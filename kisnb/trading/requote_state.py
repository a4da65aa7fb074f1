"""The state of requotes: how far each has come, computed from the journal's rows."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.events.requotes import Requoted
from kisnb.orders import Intent, Order
from kisnb.requotes import Requote

Stage: TypeAlias = Literal["first", "moved", "ending", "last"]
"""``first``: at its own price. ``moved``: at the better price. ``ending``: a cancel was requested.

``last``: a sell of the most aggressive kind was sent.
"""


class Budget:
    """The progress of one order that has a requote."""

    __slots__ = ("before", "current", "made", "root", "since", "spec", "stage")

    def __init__(self, t: Ns, intent: Intent, spec: Requote) -> None:
        self.root = intent.key
        self.spec = spec
        self.stage: Stage = "first"
        self.current = intent.key
        """Key of the order that has the budget's shares now."""
        self.before = ""
        """Key of the order that had these shares before. Empty: there was no such order."""
        self.since = t
        """The moment of the newest step of the requote."""
        self.made = 0
        """Number of orders that the desk has made for the requote."""


class RequoteState:
    """The requotes that have not ended, and the pauses in buying after them.

    Sessions compute the same state from the same rows.
    """

    def __init__(self) -> None:
        self.budgets: dict[str, Budget] = {}
        """The budgets by the key of the order with which they began."""
        self.cooled: dict[tuple[str, str], tuple[Ns, Ns]] = {}
        """By agent and stock: when a buy was given up, and until when no other buy may follow."""

    def begin(self, t: Ns, intent: Intent) -> None:
        """Begin the budget of an order, if the order has a requote."""
        if intent.requote is not None:
            self.budgets[intent.key] = Budget(t, intent, intent.requote)

    def apply(self, row: Requoted, order: Order) -> None:
        """Apply a step of a requote to the budget of ``order``."""
        budget = self.budgets.get(row.root)
        if row.step == "cool":
            self.cooled[order.intent.agent, order.code] = row.t, row.until
        if budget is None:
            return
        if row.step in ("cool", "end"):
            del self.budgets[row.root]
            return
        budget.since = row.t
        if row.step == "cancel":
            budget.stage = "ending"
        else:
            budget.stage = "moved" if row.step == "move" else "last"
            budget.before, budget.current = budget.current, row.by
            budget.made += row.by != row.key

    def on_ended(self, order: Order) -> None:
        """Forget the budget of an order that has ended without a step of its requote."""
        for budget in list(self.budgets.values()):
            # A cancel of the requote is followed by another step. The same is true of a refused
            # move, and of a last sell that was not sent.
            is_over = budget.stage == "first" or (budget.stage == "moved" and not order.is_dead)
            if budget.current == order.key and is_over:
                del self.budgets[budget.root]
