"""Claims each call's wish for its cell run, and records what became of the call. (Row O11)"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence

import msgspec

from kisnb.errors import OrderDenied
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.call_naming import Call
from kisnb.session.typed_orders.run_calls import Claim, RunCalls, stays
from kisnb.trading.ports.queries import OrderRequest
from kisnb.trading.typed_orders.naming_rule import Refuse
from kisnb.trading.typed_orders.order_names import trading_day
from kisnb.trading.typed_orders.placing import is_dead, naming_rule, refusal


class CallClaims:
    """Makes and changes the claims of one session's calls. A call without a naming has no claim."""

    def __init__(self, runs: RunCalls, state: SessionState) -> None:
        """Keep ``runs``, the claims that all sessions of a kernel on one account share."""
        self._runs = runs
        self._state = state

    def claim(
        self, calls: Sequence[Call], has_left: Callable[[], bool] = stays
    ) -> list[Claim | None]:
        """Claim each call's wish for its cell run, and return the claims, one for each call.

        ``has_left()`` returns True once the caller no longer waits. A call without a naming gets
        None. Raises OrderDenied when a loop repeats a call. Then nothing is claimed.
        """
        claims: list[Claim | None] = []
        for call in calls:
            try:
                # The wish is claimed before the desk is asked. Otherwise two equal calls of tasks
                # or threads would both find it new, and both would be sent.
                claim = self._claim(call, has_left)
            except OrderDenied:
                # A batch is sent as a whole or not at all.
                self.forget(claims)
                raise
            claims.append(claim)
        return claims

    def requests(
        self, calls: Sequence[Call], claims: Sequence[Claim | None]
    ) -> tuple[OrderRequest, ...]:
        """Return one request to the desk for each call, with the token of the call's claim."""
        requests = []
        for call, claim in zip(calls, claims, strict=True):
            naming = call.naming
            if naming is None or claim is None:
                requests.append(OrderRequest(call.intent))
                continue
            named = msgspec.structs.replace(naming, token=claim.token)
            requests.append(OrderRequest(call.intent, named, self.answered_keys(call)))
        return tuple(requests)

    def answered_keys(self, call: Call) -> tuple[str, ...]:
        """Return the keys of the orders that the desk returned to this call's run so far."""
        return () if call.naming is None else self._runs.answered(call.naming.place.run)

    def keys_of_run(self, run: int) -> list[str]:
        """Return the keys of the orders for which a run asked. Equal orders stand together."""
        names = self._state.desk.names
        keys = [
            claim.key or names.answered_with(claim.token) or "" for claim in self._runs.of_run(run)
        ]
        return list(dict.fromkeys(keys))

    def answer(self, claim: Claim | None, key: str) -> None:
        """Record the key of the order that the desk returned for a call."""
        if claim is not None:
            self._runs.answer(claim, key)

    def lose(self, claims: Sequence[Claim | None]) -> None:
        """Record that callers left before they had the outcomes.

        The next equal call returns the order.
        """
        for claim in claims:
            if claim is not None:
                self._runs.lose(claim)

    def reach(self, claims: Sequence[Claim | None]) -> None:
        """Record that outcomes have reached their callers."""
        for claim in claims:
            if claim is not None:
                self._runs.reach(claim)

    def forget(self, claims: Sequence[Claim | None]) -> None:
        """Remove the claims of refused calls. Nothing was sent, so these calls do not count."""
        for claim in claims:
            if claim is not None:
                self._runs.drop(claim)

    def _claim(self, call: Call, has_left: Callable[[], bool]) -> Claim | None:
        if call.naming is None:
            return None
        now, known, naming = self._state.now, self._state.desk, call.naming
        day = trading_day(naming, now)
        found = self._runs.begin(
            naming,
            call.position,
            uuid.uuid4().hex,
            lambda key: is_dead(known.books, key),
            day=day,
            first_free=lambda asked: known.names.first_free(day, asked),
            has_left=has_left,
        )
        if isinstance(found, Refuse):
            rule = naming_rule(now, known, self._state.run)
            text, cure = refusal(known, rule, call.asked, naming, found)
            raise OrderDenied(text, cure, key=found.key)
        return found


def departure_check() -> Callable[[], bool]:
    """Return a function that returns True once the current task was cancelled or has ended.

    A cancellation before this call does not count.
    """
    task = asyncio.current_task()
    if task is None:
        return stays
    # The task may have survived an earlier cancellation. Only a new one counts.
    before = task.cancelling()
    return lambda: task.done() or task.cancelling() > before
