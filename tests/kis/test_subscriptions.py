"""K06: desired against confirmed, 41 by priority, refusals and silence are told, releases
are sent."""

from __future__ import annotations

from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import SECOND, kst
from kisnb.events import SubscriptionChanged, Trouble
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.registrations import ATTEMPTS, FIRST_RETRY
from kisnb.kis.feed.subscriptions import ChannelRequest, Subscriptions
from kisnb.kis.modes import HOST_RULES
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

NINE = kst(date(2026, 11, 20), time(9))
NOTICES = Want("notices", priority=0)


def ticks(code: str, priority: int = 2) -> Want:
    return Want("ticks", code, Venue.KRX, priority)


def fresh() -> Subscriptions:
    return Subscriptions(Mode.LIVE, "my-hts-id")


def confirm(subscriptions: Subscriptions, steps: list[ChannelRequest]) -> list[SubscriptionChanged]:
    events = []
    for step in steps:
        msg_cd = cf.SUBSCRIBED if step.tr_type == cf.SUBSCRIBE else cf.RELEASED
        events += subscriptions.on_ack(1, cf.ack(msg_cd, step.tr_id, step.tr_key))
    return events


def test_k06_what_is_wanted_is_sent_once_notices_first_and_settled_when_confirmed() -> None:
    s = fresh()
    s.want(0, [ticks("005930"), Want("depth", "005930"), NOTICES])
    steps = s.take_due(0)
    assert steps == [
        ChannelRequest("1", "H0STCNI0", "my-hts-id"),
        ChannelRequest("1", "H0STCNT0", "005930"),
        ChannelRequest("1", "H0STASP0", "005930"),
    ]
    assert not s.take_due(0)
    assert not s.settled
    events = confirm(s, steps)
    assert [(e.channel, e.code, e.state) for e in events] == [
        ("notices", "", "confirmed"),
        ("ticks", "005930", "confirmed"),
        ("depth", "005930", "confirmed"),
    ]
    assert s.settled


def test_paper_has_a_notice_channel_of_its_own() -> None:
    s = Subscriptions(Mode.PAPER, "my-hts-id")
    s.want(0, [NOTICES])
    assert s.take_due(0) == [ChannelRequest("1", "H0STCNI9", "my-hts-id")]


def test_k06_what_is_not_wanted_any_more_is_released_with_tr_type_2_before_anything_is_added() -> (
    None
):
    s = fresh()
    s.want(0, [ticks("005930"), ticks("000660")])
    confirm(s, s.take_due(0))
    s.want(0, [ticks("000660"), ticks("035420")])
    steps = s.take_due(0)
    assert steps == [
        ChannelRequest("2", "H0STCNT0", "005930"),
        ChannelRequest("1", "H0STCNT0", "035420"),
    ]
    confirm(s, steps)
    assert s.confirmed == {ticks("000660"), ticks("035420")}
    assert s.settled


def test_k06_what_was_released_and_is_wanted_again_is_subscribed_again() -> None:
    s = fresh()
    s.want(0, [ticks("005930")])
    confirm(s, s.take_due(0))
    s.want(0, [])
    s.want(0, [ticks("005930")])
    assert s.take_due(0) == []
    s.want(0, [])
    released = s.take_due(0)
    s.want(0, [ticks("005930")])
    again = s.take_due(0)
    assert again == [ChannelRequest("1", "H0STCNT0", "005930")]
    confirm(s, released + again)
    assert s.confirmed == {ticks("005930")}


def test_k06_the_42nd_is_refused_in_words_and_the_cap_goes_by_priority() -> None:
    s = fresh()
    wants = [ticks(f"{i:06d}") for i in range(45)] + [ticks("held", 1), NOTICES]
    refused = s.want(0, wants)
    steps = s.take_due(0)
    assert len(steps) == cf.MAX_SUBSCRIPTIONS
    assert [s.tr_key for s in steps[:2]] == ["my-hts-id", "held"]
    assert len(refused) == len(wants) - cf.MAX_SUBSCRIPTIONS
    assert {(e.state, "41" in e.text) for e in refused} == {("refused", True)}


def test_k06_a_refusal_is_told_with_its_meaning_and_already_subscribed_is_none() -> None:
    s = fresh()
    s.want(0, [ticks("005930"), ticks("wrong")])
    s.take_due(0)
    (told,) = s.on_ack(1, cf.ack("OPSP8992", "H0STCNT0", "wrong"))
    assert (told.code, told.state) == ("wrong", "refused")
    assert "check the stock code" in told.text.lower()
    (told,) = s.on_ack(1, cf.ack(cf.ALREADY, "H0STCNT0", "005930"))
    assert told.state == "confirmed"
    assert s.settled


def test_k06_silence_is_answered_by_asking_again_and_in_the_end_told() -> None:
    s = fresh()
    s.want(0, [ticks("005930")])
    for _ in range(ATTEMPTS - 1):
        assert s.take_due(0) == [ChannelRequest("1", "H0STCNT0", "005930")]
        (told,) = s.on_silence(NINE)
        assert isinstance(told, Trouble)
        assert told.text == "09:00:00 KIS did not confirm ticks 005930; it is asked again"
    assert len(s.take_due(0)) == 1
    (given_up,) = s.on_silence(NINE)
    assert isinstance(given_up, SubscriptionChanged)
    assert (given_up.state, given_up.text) == (
        "refused",
        "KIS does not answer. It is asked again at 09:00:10.",
    )
    assert s.take_due(NINE) == []
    assert s.settled
    assert s.next_wake == NINE + FIRST_RETRY
    assert s.take_due(NINE + FIRST_RETRY) == [ChannelRequest("1", "H0STCNT0", "005930")]


def test_k06_only_a_refusal_that_may_pass_is_asked_for_again_ever_more_seldom() -> None:
    s, now, pauses = fresh(), NINE, []
    s.want(now, [ticks("005930"), ticks("wrong")])
    s.take_due(now)
    s.on_ack(now, cf.ack("OPSP8992", "H0STCNT0", "wrong"))
    for _ in range(7):
        s.on_ack(now, cf.ack("OPSP0007", "H0STCNT0", "005930"))
        retry = s.next_wake
        assert retry is not None
        assert s.take_due(retry - 1) == []
        assert s.take_due(retry) == [ChannelRequest("1", "H0STCNT0", "005930")]
        pauses.append((retry - now) // SECOND)
        now = retry
    assert pauses == [10, 20, 40, 80, 160, 300, 300]
    confirm(s, [ChannelRequest("1", "H0STCNT0", "005930")])
    assert s.next_wake is None
    assert s.confirmed == {ticks("005930")}


def test_k06_what_kis_had_no_place_for_is_asked_for_when_a_release_made_room() -> None:
    s = fresh()
    s.want(0, [ticks("005930"), ticks("000660"), ticks("035420")])
    confirm(s, s.take_due(0)[:2])
    s.on_ack(0, cf.ack(cf.TOO_MANY, "H0STCNT0", "035420"))
    assert s.take_due(0) == []
    s.want(0, [ticks("000660"), ticks("035420")])
    confirm(s, s.take_due(0))
    assert s.take_due(0) == [ChannelRequest("1", "H0STCNT0", "035420")]


def test_k06_notices_come_before_held_stocks_and_those_before_watched_ones() -> None:
    s = fresh()
    watched = [ticks(f"{i:06d}") for i in range(cf.MAX_SUBSCRIPTIONS)]
    s.want(0, watched)
    confirm(s, s.take_due(0))
    told = s.want(0, [*watched, ticks("held", 1), NOTICES])
    assert [(e.code, e.state) for e in told] == [("000039", "dropped"), ("000040", "dropped")]
    assert s.take_due(0) == [
        ChannelRequest("2", "H0STCNT0", "000039"),
        ChannelRequest("2", "H0STCNT0", "000040"),
        ChannelRequest("1", "H0STCNI0", "my-hts-id"),
        ChannelRequest("1", "H0STCNT0", "held"),
    ]
    assert s.desired == {*watched[:39], ticks("held", 1), NOTICES}


def test_k13_k09_a_venue_without_a_stream_is_refused_in_words_and_told_once() -> None:
    s = Subscriptions(Mode.PAPER, "my-hts-id", HOST_RULES[Mode.PAPER])
    (told,) = s.want(0, [Want("ticks", "005930", Venue.NXT)])
    assert (told.state, told.venue) == ("refused", Venue.NXT)
    assert told.text == "paper streams KRX only; watch the stock there"
    assert s.want(0, [Want("ticks", "005930", Venue.NXT)]) == []
    assert s.take_due(0) == []


def test_n11_events_about_notices_do_not_show_the_hts_id() -> None:
    s = fresh()
    s.want(0, [NOTICES])
    assert "my-hts-id" not in repr(confirm(s, s.take_due(0)))


CODES = st.lists(st.sampled_from([f"{i:06d}" for i in range(50)]), max_size=45)


@given(st.lists(st.tuples(CODES, st.booleans()), max_size=8))
def test_k10_whatever_was_wanted_and_lost_before_confirmed_becomes_desired(
    turns: list[tuple[list[str], bool]],
) -> None:
    s, server = fresh(), set[str]()
    for codes, lost in [*turns, (["005930", "000660"], False)]:
        s.want(0, [ticks(code) for code in codes])
        if lost:
            s.on_lost()
            server.clear()
        steps = s.take_due(0)
        for step in steps:
            (server.add if step.tr_type == cf.SUBSCRIBE else server.discard)(step.tr_key)
            assert len(server) <= cf.MAX_SUBSCRIPTIONS
        confirm(s, steps)
        assert s.settled
        assert {want.code for want in s.confirmed} == server
    assert server == {"005930", "000660"}
