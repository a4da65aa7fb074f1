"""Preferred pair: hold the cheaper one of a company's common and preferred shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kisnb.clock import Ns
from kisnb.events import Bar, Tick
from kisnb.market import sessions
from kisnb.market.indicators import ZScore
from kisnb.terms import Phase, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.legs import fill_or_undo

COMMON, PREFERRED, NEITHER, HOLD = "common", "preferred", "neither", "hold"


class PreferredPair(Agent):
    """Buys the cheap share when the spread is ``enter`` σ from its mean; sells within ``leave`` σ.

    - Idea: both shares own the same company, so their prices come back to their usual distance.
    - Data: daily bars of both. The spread is common ÷ preferred, compared with its mean and its
      standard deviation (σ) over ``length`` days, the newest one included.
    - Decision: once for each day that has closed for both (``decide``). The order trades at the
      next bar.
    - Long only: a short sale is another kind of order at KIS, and kisnb does not send it. So it
      holds only the cheap share (the *leg*), and the risk of the whole market stays.
    - If an order of a leg fills only in part, the filled part is sold again. The strategy tries
      again only after the spread has been within ``enter`` σ, because each try costs fee and tax.
    - Known weakness: the spread may move for good, for example with a new dividend policy. The
      preferred share trades less often, so its price is older than that of the common share.
    """

    every: ClassVar[str] = "1d"
    code: str = ""
    """The common share."""
    preferred: str = ""
    """The preferred share. Empty: the code of the common share with a 5 at its end."""
    length: int = 60
    """Days of the mean."""
    enter: float = 2.0
    """Standard deviations from the mean at which it buys."""
    leave: float = 0.5
    """Standard deviations from the mean at which it sells."""
    weight: float = 0.2
    """Part of the account's equity that the held share has after a buy, 1 for all of it."""
    patience: float = 0.0
    """Seconds that an order may take to fill. 0: until the end of its day."""

    def stocks(self) -> tuple[str, ...]:
        """Return the common and the preferred share."""
        return (self.code, self.preferred or f"{self.code[:-1]}5")

    def on_start(self) -> None:
        """Begin with no earlier decision and no open orders."""
        self._decided: Ns = 0
        self._trades = False
        self._was_undone = False
        self._traded: set[str] = set()

    async def on_bar(self, bar: Bar) -> None:  # noqa: ARG002 - looks at both stocks
        """Decide on the days so far, and trade at the next bar."""
        await self._look()

    async def on_tick(self, tick: Tick) -> None:
        """Decide once both have traded, because no daily bar closes on the day of a start."""
        # Before KRX opens, a market order would be denied, and the decision would be lost.
        if sessions.phase(Venue.KRX, tick.t) is not Phase.CONTINUOUS:
            return
        # A leg is sized at its newest price.
        self._traded.add(tick.code)
        if len(self._traded) == len(self.stocks()):
            await self._look()

    async def _look(self) -> None:
        common, preferred = self.stocks()
        of_common = self.bars("1d", self.length, common)
        of_preferred = self.bars("1d", self.length, preferred)
        # The bars of the two shares may close one after the other.
        if not of_common or not of_preferred or of_common[-1].t != of_preferred[-1].t:
            return None
        if of_common[-1].t == self._decided or self._trades:
            return None
        self._decided = of_common[-1].t
        z = z_of(of_common, of_preferred, self.length)
        held = COMMON if self.held(common) else PREFERRED if self.held(preferred) else NEITHER
        wish = decide(z, held, self.enter, self.leave)
        if wish in (HOLD, NEITHER):
            self._was_undone = False
        self.note = "no spread yet" if z is None else f"spread {z:+.2f} σ, holds {held}"
        if wish in (HOLD, held) or self._was_undone:
            why = "the spread is not known" if z is None else "the spread gives no reason to change"
            why = "the last leg was undone" if self._was_undone else why
            return self.decide(HOLD, why, z=z, held=held)
        self._trades = True
        await self._change(wish, z)
        self._trades = False
        return None

    async def _change(self, wish: str, z: float | None) -> None:
        """Sell the share that is held, then buy the wanted one. Note each order as a decision."""
        common, preferred = self.stocks()
        for code in (common, preferred):
            if self.held(code):
                sale = self.sell(self.held(code), code=code)
                self.decide("sell", f"wants {wish}", order=sale, code=code, z=z)
                await self.done(sale)
        if wish == NEITHER:
            return
        code = common if wish == COMMON else preferred
        leg = self.target(self.weight, code=code)
        self.decide("buy", f"{wish} is cheap", order=leg, code=code, z=z)
        if leg is not None and not await fill_or_undo(self, leg, within=self.patience or None):
            self._was_undone = True
            self.decide("undo", "the leg did not fill whole", order=leg, code=code)


def z_of(common: Sequence[Bar], preferred: Sequence[Bar], length: int) -> float | None:
    """Return how many standard deviations the newest spread lies above its mean.

    Only days on which both shares traded count. None when there are fewer than ``length`` such
    days, and when the spread did not move.
    """
    closes = {bar.t: bar.close for bar in preferred if bar.volume}
    score = ZScore(length)
    for bar in common:
        if bar.volume and bar.t in closes:
            score.update(bar.close / closes[bar.t])
    return score.value


def decide(z: float | None, held: str, enter: float, leave: float) -> str:
    """Return the share to hold: ``"common"``, ``"preferred"`` or ``"neither"``; or ``"hold"``.

    ``"hold"`` keeps the share that is held now. ``z`` is the spread (common ÷ preferred) in
    standard deviations from its mean: above 0 the common share is expensive. None: not known.
    ``held`` is the share that is held now.
    """
    if z is None:
        return HOLD
    if z >= enter:
        return PREFERRED
    if z <= -enter:
        return COMMON
    if (held == PREFERRED and z <= leave) or (held == COMMON and z >= -leave):
        return NEITHER
    return HOLD
