"""K06, K09: registrations keep their promises, whatever is wanted, answered, unanswered or lost."""

from __future__ import annotations

from collections import deque
from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, Ns, kst
from kisnb.kis.channels import TRADE_TRS, Feed
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.subscriptions import ChannelRequest, Subscriptions
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

EVERYWHERE = (Venue.KRX, Venue.NXT, Venue.SOR)
MIDNIGHT = kst(date(2026, 11, 20), time(0))
NOTICES = Want("notices", priority=0)


class Kis:
    """Works off requests in order, and answers each; a connection takes 41 registrations."""

    def __init__(self) -> None:
        self.subscriptions = Subscriptions(
            Mode.LIVE, "my-hts-id", feed=Feed(lambda code: int(code) % 4 != 0, EVERYWHERE)
        )
        self.now: Ns = MIDNIGHT
        self.held: set[tuple[str, str]] = set()
        self.queue: deque[ChannelRequest] = deque()
        self.refused = 0

    def want(self, followed: set[int], watched: set[int]) -> None:
        wants = [Want("ticks", f"{i:06d}", None, priority=1) for i in sorted(followed)]
        wants += [Want("depth", f"{i:06d}", Venue.KRX) for i in sorted(watched)]
        self.subscriptions.want(self.now, [NOTICES, *wants])

    def send_due(self) -> None:
        self.subscriptions.refresh(self.now)
        self.queue.extend(self.subscriptions.take_due(self.now))

    def answer_all(self) -> None:
        self.answer(len(self.queue))

    def answer(self, count: int) -> None:
        for _ in range(min(count, len(self.queue))):
            request = self.queue.popleft()
            key = (request.tr_id, request.tr_key)
            ack = cf.ack(self._work_off(request.tr_type, key), *key)
            self.subscriptions.on_ack(self.now, ack)

    def _work_off(self, tr_type: str, key: tuple[str, str]) -> str:
        if tr_type == cf.RELEASE:
            msg_cd = cf.RELEASED if key in self.held else cf.NOT_FOUND
            self.held.discard(key)
            return msg_cd
        if key in self.held:
            return cf.ALREADY
        if len(self.held) >= cf.MAX_SUBSCRIPTIONS:
            self.refused += 1
            return cf.TOO_MANY
        self.held.add(key)
        return cf.SUBSCRIBED

    def lose_connection(self) -> None:
        self.subscriptions.on_lost()
        self.held.clear()
        self.queue.clear()

    def answer_late(self) -> None:
        self.send_due()
        self.subscriptions.on_silence(self.now)
        self.send_due()
        self.answer_all()

    def settle(self) -> None:
        """Answer all that is asked, late where an answer came before anybody waited for it."""
        for _ in range(20):
            self.send_due()
            if self.queue:
                self.answer_all()
            elif self.subscriptions.settled:
                return
            else:
                self.answer_late()

    def is_on_its_way(self, code: str) -> bool:
        asked = {(r.tr_id, r.tr_key) for r in self.queue if r.tr_type == cf.SUBSCRIBE}
        return any((tr_id, code) in self.held | asked for tr_id in TRADE_TRS.values())


# Few stocks that come and go meet themselves again; many fill the connection.
STOCKS = st.one_of(
    st.sets(st.integers(1, 4)), st.integers(0, 46).map(lambda n: set(range(1, n + 1)))
)
STEPS = st.one_of(
    st.tuples(st.just("want"), STOCKS, st.sets(st.integers(1, 4))),
    st.tuples(st.just("time"), st.sampled_from([1, 51, 5 * 60, 9 * 60])),
    st.tuples(st.just("answer"), st.integers(1, 45)),
    st.tuples(st.just("send")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("late")),
)


def play(kis: Kis, step: tuple[object, ...]) -> None:
    match step:
        case ("want", set() as followed, set() as watched):
            kis.want(followed, watched)
        case ("time", int() as minutes):
            kis.now += minutes * MINUTE
        case ("answer", int() as count):
            kis.answer(count)
        case ("lose",):
            kis.lose_connection()
        case ("late",):
            kis.answer_late()
        case ("send",):
            kis.send_due()


@given(st.lists(STEPS, max_size=25))
def test_k09_a_followed_stock_always_has_a_registration_and_a_42nd_is_never_asked_for(
    steps: list[tuple[object, ...]],
) -> None:
    kis = Kis()
    for step in steps:
        play(kis, step)
        assert len(kis.held) <= cf.MAX_SUBSCRIPTIONS
        if step[0] == "send":
            followed = [w.code for w in kis.subscriptions.desired if w.channel == "ticks"]
            assert all(map(kis.is_on_its_way, followed))
    kis.settle()
    assert kis.subscriptions.settled
    assert kis.subscriptions.confirmed == kis.subscriptions.desired
    assert len(kis.held) == len(kis.subscriptions.desired)
    assert kis.refused == 0


def test_k06_the_late_answer_to_an_earlier_release_does_not_cancel_the_next_one() -> None:
    kis = Kis()
    for watched in ({1}, set[int](), {1}):
        kis.want(set(), watched)
        kis.send_due()
    kis.want(set(), set())
    kis.answer_all()
    kis.settle()
    assert kis.held == {("H0STCNI0", "my-hts-id")}
