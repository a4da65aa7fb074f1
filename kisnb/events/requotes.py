"""The steps of a requote, which the journal contains."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from kisnb.clock import Ns
from kisnb.events.fact import Fact

Step: TypeAlias = Literal["move", "cancel", "cool", "last", "end"]
"""The desk's decision about the order ``key``.

``move``: its leaves go to the best price of the other side, as the order ``by``. ``cancel``: the
order is cancelled. ``cool``: a buy was given up, and no other buy follows before ``until``.
``last``: the unsold shares go out as the order ``by``, of the most aggressive kind. ``end``:
nothing more is done.
"""


class Requoted(Fact, frozen=True, gc=False, tag=True, array_like=True):
    """The desk took a step with an order that nobody had filled."""

    log_line: ClassVar[str] = "requote: {0.text}"

    key: str
    """The order that the step is about."""
    root: str
    """The first order, which was given together with the budget."""
    step: Step
    text: str
    by: str = ""
    """Key of the order that the step sends; empty for none."""
    until: Ns = 0
