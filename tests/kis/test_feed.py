"""K09: a followed stock is heard on the channel of the session, without a gap and without a 42nd
registration."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, Ns, kst
from kisnb.events import Depth, Event, SubscriptionChanged, Tick
from kisnb.kis.channels import Feed
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.subscriptions import ChannelRequest, Subscriptions
from kisnb.orders import Want
from kisnb.terms import Mode, Side, Venue
from tests.kis.simulated import CODE, DAY, Desk, on_simulator

K, N, U = Venue.KRX, Venue.NXT, Venue.SOR
KRX_ONLY = "069500"
EVERYWHERE = (K, N, U)


def at(text: str, day: date = DAY) -> Ns:
    return kst(day, time.fromisoformat(text))


def live_feed(venues: tuple[Venue, ...] = EVERYWHERE) -> Feed:
    return Feed(lambda code: code != KRX_ONLY, venues)


@pytest.mark.parametrize(
    ("moment", "venue"),
    [
        ("07:58:59", K), ("07:59", N), ("08:00", N), ("08:49:59", N), ("08:50", K), ("09:00", K),
        ("15:29:59", K),
        ("15:30", U), ("19:59:59", U), ("20:00", K),
    ],
)  # fmt: skip
def test_k09_the_venue_of_each_session_and_a_minute_ahead_of_the_first(
    moment: str, venue: Venue
) -> None:
    assert live_feed().venue(at(moment), CODE) is venue
    assert live_feed().venue(at(moment), KRX_ONLY) is K
    assert live_feed((K,)).venue(at(moment), CODE) is K
    assert live_feed((K, U)).venue(at(moment), CODE) is (U if venue is N else venue)


def test_k09_the_changes_of_a_day_and_over_a_weekend() -> None:
    feed, t, changes = live_feed(), at("00:00"), []
    for _ in range(5):
        t = feed.next_change(t) or 0
        changes.append(t)
    monday = date(2026, 11, 23)
    assert changes == [at("07:59"), at("08:50"), at("15:30"), at("20:00"), at("07:59", monday)]
    assert live_feed((K,)).next_change(t) is None


def followed(n: int, channel: str = "ticks") -> list[Want]:
    return [Want(channel, f"{i:06d}", None) for i in range(1, n + 1)]  # type: ignore[arg-type]


class Kis:
    """Takes 41 registrations, like KIS, and answers each step when it is asked to."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self.s = subscriptions
        self.held: list[tuple[str, str]] = []
        self.most = 0
        self.refused = 0
        self.unheard: set[str] = set()

    def take(self, now: Ns, steps: list[ChannelRequest]) -> list[SubscriptionChanged]:
        told = []
        for step in steps:
            key = (step.tr_id, step.tr_key)
            if step.tr_type == cf.RELEASE:
                self.held.remove(key)
                msg_cd = cf.RELEASED
            elif len(self.held) >= cf.MAX_SUBSCRIPTIONS:
                self.refused += 1
                msg_cd = cf.TOO_MANY
            else:
                self.held.append(key)
                msg_cd = cf.SUBSCRIBED
            self.most = max(self.most, len(self.held))
            told += self.s.on_ack(now, cf.ack(msg_cd, *key))
        return told

    def settle(self, now: Ns) -> list[SubscriptionChanged]:
        told = self.s.refresh(now)
        while steps := self.s.take_due(now):
            before = {key for _, key in self.held}
            told += self.take(now, steps)
            self.unheard |= before - {key for _, key in self.held}
        return told


@given(st.integers(1, 45), st.lists(st.integers(0, 24 * 60), min_size=1, max_size=8))
def test_k09_at_every_change_the_right_channels_stand_and_never_more_than_41(
    n: int, minutes: list[int]
) -> None:
    s = Subscriptions(Mode.LIVE, "my-hts-id", feed=live_feed())
    kis = Kis(s)
    wants = [Want("notices", priority=0), *followed(n)]
    s.want(at("00:00"), wants)
    for minute in sorted(minutes):
        now = at("00:00") + minute * MINUTE
        kis.settle(now)
        venue = live_feed().venue(now, "000001")
        codes = [f"{i:06d}" for i in range(1, min(n, 40) + 1)]
        tr_id = {K: "H0STCNT0", N: "H0NXCNT0", U: "H0UNCNT0"}[venue]
        assert sorted(kis.held) == sorted(
            [("H0STCNI0", "my-hts-id"), *((tr_id, code) for code in codes)]
        )
        assert s.settled
        assert s.confirmed == s.desired
    assert kis.most <= cf.MAX_SUBSCRIPTIONS
    assert kis.refused == 0
    assert not kis.unheard, "after each batch of requests every stock has a channel"


def test_k09_where_there_is_room_the_old_channel_stays_until_the_new_one_is_confirmed() -> None:
    s = Subscriptions(Mode.LIVE, "my-hts-id", feed=live_feed())
    s.want(at("08:49"), followed(2))
    Kis(s).take(0, s.take_due(at("08:49")))
    s.refresh(at("08:50"))
    assert s.take_due(at("08:50")) == [
        ChannelRequest("1", "H0STCNT0", "000001"),
        ChannelRequest("1", "H0STCNT0", "000002"),
    ]
    assert not s.settled
    s.on_ack(0, cf.ack(cf.SUBSCRIBED, "H0STCNT0", "000001"))
    assert s.take_due(at("08:50")) == [ChannelRequest("2", "H0NXCNT0", "000001")]


def test_k09_the_old_channel_is_heard_until_then_and_not_after_so_that_no_trade_counts_twice() -> (
    None
):
    def tick(venue: Venue, code: str = "000001") -> Event:
        return Tick(0, code, venue, 1, 1, Side.BUY, 1, 1, 1, 1)

    s = Subscriptions(Mode.LIVE, "my-hts-id", feed=live_feed())
    s.want(at("15:29"), [*followed(1), Want("depth", "000001", K)])
    Kis(s).take(0, s.take_due(at("15:29")))
    s.refresh(at("15:30"))
    s.take_due(at("15:30"))
    assert s.without_superseded([tick(K)]) == [tick(K)]
    s.on_ack(0, cf.ack(cf.SUBSCRIBED, "H0UNCNT0", "000001"))
    book = Depth(0, "000001", K, (), ())
    assert s.without_superseded([tick(K), tick(U), book, tick(K, "000002")]) == [
        tick(U),
        book,
        tick(K, "000002"),
    ]


def test_k09_a_stock_dropped_while_its_channel_changes_leaves_no_registration() -> None:
    s = Subscriptions(Mode.LIVE, "my-hts-id", feed=live_feed())
    kis = Kis(s)
    s.want(at("08:49"), followed(1))
    kis.settle(at("08:49"))
    s.refresh(at("08:50"))
    steps = s.take_due(at("08:50"))
    s.want(at("08:50"), [])
    kis.take(at("08:50"), steps)
    kis.settle(at("08:50"))
    assert kis.held == []
    assert s.settled


@pytest.mark.parametrize(
    ("before", "change", "channels"),
    [("08:49", "08:50", ("H0NXCNT0", "H0STCNT0")), ("15:29", "15:30", ("H0STCNT0", "H0UNCNT0"))],
)
def test_k09_on_the_wire_the_channel_changes_with_the_session_of_the_simulated_day(
    tmp_path: Path, before: str, change: str, channels: tuple[str, str]
) -> None:
    follow = (Want("ticks", CODE, None), Want("depth", KRX_ONLY, None), Want("notices", priority=0))

    async def body(d: Desk) -> None:
        def held() -> set[tuple[str, str]]:
            (socket,) = d.server.core.sockets
            return {
                (tr_id, key)
                for tr_id, key in socket.subscriptions
                if not tr_id.startswith("H0STCNI")
            }

        assert held() == {(channels[0], CODE), ("H0STASP0", KRX_ONLY)}
        await d.move(at(change))
        await d.until(
            lambda: held() == {(channels[1], CODE), ("H0STASP0", KRX_ONLY)} and d.broker.settled
        )
        assert d.broker.confirmed == d.broker.desired
        asked = [
            (line["params"]["tr_type"], line["tr_id"])
            for line in d.recorded("request")
            if line["method"] == "WS"
        ]
        assert asked[-2:] == [("1", channels[1]), ("2", channels[0])], (
            "the new one first: there is room"
        )

    on_simulator(tmp_path, body, wants=follow, start=at(before), mode=Mode.LIVE)
