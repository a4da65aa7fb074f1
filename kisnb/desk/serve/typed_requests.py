"""Answers typed orders and adoptions by row O11, and submits the new ones."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kisnb.desk.run.host import DeskHost
from kisnb.orders import Naming
from kisnb.trading.gate.adoption import adopt
from kisnb.trading.gate.risk import No
from kisnb.trading.ports.queries import AdoptHolding, OrderRequest
from kisnb.trading.ports.replies import Failed, OrdersPlaced, PlaceAnswer, Reply, TextReply
from kisnb.trading.typed_orders.naming_rule import NamingRule, Refuse, ShowKnown
from kisnb.trading.typed_orders.placing import (
    adoption_asked,
    adoption_text,
    commands,
    naming_rule,
    place,
    refusal,
    show,
    shown_text,
)


class TypedRequests:
    """Gives typed orders and adoptions their keys, and submits the new ones."""

    def __init__(self, host: DeskHost, run: str) -> None:
        self._host = host
        self._run = run
        """The desk's run, which becomes part of the keys."""

    def place(self, requests: Sequence[OrderRequest]) -> OrdersPlaced:
        """Submit the orders that row O11 does not refuse. Return an answer for each order.

        Orders that are sent or shown are journaled before this returns.
        """
        state = self._host.core.state
        answers = place(self._host.clock.now(), state, self._run, requests)
        for command in commands(state, requests, answers):
            # The journal may break at any order. Later orders are then not submitted, and their
            # answers say so.
            if self._host.broken is None:
                self._host.submit(command)
        return OrdersPlaced(tuple(self._checked(answer) for answer in answers))

    def adopt(self, query: AdoptHolding) -> Reply:
        """Submit an adoption, unless it is refused or repeated.

        The reply says which shares the agent took over, or why it took over none. The adoption's
        row is synced before the reply.
        """
        now, state = self._host.clock.now(), self._host.core.state
        if query.naming is not None:
            rule, asked = naming_rule(now, state, self._run), adoption_asked(query)
            outcome = rule.answer(query.naming)
            if isinstance(outcome, Refuse):
                text, cure = refusal(state, rule, asked, query.naming, outcome)
                return Failed("OrderDenied", text, cure)
            if isinstance(outcome, ShowKnown):
                return self._show_adoption(rule, query.naming, outcome.key)
            query = msgspec.structs.replace(query, key=outcome.key)
        taken = adopt(now, state.books, query)
        if isinstance(taken, No):
            return Failed("BadInput", taken.reason, taken.cure)
        self._host.submit(query)
        if self._host.broken is not None:
            return Failed("DeskError", str(self._host.broken))
        cost = f"that cost {taken.cost:,} won"
        return TextReply(f"{query.agent} took over {taken.qty:,} {query.code} {cost}")

    def _checked(self, answer: PlaceAnswer) -> PlaceAnswer:
        """Return the answer, or a refusal if its order could not be journaled and was not sent."""
        key, broken = answer.intent.key, self._host.broken
        known = key in self._host.core.state.books.orders
        is_journaled = known and key not in self._host.dropped
        if broken is None or answer.outcome != "sent" or is_journaled:
            return answer
        return PlaceAnswer("refused", answer.intent, broken.text, broken.cure)

    def _show_adoption(self, rule: NamingRule, naming: Naming, key: str) -> Reply:
        state = self._host.core.state
        if (shown := show(state.names, key, naming)) is not None:
            self._host.submit(shown)
        if self._host.broken is not None:
            return Failed("DeskError", str(self._host.broken))
        taken = state.books.adoptions[key]
        return TextReply(f"{adoption_text(taken)} was {shown_text(state, rule, naming, key)}")
