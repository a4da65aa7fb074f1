"""Texts for the trading state: the same in panels, reprs, commands and the desk's status."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from kisnb.clock import clock_text
from kisnb.events import HaltStep
from kisnb.trading.halt.flatten import CURE
from kisnb.trading.state import State

Name: TypeAlias = Literal["active", "halting", "flattening", "reducing", "halted"]

LIFT = "%kis halt off REASON (in a terminal: kisnb halt --off REASON)"
_PASSES = {
    "reducing": "cancels, and sells up to the position, pass",
    "halted": "cancels alone pass",
}


class Trading(NamedTuple):
    """The trading state of a desk, in words."""

    name: Name
    """The state as a word, for code. ``text`` is for people."""
    text: str
    """The state, its reason, which orders pass, and how a person ends it."""
    known: bool = True
    """False when the desk cannot be reached. Then ``text`` describes the last known state."""

    @property
    def halted(self) -> str:
        """``text``, or empty for an active desk. Used where space is short."""
        return "" if self.name == "active" else self.text

    def last_known(self, since: str) -> Trading:
        """Return this state with a text that says since when the present state is not known.

        It is used when the desk cannot be reached. ``since`` is a time of day.
        """
        return self._replace(text=f"not known since {since}; before that: {self.text}", known=False)


def trading(state: State) -> Trading:
    """Return a text that says which orders a desk in this state lets pass."""
    why = f"because of {state.halt_reason!r}"
    # The kill switch comes before the flatten: while it cancels, the flatten has not begun to sell.
    if state.halting:
        sells = "" if state.flatten_reason is None else " but the sells of a flatten"
        return Trading("halting", f"the kill switch is at work {why}: no new order passes{sells}")
    # This comes before the state, because a flatten alone decides what passes, whether the desk is
    # halted, reducing or active.
    if state.flatten_reason is not None:
        return Trading("flattening", _flatten(state, state.flatten_reason))
    if state.halt == "active":
        return Trading("active", "active: orders pass")
    name: Name = "reducing" if state.halt == "reducing" else "halted"
    return Trading(name, f"{name} {why}: {_PASSES[name]}; {LIFT} lifts it")


def _flatten(state: State, reason: str) -> str:
    parts = (
        f"a flatten is at work because of {reason!r}: its sells alone pass, until nothing is held",
        f"{LIFT} ends it, and the desk stays {state.halt}",
        unsold(state),
    )
    return "; ".join(part for part in parts if part)


def unsold(state: State) -> str:
    """Return the shares that a flatten has not sold yet, with the reason. Empty: all are sold.

    The text has no cure, because the caller adds one.
    """
    return state.flatten_left.removeprefix("FAILED: ").removesuffix(f"; {CURE}")


def step_text(step: HaltStep) -> str:
    """Return a step in words, such as ``"09:00:03 query: KIS lists no open order"``.

    A step that failed says FAILED in its text.
    """
    return f"{clock_text(step.t)} {step.step}: {step.text}"
