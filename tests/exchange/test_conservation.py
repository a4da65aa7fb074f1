"""H03: what holds on any day, whatever is ordered: invariants 3, 5 and 7 on both venues."""

from collections import Counter, defaultdict
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import SECOND
from kisnb.exchange.exchange import VENUES
from kisnb.exchange.happenings import (
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotAccepted,
    OrderRevised,
    Traded,
    TradingInterrupted,
    TradingResumed,
)
from kisnb.exchange.volatility import VI_CALL
from kisnb.market import order_rules, sessions, ticks
from kisnb.terms import Board, Kind, Phase, Side, Venue
from kisnb.terms import OrderKind as K

from .days import DAY, OLD_DAY, SAMSUNG, UNIVERSE, Play

STARTS = ("07:55", "08:35", "10:00", "15:00", "15:32", "16:05")
moves = st.lists(
    st.tuples(
        st.sampled_from(
            ["order"] * 40 + ["cancel"] * 4 + ["revise"] * 4 + ["halt", "lift", "lift", "break"]
        ),
        st.sampled_from([0, 0, 0, 1, 5, 20, 120, 600]),
        st.sampled_from(Side),
        st.integers(0, 99),
        st.integers(1, 30),
        st.integers(-12, 12) | st.sampled_from([-90, 90]),
        st.sampled_from(Venue),
    ),
    max_size=80,
)
Script = list[tuple[str, int, Side, int, int, int, Venue]]


def played(day: date, start: str, script: Script) -> tuple[Play, dict[int, int]]:
    """A day of orders, cancels, revisions, halts and breakers.

    And the shares of every order that was taken.
    """
    play, taken, item = Play(start, day), dict[int, int](), UNIVERSE.get(SAMSUNG)
    for what, wait, side, nth, qty, away, venue in script:
        play.now += wait * SECOND
        if play.now >= play.at("20:00"):
            break
        price = 71_000 + away * 100
        if what == "order":
            kinds = order_rules.kinds(play.now, venue, item) or (K.LIMIT,)
            said = play.order(side, qty, price, kinds[nth % len(kinds)], venue, stop=price - 100)
            if not any(isinstance(h, OrderNotAccepted) for h in said):
                taken[play.numbers] = qty
        elif what == "cancel":
            play.cancel(max(1, play.numbers - nth % 9), qty)
        elif what == "revise":
            said = play.revise(max(1, play.numbers - nth % 9), None if qty % 3 else 1, price)
            if any(isinstance(h, OrderRevised) for h in said):
                taken[play.numbers] = sum(h.qty for h in said if isinstance(h, OrderRevised))
        elif what == "halt":
            play.said += play.exchange.halt(play.now, SAMSUNG)
        elif what == "lift":
            play.said += play.exchange.resume_trading(play.now, SAMSUNG)
        else:
            play.said += play.exchange.break_circuit(play.now, Board.KOSDAQ, 1 if nth else 3)
    return play, taken


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([DAY, OLD_DAY]), st.sampled_from(STARTS), moves)
def test_h03_shares_cash_and_volume_are_conserved_and_nothing_trades_where_it_must_not(
    day: date, start: str, script: Script
) -> None:
    play, taken = played(day, start, script)
    check_quantities(play, taken)
    play.until("20:00")
    check_quantities(play, taken)
    assert not any(play.exchange.leaves_of(number) for number in taken)
    check_trades(play)


def check_quantities(play: Play, taken: dict[int, int]) -> None:
    """Invariant 7: quantity = filled + cancelled + revised + expired + leaves."""
    gone = Counter[int]()
    for h in play.said:
        if isinstance(h, OrderFilled | OrderCancelled | OrderExpired):
            gone[h.id] += h.qty
        elif isinstance(h, OrderRevised):
            gone[h.original] += h.qty
    assert {number: gone[number] + play.exchange.leaves_of(number) for number in taken} == taken


def check_trades(play: Play) -> None:
    """Volume is the sum of trades on each venue. Bought = sold.

    In session, in limits, on the grid, not halted.
    """
    trades = [h for h in play.said if isinstance(h, Traded)]
    filled, spent = defaultdict[Venue, int](int), 0
    for fill in (h for h in play.said if isinstance(h, OrderFilled)):
        filled[fill.venue] += fill.qty
        spent += fill.qty * fill.price
    assert spent == 2 * sum(t.qty * t.price for t in trades)
    for venue in VENUES:
        tally = play.exchange.tally(SAMSUNG, venue)
        here = [t for t in trades if t.venue is venue]
        assert tally.volume == sum(t.qty for t in here) == filled[venue] // 2
        assert tally.value == sum(t.qty * t.price for t in here)
    item = UNIVERSE.get(SAMSUNG)
    lower, upper = ticks.limits(item.base, item.kind, play.day, item.board)
    for trade in trades:
        assert lower <= trade.price <= upper
        half = ticks.tick_size(trade.price, Kind.STOCK, play.day) // 2
        assert trade.price % half == 0  # a mid price lies on half a tick
        before = trade.t if trade.taker else trade.t - 1
        late = trade.taker is None and trade.t == sessions.regular_close(play.day) + VI_CALL
        assert late or sessions.phase(trade.venue, before) is not Phase.CLOSED
    stopped: dict[Venue, bool] = {}
    for h in play.said:
        if isinstance(h, TradingInterrupted):
            stopped[h.venue] = True
        elif isinstance(h, TradingResumed):
            stopped[h.venue] = False
        elif isinstance(h, Traded) and h.taker is not None:
            assert not stopped.get(h.venue)


@settings(deadline=None, max_examples=100)
@given(moves)
def test_h03_at_each_price_who_came_first_trades_first(
    script: Script,
) -> None:
    """Price, then time: with limit orders alone, makers of one side and price trade in the order of
    their numbers."""
    play = Play("10:00")
    for _, _, side, _, qty, away, _ in script:
        play.order(side, qty, 71_000 + away // 3 * 100)
    made: dict[tuple[Side, int], int] = {}
    best: dict[int, int] = {}
    for trade in (h for h in play.said if isinstance(h, Traded)):
        if trade.taker is None:
            continue
        taker, maker = (
            (trade.buy_id, trade.sell_id)
            if trade.taker is Side.BUY
            else (trade.sell_id, trade.buy_id)
        )
        key = trade.taker.opposite, trade.price
        assert maker >= made.get(key, 0)
        made[key] = maker
        worse = 1 if trade.taker is Side.BUY else -1
        assert (trade.price - best.get(taker, trade.price)) * worse >= 0
        best[taker] = trade.price
