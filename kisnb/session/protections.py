"""Sends exits and price alerts to the desk, and lists those that are set."""

from __future__ import annotations

import uuid

from kisnb.errors import BadInput
from kisnb.exits import PriceAlert, Protection
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.state import SessionState
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.exit_view import ExitView, exit_view
from kisnb.trading.ports.commands import (
    EndPriceAlert,
    EndProtection,
    ExitCommand,
    Protect,
    SetPriceAlert,
)


class Protections:
    """Sends exits and price alerts to the desk of a session, and lists those that are set."""

    def __init__(self, state: SessionState, pace: Pace) -> None:
        self._state = state
        self._pace = pace

    async def protect(self, protection: Protection) -> Watch:
        """Set an exit and return it. If an equal exit is set already, return the existing exit.

        Raises BadInput when the desk refuses it.
        """
        exits = self._state.desk.exits
        same = exits.of_owner(protection.agent, protection.code)
        # An equal exit is set already when its cell is run again. Then nothing is sent.
        if same is not None and same.protection.text == protection.text:
            return same
        await self._hand_over(protection.key, Protect(protection))
        watch = exits.watches.get(protection.key)
        if watch is None:
            why = self._state.desk.exits.ended[protection.key]
            raise BadInput(f"the exit of {protection.code} has ended: {why}", "set it again")
        return watch

    async def end(self, agent: str, code: str) -> str:
        """End the exit of a stock. Return its conditions. Raises BadInput when there is none."""
        watch = self._state.desk.exits.of_owner(agent, code)
        if watch is None:
            raise BadInput(f"{code} has no exit", "see those that stand with %kis protect")
        return await self.end_by_key(watch.protection.key)

    async def end_by_key(self, key: str) -> str:
        """End an exit by its key. Return its conditions.

        Raises BadInput when the exit had ended before.
        """
        watch = self._state.desk.exits.watches.get(key)
        if watch is None:
            raise BadInput("the exit has ended", "see those that stand with %kis protect")
        await self._pace.carry_out(
            lambda: [EndProtection(key)], lambda: key not in self._state.desk.exits.watches
        )
        return watch.protection.text

    async def alert(self, code: str, price: int, *, above: bool) -> PriceAlert:
        """Set a price alert and return it.

        If an equal alert is set already, return the existing alert. ``above`` True: the alert comes
        at ``price`` or above. False: at ``price`` or below.

        Raises BadInput when the desk refuses it.
        """
        alerts = self._state.desk.exits.alerts_of(code)
        alert = PriceAlert(f"alert:{uuid.uuid4().hex}", code, above, price)
        if (same := next((a for a in alerts if a.text == alert.text), None)) is not None:
            return same
        await self._hand_over(alert.key, SetPriceAlert(alert))
        return alert

    async def end_alerts(self, code: str) -> list[PriceAlert]:
        """End the price alerts of a stock and return them. Raises BadInput when there is none."""
        alerts = self._state.desk.exits.alerts_of(code)
        if not alerts:
            raise BadInput(f"{code} has no price alert", "see those that stand with %kis alert")
        await self._end_alerts(alerts)
        return alerts

    async def end_alert(self, key: str) -> PriceAlert:
        """End one price alert by its key and return it.

        Raises BadInput when it had ended before.
        """
        alert = self._state.desk.exits.alerts.get(key)
        if alert is None:
            raise BadInput("the price alert has ended", "see those that stand with %kis alert")
        await self._end_alerts([alert])
        return alert

    async def _end_alerts(self, alerts: list[PriceAlert]) -> None:
        await self._pace.carry_out(
            lambda: [EndPriceAlert(a.key) for a in alerts],
            lambda: not any(a.key in self._state.desk.exits.alerts for a in alerts),
        )

    def views(self) -> list[ExitView]:
        """Return the exits that are set, in the order in which they were set."""
        return [exit_view(w, self._state.books) for w in self._state.desk.exits.watches.values()]

    def price_alerts(self) -> list[PriceAlert]:
        """Return the price alerts that are set, in the order in which they were set."""
        return list(self._state.desk.exits.alerts.values())

    async def _hand_over(self, key: str, command: ExitCommand) -> None:
        """Send a command to the desk and wait until it is carried out. Raises BadInput."""
        refused = self._state.exits_refused
        await self._pace.carry_out(
            lambda: [command], lambda: self._state.desk.exits.is_known(key) or key in refused
        )
        if (no := refused.pop(key, None)) is not None:
            raise BadInput(no.reason, no.cure)
