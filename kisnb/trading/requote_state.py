"""How far the requotes of orders have come: the fold of their rows."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.events.requotes import Requoted
from kisnb.orders import Intent, Order
from kisnb.requotes import Requote

Stage: TypeAlias = Literal["first", "moved", "ending", "last"]
"""``first``: at its own price. ``moved``: at the better price. ``ending``: its cancel is wanted.
``last``: a sell of the most aggressive kind was sent."""


class Budget:
    """One order with a requote, as far as it has come."""

    __slots__ = ("before", "current", "made", "root", "since", "spec", "stage")

    def __init__(self, t: Ns, intent: Intent, spec: Requote) -> None:
        self.root = intent.key
        self.spec = spec
        self.stage: Stage = "first"
        self.current = intent.key
        """Key of the order that works for it now."""
        self.before = ""
        """Key of the order whose shares it took; empty for none."""
        self.since = t
        """The moment of the newest step."""
        self.made = 0
        """Orders that the desk has made for it."""


class RequoteState:
    """The requotes that are not over, and the buys that wait after one. Sessions fold the same."""

    def __init__(self) -> None:
        self.budgets: dict[str, Budget] = {}
        """By the key of the order that was given with it."""
        self.cooled: dict[tuple[str, str], tuple[Ns, Ns]] = {}
        """When a buy was given up, and until when no other follows, by agent and stock."""

    def begin(self, t: Ns, intent: Intent) -> None:
        """Fold an order that has a requote."""
        if intent.requote is not None:
            self.budgets[intent.key] = Budget(t, intent, intent.requote)

    def apply(self, row: Requoted, order: Order) -> None:
        """Fold a step of ``order``."""
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
        """Forget the budget of an order that has ended by itself, or by somebody's decision."""
        for budget in list(self.budgets.values()):
            # A cancel of its own has a step behind it. So has a move that was refused, and a last
            # sell that was not sent.
            is_over = budget.stage == "first" or (budget.stage == "moved" and not order.is_dead)
            if budget.current == order.key and is_over:
                del self.budgets[budget.root]
