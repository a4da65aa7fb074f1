"""Foreign follower: hold a stock while foreigners go on buying it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from kisnb.clock import kst_day
from kisnb.strategies.daily_agent import DailyAgent
from kisnb.strategies.ranges import Count, NotNegative, Part

BUY, SELL, HOLD = "buy", "sell", "hold"


class ForeignFollower(DailyAgent):
    """Buys after ``days`` days of net buying by foreigners; sells after ``leave`` days of selling.

    - Idea: foreign funds build a position over weeks, so their buying goes on for a while.
    - Data: daily flows of one stock, in shares. A back-test gets them by ``flows=``. KIS has none
      at paper.
    - Decision: once for each day whose flow is known (``decide``). The order trades on the next
      day. If a day has no flow, it decides to hold, and the decision log says so.
    - Known weakness: the sum is compared with the listed shares of today, so after a capital
      increase an old sum looks small. The flows are known only after the close, and the price has
      often moved by then. There is no stop.
    """

    code: str = ""
    """The stock that it trades."""
    days: Count = 3
    """It buys when foreigners bought net on this number of days in a row."""
    share: NotNegative = 0.001
    """It buys only when their sum is above this part of the listed shares: 0.001 is 0.1 %."""
    leave: Count = 2
    """It sells when foreigners sold net on this number of days in a row."""
    listed: int = 0
    """Number of listed shares. 0: the number in the list of stocks."""
    weight: Part = 0.2
    """Part of the account's equity that the holding has after a buy, 1 for all of it."""

    def on_start(self) -> None:
        """Begin with no earlier decision."""
        super().on_start()
        self._decided: tuple[date, date | None] | None = None

    def look(self) -> bool:
        """Decide on the flows that are known now."""
        flows = self.flows(max(self.days, self.leave))
        newest = flows[-1]
        moment = kst_day(self.now), None if newest is None else newest.day
        if moment == self._decided:
            return newest is not None
        self._decided = moment
        net = [None if flow is None else flow.foreign for flow in flows]
        listed = self.listed or self.listed_shares()
        wish, why = decide(net, listed, self.days, self.share, self.leave, held=self.held() > 0)
        order = None
        if wish != HOLD and not self.working():
            order = self.target(self.weight if wish == BUY else 0)
        known = [n for n in net[-self.days :] if n is not None]
        self.decide(wish, why, order=order, newest=net[-1], total=sum(known), listed=listed)
        return newest is not None


def decide(
    net: Sequence[int | None],
    listed: int | None,
    days: int,
    share: float,
    leave: int,
    *,
    held: bool,
) -> tuple[str, str]:
    """Return ``"buy"``, ``"sell"`` or ``"hold"``, and the reason.

    ``net`` are the shares that foreigners bought net on the newest days, oldest first; None for a
    day whose flow is not known. ``listed`` is the number of listed shares, None when it is not
    known. ``held`` True: the agent holds shares of the stock.
    """
    window = net[-(leave if held else days) :]
    known = [n for n in window if n is not None]
    if len(known) < len(window):
        return HOLD, f"the flow of {len(window) - len(known)} of {len(window)} days is not known"
    if held:
        if all(n < 0 for n in known):
            return SELL, f"foreigners sold net on {leave} days in a row"
        return HOLD, "foreigners have not turned"
    if not all(n > 0 for n in known):
        return HOLD, f"foreigners did not buy net on {days} days in a row"
    if listed is None:
        return HOLD, "the listed shares are not known"
    if sum(known) <= share * listed:
        return HOLD, f"they bought no more than {share:.2%} of the listed shares"
    return BUY, f"foreigners bought net on {days} days in a row"
