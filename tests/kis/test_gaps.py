"""K11: what is lost is found by the accumulated volume, with venue and span.

Nothing invented, nothing told twice.
"""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import DAY, MINUTE, SECOND, kst
from kisnb.events import Event, GapFound, LinkUp, Tick
from kisnb.events import LinkDown as LinkWasLost
from kisnb.kis.feed.frames import encode, encode_tick
from kisnb.kis.feed.gaps import VolumeWatch
from kisnb.orders import Want
from kisnb.terms import Mode, Side, Venue
from tests.kis.simulated import CODE, Desk, on_simulator
from tests.kis.simulated import DAY as SIMULATED
from tests.kis.test_stream import Bench, with_stream

NINE = kst(date(2026, 11, 20), time(9))


def trades(quantities: list[int], code: str = CODE, venue: Venue = Venue.KRX) -> list[Tick]:
    volume, ticks = 0, []
    for n, qty in enumerate(quantities):
        volume += qty
        ticks.append(
            Tick(
                NINE + n * SECOND, code, venue, 71_900, qty, Side.BUY, volume, volume * 71_900, 0, 0
            )
        )
    return ticks


def gaps(events: list[Event]) -> list[GapFound]:
    return [e for e in events if isinstance(e, GapFound)]


@given(st.lists(st.tuples(st.integers(1, 1_000), st.booleans(), st.integers(1, 3)), max_size=40))
def test_k11_every_lost_share_between_two_trades_is_told_and_no_other(
    said: list[tuple[int, bool, int]],
) -> None:
    """Each trade arrives or not, once or more often, in a frame of its own."""
    watch, told = VolumeWatch(), list[Event]()
    ticks = trades([qty for qty, _, _ in said])
    arrived = [tick for tick, (_, arrives, _) in zip(ticks, said, strict=True) if arrives]
    for tick, (_, arrives, times) in zip(ticks, said, strict=True):
        for _ in range(times if arrives else 0):
            told += watch.check([tick])
    lost = (
        arrived[-1].volume - arrived[0].volume - sum(t.qty for t in arrived[1:]) if arrived else 0
    )
    assert sum(gap.missing for gap in gaps(told)) == lost
    assert all(gap.missing > 0 and gap.since < gap.t for gap in gaps(told))


def test_k11_a_gap_names_stock_venue_and_span_and_stands_before_the_trade_that_showed_it() -> None:
    a, b, c = trades([1, 5, 2])
    watch = VolumeWatch()
    watch.check([a])
    assert watch.check([c, b]) == [GapFound(c.t, CODE, a.t, 5, Venue.KRX), c, b]


def test_k11_stocks_and_venues_are_told_apart_and_a_new_day_is_no_gap() -> None:
    watch = VolumeWatch()
    here, there = trades([1, 1]), trades([100, 100], venue=Venue.NXT)
    other = trades([7, 7], code="000660")
    for n in (0, 1):
        assert watch.check([here[n], other[n]]) == [here[n], other[n]]
        assert watch.check([there[n]]) == [there[n]]
    tomorrow = Tick(NINE + DAY, CODE, Venue.KRX, 1, 3, None, 500, 1, 0, 0)
    assert watch.check([tomorrow]) == [tomorrow]


def test_k11_what_traded_while_nobody_listened_is_no_gap() -> None:
    a, _, c = trades([1, 5, 2])
    watch = VolumeWatch()
    watch.check([a])
    watch.keep(set())
    assert watch.check([c]) == [c]
    assert watch.check([]) == []


def test_k11_an_outage_is_marked_by_the_first_trade_after_it_and_nothing_is_made_up(
    tmp_path: Path,
) -> None:
    a, b, c = trades([1, 5, 2])

    async def body(bench: Bench) -> None:
        await bench.send(encode("H0STCNT0", [encode_tick(a)]))
        bench.kis.sockets[-1]._req.transport.abort()  # type: ignore[union-attr]
        await bench.until(lambda: bench.clock.next_wake() is not None)
        bench.clock.set(bench.clock.next_wake() or 0)
        await bench.until(lambda: len(bench.kis.sockets) == 2 and bench.stream.settled)
        await bench.send(encode("H0STCNT0", [encode_tick(c)]))
        kinds = [
            type(e) for e in bench.events if isinstance(e, Tick | GapFound | LinkWasLost | LinkUp)
        ]
        assert kinds == [LinkUp, Tick, LinkWasLost, LinkUp, GapFound, Tick]
        assert gaps(bench.events) == [GapFound(c.t, CODE, a.t, b.qty, Venue.KRX)]

    with_stream(tmp_path, body)


def test_k11_the_simulated_market_of_every_channel_has_no_gap(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        await d.move(kst(SIMULATED, time(9, 5)))
        heard = [(e.venue, e) for e in d.heard if isinstance(e, Tick)]
        assert {venue for venue, _ in heard} == set(Venue)
        assert gaps(d.heard) == []

    on_simulator(
        tmp_path, body, wants=tuple(Want("ticks", CODE, venue) for venue in Venue), mode=Mode.LIVE
    )


def test_k11_a_socket_killed_in_the_middle_of_trading_leaves_gaps_that_add_up_to_the_volume(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        for _ in range(2):
            await d.move(d.clock.now() + MINUTE)
            d.control("cut")
            await d.until(lambda: d.clock.next_wake() is not None)
            back = d.clock.now() + 2 * MINUTE
            while d.control("step", until=back)["now"] < back:
                pass
            d.clock.set(back)
            await d.until(lambda: d.broker.local_port is not None)
            await d.received()
        await d.move(d.clock.now() + 2 * MINUTE)
        ticks = [e for e in d.heard if isinstance(e, Tick)]
        lost = ticks[-1].volume - ticks[0].volume - sum(t.qty for t in ticks[1:])
        assert lost > 0
        assert sum(gap.missing for gap in gaps(d.heard)) == lost

    on_simulator(tmp_path, body)
