"""R06, R09, O07: what a venue takes, and until when, comes from one dated table."""

import re
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import BadInput
from kisnb.market import order_rules, sessions
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import RULES, expires, kinds, legal, taken_as
from kisnb.market.session_table import SPANS
from kisnb.market.uncertain import Uncertain
from kisnb.terms import Board, Kind, OrderKind, Phase, Venue

K = OrderKind
KRX, NXT, SOR = Venue.KRX, Venue.NXT, Venue.SOR
BEFORE, AFTER, SATURDAY, EXAM = (
    date(2026, 9, 11),
    date(2026, 9, 14),
    date(2026, 9, 12),
    date(2026, 11, 19),
)
BOTH = Instrument("005930", "삼성전자", Board.KOSPI, Kind.STOCK, 1, 71_000, 1, nxt=True)
KRX_ONLY = Instrument("003540", "대신증권", Board.KOSPI, Kind.STOCK, 1, 20_000, 1)
ETF = Instrument("069500", "KODEX 200", Board.KOSPI, Kind.ETF, 1, 35_000, 1)
AFTER_KINDS = (
    K.AFTER_LIMIT, K.AFTER_LIMIT_IOC, K.AFTER_LIMIT_FOK, K.AFTER_BEST_OPPOSITE,
    K.AFTER_BEST_OPPOSITE_IOC,
    K.AFTER_BEST_OPPOSITE_FOK, K.AFTER_BEST_OWN,
)  # fmt: skip


def at(clock: str, day: date = AFTER) -> int:
    return kst(day, time.fromisoformat(clock))


@pytest.mark.parametrize(
    ("clock", "venue", "kind", "issue", "yes"),
    [
        ("08:10", NXT, K.LIMIT, BOTH, True),
        ("08:10", NXT, K.NXT_PRE_LIMIT, BOTH, True),
        ("08:10", NXT, K.MARKET, BOTH, False),
        ("08:10", NXT, K.MARKET_IOC, BOTH, True),
        ("08:10", NXT, K.LIMIT, KRX_ONLY, False),
        ("08:10", KRX, K.LIMIT, BOTH, False),
        ("08:35", KRX, K.LIMIT, BOTH, True),
        ("08:35", KRX, K.PRE_CLOSE, BOTH, True),
        ("08:40", KRX, K.PRE_CLOSE, BOTH, False),
        ("08:35", KRX, K.BEST_OPPOSITE, BOTH, False),
        ("08:35", KRX, K.LIMIT_IOC, BOTH, False),
        ("08:55", NXT, K.LIMIT, BOTH, False),
        ("09:00:29", NXT, K.LIMIT, BOTH, False),
        ("09:00:30", NXT, K.LIMIT, BOTH, True),
        ("10:00", KRX, K.MARKET, ETF, True),
        ("10:00", KRX, K.AFTER_LIMIT, BOTH, False),
        ("10:00", NXT, K.MARKET, BOTH, False),
        ("10:00", NXT, K.CONDITIONAL, BOTH, False),
        ("10:00", NXT, K.STOP_LIMIT, BOTH, True),
        ("10:00", SOR, K.MARKET, BOTH, True),
        ("10:00", SOR, K.MID_PRICE, BOTH, False),
        ("10:00", SOR, K.LIMIT, KRX_ONLY, False),
        ("15:25", KRX, K.MARKET, BOTH, True),
        ("15:25", KRX, K.MID_PRICE, BOTH, False),
        ("15:25", NXT, K.LIMIT, BOTH, False),
        ("15:35", NXT, K.LIMIT, BOTH, True),
        ("15:35", NXT, K.BEST_OPPOSITE, BOTH, False),
        ("15:35", KRX, K.POST_CLOSE, BOTH, True),
        ("15:35", KRX, K.LIMIT, BOTH, False),
        ("16:30", KRX, K.AFTER_LIMIT, KRX_ONLY, True),
        ("16:30", KRX, K.AFTER_LIMIT, ETF, False),
        ("16:30", KRX, K.LIMIT, BOTH, False),
        ("16:30", KRX, K.MARKET, BOTH, False),
        ("16:30", KRX, K.SINGLE_PRICE, BOTH, False),
        ("16:30", NXT, K.LIMIT, BOTH, True),
        ("20:00", NXT, K.LIMIT, BOTH, False),
    ],
)
def test_r09_since_2026_09_14(
    clock: str, venue: Venue, kind: OrderKind, issue: Instrument, yes: bool
) -> None:
    verdict = legal(at(clock), venue, kind, issue)
    assert bool(verdict) is yes
    assert verdict.rule is not None if yes else verdict.why_not and verdict.cure


@pytest.mark.parametrize(
    ("clock", "venue", "kind", "yes"),
    [
        ("16:30", KRX, K.SINGLE_PRICE, True),
        ("16:30", KRX, K.AFTER_LIMIT, False),
        ("18:00", KRX, K.SINGLE_PRICE, False),
        ("08:10", NXT, K.NXT_PRE_LIMIT, False),
        ("08:10", NXT, K.LIMIT, True),
    ],
)
def test_r09_until_2026_09_11(clock: str, venue: Venue, kind: OrderKind, yes: bool) -> None:
    assert bool(legal(at(clock, BEFORE), venue, kind, BOTH)) is yes


def test_r09_krx_after_market_takes_41_to_47_only() -> None:
    assert kinds(at("16:30"), KRX, KRX_ONLY) == AFTER_KINDS
    assert kinds(at("16:30"), KRX, ETF) == ()
    assert kinds(at("16:30", SATURDAY), KRX, BOTH) == kinds(at("21:00"), KRX, BOTH) == ()


@pytest.mark.parametrize(
    ("clock", "venue", "kind", "issue", "why", "cure"),
    [
        ("10:00", NXT, K.MARKET, BOTH, "NXT's regular session takes no market orders",
         "choose market-ioc, best-opposite or limit"),
        ("10:00", NXT, K.LIMIT, KRX_ONLY, r"NXT does not list 대신증권 \(003540\)",
         "send the order to KRX"),
        ("08:10", NXT, K.LIMIT, KRX_ONLY, r"NXT does not list 대신증권 \(003540\)",
         "KRX takes it from 08:30:00"),
        ("08:40", NXT, K.BEST_OWN, KRX_ONLY, r"NXT does not list 대신증권 \(003540\)",
         "send the order to KRX, as market, limit or conditional"),
        ("10:00", KRX, K.SINGLE_PRICE, BOTH, "KRX's regular session takes no single-price",
         "choose limit"),
        ("08:10", KRX, K.SINGLE_PRICE, BOTH, "KRX is closed",
         "choose another kind: KRX takes no single-price orders of 005930 at any time"),
        ("08:10", KRX, K.LIMIT, KRX_ONLY, "KRX is closed at 08:10:00 KST on 2026-09-14",
         "KRX takes it from 08:30:00"),
        ("08:10", KRX, K.STOP_LIMIT, BOTH, "KRX is closed", "KRX takes it from 09:00:00"),
        ("15:25", NXT, K.MID_PRICE, BOTH, "NXT is closed", "next trading day"),
        ("16:30", KRX, K.MARKET, BOTH, "KRX's after-market takes no market orders",
         "choose after-best-opposite, after-limit or after-limit-ioc"),
        ("16:30", KRX, K.LIMIT, ETF, "KRX's after-market takes no ETF", "next trading day"),
    ],
)  # fmt: skip
def test_r09_a_no_says_why_and_the_cure(
    clock: str, venue: Venue, kind: OrderKind, issue: Instrument, why: str, cure: str
) -> None:
    verdict = legal(at(clock), venue, kind, issue)
    assert re.match(why, verdict.why_not)
    assert cure in verdict.cure


def test_r06_in_krx_after_market_a_limit_order_goes_as_an_after_market_kind() -> None:
    assert taken_as(at("16:30"), KRX, K.LIMIT, KRX_ONLY)[0] is K.AFTER_LIMIT
    assert taken_as(at("16:30"), KRX, K.BEST_OWN, KRX_ONLY)[0] is K.AFTER_BEST_OWN
    assert taken_as(at("10:00"), KRX, K.LIMIT, KRX_ONLY)[0] is K.LIMIT
    kind, verdict = taken_as(at("16:30"), KRX, K.MARKET, KRX_ONLY)
    assert (kind, bool(verdict)) == (K.MARKET, False)


@pytest.mark.parametrize(
    ("clock", "venue", "kind", "ends"),
    [
        ("08:35", KRX, K.LIMIT, "15:30"),
        ("08:35", KRX, K.PRE_CLOSE, "08:40"),
        ("10:00", KRX, K.LIMIT, "15:30"),
        ("10:00", KRX, K.MARKET, "15:30"),
        ("10:00", KRX, K.LIMIT_IOC, "10:00"),
        ("15:35", KRX, K.POST_CLOSE, "16:00"),
        ("16:30", KRX, K.AFTER_LIMIT, "20:00"),
        ("16:30", KRX, K.AFTER_LIMIT_FOK, "16:30"),
        ("08:10", NXT, K.NXT_PRE_LIMIT, "08:50"),
        ("08:10", NXT, K.LIMIT, "20:00"),
        ("10:00", NXT, K.LIMIT, "20:00"),
        ("10:00", NXT, K.MID_PRICE, "15:20"),
        ("15:35", NXT, K.LIMIT, "20:00"),
        ("10:00", SOR, K.LIMIT, "20:00"),
    ],
)
def test_o07_unfilled_orders_end_at_the_times_of_the_table(
    clock: str, venue: Venue, kind: OrderKind, ends: str
) -> None:
    assert expires(at(clock), venue, kind) == at(ends)


def test_o07_on_the_exam_day_krx_ends_an_hour_later_and_nextrade_as_usual() -> None:
    assert expires(at("10:30", EXAM), KRX, K.LIMIT) == at("16:30", EXAM)
    assert expires(at("10:30", EXAM), NXT, K.LIMIT) == at("20:00", EXAM)
    assert expires(at("16:30", BEFORE), KRX, K.SINGLE_PRICE) == at("18:00", BEFORE)


def test_o07_an_order_that_cannot_be_entered_has_no_end() -> None:
    with pytest.raises(BadInput, match="KRX takes no limit orders at 16:30:00"):
        expires(at("16:30"), KRX, K.LIMIT)


@pytest.mark.parametrize(
    ("fact", "clock", "venue", "kind", "issue"),
    [
        ("nxt_mid_and_stop_all_day", "08:10", NXT, K.MID_PRICE, BOTH),
        ("nxt_mid_and_stop_all_day", "16:30", NXT, K.STOP_LIMIT, BOTH),
        ("krx_conditional_at_close", "15:25", KRX, K.CONDITIONAL, BOTH),
        ("sor_new_kinds", "08:10", SOR, K.NXT_PRE_LIMIT, BOTH),
        ("sor_new_kinds", "16:30", SOR, K.AFTER_LIMIT, BOTH),
        ("sor_krx_only", "10:00", SOR, K.LIMIT, KRX_ONLY),
        ("opening_auction_from_0820", "08:25", KRX, K.LIMIT, BOTH),
    ],
)
def test_r09_both_variants_of_an_uncertain_fact_can_be_played(
    fact: str, clock: str, venue: Venue, kind: OrderKind, issue: Instrument
) -> None:
    assert not legal(at(clock), venue, kind, issue)
    assert legal(at(clock), venue, kind, issue, Uncertain(**{fact: True}))


def test_r06_sor_sends_no_krx_only_stock_into_nextrades_hours() -> None:
    assumed = Uncertain(sor_krx_only=True)
    assert not legal(at("08:10"), SOR, K.LIMIT, KRX_ONLY, assumed)
    assert legal(at("08:35"), SOR, K.LIMIT, KRX_ONLY, assumed)


def test_r09_every_row_names_source_and_certainty_and_stands_on_a_session_row() -> None:
    names = {(row.venue, row.name) for row in SPANS}
    names |= {(SOR, name) for _, name in names}
    for rule in RULES:
        assert rule.source
        assert rule.certainty in "ABC"
        assert {(rule.venue, rule.span), (rule.venue, rule.until)} <= names
        assert bool(rule.only_if) == (rule.certainty == "C")
    assert set().union(*(rule.kinds for rule in RULES)) == set(OrderKind)


moments = st.builds(
    kst,
    st.sampled_from([BEFORE, AFTER, SATURDAY, EXAM, date(2026, 1, 2), date(2024, 5, 20)]),
    st.integers(0, 86_399),
)
issues = st.sampled_from([BOTH, KRX_ONLY, ETF])


@given(moments, st.sampled_from(Venue), st.sampled_from(OrderKind), issues)
def test_invariant_5_nothing_is_legal_at_a_venue_that_is_closed_or_does_not_list_it(
    now: int, venue: Venue, kind: OrderKind, issue: Instrument
) -> None:
    verdict = legal(now, venue, kind, issue)
    assert (kind in kinds(now, venue, issue)) is bool(verdict)
    if verdict:
        assert sessions.phase(venue, now) is not Phase.CLOSED
        assert venue is KRX or issue.nxt
        assert expires(now, venue, kind) >= now
        assert not (venue is NXT and kind is K.MARKET)
    as_kind, taken = taken_as(now, venue, kind, issue)
    assert bool(taken) is bool(legal(now, venue, as_kind, issue))
    assert order_rules.taken_as(now, venue, as_kind, issue) == (as_kind, taken)
