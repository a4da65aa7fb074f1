"""K07: expected matches and market operation on the way from the simulated host to a notebook's
session."""

from __future__ import annotations

from kisnb.clock import clock_text
from kisnb.session.session import Session
from kisnb.terms import Venue
from tests.session.opening import on_simulated_day

CODE = "005930"


@on_simulated_day(start="08:55")
async def test_k07_the_opening_auction_is_seen_before_it_matches_and_the_open_is_told(
    session: Session,
) -> None:
    await session.watch(CODE, channels=("expected", "operation"))
    await session.until("09:00:30")
    match, first = session.data.expected[CODE], session.ticks(CODE).row(0, named=True)
    assert match.venue is Venue.KRX
    assert match.qty > 0
    assert clock_text(match.t) < "09:00:00"
    # The last word before the match; what came in between may move it a little.
    assert abs(first["price"] - match.price) <= match.price * 0.02
    assert session.data.operations[CODE].operation == "112"
    assert not [text for text in session.troubles if "refused" in text]


@on_simulated_day(start="10:00")
async def test_k07_program_trades_of_a_followed_stock_are_at_hand(session: Session) -> None:
    await session.watch(CODE, channels=("programs",))
    await session.until("10:10")
    programs = session.data.programs[CODE]
    assert (programs.code, programs.venue) == (CODE, Venue.KRX)
    assert programs.bought > 0
    assert not session.troubles
