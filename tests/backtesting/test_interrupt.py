"""The interrupt button during a back-test (A04)."""

from __future__ import annotations

import pytest

import kisnb
from kisnb.backtesting.tape.tape_run import TapeRun
from kisnb.events import Tick
from kisnb.market.universe import Universe
from kisnb.terms import Side, Venue
from tests.trading.desk import CODE, NOON


class Endless(kisnb.Agent):
    """Is interrupted in its handler."""

    code = CODE

    def on_tick(self, tick: Tick) -> None:
        raise KeyboardInterrupt


def test_a04_an_interrupt_in_a_handler_ends_the_back_test_and_names_the_line():
    engine = TapeRun(Endless(), Universe.packaged(), NOON)
    with pytest.raises(KeyboardInterrupt, match=r"interrupted in Endless\.on_tick, line "):
        engine.frame(NOON, [Tick(NOON, CODE, Venue.KRX, 100, 1, Side.BUY, 0, 0, 100, 100)])
