"""Quotes and depth name their venue, and are those of the venue that is open for the stock."""

from __future__ import annotations

import pytest

from kisnb.errors import BadInput
from kisnb.session.session import Session
from kisnb.terms import Venue
from tests.session.opening import on_simulated_day

DUAL, KRX_ONLY = "005930", "058470"


@on_simulated_day(start="08:10")
async def test_r06_a_quote_before_the_open_is_of_the_venue_where_the_order_fills(s: Session):
    quote, depth = await s.quote(DUAL), await s.depth(DUAL)
    assert (quote.venue, depth.venue) == (Venue.NXT, Venue.NXT)
    assert quote.volume
    assert depth.asks
    order = await s.buy(DUAL, 1, depth.asks[0][0])
    await s.settle()
    assert [(f.venue, f.price) for f in order.fills] == [(Venue.NXT, depth.asks[0][0])]
    krx = await s.quote(DUAL, venue="krx")
    assert (krx.venue, krx.volume) == (Venue.KRX, 0)
    assert not (await s.depth(DUAL, Venue.KRX)).asks
    assert s.blocking.quote(DUAL).venue is Venue.NXT
    assert s.blocking.depth(DUAL, "KRX").venue is Venue.KRX
    both = await s.quote(DUAL, Venue.SOR)
    assert (both.venue, both.volume) == (Venue.SOR, (await s.quote(DUAL)).volume)
    assert (await s.quote(KRX_ONLY)).venue is Venue.KRX
    with pytest.raises(BadInput, match=r"NXT does not list .*058470.*Leave the venue out"):
        await s.quote(KRX_ONLY, "NXT")
    with pytest.raises(BadInput, match="not a valid venue"):
        await s.quote(DUAL, "NYSE")
