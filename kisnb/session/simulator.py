"""``session.simulator``: the phone beside the desk, what goes wrong, and the truth, in a simulated day."""

from __future__ import annotations

from typing import Any

from kisnb.desk.life.simulator_process import find_simulator
from kisnb.errors import BadInput, LinkLost
from kisnb.orders import Order
from kisnb.paths import state_dir
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Mode, Side, Venue


class Simulator:
    """The simulator's control address, for the session whose day it plays. Prices in won, quantities in shares.

    Every call raises BadInput with the simulator's own words when it refuses, LinkLost when it is gone.
    """

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    @pending
    async def trade(
        self,
        side: Side | str,
        code: str,
        qty: int,
        price: int | None = None,
        *,
        venue: Venue | str = Venue.KRX,
    ) -> int:
        """An order by hand on the same account, as from the phone app; no price is a market order. Its number."""
        said = await self._said(
            "trade", {"code": code, "side": side, "qty": qty, "price": price, "venue": venue}
        )
        return int(said["number"])

    @pending
    async def cancel(self, what: Order | int, qty: int | None = None) -> int:
        """Cancel shares of an order (None: all that is left) from the phone; the number of the cancel."""
        number = what.number if isinstance(what, Order) else what
        return int((await self._said("cancel", {"number": number, "qty": qty}))["number"])

    @pending
    async def fault(self, on: str, what: str, **details: object) -> None:
        """Arm a fault: ``fault("order", "cut", done=True)``; SIMULATOR.md lists where what can go wrong."""
        await self._said("fault", {"on": on, "what": what, **details})

    @pending
    async def calm(self) -> None:
        """Disarm all faults."""
        await self._said("calm", {})

    @pending
    async def ledger(self) -> dict[str, Any]:
        """The truth, which no client of KIS can see: cash, fees and taxes (won), holdings, orders."""
        return await self._said("ledger", None)

    async def _said(self, verb: str, body: dict[str, object] | None) -> dict[str, Any]:
        if self._mode is not Mode.SIM:
            raise BadInput(f"a {self._mode} desk has no simulator", "open sim")
        address = find_simulator(state_dir())
        if address is None:
            raise LinkLost("the simulator is gone", "begin a new day with %kis open sim --fresh")
        # The desk has the HTTP client; a kernel loads it for this alone.
        from kisnb.desk.run.control import ControlClient

        control = ControlClient(address.control)
        try:
            return await control.ask(verb, body)
        finally:
            await control.close()
