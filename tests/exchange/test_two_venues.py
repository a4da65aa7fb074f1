"""H03, R06, R08: KRX and Nextrade side by side: phases, lives of orders, the smart order router,
after hours."""

import pytest

from kisnb.exchange.happenings import SessionBegan
from kisnb.market.uncertain import Uncertain
from kisnb.terms import OrderKind as K
from kisnb.terms import Venue

from .days import (
    BUY,
    FUND,
    KRX,
    NXT,
    OLD_DAY,
    ONLY_KRX,
    SAMSUNG,
    SELL,
    SOR,
    Play,
    accepted_at,
    ended,
    fills,
    refused,
    trades,
)


def test_h03_each_venue_has_a_book_of_its_own() -> None:
    play = Play("10:00")
    play.order(SELL, 10, 71_000, venue=NXT)
    assert fills(play.order(BUY, 10, 71_000)) == []
    assert (play.book(NXT), play.book(KRX)) == ((((71_000, 10),), ()), ((), ((71_000, 10),)))
    assert play.book(SOR) == (((71_000, 10),), ((71_000, 10),))
    assert trades(play.order(BUY, 4, 71_000, venue=NXT)) == [(NXT, 4, 71_000)]
    assert [play.exchange.tally(SAMSUNG, venue).volume for venue in (KRX, NXT)] == [0, 4]


@pytest.mark.parametrize(
    ("now", "venue", "code", "kind", "why"),
    [
        ("08:10", KRX, SAMSUNG, K.LIMIT, "closed"),
        ("08:10", NXT, SAMSUNG, K.LIMIT, ""),
        ("08:10", NXT, ONLY_KRX, K.LIMIT, "venue"),
        ("08:10", SOR, ONLY_KRX, K.LIMIT, "venue"),
        ("08:55", NXT, SAMSUNG, K.LIMIT, "closed"),
        ("09:00:10", NXT, SAMSUNG, K.LIMIT, "closed"),
        ("09:00:30", NXT, SAMSUNG, K.LIMIT, ""),
        ("10:00", NXT, SAMSUNG, K.MARKET, "kind"),
        ("15:25", NXT, SAMSUNG, K.LIMIT, "closed"),
        ("15:35", NXT, SAMSUNG, K.LIMIT, ""),
        ("15:35", NXT, SAMSUNG, K.LIMIT_IOC, "kind"),
        ("15:35", KRX, SAMSUNG, K.LIMIT, "kind"),
        ("16:30", KRX, SAMSUNG, K.LIMIT, "kind"),
        ("16:30", KRX, SAMSUNG, K.AFTER_LIMIT, ""),
        ("16:30", KRX, ONLY_KRX, K.AFTER_LIMIT, ""),
        ("16:30", KRX, FUND, K.AFTER_LIMIT, "closed"),
        ("19:59:59", NXT, SAMSUNG, K.LIMIT, ""),
        ("20:00", NXT, SAMSUNG, K.LIMIT, "closed"),
    ],
)
def test_r06_who_takes_what_when(now: str, venue: Venue, code: str, kind: K, why: str) -> None:
    """Invariant 5, as the one dated table of order rules says."""
    base = {SAMSUNG: 71_000, ONLY_KRX: 50_000, FUND: 35_000}[code]
    assert refused(Play(now).order(BUY, 1, base, kind, venue, code)) == why


def test_h03_regular_orders_end_at_1530_on_krx_and_live_until_20_on_nextrade() -> None:
    play = Play("14:00")
    play.order(BUY, 5, 70_000)
    play.order(BUY, 6, 70_000, venue=NXT)
    play.order(BUY, 7, 70_000, K.STOP_LIMIT, NXT, stop=72_000)
    assert ended(play.until("15:20")) == [("expired", 3, 7)]
    assert ended(play.until("15:30")) == [("expired", 1, 5)]
    play.until("16:30")
    assert fills(play.order(SELL, 2, 70_000, venue=NXT)) == [(2, 2, 70_000), (4, 2, 70_000)]
    assert ended(play.until("20:00")) == [("expired", 2, 4)]
    assert play.exchange.next_boundary is None


def test_h03_orders_wait_through_nextrades_pauses_and_nothing_trades_meanwhile() -> None:
    play = Play("08:30")
    play.order(BUY, 5, 71_000, venue=NXT)
    play.order(BUY, 6, 70_900, K.NXT_PRE_LIMIT, NXT)
    assert ended(play.until("08:50")) == [("expired", 2, 6)]
    assert refused(play.order(SELL, 5, 71_000, venue=NXT)) == "closed"
    play.until("09:00:30")
    assert fills(play.order(SELL, 3, 71_000, venue=NXT)) == [(1, 3, 71_000), (4, 3, 71_000)]
    assert play.cancel(1)[0].qty == 2  # type: ignore[union-attr]


def test_h03_an_order_can_be_cancelled_in_a_pause() -> None:
    play = Play("08:30")
    play.order(BUY, 5, 71_000, venue=NXT)
    play.until("08:55")
    assert ended(play.cancel(1, 2)) == [("cancelled", 1, 2)]


def test_h03_nextrades_after_market_matches_what_came_in_before_in_the_order_of_arrival() -> None:
    play = Play("15:31")
    play.order(SELL, 5, 70_900, venue=NXT)
    play.order(BUY, 3, 71_100, venue=NXT)
    play.order(BUY, 4, 71_000, venue=NXT)
    assert trades(play.said) == []
    assert trades(play.until("15:40")) == [(NXT, 3, 70_900), (NXT, 2, 70_900)]
    assert play.exchange.leaves_of(3) == 2


def test_h03_or_in_one_auction_when_that_is_assumed() -> None:
    play = Play("15:31", assumed=Uncertain(nxt_after_call=True))
    play.order(SELL, 5, 70_900, venue=NXT)
    play.order(BUY, 3, 71_100, venue=NXT)
    play.order(BUY, 4, 71_000, venue=NXT)
    assert trades(play.until("15:40")) == [(NXT, 5, 71_000)]


def test_h03_sessions_are_told_when_they_begin() -> None:
    play = Play("07:00")
    began = [(h.venue, h.name) for h in play.until("20:00") if isinstance(h, SessionBegan)]
    assert began == [
        (NXT, "pre-market"),
        (KRX, "opening auction"),
        (KRX, "pre-open closing price"),
        (KRX, "regular"),
        (NXT, "regular"),
        (KRX, "closing auction"),
        (KRX, "closing price entry"),
        (NXT, "after-market entry"),
        (KRX, "closing price"),
        (NXT, "after-market"),
        (KRX, "after-market"),
    ]


# KRX after hours


def test_h03_before_the_open_shares_change_hands_at_the_previous_close_by_time() -> None:
    play = Play("08:30")
    play.order(BUY, 5, kind=K.PRE_CLOSE)
    play.order(BUY, 5, kind=K.PRE_CLOSE)
    said = play.order(SELL, 7, kind=K.PRE_CLOSE)
    assert fills(said) == [(1, 5, 71_000), (3, 5, 71_000), (2, 2, 71_000), (3, 2, 71_000)]
    tally = play.exchange.tally(SAMSUNG)
    assert (tally.volume, tally.open, tally.last) == (7, 0, 0)
    assert ended(play.until("08:40")) == [("expired", 2, 3)]


def test_h03_after_the_close_at_the_close_which_no_later_trade_moves() -> None:
    play = Play("15:25")
    play.order(SELL, 10, 71_300)
    play.order(BUY, 4, 71_300)
    play.until("15:35")
    assert trades(play.said) == [(KRX, 4, 71_300)]
    play.order(BUY, 3, kind=K.POST_CLOSE)
    play.order(SELL, 5, kind=K.POST_CLOSE)
    assert trades(play.until("15:40")) == [(KRX, 3, 71_300)]
    assert fills(play.order(BUY, 1, kind=K.POST_CLOSE)) == [(4, 1, 71_300), (5, 1, 71_300)]
    assert ended(play.until("16:00")) == [("expired", 4, 1)]
    play.order(SELL, 2, 71_500, K.AFTER_LIMIT)
    play.order(BUY, 2, kind=K.AFTER_BEST_OPPOSITE)
    assert play.exchange.listing(SAMSUNG).close == 71_300
    assert play.exchange.tally(SAMSUNG).last == 71_500


def test_h03_single_price_auctions_every_ten_minutes_until_the_reform() -> None:
    play = Play("15:25", OLD_DAY)
    play.order(SELL, 10, 71_300)
    play.order(BUY, 10, 71_300)
    play.until("16:02")
    play.order(SELL, 5, 70_000, K.SINGLE_PRICE)
    play.order(BUY, 3, 72_000, K.SINGLE_PRICE)
    assert refused(play.order(BUY, 3, 78_500, K.SINGLE_PRICE)) == "limit"
    assert trades(play.until("16:09:59")) == [(KRX, 10, 71_300)][:0]
    ((_, shares, price),) = trades(play.until("16:10"))
    assert (shares, price) == (3, 71_300)
    play.order(BUY, 2, 70_000, K.SINGLE_PRICE)
    assert trades(play.until("16:20")) == [(KRX, 2, 70_000)]
    assert refused(Play("16:02").order(BUY, 1, 71_000, K.SINGLE_PRICE)) == "kind"


# the smart order router


def test_h03_sor_goes_to_the_better_price() -> None:
    play = Play("10:00")
    play.order(SELL, 10, 71_100)
    play.order(SELL, 5, 71_000, venue=NXT)
    said = play.order(BUY, 5, 71_200, venue=SOR)
    assert (accepted_at(said), trades(said)) == (NXT, [(NXT, 5, 71_000)])
    said = play.order(BUY, 5, 71_200, venue=SOR)
    assert (accepted_at(said), trades(said)) == (KRX, [(KRX, 5, 71_100)])


@pytest.mark.parametrize(("krx", "nxt", "at"), [(5, 9, NXT), (9, 5, KRX), (5, 5, KRX)])
def test_h03_at_one_price_sor_goes_where_more_shares_are(krx: int, nxt: int, at: Venue) -> None:
    play = Play("10:00")
    play.order(BUY, krx, 71_000)
    play.order(BUY, nxt, 71_000, venue=NXT)
    assert accepted_at(play.order(SELL, 1, 71_000, venue=SOR)) is at


def test_h03_sor_sends_a_kind_to_the_venue_that_takes_it() -> None:
    play = Play("10:00")
    play.order(SELL, 5, 70_900, venue=NXT)
    play.order(SELL, 5, 71_000)
    assert (
        accepted_at(play.order(BUY, 1, venue=SOR)) is KRX
    )  # a market order, which NXT does not take
    assert accepted_at(Play("08:10").order(BUY, 1, 71_000, venue=SOR)) is NXT
    assert accepted_at(Play("08:55").order(BUY, 1, 71_000, venue=SOR)) is KRX
    assert accepted_at(Play("16:30").order(BUY, 1, 71_000, venue=SOR)) is NXT
