"""What the stream should carry and what it carries: desired against confirmed, as a plain object.

A connection takes 41 registrations, all channels summed. The desired set is cut to that by priority; what does not fit
is refused here, in words. What KIS does not answer, or refuses for a reason that may pass, is asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import MINUTE, SECOND, Ns, clock_text
from kisnb.events import (
    Depth,
    Event,
    ExpectedMatch,
    MarketOperation,
    ProgramTrades,
    SubscriptionChanged,
    Tick,
    Trouble,
)
from kisnb.kis.channels import TRS_OF_CHANNEL, VENUE_OF_TR, Feed
from kisnb.kis.error_codes import explain
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.notices import NOTICE_TR
from kisnb.kis.modes import HOST_RULES, HostRules
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

ATTEMPTS = 3
"""How often a registration without an answer is sent in a row."""
FIRST_RETRY: Ns = 10 * SECOND
LAST_RETRY: Ns = 5 * MINUTE
"""Pauses before a refused registration is asked for again; each is twice the last. KIS blocks who asks in a loop."""

Key: TypeAlias = tuple[str, str]
"""TR id and tr_key."""
_CHANNEL_OF: dict[type, str] = {
    Tick: "ticks",
    Depth: "depth",
    ExpectedMatch: "expected",
    MarketOperation: "operation",
    ProgramTrades: "programs",
}


class _State(Enum):
    DUE = "due"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Registration(NamedTuple):
    """A request to send: tr_type, TR and key (the HTS id for exec notices)."""

    tr_type: str
    tr_id: str
    tr_key: str


class _Subscription:
    def __init__(self, want: Want, tr_id: str, tr_key: str) -> None:
        self.want = want
        self.tr_id = tr_id
        self.tr_key = tr_key
        self.state = _State.DUE
        self.attempts = 0
        self.refusals = 0
        self.retry: Ns | None = None
        """When a refused one is asked for again; None when asking again is in vain."""

    @property
    def name(self) -> str:
        return f"{self.want.channel} {self.want.code}".rstrip()


class Subscriptions:
    """Knows no socket and no clock: it says what to send and takes in what KIS answered.

    A stock that is followed changes its channel with the session: the new one is subscribed before the old one is
    released where there is room for both, and from its confirmation on the old one is not listened to.
    """

    def __init__(
        self, persona: Mode, hts_id: str, rules: HostRules | None = None, feed: Feed | None = None
    ) -> None:
        self._feed = feed or Feed(lambda _: False, ())
        self._asked: tuple[Want, ...] = ()
        self._changes: Ns | None = None
        """When a followed stock changes its channel next; None when none is followed."""
        self._before: dict[Key, _Subscription] = {}
        """By the key of its successor: what is released when that is confirmed."""
        self._notice_tr = NOTICE_TR[persona]
        self._rules = rules or HOST_RULES[persona]
        self._hts_id = hts_id
        self._wanted: dict[Key, _Subscription] = {}
        self._left_out: dict[Key, str] = {}
        """Desired and not asked for, with the reason that was told."""
        self._to_release: dict[Key, _Subscription] = {}
        self._releasing: set[Key] = set()
        """Those of ``_to_release`` whose release was sent."""

    def want(self, now: Ns, wants: Sequence[Want]) -> list[SubscriptionChanged]:
        """Set the desired set; returns what is refused, or gives up its place, and was not told before."""
        self._asked = tuple(wants)
        self._changes = self._feed.next_change(now) if any(w.venue is None for w in wants) else None
        told: list[SubscriptionChanged] = []
        before, self._wanted = self._wanted, {}
        left_out, self._left_out = self._left_out, {}
        for want in sorted((self._placed(now, w) for w in wants), key=lambda w: w.priority):
            key = self._key(want)
            why_not = self._why_not(key, want)
            if not why_not:
                entry = (
                    self._wanted.get(key)
                    or before.pop(key, None)
                    or self._take_back(key)
                    or _Subscription(want, *key)
                )
                entry.want = want
                self._wanted[key] = entry
                continue
            self._left_out[key] = why_not
            if left_out.get(key) != why_not:
                had_place = key in before and before[key].state is _State.CONFIRMED
                state: Literal["dropped", "refused"] = "dropped" if had_place else "refused"
                told.append(
                    SubscriptionChanged(
                        now, want.channel, want.code, state, why_not, want.venue or Venue.KRX
                    )
                )
        alone = [self._before.pop(key) for key in self._before.keys() - self._wanted.keys()]
        for entry in (*before.values(), *alone):
            if entry.state in (_State.SENT, _State.CONFIRMED):
                self._give_up(_name(entry), entry)
        return told

    def refresh(self, now: Ns) -> list[SubscriptionChanged]:
        """As ``want``, when the session has changed the channel of a followed stock."""
        return (
            self.want(now, self._asked)
            if self._changes is not None and self._changes <= now
            else []
        )

    def due(self, now: Ns) -> list[Registration]:
        """What to send now: releases first, for they make room; then by priority. It counts as sent."""
        self._make_room()
        steps = [
            Registration(cf.RELEASE, *key) for key in self._to_release if key not in self._releasing
        ]
        self._releasing.update(self._to_release)
        for entry in self._wanted.values():
            if entry.retry is not None and entry.retry <= now:
                self._ask_again(entry)
            if entry.state is _State.DUE:
                entry.state = _State.SENT
                entry.attempts += 1
                steps.append(Registration(cf.SUBSCRIBE, entry.tr_id, entry.tr_key))
        return steps

    @property
    def next_wake(self) -> Ns | None:
        """When a refused registration is asked for again, or a followed stock changes its channel."""
        retries = (e.retry for e in self._wanted.values())
        return min((t for t in (*retries, self._changes) if t is not None), default=None)

    def without_released(self, events: Sequence[Event]) -> Sequence[Event]:
        """``events`` without those of a channel that has been followed by another one."""
        if not self._to_release:
            return events
        on_air = [key for key, entry in self._wanted.items() if entry.state is _State.CONFIRMED]
        ended = {
            key for key in self._to_release if any(_same_stock(key, other) for other in on_air)
        }
        return [e for e in events if _key_of(e) not in ended]

    def acknowledged(self, now: Ns, ack: cf.Ack) -> list[SubscriptionChanged]:
        """KIS answered a request."""
        key = (ack.tr_id, ack.tr_key)
        if ack.msg_cd in (cf.RELEASED, cf.NOT_FOUND):
            self._forget_release(key)
            self._use_room()
            return []
        entry = self._wanted.get(key)
        if entry is None or entry.state is _State.CONFIRMED:
            return []
        if ack.ok:
            entry.state, entry.retry, entry.refusals = _State.CONFIRMED, None, 0
            if (old := self._before.pop(key, None)) is not None:
                self._to_release[_name(old)] = old
            return [_changed(now, entry, "confirmed")]
        return [self._refuse(now, entry, explain(ack.msg_cd), passing=ack.msg_cd in cf.PASSING)]

    def overdue(self, now: Ns) -> list[SubscriptionChanged | Trouble]:
        """No answer came in time: what was sent becomes due again, or is given up for a while."""
        told: list[SubscriptionChanged | Trouble] = []
        self._to_release.clear()
        self._releasing.clear()
        for entry in self._wanted.values():
            if entry.state is not _State.SENT:
                continue
            if entry.attempts >= ATTEMPTS:
                told.append(self._refuse(now, entry, "KIS does not answer.", passing=True))
                continue
            entry.state = _State.DUE
            told.append(
                Trouble(
                    now, f"{clock_text(now)} KIS did not confirm {entry.name}; it is asked again"
                )
            )
        return told

    def lost(self) -> None:
        """The connection is gone, and all registrations with it: everything is due again."""
        self._to_release.clear()
        self._releasing.clear()
        self._before.clear()
        for entry in self._wanted.values():
            self._ask_again(entry)
            entry.refusals = 0

    @property
    def settled(self) -> bool:
        """Every desired registration is confirmed or refused, every release answered."""
        open_states = (_State.DUE, _State.SENT)
        return not self._to_release and not any(
            e.state in open_states for e in self._wanted.values()
        )

    @property
    def desired(self) -> frozenset[Want]:
        """What was asked for and has a place."""
        return frozenset(e.want for e in self._wanted.values())

    @property
    def confirmed(self) -> frozenset[Want]:
        """What KIS confirmed."""
        return frozenset(e.want for e in self._wanted.values() if e.state is _State.CONFIRMED)

    def _placed(self, now: Ns, want: Want) -> Want:
        """The want with its venue: that of the moment for a stock that is followed."""
        if want.venue is not None:
            return want
        return msgspec.structs.replace(want, venue=self._feed.venue(now, want.code))

    def _give_up(self, key: Key, entry: _Subscription) -> None:
        """Release a registration; one that has a successor, when that is confirmed."""
        successor = next((wanted for wanted in self._wanted if _same_stock(key, wanted)), None)
        if (
            successor is None
            or self._wanted[successor].state is _State.CONFIRMED
            or successor in self._before
        ):
            self._to_release[key] = entry
        else:
            self._before[successor] = entry

    def _make_room(self) -> None:
        """Release before their time as many predecessors as the connection has no room for."""
        held = sum(e.state in (_State.SENT, _State.CONFIRMED) for e in self._wanted.values())
        due = sum(e.state is _State.DUE for e in self._wanted.values())
        for _ in range(held + due + len(self._before) - cf.MAX_SUBSCRIPTIONS):
            if not self._before:
                return
            _, old = self._before.popitem()
            self._to_release[_name(old)] = old

    def _refuse(
        self, now: Ns, entry: _Subscription, text: str, *, passing: bool
    ) -> SubscriptionChanged:
        entry.state = _State.REFUSED
        if passing:
            entry.retry = now + min(FIRST_RETRY << min(entry.refusals, 10), LAST_RETRY)
            text = f"{text} It is asked again at {clock_text(entry.retry)}."
        entry.refusals += 1
        return _changed(now, entry, "refused", text)

    @staticmethod
    def _ask_again(entry: _Subscription) -> None:
        entry.state, entry.attempts, entry.retry = _State.DUE, 0, None

    def _use_room(self) -> None:
        """A release made room for those that KIS had no place for."""
        for entry in self._wanted.values():
            if entry.retry is not None:
                self._ask_again(entry)
                return

    def _take_back(self, key: Key) -> _Subscription | None:
        """A registration that was to be released is wanted again."""
        for successor, kept in self._before.items():
            if _name(kept) == key:
                return self._before.pop(successor)
        entry = self._to_release.get(key)
        if entry is not None and key in self._releasing:
            self._ask_again(entry)
        self._forget_release(key)
        return entry

    def _forget_release(self, key: Key) -> None:
        self._to_release.pop(key, None)
        self._releasing.discard(key)

    def _key(self, want: Want) -> Key:
        if want.channel == "notices":
            return self._notice_tr, self._hts_id
        assert want.venue is not None
        return TRS_OF_CHANNEL[want.channel][want.venue], want.code

    def _why_not(self, key: Key, want: Want) -> str:
        if want.channel != "notices" and want.venue not in self._rules.stream_venues:
            return f"{self._rules.mode} streams {' and '.join(self._rules.stream_venues)} only; watch the stock there"
        if key not in self._wanted and len(self._wanted) >= cf.MAX_SUBSCRIPTIONS:
            return f"KIS takes {cf.MAX_SUBSCRIPTIONS} subscriptions on a connection; watch fewer stocks"
        return ""


def _changed(now: Ns, entry: _Subscription, state: str, text: str = "") -> SubscriptionChanged:
    want = entry.want
    return SubscriptionChanged(now, want.channel, want.code, state, text, want.venue or Venue.KRX)  # type: ignore[arg-type]


def _name(entry: _Subscription) -> Key:
    return entry.tr_id, entry.tr_key


def _same_stock(one: Key, other: Key) -> bool:
    """Whether two registrations are of one stock and one kind of channel at different venues."""
    return (
        one[1] == other[1]
        and one[0] != other[0]
        and one[0][4:] == other[0][4:]
        and one[0] in VENUE_OF_TR
    )


def _key_of(event: Event) -> Key | None:
    channel = _CHANNEL_OF.get(type(event))
    return (TRS_OF_CHANNEL[channel][event.venue], event.code) if channel else None  # type: ignore[union-attr]
