"""One POST on its way to KIS and back, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kisnb.clock import SECOND, Ns
from kisnb.kis.error_codes import outcome_of
from kisnb.orders import SendReply
from kisnb.trading.ports.effects import CancelReply

from .schedule import REFUSALS, Fault

if TYPE_CHECKING:
    from .campaign import Run

TIMEOUT: Ns = 10 * SECOND
"""After which a POST without a reply counts as unanswered."""


class Post:
    """``call`` is what the host does when the POST arrives.

    ``refused_later`` takes it and has the exchange refuse.
    """

    def __init__(
        self,
        run: Run,
        key: str,
        call: Callable[[], SendReply],
        refused_later: Callable[[], SendReply] | None = None,
        *,
        cancel: bool = False,
    ) -> None:
        self._run = run
        self._key = key
        self._call = call
        self._refused_later = refused_later
        self._cancel = cancel
        self._there, self._back = run.latency(), run.latency()

    def start(self, fault: Fault | None) -> None:
        ill, amount = (fault.ill, fault.amount) if fault else ("", 0)
        if self._cancel:
            self._leave(ill, amount)
        elif ill == "waits":
            self._run.later(amount, lambda: self._last_hop("", 0))
        else:
            self._last_hop(ill, amount)

    def _last_hop(self, ill: str, amount: Ns) -> None:
        """Behind the limiter; nobody sends an order when the desk does not want it any more."""
        run = self._run
        assert run.desk is not None
        permission = run.desk.may_send(run.now, self._key)
        if not permission:
            run.watch.kept(self._key)
            self._end(0, SendReply(self._key, "kept", text=permission.reason))
            return
        run.watch.leaves(self._key)
        self._leave(ill, amount)

    def _leave(self, ill: str, amount: Ns) -> None:
        match ill:
            case "cut before":
                self._end(self._there, self._lost)
            case "late":
                # It reaches KIS when the desk has given it up, or shortly before.
                self._run.after(TIMEOUT - 4 * SECOND + amount, lambda: self._arrive(self._call))
                self._end(TIMEOUT, self._lost)
            case "5xx" | "refused" | "code" | "code, done" | "too fast":
                self._refuse(ill, amount)
            case _:
                self._go(ill, amount)

    @property
    def _lost(self) -> SendReply:
        return SendReply(self._key, "unknown", text="no answer came")

    def _go(self, ill: str, amount: Ns) -> None:
        call = self._refused_later if ill == "refused later" and self._refused_later else self._call
        back = amount if ill == "slow" else self._back

        def arrive() -> None:
            reply = self._arrive(call)
            self._end(back, self._lost if ill == "cut after" else self._known(reply))

        self._run.after(self._there, arrive)

    def _refuse(self, ill: str, amount: int) -> None:
        msg_cd = {"5xx": "EGW00002", "refused": "APBK0918", "too fast": "EGW00201"}.get(
            ill, REFUSALS[amount % len(REFUSALS)]
        )
        outcome = outcome_of(msg_cd, 500)
        reply = SendReply(self._key, outcome, msg_cd=msg_cd, text=msg_cd)
        if ill == "code, done" and outcome == "unknown":
            self._run.after(self._there, lambda: self._arrive(self._call))
        self._end(self._there + self._back, self._known(reply))

    def _known(self, reply: SendReply) -> SendReply:
        """The reply that reaches the desk. One that turned the order away lets it be sent again."""
        if reply.outcome == "again" and not self._cancel:
            self._run.watch.turned_away(self._key)
        return reply

    def _arrive(self, call: Callable[[], SendReply]) -> SendReply:
        reply = call()
        self._run.note("host:", reply)
        self._run.deliver(self._run.host.core.step(self._run.host.core.now))
        return reply

    def _end(self, wait: Ns, reply: SendReply) -> None:
        self._run.later(wait, lambda: self._run.say(CancelReply(reply) if self._cancel else reply))
