"""Stops an agent that orders without end, such as ``while not self.held(): self.buy(1)``.

Such a handler never sees a fill, because fills come as later events. So it would order for ever.
The orders that wait for the end of the handler are dropped, and the agent fails with its line.
"""

from __future__ import annotations

from collections import deque

from kisnb.clock import MINUTE, Ns
from kisnb.errors import BadInput
from kisnb.trading.ports.commands import Command, ReviseOrder, Submit


class OrderFlood:
    """Counts the orders of one agent."""

    def __init__(self) -> None:
        self._times: deque[Ns] = deque()
        self.error: BadInput | None = None
        """Why the agent is stopped; None while it orders within its limit."""

    def count(self, agent_id: str, now: Ns, most: int) -> None:
        """Count an order. Raises BadInput when there are more than ``most`` within a minute."""
        if self.error is not None:
            raise self.error
        while self._times and self._times[0] <= now - MINUTE:
            self._times.popleft()
        if len(self._times) >= most:
            self.error = BadInput(
                f"agent {agent_id} gave {most:,} orders within a minute, so it was stopped, and"
                " its newest orders were not sent",
                "fills come after the handler returns; look at self.working(), or raise the class"
                " attribute most_orders",
            )
            raise self.error
        self._times.append(now)

    def split(self, commands: list[Command]) -> tuple[list[Command], list[Submit | ReviseOrder]]:
        """Return the commands that are carried out, and the orders that are dropped."""
        if self.error is None:
            return commands, []
        orders = [c for c in commands if isinstance(c, Submit | ReviseOrder)]
        return [c for c in commands if not isinstance(c, Submit | ReviseOrder)], orders
