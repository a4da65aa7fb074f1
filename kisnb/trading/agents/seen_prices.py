"""The newest prices that one agent has seen, and when they were received."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.errors import BadInput


class SeenPrices:
    """The newest price of each stock that one agent has seen."""

    def __init__(self) -> None:
        self.newest: dict[str, int] = {}
        """By stock: the newest price, won. The runner keeps it current at each event."""
        self._received: dict[str, Ns] = {}

    def price(self, code: str) -> int:
        """Return the newest price of a stock that the agent has seen, won. Raises BadInput."""
        price = self.newest.get(code)
        if price is None:
            raise BadInput(
                f"no price of {code} has been seen yet", "order in shares, or wait for its prices"
            )
        return price

    def seen(self, code: str) -> Ns:
        """Return when the newest price of ``code`` that the agent has seen was received.

        0: the agent has seen none.
        """
        return self._received.get(code, 0)

    def saw(self, code: str, received: Ns) -> None:
        """Note that the agent has seen a price of ``code`` that was received at ``received``."""
        if received > self._received.get(code, 0):
            self._received[code] = received

    def roll_day(self) -> None:
        """Forget the prices of the day that is over. No order of the new day may use them."""
        self.newest.clear()
