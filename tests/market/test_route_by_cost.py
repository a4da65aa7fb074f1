"""R10: the lower whole cost decides when it is asked for, and each decision is a sentence."""

from __future__ import annotations

from typing import get_args

import pytest

from kisnb.market.costs import BRANCH
from kisnb.market.routing.router import REASONS, MarketSnapshot, Reason, Routed, Router
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Side, Venue
from tests.market.test_router import (
    BUY,
    KRX,
    KRX_ONLY,
    LIMIT,
    MARKET,
    NXT,
    SELL,
    SOR,
    Levels,
    intent,
    route,
    view,
)  # fmt: skip

ONE_TICK: tuple[Levels, Levels] = ((71_000, 100),), ((70_900, 100),)
"""Tighter, and with little at the best price."""
THIN: tuple[Levels, Levels] = ((71_000, 1), (71_300, 100)), ((70_900, 100),)
DEEP: tuple[Levels, Levels] = ((71_100, 100),), ((70_900, 100),)


def by_cost(wanted: Intent, seen: MarketSnapshot) -> Routed:
    found = Router(by_cost=True).route(wanted, seen)
    assert isinstance(found, Routed)
    return found


def test_r10_the_default_keeps_seed_1_s_criteria_and_says_what_the_other_venue_would_cost():
    found = route(intent(price=71_300), view("10:00", KRX=THIN, NXT=DEEP))
    assert isinstance(found, Routed)
    assert (found.venue, found.reason) == (KRX, "dual_listing_spread")
    krx, nxt, _ = found.evidence.alternatives
    assert krx.cost is not None
    assert nxt.cost is not None
    assert nxt.cost < krx.cost
    assert found.sentence == (
        "KRX, because its spread is tighter: 100 won, at NXT 200 won; "
        f"expected cost {krx.cost:,} won; NXT would cost {nxt.cost:,} won, "
        f"{krx.cost - nxt.cost:,} won less; "
        "the router compares the spread; %kis config routing cost lets it compare the cost"
    )
    assert found.sentence in found._repr_html_()
    assert found.evidence.text.endswith("(dual_listing_spread)")


def test_r10_by_cost_the_cheaper_venue_gets_the_order():
    found = by_cost(intent(price=71_300), view("10:00", KRX=THIN, NXT=DEEP))
    assert (found.venue, found.reason) == (NXT, "dual_listing_cost")
    assert found.sentence.startswith("NXT, because the order costs less there; expected cost ")
    assert found.sentence.endswith(" won more")


def test_r10_by_cost_a_lower_fee_decides_between_equal_depths():
    found = by_cost(intent(), view("10:00", KRX=DEEP, NXT=DEEP))
    assert (found.venue, found.reason) == (NXT, "dual_listing_cost")


def test_r10_by_cost_equal_costs_go_to_the_usual_venue():
    router = Router(by_cost=True, costs=BRANCH)
    found = router.route(intent(), view("10:00", KRX=DEEP, NXT=DEEP))
    assert isinstance(found, Routed)
    assert (found.venue, found.reason) == (KRX, "dual_listing_cost")
    assert "both venues cost the same" in found.sentence


@pytest.mark.parametrize(
    ("books", "price", "venue", "reason"),
    [
        # Nothing matches at NXT. That it costs nothing yet must not draw the order there.
        ({"KRX": ONE_TICK, "NXT": DEEP}, 71_000, KRX, "dual_listing_spread"),
        ({"KRX": ONE_TICK}, 71_100, KRX, "fallback_data_unavailable"),
    ],
)
def test_r10_costs_that_cannot_be_compared_leave_the_criteria_in_force(
    books: dict[str, tuple[Levels, Levels]], price: int, venue: Venue, reason: str
):
    found = by_cost(intent(price=price), view("10:00", **books))
    assert (found.venue, found.reason) == (venue, reason)


def test_r10_by_cost_an_old_depth_decides_nothing():
    found = by_cost(intent(), view("10:00", age=61, KRX=DEEP, NXT=DEEP))
    assert found.reason == "fallback_data_unavailable"


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("clock", ["08:10", "08:35", "10:00", "15:35", "16:30"])
@pytest.mark.parametrize("kind", [LIMIT, MARKET, OrderKind.BEST_OPPOSITE])
@pytest.mark.parametrize("venue", [None, NXT, SOR])
def test_r10_each_decision_is_a_sentence_with_the_other_venue(
    side: Side, clock: str, kind: OrderKind, venue: Venue | None
):
    for router in (Router(), Router(by_cost=True)):
        found = router.route(intent(kind=kind, side=side, venue=venue), view(clock, KRX=DEEP))
        if isinstance(found, Routed):
            assert found.sentence.startswith(f"{found.venue}, because ")
            assert found.venue is SOR or any(v in found.sentence[3:] for v in ("KRX", "NXT"))
            assert "None" not in found.sentence


def test_r10_an_order_for_the_only_venue_says_why_the_other_takes_none():
    found = route(intent(KRX_ONLY), view("10:00", KRX_ONLY, KRX=DEEP))
    assert isinstance(found, Routed)
    assert "KRX, because it alone takes the order now" in found.sentence
    assert found.sentence.endswith("NXT does not list 대신증권 (003540)")


def test_r10_every_reason_has_a_meaning():
    assert set(REASONS) == set(get_args(Reason))


def test_r10_resolve_for_order_knows_no_costs():
    found = Router(by_cost=True).resolve_for_order(
        stock_code="005930", session_id="KRX_REG", is_dual_listed=True, spread_krx=100,
        spread_nxt=200,
    )  # fmt: skip
    assert (found.exchange_code, found.reason) == ("KRX", "dual_listing_spread")
