"""Subscriptions of one connection: the desired ones, the due requests, and KIS's replies.

Only as many of the desired ones as KIS accepts are used, by priority. The others are refused here,
with a reason. The states of each registration, and KIS's rules behind them, are drawn in
``registrations.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text
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
from kisnb.kis.channels import TRS_OF_CHANNEL, Feed
from kisnb.kis.error_codes import explain
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.notices import NOTICE_TR
from kisnb.kis.feed.registrations import Key, Registration, Registrations, Stage
from kisnb.kis.modes import HOST_RULES, HostRules
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

_MOST = cf.MAX_SUBSCRIPTIONS
Outcome: TypeAlias = Literal["confirmed", "refused", "dropped"]
_CHANNEL_OF: dict[type, str] = {
    Tick: "ticks",
    Depth: "depth",
    ExpectedMatch: "expected",
    MarketOperation: "operation",
    ProgramTrades: "programs",
}


class ChannelRequest(NamedTuple):
    """A request to KIS to subscribe to a channel or to release it."""

    tr_type: str
    """``cf.SUBSCRIBE`` or ``cf.RELEASE``."""
    tr_id: str
    tr_key: str
    """The stock's code; the HTS id for execution notices."""


class Subscriptions:
    """Decides which requests the desired subscriptions need. It has no socket and no clock.

    The owner calls ``want`` with the desired set, sends what ``take_due`` returns, and reports
    KIS's replies (``on_ack``), their absence (``on_silence``) and a lost connection (``on_lost``).
    """

    def __init__(
        self, persona: Mode, hts_id: str, rules: HostRules | None = None, feed: Feed | None = None
    ) -> None:
        """Begin without subscriptions.

        ``rules`` None: those of the persona. ``feed`` None: every stock is followed at KRX.
        """
        self._feed = feed or Feed(lambda _: False, ())
        self._notice_tr = NOTICE_TR[persona]
        self._rules = rules or HOST_RULES[persona]
        self._hts_id = hts_id
        self._registrations = Registrations()
        self._desired: tuple[Want, ...] = ()
        """Every want of the last call of ``want``, also those that do not fit on the connection."""
        self._next_change: Ns | None = None
        """The moment of the next change of a followed channel; None when none is followed."""
        self._left_out: dict[Key, str] = {}
        """Desired registrations that do not fit, each with the reason that was published."""

    def want(self, now: Ns, wants: Sequence[Want]) -> list[SubscriptionChanged]:
        """Set the desired subscriptions. Return a change for each that does not fit.

        A change that was published before is left out.
        """
        self._desired = tuple(wants)
        is_any_followed = any(w.venue is None for w in wants)
        self._next_change = self._feed.next_change(now) if is_any_followed else None
        published, self._left_out = self._left_out, {}
        places: dict[Key, Want] = {}
        changes: list[SubscriptionChanged] = []
        # The sort keeps the owner's order among wants of one priority, so a full connection keeps
        # the same ones from call to call.
        for want in sorted((self._with_venue(now, w) for w in wants), key=lambda w: w.priority):
            key = self._key(want)
            # Two wants of one TR id and key share a registration, so the second one needs no place.
            why_not = self._why_not(want, is_full=key not in places and len(places) >= _MOST)
            if not why_not:
                # A registration keeps its most important want.
                places.setdefault(key, want)
                continue
            self._left_out[key] = why_not
            if published.get(key) != why_not:
                registration = self._registrations.get(key)
                had_place = registration is not None and registration.stage is Stage.CONFIRMED
                outcome: Outcome = "dropped" if had_place else "refused"
                changes.append(_changed(now, want, outcome, why_not))
        self._registrations.place(places)
        return changes

    def refresh(self, now: Ns) -> list[SubscriptionChanged]:
        """Repeat ``want`` when the market session has changed the channel of a followed stock.

        Return the changes that ``want`` returns; empty when no channel has changed.
        """
        if self._next_change is None or now < self._next_change:
            return []
        return self.want(now, self._desired)

    def take_due(self, now: Ns) -> list[ChannelRequest]:
        """Return the requests to send now: releases first, then by priority. They count as sent."""
        releases, requests = self._registrations.take_due(now)
        return [
            *(ChannelRequest(cf.RELEASE, *r.key) for r in releases),
            *(ChannelRequest(cf.SUBSCRIBE, *r.key) for r in requests),
        ]

    @property
    def next_wake(self) -> Ns | None:
        """The next moment at which a request becomes due by time alone. None when there is none.

        A refused registration is asked for again, or a followed stock changes its channel.
        """
        retries = (r.retry for r in self._registrations.wanted)
        return min((t for t in (*retries, self._next_change) if t is not None), default=None)

    def without_superseded(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return ``events`` without those of a channel whose successor is confirmed."""
        superseded = self._registrations.superseded
        return [e for e in events if _key_of(e) not in superseded] if superseded else events

    def on_ack(self, now: Ns, ack: cf.Ack) -> list[SubscriptionChanged]:
        """Handle KIS's reply to a request, and return the changes of subscriptions."""
        key = (ack.tr_id, ack.tr_key)
        # OPSP0003 says that there was nothing to release, which is the wanted state.
        if ack.msg_cd in (cf.RELEASED, cf.NOT_FOUND):
            self._registrations.on_released(key)
            return []
        registration = self._registrations.get(key)
        # A late reply to a request that was replaced by another request changes nothing.
        if registration is None or not registration.is_awaited:
            return []
        if ack.ok:
            self._registrations.on_confirmed(registration)
            return [_changed(now, registration.want, "confirmed")]
        passing = ack.msg_cd in cf.PASSING
        self._registrations.on_refused(registration, now, passing=passing)
        return [_refused(now, registration, explain(ack.msg_cd), passing=passing)]

    def on_silence(self, now: Ns) -> list[SubscriptionChanged | Trouble]:
        """Handle missing replies: ask again, or pause for a while. Return events about it."""
        return [
            _refused(now, registration, "KIS does not answer.", passing=True)
            if registration.stage is Stage.REFUSED
            else Trouble(
                now,
                f"{clock_text(now)} KIS did not confirm {_name(registration.want)}; "
                "it is asked again",
            )
            for registration in self._registrations.on_silence(now)
        ]

    def on_lost(self) -> None:
        """Handle the loss of the connection: every wanted registration is due again."""
        self._registrations.on_lost()

    @property
    def settled(self) -> bool:
        """True when KIS has answered every subscription and every release."""
        return self._registrations.settled

    @property
    def desired(self) -> frozenset[Want]:
        """Wants that fit on the connection."""
        return frozenset(r.want for r in self._registrations.wanted)

    @property
    def confirmed(self) -> frozenset[Want]:
        """Wants that KIS has confirmed on this connection."""
        wanted = self._registrations.wanted
        return frozenset(r.want for r in wanted if r.stage is Stage.CONFIRMED)

    def _with_venue(self, now: Ns, want: Want) -> Want:
        """Return the want with a venue: that of the market session for a followed stock."""
        if want.venue is not None:
            return want
        return msgspec.structs.replace(want, venue=self._feed.venue(now, want.code))

    def _key(self, want: Want) -> Key:
        if want.channel == "notices":
            return self._notice_tr, self._hts_id
        if want.channel == "records":
            return want.tr_id, want.code
        assert want.venue is not None
        return TRS_OF_CHANNEL[want.channel][want.venue], want.code

    def _why_not(self, want: Want, *, is_full: bool) -> str:
        """Return the reason why a want does not fit, for people. Empty when it fits.

        ``is_full`` True: the connection has no room left.
        """
        venues = self._rules.stream_venues
        if want.channel != "notices" and want.venue not in venues:
            return f"{self._rules.mode} streams {' and '.join(venues)} only; watch the stock there"
        if is_full:
            return f"KIS takes {_MOST} subscriptions on a connection; watch fewer stocks"
        return ""


def _name(want: Want) -> str:
    return f"{want.tr_id or want.channel} {want.code}".rstrip()


def _changed(now: Ns, want: Want, outcome: Outcome, text: str = "") -> SubscriptionChanged:
    return SubscriptionChanged(now, want.channel, want.code, outcome, text, want.venue or Venue.KRX)


def _refused(
    now: Ns, registration: Registration, text: str, *, passing: bool
) -> SubscriptionChanged:
    if passing and registration.retry is not None:
        text = f"{text} It is asked again at {clock_text(registration.retry)}."
    return _changed(now, registration.want, "refused", text)


def _key_of(event: Event) -> Key | None:
    """Return the key of the registration that brought an event. None for other events."""
    if not isinstance(event, Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades):
        return None
    return TRS_OF_CHANNEL[_CHANNEL_OF[type(event)]][event.venue], event.code
