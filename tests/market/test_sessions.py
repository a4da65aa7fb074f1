"""M01: session ids and phases at every boundary of a day."""

from collections.abc import Iterator
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND, kst
from kisnb.market import sessions, uncertain
from kisnb.market.session_table import LABELS, SPANS
from kisnb.market.uncertain import Uncertain
from kisnb.terms import Phase, SessionId, Venue

BEFORE, AFTER = date(2026, 9, 11), date(2026, 9, 14)
FIRST, EXAM, SATURDAY, HOLIDAY = (
    date(2026, 1, 2),
    date(2026, 11, 19),
    date(2026, 9, 12),
    date(2026, 9, 25),
)
C, A, N, E = Phase.CLOSED, Phase.AUCTION, Phase.CONTINUOUS, Phase.ENTRY_ONLY
OFF, PRE, REG, LATE = SessionId.KR_OFF, SessionId.NXT_PRE, SessionId.KRX_REG, SessionId.NXT_AFTER

DAY = [
    # at, session id, KRX, NXT, KRX's regular session
    ("07:59:59", OFF, C, C, C),
    ("08:00:00", PRE, C, N, C),
    ("08:20:00", PRE, C, N, C),
    ("08:30:00", PRE, A, N, A),
    ("08:40:00", PRE, A, N, A),
    ("08:49:59", PRE, A, N, A),
    ("08:50:00", OFF, A, C, A),
    ("08:59:59", OFF, A, C, A),
    ("09:00:00", REG, N, C, N),
    ("09:00:30", REG, N, N, N),
    ("15:19:59", REG, N, N, N),
    ("15:20:00", REG, A, C, A),
    ("15:29:59", REG, A, C, A),
    ("15:30:00", LATE, E, E, C),
    ("15:40:00", LATE, N, N, C),
    ("16:00:00", LATE, N, N, C),
    ("18:00:00", LATE, N, N, C),
    ("19:59:59", LATE, N, N, C),
    ("20:00:00", OFF, C, C, C),
]


def regular_phase(now: int) -> Phase:
    """Return the phase of KRX's regular session: CLOSED while it takes no orders."""
    regular = ("opening auction", "regular", "closing auction")
    active = (row.span for row in sessions.active(Venue.KRX, now))
    return next((span.phase for span in active if span.name in regular), C)


def check(
    day: date, at: str, label: SessionId, krx: Phase, nxt: Phase, regular: Phase, hours: int = 0
) -> None:
    now = kst(day, time.fromisoformat(at)) + hours * 60 * MINUTE
    found = sessions.session_id(now), sessions.phase(Venue.KRX, now), sessions.phase(Venue.NXT, now)
    assert (*found, regular_phase(now)) == (label, krx, nxt, regular)


@pytest.mark.parametrize("row", DAY, ids=[row[0] for row in DAY])
def test_m01_each_boundary_of_an_ordinary_day_has_its_phases_and_label(
    row: tuple[str, SessionId, Phase, Phase, Phase],
) -> None:
    check(AFTER, *row)


@pytest.mark.parametrize("row", DAY, ids=[row[0] for row in DAY])
def test_m01_the_last_day_before_the_reform(
    row: tuple[str, SessionId, Phase, Phase, Phase],
) -> None:
    """Until 2026-09-11 KRX held single-price auctions from 16:00 to 18:00 and had no
    after-market."""
    at, label, krx, nxt, regular = row
    krx = {"16:00:00": A, "18:00:00": C, "19:59:59": C}.get(at, krx)
    check(BEFORE, at, label, krx, nxt, regular)


@pytest.fixture
def all_later() -> Iterator[None]:
    uncertain.use(Uncertain(special_days_all_later=True))
    yield
    uncertain.use(Uncertain())


@pytest.mark.parametrize("row", DAY, ids=[row[0] for row in DAY])
def test_m01_an_exam_day_is_an_hour_later_in_the_other_variant(
    row: tuple[str, SessionId, Phase, Phase, Phase], all_later: None
) -> None:
    check(EXAM, *row, hours=1)


@pytest.mark.parametrize("row", DAY, ids=[row[0] for row in DAY])
def test_m01_an_exam_day_is_an_hour_later_without_a_pre_market_and_ends_as_usual(
    row: tuple[str, SessionId, Phase, Phase, Phase],
) -> None:
    at, label, krx, nxt, regular = row
    if label is PRE:
        label, nxt = OFF, C
    if at == "19:59:59":
        label, krx, nxt = OFF, C, C
    check(EXAM, at, label, krx, nxt, regular, hours=1)
    check(EXAM, "19:59:59", LATE, N, N, C)


def test_m01_nextrade_on_the_exam_day_of_2025_as_the_press_reported_it() -> None:
    day = date(2025, 11, 13)
    assert [(h.span.name, h.start, h.end) for h in sessions.hours(Venue.NXT, day)] == [
        ("regular", kst(day, time(10, 0, 30)), kst(day, time(16, 20))),
        ("after-market entry", kst(day, time(16, 30)), kst(day, time(16, 40))),
        ("after-market", kst(day, time(16, 40)), kst(day, time(20))),
    ]
    single_price = sessions.hours(Venue.KRX, day)[-1]
    assert single_price.span.name == "single price"
    assert (single_price.start, single_price.end) == (kst(day, time(17)), kst(day, time(18)))


@pytest.mark.parametrize(
    ("at", "before", "after"), [("16:00", A, N), ("17:59:59", A, N), ("18:00", C, N)]
)
def test_m01_krx_single_price_ended_and_after_market_began(
    at: str, before: Phase, after: Phase
) -> None:
    assert sessions.phase(Venue.KRX, kst(BEFORE, time.fromisoformat(at))) is before
    assert sessions.phase(Venue.KRX, kst(AFTER, time.fromisoformat(at))) is after


def test_m01_first_trading_day_opens_at_ten_and_closes_as_usual() -> None:
    assert sessions.regular_open(FIRST) == kst(FIRST, time(10))
    assert sessions.regular_close(FIRST) == kst(FIRST, time(15, 30))
    check(FIRST, "09:59:59", OFF, A, C, A)
    check(FIRST, "10:00:00", REG, N, C, N)
    check(FIRST, "15:20:00", REG, A, C, A)


@pytest.mark.parametrize("day", [SATURDAY, HOLIDAY])
@pytest.mark.parametrize("at", ["08:10", "09:30", "15:25", "17:00"])
def test_m01_nothing_trades_on_a_day_off(day: date, at: str) -> None:
    check(day, at, OFF, C, C, C)
    assert sessions.boundaries(day) == ()


def test_m01_before_nextrade_there_is_only_the_regular_label() -> None:
    day = date(2024, 5, 20)
    assert sessions.session_id(kst(day, time(8, 10))) is OFF
    assert sessions.session_id(kst(day, time(16))) is OFF
    assert sessions.phase(Venue.NXT, kst(day, time(10))) is C


def test_m01_until_july_2016_the_close_was_at_three() -> None:
    assert sessions.regular_close(date(2016, 7, 29)) == kst(date(2016, 7, 29), time(15))
    assert sessions.regular_close(date(2016, 8, 1)) == kst(date(2016, 8, 1), time(15, 30))


def test_m01_sor_takes_what_either_venue_takes() -> None:
    assert sessions.phase(Venue.SOR, kst(AFTER, time(8, 10))) is N
    assert sessions.phase(Venue.SOR, kst(AFTER, time(15, 25))) is A
    assert sessions.phase(Venue.SOR, kst(AFTER, time(21))) is C


def test_m01_stretches_overlap_where_the_venue_holds_two_markets() -> None:
    names = [row.span.name for row in sessions.active(Venue.KRX, kst(AFTER, time(8, 35)))]
    assert names == ["opening auction", "pre-open closing price"]
    assert [row.span.name for row in sessions.active(Venue.KRX, kst(AFTER, time(8, 40)))] == [
        "opening auction"
    ]
    assert {row.span.venue for row in sessions.active(Venue.SOR, kst(AFTER, time(8, 35)))} == {
        Venue.KRX,
        Venue.NXT,
    }


def test_m01_uncertain_facts_are_chosen_in_one_place() -> None:
    early = Uncertain(opening_auction_from_0820=True)
    assert sessions.phase(Venue.KRX, kst(AFTER, time(8, 20))) is C
    assert sessions.phase(Venue.KRX, kst(AFTER, time(8, 20)), early) is A
    assert sessions.phase(Venue.KRX, kst(BEFORE, time(8, 20)), early) is C
    call = Uncertain(nxt_after_call=True)
    assert sessions.phase(Venue.NXT, kst(AFTER, time(15, 35)), call) is A


@given(day=st.dates(date(2014, 1, 1), date(2027, 12, 31)), second=st.integers(0, 86_399))
def test_m01_phases_and_label_change_at_boundaries_only(day: date, second: int) -> None:
    now = kst(day, second)
    since = max((b for b in sessions.boundaries(day) if b <= now), default=kst(day, 0))

    def state(t: int) -> tuple[object, ...]:
        return (
            sessions.session_id(t),
            regular_phase(t),
            *(sessions.phase(venue, t) for venue in Venue),
        )

    assert state(now) == state(since)
    assert state(now) == state(now + SECOND - 1)


def test_m01_every_row_names_its_source_and_certainty() -> None:
    assert all(row.source and row.certainty in "ABC" for row in SPANS)
    assert all(bool(row.only_if) == (row.certainty == "C") for row in SPANS)
    assert {row.only_if for row in SPANS if row.only_if} <= set(Uncertain.__struct_fields__)
    assert {row.session_id for row in LABELS} == {REG, PRE, LATE}
