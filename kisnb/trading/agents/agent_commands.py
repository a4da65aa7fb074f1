"""The commands of one agent that wait for the end of its handler."""

from __future__ import annotations

from collections.abc import Callable

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.trading.agents.order_flood import OrderFlood
from kisnb.trading.ports.commands import Command, ReviseOrder, Submit


class AgentCommands:
    """Keeps the commands of one agent, and hands them out in order."""

    def __init__(
        self, agent_id: str, on_flood: Callable[[BadInput], None], *, is_limited: bool
    ) -> None:
        """Begin without commands.

        ``is_limited`` True: orders are counted, as in a session. If there are too many, the newest
        ones are dropped, and ``on_flood`` gets the error each time when commands are taken.
        """
        self._id = agent_id
        self._on_flood = on_flood
        self._flood = OrderFlood() if is_limited else None
        self._waiting: list[Command] = []
        self._dropped: list[Submit | ReviseOrder] = []

    def add(self, command: Command) -> None:
        """Keep a command until it is taken."""
        self._waiting.append(command)

    def count_order(self, now: Ns, most: int) -> None:
        """Count an order. Raises BadInput when there are more than ``most`` within a minute."""
        if self._flood is not None:
            self._flood.count(self._id, now, most)

    def count_anew(self) -> None:
        """Forget how many orders the agent gave, because a person acts on it."""
        if self._flood is not None:
            self._flood = OrderFlood()

    def take(self) -> list[Command]:
        """Return the commands since the last call, and forget them."""
        out, self._waiting = self._waiting, []
        flood = self._flood
        if flood is not None and flood.error is not None:
            out, dropped = flood.split(out)
            self._dropped += dropped
            # The handler may have caught the error.
            self._on_flood(flood.error)
        return out

    def take_dropped(self) -> list[Submit | ReviseOrder]:
        """Return the orders that are not sent because there were too many, and forget them."""
        dropped, self._dropped = self._dropped, []
        return dropped
