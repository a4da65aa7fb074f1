"""The venue whose price is shown when a person names none."""

from __future__ import annotations

from datetime import date, time

import pytest

from kisnb.clock import kst
from kisnb.market.price_venue import price_venue
from kisnb.market.universe import Universe
from kisnb.terms import Venue

DAY = date(2026, 11, 20)
DUAL, KRX_ONLY, ETF = "005930", "058470", "069500"
BOTH = (Venue.KRX, Venue.NXT)


@pytest.mark.parametrize(
    ("at", "venue"),
    [
        (time(7, 0), Venue.KRX),
        (time(8, 10), Venue.NXT),
        # KRX collects orders for its auction; Nextrade trades.
        (time(8, 35), Venue.NXT),
        (time(8, 55), Venue.KRX),
        (time(10, 0), Venue.KRX),
        (time(15, 25), Venue.KRX),
        # KRX takes orders at the day's close alone, so a limit order goes to Nextrade.
        (time(15, 45), Venue.NXT),
        (time(16, 30), Venue.KRX),
        (time(20, 30), Venue.KRX),
    ],
)
def test_r06_the_price_is_that_of_the_venue_where_a_limit_order_would_go(at: time, venue: Venue):
    assert price_venue(kst(DAY, at), Universe.packaged().get(DUAL), BOTH) is venue


@pytest.mark.parametrize("code", [KRX_ONLY, ETF])
@pytest.mark.parametrize("at", [time(8, 10), time(10, 0), time(15, 45)])
def test_r06_the_price_of_a_stock_that_nextrade_does_not_list_is_krxs(code: str, at: time):
    assert price_venue(kst(DAY, at), Universe.packaged().get(code), BOTH) is Venue.KRX


def test_k13_a_host_without_nextrade_shows_krxs_price_at_any_time():
    item = Universe.packaged().get(DUAL)
    assert price_venue(kst(DAY, time(8, 10)), item, (Venue.KRX,)) is Venue.KRX
