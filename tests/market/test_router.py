"""R06–R10: the venue that an order goes to, by the rule table, with its evidence and its costs."""

import logging
from datetime import date, time

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kisnb.clock import SECOND, Ns, kst
from kisnb.errors import BadInput
from kisnb.events import Depth
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import legal
from kisnb.market.routing.evidence import Evidence
from kisnb.market.routing.router import MarketSnapshot, NotRouted, Routed, Router
from kisnb.market.uncertain import Uncertain
from kisnb.orders import Fill, Intent, Route
from kisnb.terms import Board, Kind, OrderKind, SessionId, Side, Venue

KRX, NXT, SOR = Venue.KRX, Venue.NXT, Venue.SOR
LIMIT, MARKET = OrderKind.LIMIT, OrderKind.MARKET
BUY, SELL = Side.BUY, Side.SELL
BEFORE, AFTER = date(2026, 9, 11), date(2026, 9, 14)
BOTH = Instrument("005930", "삼성전자", Board.KOSPI, Kind.STOCK, 1, 71_000, 1, nxt=True)
KRX_ONLY = Instrument("003540", "대신증권", Board.KOSPI, Kind.STOCK, 1, 71_000, 1)
ODD_DAYS = date(2026, 1, 2), date(2026, 11, 19), date(2026, 9, 12), date(2024, 5, 20)
THE_OTHERS = Uncertain(*[True] * len(Uncertain.__struct_fields__))
WIDE = ((71_100, 100),), ((70_900, 100),)
TIGHT = ((71_000, 10),), ((70_900, 10),)


def at(clock: str, day: date = AFTER) -> Ns:
    return kst(day, time.fromisoformat(clock))


Levels = tuple[tuple[int, int], ...]


def view(clock: str, item: Instrument = BOTH, day: date = AFTER, *, age: float = 1,
         **books: tuple[Levels, Levels]) -> MarketSnapshot:  # fmt: skip
    now = at(clock, day)
    then = now - int(age * SECOND)
    return MarketSnapshot(
        now, item, tuple(Depth(then, item.code, Venue(v), *book) for v, book in books.items())
    )


def intent(item: Instrument = BOTH, kind: OrderKind = LIMIT, venue: Venue | None = None,
    side: Side = BUY,
           price: int | None = 71_100) -> Intent:  # fmt: skip
    return Intent("k1", "me", item.code, side, 10, kind, price if kind.priced else None, venue)


def route(wanted: Intent, seen: MarketSnapshot) -> Routed | NotRouted:
    return Router().route(wanted, seen)


def test_r06_nxt_pre_with_a_tighter_stale_krx_book_goes_to_nxt() -> None:
    found = route(intent(), view("08:10", KRX=TIGHT, NXT=WIDE))
    assert isinstance(found, Routed)
    assert found.plain == Route(NXT, LIMIT, "session_default")


def test_r06_a_krx_only_stock_before_the_opening_auction_is_refused() -> None:
    found = route(intent(KRX_ONLY), view("08:10", KRX_ONLY))
    assert isinstance(found, NotRouted)
    assert "KRX is closed at 08:10:00" in found.reason
    assert "NXT does not list 대신증권" in found.reason
    assert found.cure == "KRX takes it from 08:30:00"


def test_r06_a_krx_only_stock_in_the_after_market_goes_to_krx_with_an_after_market_kind() -> None:
    found = route(intent(KRX_ONLY), view("16:30", KRX_ONLY))
    assert isinstance(found, Routed)
    assert found.plain == Route(KRX, OrderKind.AFTER_LIMIT, "only_legal_venue")
    assert isinstance(route(intent(KRX_ONLY), view("16:30", KRX_ONLY, BEFORE)), NotRouted)


@pytest.mark.parametrize(
    ("clock", "kind", "venue", "reason"),
    [
        ("08:35", LIMIT, NXT, "session_default"),  # KRX collects for its auction, NXT trades
        ("08:35", MARKET, KRX, "only_legal_venue"),
        ("08:55", LIMIT, KRX, "session_default"),
        ("09:00:10", LIMIT, KRX, "session_default"),
        ("10:00", LIMIT, NXT, "dual_listing_spread"),
        ("10:00", MARKET, KRX, "session_default"),
        ("10:00", OrderKind.CONDITIONAL, KRX, "session_default"),
        ("15:25", LIMIT, KRX, "session_default"),
        ("15:35", LIMIT, NXT, "session_default"),
        ("15:45", LIMIT, NXT, "session_default"),
        ("15:45", OrderKind.POST_CLOSE, KRX, "only_legal_venue"),
        ("16:30", LIMIT, NXT, "dual_listing_spread"),
    ],
)
def test_r06_a_dual_listed_stock_through_the_day(
    clock: str, kind: OrderKind, venue: Venue, reason: str
) -> None:
    found = route(intent(kind=kind), view(clock, KRX=WIDE, NXT=TIGHT))
    assert isinstance(found, Routed)
    assert (found.venue, found.kind, found.reason) == (venue, kind, reason)


def test_r06_in_both_after_markets_the_tighter_book_decides() -> None:
    found = route(intent(), view("16:30", KRX=TIGHT, NXT=WIDE))
    assert isinstance(found, Routed)
    assert found.plain == Route(KRX, OrderKind.AFTER_LIMIT, "dual_listing_spread")


@pytest.mark.parametrize(
    ("books", "venue", "reason"),
    [
        ({"KRX": TIGHT}, KRX, "fallback_data_unavailable"),
        ({}, KRX, "fallback_data_unavailable"),
        ({"KRX": TIGHT, "NXT": (((71_000, 900),), ())}, KRX, "fallback_data_unavailable"),
        ({"KRX": TIGHT, "NXT": TIGHT}, KRX, "dual_listing_spread"),
    ],
)
def test_r05_route_too_takes_a_one_sided_book_for_missing_data(
    books: dict[str, tuple[Levels, Levels]], venue: Venue, reason: str
) -> None:
    found = route(intent(), view("10:00", **books))
    assert isinstance(found, Routed)
    assert (found.venue, found.reason) == (venue, reason)


def test_r05_a_book_older_than_a_minute_decides_nothing() -> None:
    fresh, old = (
        route(intent(), view("10:00", age=age, KRX=WIDE, NXT=TIGHT)) for age in (60, 60.5)
    )
    assert (fresh.reason, old.reason) == ("dual_listing_spread", "fallback_data_unavailable")
    assert isinstance(old, Routed)
    assert [seen.age for seen in old.evidence.seen] == [60_500_000_000] * 2


def test_r06_a_halted_issue_goes_nowhere() -> None:
    found = route(intent(), view("10:00", msgspec.structs.replace(BOTH, halted=True), KRX=TIGHT))
    assert isinstance(found, NotRouted)
    assert found.reason == "the exchange has halted trading in 삼성전자 (005930)"


def test_r06_the_view_must_be_of_the_same_issue() -> None:
    with pytest.raises(BadInput, match="The view is of 003540"):
        route(intent(), view("10:00", KRX_ONLY))


def test_r07_each_decision_is_a_record_that_can_be_queried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = Router()
    with caplog.at_level(logging.INFO, logger="kisnb.routing"):
        found = router.route(intent(), view("10:00", KRX=WIDE, NXT=TIGHT))
        refused = router.route(intent(KRX_ONLY), view("08:10", KRX_ONLY))
    assert isinstance(found, Routed)
    evidence = found.evidence
    assert (evidence.t, evidence.session_id, evidence.venue) == (
        at("10:00"),
        SessionId.KRX_REG,
        NXT,
    )
    assert [(book.venue, book.asks) for book in evidence.seen] == [(KRX, WIDE[0]), (NXT, TIGHT[0])]
    assert {book.age for book in evidence.seen} == {SECOND}
    assert [row.venue for row in evidence.alternatives] == [KRX, NXT, SOR]
    assert router.decisions.of("k1") == list(router.decisions) == [found.evidence, refused.evidence]
    assert (
        router.decisions.select(code="005930") == router.decisions.select(venue=NXT) == [evidence]
    )
    assert router.decisions.select(session_id=SessionId.NXT_PRE, since=at("08:00")) == [
        refused.evidence
    ]
    first, second = caplog.records
    assert first.getMessage() == (
        "KR routing resolved session_id=KRX_REG exchange=NXT reason=dual_listing_spread"
    )
    assert (first.session_id, first.exchange, first.reason) == (
        "KRX_REG",
        "NXT",
        "dual_listing_spread",
    )  # type: ignore[attr-defined]
    assert second.exchange == "none"  # type: ignore[attr-defined]


def test_r07_only_the_newest_decisions_are_kept() -> None:
    router = Router(kept=2)
    for clock in ("10:00", "10:01", "10:02"):
        router.route(intent(), view(clock))
    assert [evidence.t for evidence in router.decisions] == [at("10:01"), at("10:02")]


def test_r07_evidence_can_be_stored() -> None:
    found = route(intent(side=SELL), view("10:00", KRX=WIDE, NXT=TIGHT))
    assert msgspec.json.decode(msgspec.json.encode(found.evidence), type=Evidence) == found.evidence
    assert isinstance(found, Routed)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Route) == found.plain


def test_r07_the_evidence_shows_venues_prices_ages_and_the_choice() -> None:
    html = route(intent(), view("10:00", KRX=WIDE, NXT=TIGHT))._repr_html_()
    for text in (
        "KRX_REG",
        "buy 10 005930 @ 71,100 → NXT, because its spread is tighter: 100 won, at KRX 200 won",
        "(dual_listing_spread)",
        "71,000 × 10",
        "1.0 s",
        "chosen",
    ):
        assert text in html
    assert (
        "KRX takes it from 08:30:00"
        in route(intent(KRX_ONLY), view("08:10", KRX_ONLY))._repr_html_()
    )


def test_r07_names_in_the_evidence_are_escaped_for_html() -> None:
    odd = msgspec.structs.replace(KRX_ONLY, name="<b>대신</b>")
    html = route(intent(odd), view("08:10", odd))._repr_html_()
    assert "<b>대신" not in html
    assert "&lt;b&gt;대신" in html


def test_r08_a_queued_intent_is_routed_again_by_the_session_in_which_it_is_sent() -> None:
    router = Router()
    venues = [
        router.route(intent(), view(clock, KRX=TIGHT, NXT=WIDE)).evidence.venue
        for clock in ("08:10", "10:00")
    ]
    assert venues == [NXT, KRX]
    assert [evidence.venue for evidence in router.decisions.of("k1")] == venues


def test_r09_a_market_order_on_nxt_is_refused_with_what_it_takes() -> None:
    found = route(intent(kind=MARKET, venue=NXT), view("10:00", KRX=WIDE, NXT=TIGHT))
    assert isinstance(found, NotRouted)
    assert found.reason == "NXT's regular session takes no market orders"
    assert "market-ioc" in found.cure


def test_r09_in_the_regular_session_a_market_order_is_krx_s() -> None:
    found = route(intent(kind=MARKET), view("10:00", KRX=WIDE, NXT=TIGHT))
    assert isinstance(found, Routed)
    assert found.plain == Route(KRX, MARKET, "session_default")


def test_r09_krx_after_market_takes_no_market_order() -> None:
    found = route(intent(kind=MARKET), view("16:30", KRX=TIGHT, NXT=TIGHT))
    assert isinstance(found, NotRouted)
    assert "KRX's after-market takes no market orders" in found.reason


@pytest.mark.parametrize("venue", Venue)
def test_r09_a_named_venue_is_kept(venue: Venue) -> None:
    found = route(intent(venue=venue), view("10:00", KRX=WIDE, NXT=TIGHT))
    assert isinstance(found, Routed)
    assert found.plain == Route(venue, LIMIT, "venue_given")


TWO_LEVELS = ((71_000, 5), (71_100, 100)), ((70_900, 100),)
ONE_LEVEL = ((71_000, 10), (71_100, 50)), ((70_900, 30),)


def table(
    wanted: Intent, seen: MarketSnapshot
) -> dict[Venue, tuple[int | None, int | None, int | None, int, int, int | None]]:
    rows = Router().what_if(wanted, seen)
    return {
        row.venue: (row.at_once, row.waiting, row.slippage, row.fee, row.tax, row.cost)
        for row in rows
    }


def test_r10_expected_cost_of_a_buy_by_hand() -> None:
    """Midpoint 70,950.

    KRX: 5 at 71,000 and 5 at 71,100; NXT: 10 at 71,000; SOR: 5 on each at 71,000.
    """
    assert table(intent(), view("10:00", KRX=TWO_LEVELS, NXT=ONE_LEVEL)) == {
        KRX: (10, 0, 1_000, 98, 0, 1_098),
        NXT: (10, 0, 500, 92, 0, 592),
        SOR: (10, 0, 500, 95, 0, 595),
    }


def test_r10_expected_cost_of_a_sale_has_tax() -> None:
    """10 at 70,900: fee 99.6 or 92.5, tax 0.20 % of 709,000."""
    found = table(intent(side=SELL, price=70_900), view("10:00", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    assert found[KRX] == (10, 0, 500, 99, 1_418, 2_017)
    assert found[NXT] == (10, 0, 500, 92, 1_418, 2_010)


def test_r10_of_a_book_whose_sizes_are_not_known_nothing_is_told_but_the_fee() -> None:
    """NXT's trades name its best prices.

    How many shares stand there is then not known, and is not 0.
    """
    priced = ((71_000, 0),), ((70_900, 0),)
    found = table(intent(), view("10:00", KRX=TWO_LEVELS, NXT=priced))
    assert found[KRX] == (10, 0, 1_000, 98, 0, 1_098)
    assert found[NXT] == (None, None, None, 92, 0, None)
    # On both together KRX's 5 are not all that there is at 71,000.
    assert found[SOR][2] is None
    # What the order does not reach is known not to match.
    assert table(intent(price=70_950), view("10:00", NXT=priced))[NXT][:2] == (0, 10)
    shown = (
        Router().preview(intent(), view("10:00", KRX=TWO_LEVELS, NXT=priced)).evidence._repr_html_()
    )
    assert "71,000 × –" in shown
    assert "× 0" not in shown


def test_r10_what_waits_counts_without_slippage() -> None:
    assert table(intent(price=71_000), view("10:00", KRX=TWO_LEVELS))[KRX] == (
        5,
        5,
        250,
        98,
        0,
        348,
    )


def test_r10_the_rest_of_a_market_order_counts_at_the_worst_price_seen() -> None:
    book = ((71_000, 5), (71_100, 1)), ((70_900, 100),)
    assert table(intent(kind=MARKET), view("10:00", KRX=book))[KRX][:3] == (6, 4, 5 * 50 + 5 * 150)


@pytest.mark.parametrize(
    ("kind", "at_once", "waiting"),
    [
        (OrderKind.BEST_OPPOSITE, 5, 5),
        (OrderKind.BEST_OWN, 0, 10),
        (OrderKind.MID_PRICE, 0, 10),
        (OrderKind.BEST_OPPOSITE_IOC, 5, 0),
        (OrderKind.BEST_OPPOSITE_FOK, 0, 0),
        (OrderKind.MARKET_FOK, 10, 0),
    ],
)
def test_r10_how_far_a_kind_reaches(kind: OrderKind, at_once: int, waiting: int) -> None:
    assert table(intent(kind=kind), view("10:00", KRX=TWO_LEVELS))[KRX][:2] == (at_once, waiting)


def test_r10_sor_matches_only_where_the_kind_is_taken() -> None:
    """A market order by SOR can go to KRX alone; a limit order of the after-market to NXT alone."""
    found = table(intent(kind=MARKET), view("10:00", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    assert (found[SOR], found[NXT]) == (found[KRX], (0, 0, None, 0, 0, None))
    late = table(intent(), view("16:30", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    assert late[SOR] == late[NXT] == (10, 0, 500, 92, 0, 592)


def test_r07_a_route_and_a_refusal_are_short_lines() -> None:
    books = {"KRX": WIDE, "NXT": TIGHT}
    assert repr(route(intent(), view("10:00", **books))) == "<Route NXT limit: dual_listing_spread>"
    assert repr(route(intent(kind=MARKET, venue=NXT), view("10:00", **books))) == (
        "<Refused: NXT's regular session takes no market orders. Choose market-ioc, "
        "best-opposite or limit.>"
    )


def test_r10_what_cannot_be_told_is_none_and_what_is_not_taken_says_why() -> None:
    rows = {
        row.venue: row
        for row in Router().what_if(intent(), view("08:35", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    }
    assert (rows[KRX].slippage, rows[KRX].cost, rows[KRX].fee) == (None, None, 99)
    assert rows[NXT].cost == 592
    closed = {
        row.venue: row
        for row in Router().what_if(intent(), view("08:10", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    }
    assert "KRX is closed" in closed[KRX].why_not
    assert closed[KRX].cost is None


def test_r10_after_the_fill_the_choice_is_scored() -> None:
    found = route(intent(venue=KRX), view("10:00", KRX=TWO_LEVELS, NXT=ONE_LEVEL))
    fills = [Fill(at("10:00"), 5, 71_000, 49, 0, KRX), Fill(at("10:00"), 5, 71_100, 49, 0, KRX)]
    scored = found.evidence.score(fills)
    assert scored is not None
    assert (scored.venue, scored.filled, scored.paid, scored.expected) == (KRX, 10, 1_098, 1_098)
    assert (scored.other, scored.other_expected, scored.saved) == (NXT, 592, -506)
    half = found.evidence.score(fills[:1])
    assert half is not None
    assert (half.paid, half.other_expected, half.saved) == (299, 296, -3)


def test_r10_a_venue_on_which_the_order_would_have_waited_is_not_the_better_one() -> None:
    """At 71,000 KRX fills all ten.

    Nextrade's best ask is 71,100, so the order would rest there for a fee alone.
    """
    krx, nxt = (((71_000, 50),), ((70_900, 100),)), (((71_100, 50),), ((70_900, 100),))
    found = route(intent(price=71_000, venue=KRX), view("10:00", KRX=krx, NXT=nxt))
    rows = {row.venue: row for row in found.evidence.alternatives}
    assert rows[NXT].cost is not None
    assert (rows[NXT].at_once, rows[NXT].cost < rows[KRX].cost) == (0, True)  # type: ignore[operator]
    scored = found.evidence.score([Fill(at("10:00"), 10, 71_000, 99, 0, KRX)])
    assert scored is not None
    assert (scored.other, scored.saved) == (SOR, 0)
    assert repr(scored) == (
        "<Score KRX: 10 shares cost 599 won, expected 599; SOR would have cost 599: saved 0 won>"
    )


def test_r10_a_score_without_an_alternative_says_so() -> None:
    found = route(intent(kind=MARKET), view("10:00", KRX=WIDE))
    scored = found.evidence.score([Fill(at("10:00"), 10, 71_100, 99, 0, KRX)])
    assert scored is not None
    assert "SOR would have cost" in repr(scored)
    alone = route(intent(KRX_ONLY), view("10:00", KRX_ONLY, KRX=WIDE)).evidence.score([])
    assert alone is not None
    assert alone.other is None
    assert "no other venue" in repr(alone)


def test_r10_a_refusal_has_no_score() -> None:
    assert route(intent(KRX_ONLY), view("08:10", KRX_ONLY)).evidence.score([]) is None


sides = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 500)), max_size=4, unique_by=lambda level: level[0]
)
books = st.builds(
    lambda asks, bids: (
        tuple((71_000 + 100 * n, qty) for n, qty in sorted(asks)),
        tuple((71_000 - 100 * n, qty) for n, qty in sorted(bids)),
    ),
    sides, sides,
)  # fmt: skip


@given(
    st.sampled_from([BEFORE, AFTER, *ODD_DAYS]), st.integers(0, 86_399),
    st.sampled_from([BOTH, KRX_ONLY]),
    st.sampled_from(OrderKind), st.sampled_from([None, *Venue]), st.sampled_from(Side),
    st.dictionaries(st.sampled_from(["KRX", "NXT"]), books),
    st.sampled_from([Uncertain(), THE_OTHERS]),
)  # fmt: skip
# SOR takes it, and no venue executes it at this second.
@example(AFTER, 57_600, KRX_ONLY, OrderKind.LIMIT, None, Side.BUY, {}, THE_OTHERS)
def test_invariant_5_no_order_is_routed_to_a_venue_that_would_not_take_it(
    day: date, second: int, item: Instrument, kind: OrderKind, venue: Venue | None, side: Side,
    books: dict[str, tuple[Levels, Levels]], assumed: Uncertain,
) -> None:  # fmt: skip
    router = Router(assumed=assumed)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    seen = view(clock, item, day, **books)
    wanted = intent(item, kind, venue, side)
    found = router.route(wanted, seen)
    assert router.route(wanted, seen) == found
    if isinstance(found, Routed):
        assert legal(seen.now, found.venue, found.kind, item, assumed)
        assert venue in (None, found.venue)
        assert found.venue is not SOR or venue is SOR
        chosen = next(row for row in found.evidence.alternatives if row.venue is found.venue)
        assert not chosen.why_not
        assert chosen.at_once + chosen.waiting <= wanted.qty
    else:
        assert found.reason
        assert found.cure
        asked = (venue,) if venue else (KRX, NXT)
        assert all(row.why_not for row in found.evidence.alternatives if row.venue in asked)
    assert found._repr_html_()
