"""The order in which the events of one moment are booked and their frames are sent."""

from __future__ import annotations

from kisnb.exchange.happenings import (
    DepthChanged,
    Happening,
    SessionBegan,
    SessionEnded,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.account.brokerage import Brokerage
from kisnb.simulator.host.market_tape import MarketTape
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.streams.streams import Streams
from kisnb.terms import Venue


class Publisher:
    """Applies the exchange's events to the account and sends their frames, in a fixed order."""

    def __init__(
        self,
        market: Market,
        brokerage: Brokerage,
        streams: Streams,
        recorder: DayRecorder,
        tape: MarketTape | None,
    ) -> None:
        self._market = market
        self._brokerage = brokerage
        self._streams = streams
        self._recorder = recorder
        self._tape = tape

    def publish(self, happenings: list[Happening]) -> None:
        """Book the events of one moment and send their frames.

        Notices of own orders come first, then trades, then the market's operation, then depth.
        """
        now = self._market.now
        traded: dict[str, list[Traded]] = {}
        steps: list[TradingInterrupted | TradingResumed | SessionBegan | SessionEnded] = []
        changed: dict[str, list[Venue]] = {}
        for happening in happenings:
            if isinstance(happening, DepthChanged):
                changed.setdefault(happening.code, []).append(happening.venue)
            elif isinstance(happening, Traded):
                traded.setdefault(happening.code, []).append(happening)
            elif isinstance(
                happening, TradingInterrupted | TradingResumed | SessionBegan | SessionEnded
            ):
                steps.append(happening)
            elif (change := self._brokerage.apply(happening)) is not None:
                self._recorder.order(now, change.order)
                if change.notice is not None:
                    self._streams.notices.send(now, change.notice, change.order)
        if self._tape is not None:
            self._tape.add(now, traded, steps, changed)
        # The order is ours: KIS documents none between notices and trades.
        for code, trades in traded.items():
            self._streams.market.send_trades(now, code, trades)
        for step in steps:
            self._streams.market.send_operation(now, step)
        for code, venues in changed.items():
            self._streams.market.send_depth(now, code, venues)
