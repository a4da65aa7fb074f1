"""Parts of an agent that are for a desk, in a back-test over bars. Rows A14, H06."""

from __future__ import annotations

import kisnb
from kisnb.events import Bar
from kisnb.guards import Guards
from tests.backtesting.test_short_way import minutes


class Thinker(kisnb.Agent):
    code = "005930"
    every = "1m"
    guards = Guards()

    def on_bar(self, bar: Bar) -> None:
        if not self.held() and not self.working():
            self.decide("BUY", "nothing is held", order=self.buy(1), close=bar.close)
        else:
            self.decide("HOLD", "it is held", close=bar.close)


def test_a14_h06_an_agent_that_notes_decisions_runs_over_bars() -> None:
    result = kisnb.backtest(Thinker(), minutes(1, 3, per_day=30), costs="bankis", cash=10**8)
    assert len(result.book.orders) == 1
