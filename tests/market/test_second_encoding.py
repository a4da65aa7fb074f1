"""M01, M03: two encodings, made independently, agree over every second of four days and every price
to a million."""

from datetime import date

import pytest

from kisnb.clock import SECOND, kst
from kisnb.market import sessions, ticks
from kisnb.terms import Board, Kind, Venue
from tests.market.painted_days import DAYS, LABEL, LETTER, MILLION, painted, tick_run


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("venue", [Venue.KRX, Venue.NXT])
def test_m01_every_second_of_a_venue(day: str, venue: Venue) -> None:
    midnight = kst(date.fromisoformat(day), 0)
    found = "".join([LETTER[sessions.phase(venue, midnight + s * SECOND)] for s in range(86_400)])
    assert first_difference(found, painted(DAYS[day][venue])) is None


@pytest.mark.parametrize("day", DAYS)
def test_m01_every_second_of_the_label(day: str) -> None:
    midnight = kst(date.fromisoformat(day), 0)
    found = "".join([LABEL[sessions.session_id(midnight + s * SECOND)] for s in range(86_400)])
    assert first_difference(found, painted(DAYS[day]["id"])) is None


@pytest.mark.parametrize(
    ("table", "kind", "day", "board"),
    [
        ("KOSPI 2022", Kind.STOCK, date(2022, 6, 1), Board.KOSPI),
        ("KOSDAQ 2022", Kind.STOCK, date(2022, 6, 1), Board.KOSDAQ),
        ("stock 2026", Kind.STOCK, date(2026, 9, 14), Board.KOSPI),
        ("stock 2026", Kind.STOCK, date(2026, 9, 14), Board.KOSDAQ),
        ("fund 2022", Kind.ETN, date(2022, 6, 1), Board.KOSPI),
        ("fund 2026", Kind.ETF, date(2026, 9, 14), Board.KOSPI),
    ],
)
def test_m03_every_price_to_a_million(table: str, kind: Kind, day: date, board: Board) -> None:
    found = [ticks.tick_size(price, kind, day, board) for price in range(1, MILLION + 1)]
    wanted = tick_run(table)
    assert (
        next(
            ((i + 1, a, b) for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b),
            None,
        )
        is None
    )


def first_difference(found: str, wanted: str) -> tuple[str, str, str] | None:
    for s, (a, b) in enumerate(zip(found, wanted, strict=True)):
        if a != b:
            return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}", a, b
    return None
