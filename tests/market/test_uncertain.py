"""M01, M04, R06: facts that no document settles are chosen in one place, and the whole process
follows."""

from collections.abc import Iterator
from datetime import date, time

import pytest

from kisnb.clock import kst
from kisnb.errors import ConfigError
from kisnb.market import costs, sessions, uncertain
from kisnb.market.costs import BANKIS
from kisnb.market.order_rules import RULES, legal
from kisnb.market.routing.router import Router
from kisnb.market.session_table import LABELS, SPANS
from kisnb.market.ticks import FUND_GRIDS, LIMITS, LISTING_DAY, STOCK_GRIDS
from kisnb.market.uncertain import Uncertain
from kisnb.market.universe import Universe
from kisnb.terms import Kind, OrderKind, Phase, SessionId, Venue

KRX, NXT = Venue.KRX, Venue.NXT
EXAM, FIRST, PLAIN = date(2026, 11, 19), date(2026, 1, 2), date(2026, 11, 20)
FUND = Universe.packaged().get("069500")


@pytest.fixture(autouse=True)
def taken_back() -> Iterator[None]:
    yield
    uncertain.use(Uncertain())


def test_what_the_process_assumes_is_followed_by_sessions_rules_and_router() -> None:
    at_0825, evening = kst(PLAIN, time(8, 25)), kst(PLAIN, time(16, 30))
    router = Router()
    assert sessions.phase(KRX, at_0825) is Phase.CLOSED
    assert not legal(evening, KRX, OrderKind.AFTER_LIMIT, FUND)
    uncertain.use(uncertain.read("opening_auction_from_0820, krx_after_takes_funds"))
    assert sessions.phase(KRX, at_0825) is Phase.AUCTION
    assert legal(evening, KRX, OrderKind.AFTER_LIMIT, FUND)
    assert router.assumed is None
    assert not legal(evening, KRX, OrderKind.AFTER_LIMIT, FUND, Uncertain())


def test_a_name_that_is_no_fact_fails_loudly() -> None:
    assert uncertain.read("") == uncertain.read(" , ") == Uncertain()
    with pytest.raises(ConfigError, match="Did you mean sor_krx_only"):
        uncertain.read("nxt_after_call,sor_krx_onyl")
    with pytest.raises(ConfigError, match="costs_by_fill"):
        uncertain.read("weather")


def phases(day: date, clock: str) -> tuple[Phase, Phase, SessionId]:
    now = kst(day, time.fromisoformat(clock))
    return sessions.phase(KRX, now), sessions.phase(NXT, now), sessions.session_id(now)


@pytest.mark.parametrize(
    ("day", "clock", "all_later", "as_reported"),
    [
        (
            EXAM,
            "09:10",
            (Phase.CLOSED, Phase.CONTINUOUS, "NXT_PRE"),
            (Phase.CLOSED, Phase.CLOSED, "KR_OFF"),
        ),
        (EXAM, "10:30", (Phase.CONTINUOUS, Phase.CONTINUOUS, "KRX_REG"), None),
        (EXAM, "16:35", (Phase.ENTRY_ONLY, Phase.ENTRY_ONLY, "NXT_AFTER"), None),
        (EXAM, "16:50", (Phase.CONTINUOUS, Phase.CONTINUOUS, "NXT_AFTER"), None),
        (
            EXAM,
            "20:30",
            (Phase.CONTINUOUS, Phase.CONTINUOUS, "NXT_AFTER"),
            (Phase.CLOSED, Phase.CLOSED, "KR_OFF"),
        ),
        (
            FIRST,
            "08:10",
            (Phase.CLOSED, Phase.CONTINUOUS, "NXT_PRE"),
            (Phase.CLOSED, Phase.CLOSED, "KR_OFF"),
        ),
        (FIRST, "10:30", (Phase.CONTINUOUS, Phase.CONTINUOUS, "KRX_REG"), None),
        (PLAIN, "08:10", (Phase.CLOSED, Phase.CONTINUOUS, "NXT_PRE"), None),
        (PLAIN, "19:59:59", (Phase.CONTINUOUS, Phase.CONTINUOUS, "NXT_AFTER"), None),
    ],
)
def test_m01_special_days_are_as_the_press_reported_them_or_all_later(
    day: date,
    clock: str,
    all_later: tuple[Phase, Phase, str],
    as_reported: tuple[Phase, Phase, str] | None,
) -> None:
    assert phases(day, clock) == (as_reported or all_later)
    uncertain.use(Uncertain(special_days_all_later=True))
    assert phases(day, clock) == all_later


def test_m04_costs_are_floored_on_the_order_or_on_each_fill() -> None:
    """Three fills of 7,000 won: 0.98 won of commission each, 2.95 together."""

    def fee(won: int) -> int:
        return BANKIS.fee(won, KRX, Kind.STOCK)

    assert [costs.added(fee, before, 7_000) for before in (0, 7_000, 14_000)] == [0, 1, 1]
    uncertain.use(Uncertain(costs_by_fill=True))
    assert [costs.added(fee, before, 7_000) for before in (0, 7_000, 14_000)] == [0, 0, 0]


ROWS = (
    *SPANS, *LABELS, *RULES, *LIMITS, *LISTING_DAY, *FUND_GRIDS,
    *(grid for grids in STOCK_GRIDS.values() for grid in grids),
    *costs.TAXES, *costs.COMMISSIONS,
)  # fmt: skip


def test_every_row_names_its_source_and_certainty_and_a_doubtful_alternative_is_a_named_fact() -> (
    None
):
    assert [row for row in ROWS if not row.source or row.certainty not in ("A", "B", "C")] == []
    optional = [row for row in (*SPANS, *RULES) if row.only_if]
    assert {row.certainty for row in optional} == {"C"}
    assert {row.only_if for row in optional} <= set(Uncertain.__struct_fields__)
    assert [row for row in (*SPANS, *RULES) if row.certainty == "C" and not row.only_if] == []
