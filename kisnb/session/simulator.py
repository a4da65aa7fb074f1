"""``session.simulator``: orders from a simulated phone app, faults, and the simulator's figures."""

from __future__ import annotations

from typing import Any

from kisnb.desk.life.simulator_process import find_simulator
from kisnb.errors import BadInput, LinkLost
from kisnb.orders import Order
from kisnb.paths import state_dir
from kisnb.session.typed_orders.pending import pending
from kisnb.terms import Mode, Side, Venue


class Simulator:
    """Controls the simulator of the session's day. Prices in won, quantities in shares.

    Every call raises BadInput with the simulator's own words when the simulator refuses it, and
    LinkLost when the simulator is gone.
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
        """Place an order on the same account, as KIS's phone app would. Return the order number.

        Without a price it is a market order.
        """
        reply = await self._ask(
            "trade", {"code": code, "side": side, "qty": qty, "price": price, "venue": venue}
        )
        return int(reply["number"])

    @pending
    async def cancel(self, what: Order | int, qty: int | None = None) -> int:
        """Cancel ``qty`` shares of an order (None: all leaves), as KIS's phone app would.

        Return the order number of the cancel.
        """
        number = what.number if isinstance(what, Order) else what
        return int((await self._ask("cancel", {"number": number, "qty": qty}))["number"])

    @pending
    async def fault(self, on: str, what: str, **details: object) -> None:
        """Set a fault, such as ``fault("order", "cut", done=True)``.

        ``on`` says where the fault strikes, ``what`` says what it does there. SIMULATOR.md lists
        all faults.
        """
        await self._ask("fault", {"on": on, "what": what, **details})

    @pending
    async def calm(self) -> None:
        """Remove all faults."""
        await self._ask("calm", {})

    @pending
    async def ledger(self) -> dict[str, Any]:
        """Return the simulator's own figures: cash, fees and taxes (won), holdings, orders.

        No client of KIS can see them.
        """
        return await self._ask("ledger", None)

    async def _ask(self, verb: str, body: dict[str, object] | None) -> dict[str, Any]:
        if self._mode is not Mode.SIM:
            raise BadInput(f"a {self._mode} desk has no simulator", "open sim")
        # The address is looked up at each call, because a restarted simulator has other ports.
        address = find_simulator(state_dir())
        if address is None:
            raise LinkLost("the simulator is gone", "begin a new day with %kis open sim --fresh")
        # Imported here, because a kernel needs an HTTP client for this alone.
        from kisnb.desk.run.control import ControlClient

        control = ControlClient(address.control)
        try:
            return await control.ask(verb, body)
        finally:
            await control.close()
