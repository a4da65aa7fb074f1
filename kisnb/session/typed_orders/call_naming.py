"""Names a typed order by the place where its call is written. (Row O11)

The naming is made while the call is made, when the calling cell runs. Later, when the order is sent
to the desk, another cell may run.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from typing import NamedTuple

from kisnb.errors import BadInput
from kisnb.orders import Intent, Naming, Place, Wish
from kisnb.session.typed_orders.cells import Cells, Ticket
from kisnb.session.typed_orders.magic_line import MagicLine, current_line
from kisnb.trading.agents.agent_runner import acting_agent

MOST_LINES = 10_000
"""A number larger than that of the lines in any batch."""
PROCESS = uuid.uuid4().hex
"""The name of this process, used in place of a kernel's name outside IPython."""
OWN = "write self.buy(...) or self.sell(...) in a handler; or name the order: key='NAME'"


class Call(NamedTuple):
    """One typed order, with its naming and the place of its call."""

    intent: Intent
    naming: Naming | None
    """None: the key of the intent names the order, and each call is a new order."""
    position: Hashable = None
    """The code positions that lead to the call, from the outermost to the call itself."""
    displayed: bool = False
    """True when kisnb prints no line for the order: the cell shows it, or ends with a semicolon."""
    asked: str = ""
    """The order in words, for the text of a refusal. Empty without a naming."""

    @property
    def what(self) -> str:
        """The order in words: ``buy 10 005930 @ 71,000``, ``revise to …``."""
        return f"revise to {self.intent.text}" if self.intent.supersedes else self.intent.text


def ticket() -> str:
    """Return a new key that no other intent has."""
    return f"ticket:{uuid.uuid4()}"


def named_call(
    cells: Cells | None, intent: Intent, wish: Wish, name: str, ordinal: int, index: int = 0
) -> Call:
    """Return the call that is being made now, with its naming.

    ``cells`` is None outside IPython. ``index`` is the line of a batch. Raises BadInput when the
    place of the call cannot be found.
    """
    if cells is None:
        # Outside IPython a call has no cell. Without a name each call is another order.
        return Call(intent, Naming(wish, Place(PROCESS), ordinal, name) if name else None)
    if (agent := acting_agent()) and not name:
        # The order would be counted to the cell that happens to run, or to no cell.
        raise BadInput(
            f"a handler of agent {agent} ordered through the session; nothing was sent", OWN
        )
    line = current_line() or MagicLine("")
    try:
        origin = cells.origin(line.words, line.before * MOST_LINES + index)
    except BadInput:
        if not name:
            raise
        # An order with a name needs no cell.
        naming = Naming(wish, cells.kernel_place(), ordinal, name)
        return Call(intent, naming, asked=intent.text)
    if isinstance(origin, Ticket):
        # Each click is another order, unless a name says otherwise.
        return Call(intent, Naming(wish, cells.kernel_place(), ordinal, name) if name else None)
    displayed = line.shown or line.silent or origin.shown or origin.silent
    naming = Naming(wish, origin.place, ordinal, name)
    return Call(intent, naming, origin.position, displayed, intent.text)
