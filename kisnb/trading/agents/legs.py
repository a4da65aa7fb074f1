"""Orders that belong together: all of them fill, or what filled is undone."""

from __future__ import annotations

from kisnb import values
from kisnb.clock import SECOND, Ns
from kisnb.orders import Order
from kisnb.terms import Side
from kisnb.trading.agents.agent import Agent, Wait


async def fill_or_undo(agent: Agent, *legs: Order, within: float | None = None) -> bool:
    """Wait until all legs have filled whole. When one has not, undo all and return False.

    A leg that is still open ``within`` seconds from now is cancelled. With None it waits until each
    leg ends by itself, at the latest at the end of the day. To undo is to trade the shares that did
    fill back at the market, which costs fee and tax. Returns True when all have filled. Use it in
    an async handler. Raises BadInput.

    ::

        async def on_bar(self, bar):
            both = self.buy(10), self.sell(14, code="005935")
            if not await kisnb.fill_or_undo(self, *both, within=60):
                self.note = "one leg did not fill, and both are undone"
    """
    until: Ns | None = None
    if within is not None:
        until = agent.now + int(values.seconds(within, "within") * SECOND)
    for leg in legs:
        await _ended(agent, leg, until)
    if all(leg.filled == leg.quantity for leg in legs):
        return True
    # The bought shares are sold first: their cash may pay for what must be bought back.
    filled = sorted((leg for leg in legs if leg.filled), key=lambda leg: leg.side is Side.SELL)
    for leg in filled:
        trade_back = agent.sell if leg.side is Side.BUY else agent.buy
        await agent.done(trade_back(leg.filled, code=leg.code))
    return False


async def _ended(agent: Agent, leg: Order, until: Ns | None) -> None:
    """Wait until a leg has ended. At ``until`` it is cancelled."""
    if until is not None:
        await Wait(order=leg, until=until)
        if not leg.is_ended:
            agent.cancel(leg)
    await agent.done(leg)
