"""Exits and price alerts for people: values and columns for DataFrames and panels."""

from __future__ import annotations

import msgspec

from kisnb.clock import Ns
from kisnb.columns import Column, Tone, number_column, picked, text_column, time_column
from kisnb.exits import PriceAlert
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.exit_rules import stop_price, take_price
from kisnb.trading.exits.owned import owned
from kisnb.trading.order_books.order_book import OrderBooks


class ExitView(msgspec.Struct, frozen=True):
    """One exit at a moment. Shares and won."""

    key: str
    code: str
    agent: str
    """The agent that owns the shares. Empty: shares that no agent holds."""
    quantity: int
    """Shares that the owner holds now."""
    entry: int | None
    """The price from which the percentages count. None: not known."""
    conditions: str
    stop: int | None
    """The price at which the exit sells at a loss.

    None: no stop, or the entry price is not known.
    """
    take: int | None
    """The price at which the exit takes a profit.

    None: no target, or the entry price is not known.
    """
    stage: str
    peak: int | None
    """The highest price since the exit was set. None: no price is known yet."""
    state: str
    """The exit's progress, in words."""
    since: Ns
    sells: bool
    """True once a condition was met: the exit sells."""
    is_blocked: bool
    """True if a condition was met but the desk did not let the exit sell."""


def exit_view(watch: Watch, books: OrderBooks) -> ExitView:
    """Return the view of an exit that has not ended."""
    p = watch.protection
    held = owned(books, p.agent, p.code)
    entry = p.entry or held.average
    return ExitView(
        p.key,
        p.code,
        p.agent,
        held.qty,
        entry,
        p.text,
        stop_price(p, entry) if entry else None,
        take_price(p, entry) if entry else None,
        str(watch.stage),
        watch.peak or None,
        watch.text,
        watch.set_at,
        watch.fired is not None,
        watch.fired is None and watch.blocked is not None,
    )


def _state_tone(view: ExitView) -> Tone:
    if view.is_blocked:
        return "bad"
    return "down" if view.sells else ""


EXIT_COLUMNS: tuple[Column[ExitView], ...] = (
    text_column("code", lambda v: v.code),
    text_column("agent", lambda v: v.agent),
    # A person's own shares have no agent. An empty cell would look as if the value were missing.
    text_column("owner", lambda v: v.agent or "by hand"),
    number_column("quantity", lambda v: v.quantity),
    number_column("entry", lambda v: v.entry),
    text_column("conditions", lambda v: v.conditions, kind="note"),
    number_column("stop", lambda v: v.stop),
    number_column("take", lambda v: v.take),
    text_column("stage", lambda v: v.stage),
    number_column("peak", lambda v: v.peak),
    text_column("state", lambda v: v.state, kind="note", tone=_state_tone),
    time_column("since", lambda v: v.since),
)
"""Every column of an exit. Shares and won, times in KST."""
IN_FRAME = picked(
    EXIT_COLUMNS, "code agent quantity entry conditions stop take stage peak state since"
)
"""The columns of ``Session.protections()``."""
ALERT_COLUMNS: tuple[Column[PriceAlert], ...] = (
    text_column("code", lambda a: a.code),
    text_column("side", lambda a: "above" if a.above else "below"),
    number_column("price", lambda a: a.price),
)
"""The columns of ``Session.alerts()``. Won."""
