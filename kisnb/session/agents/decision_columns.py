"""The columns of an agent's decisions."""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import clock_text, kst_datetime
from kisnb.columns import Column, number, number_column, text_column
from kisnb.events import DecisionMade
from kisnb.events.agents import Input
from kisnb.orders import Order


class Decided(NamedTuple):
    """A decision, and the order that it led to. ``order`` is None when it led to no order."""

    made: DecisionMade
    order: Order | None


def _moment(name: str, heading: str = "") -> Column[Decided]:
    def value(d: Decided) -> int:
        return d.made.t if name == "time" else d.made.last or d.made.t

    return Column(
        name,
        "Datetime",
        lambda d: kst_datetime(value(d)),
        lambda d: clock_text(value(d)),
        heading=heading,
    )


def _shown(value: Input) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else number(value)
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def inputs_text(made: DecisionMade) -> str:
    """Return the numbers of a decision in words: ``"mean 70,100, close missing"``."""
    return ", ".join(f"{name} {_shown(value)}" for name, value in made.inputs)


def _order(decided: Decided) -> str:
    order = decided.order
    return "" if order is None else f"{order.intent.text}: {order.state}"


DECISION_COLUMNS: tuple[Column[Decided], ...] = (
    _moment("time"),
    _moment("last", "until"),
    number_column("times", lambda d: d.made.times),
    text_column("session", lambda d: d.made.session_id),
    text_column("venue", lambda d: d.made.venue),
    text_column("code", lambda d: d.made.code),
    text_column("action", lambda d: d.made.action),
    text_column("why", lambda d: d.made.why),
    text_column("inputs", lambda d: inputs_text(d.made), kind="note"),
    text_column("order", _order),
)
"""Every column of a decision."""
