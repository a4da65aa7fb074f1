"""The state of a desk in sentences: which orders pass, wait or are unknown, and who is attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kisnb.clock import Ns, clock_text
from kisnb.desk.run.host import DeskHost
from kisnb.events import DriftFound
from kisnb.orders import OrderState
from kisnb.trading.halt.halt_words import trading
from kisnb.trading.orders.cash_words import gap_text
from kisnb.trading.ports.replies import StatusReply
from kisnb.trading.state import State


def standing(host: DeskHost, sessions: Sequence[str]) -> StatusReply:
    """Return the state of a desk for people. ``sessions`` names the attached sessions."""
    state, now = host.core.state, host.clock.now()
    broken = [f"no order passes: {host.broken}"] if host.broken is not None else []
    failed = host.core.readings.failed
    unread = [failed.text] if failed is not None else []
    pace = [host.broker.pace] if host.broker.pace else []
    arming = [_arming(state, now)] if host.core.gate.limits.needs_arming else []
    lines = (*broken, trading(state).text, *unread, *pace, *arming, *_orders(state, now))
    return StatusReply(lines, tuple(sessions))


def _arming(state: State, now: Ns) -> str:
    armed = state.armed
    if armed is None or now >= armed.until:
        return "not armed: buys are blocked; sells and cancels are allowed"
    return (
        f"armed until {clock_text(armed.until)} KST: buys of {state.armed_spent:,} won filled "
        f"of a budget of {armed.budget:,} won"
    )


def _orders(state: State, now: Ns) -> Iterator[str]:
    live = list(state.books.live.values())
    unknown = [order for order in live if order.state is OrderState.UNKNOWN]
    yield f"{_count(len(live), 'open order')}"
    if unknown:
        texts = ", ".join(order.intent.text for order in unknown)
        orders = f"{_count(len(unknown), 'order')} with unknown outcome"
        yield f"{orders} ({texts}): settle them with %kis resolve NUMBER|never"
    if held := list(state.held.values()):
        until = clock_text(min(order.until for order in held))
        yield f"{_count(len(held), 'order')} held back until {until} KST or later: {held[0].why}"
    if gap := state.unexplained(now):
        yield gap_text(gap)
    if state.drifts:
        count = _count(len(state.drifts), "difference")
        drifts = "; ".join(_drift(drift) for drift in state.drifts.values())
        yield f"{count} between KIS's figures and the desk's: {drifts}"


def _drift(drift: DriftFound) -> str:
    return f"{drift.what} of {drift.subject} is {drift.theirs:,} at KIS, {drift.ours:,} here"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
