"""Orders that belong together: either all of them fill, or their fills are traded back."""

from __future__ import annotations

from kisnb import values
from kisnb.clock import SECOND, Ns
from kisnb.orders import Order
from kisnb.terms import Side
from kisnb.trading.agents.agent import Agent, Wait


async def fill_or_undo(agent: Agent, *legs: Order, within: float | None = None) -> bool:
    """Wait until all legs have filled whole. If one has not, undo all and return False.

    A *leg* is one of the orders. A leg that is still open after ``within`` seconds is cancelled.
    With None the call waits until each leg ends by itself, at the latest at the end of the day. To
    undo means to trade the filled shares back at the market, which costs fee and tax. Returns True
    when all have filled. Use it in an async handler. Raises BadInput.

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
    # Bought shares are sold first, because their cash may be needed to buy sold shares back.
    filled = sorted((leg for leg in legs if leg.filled), key=lambda leg: leg.side is Side.SELL)
    for leg in filled:
        trade_back = agent.sell if leg.side is Side.BUY else agent.buy
        await agent.done(trade_back(leg.filled, code=leg.code))
    return False


async def _ended(agent: Agent, leg: Order, until: Ns | None) -> None:
    """Wait until a leg has ended. Cancel it at ``until``."""
    if until is not None:
        await Wait(order=leg, until=until)
        if not leg.is_ended:
            agent.cancel(leg)
    await agent.done(leg)
