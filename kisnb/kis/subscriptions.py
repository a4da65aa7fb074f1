"""What the stream should carry and what it carries: desired against confirmed, as a plain object.

A connection takes 41 registrations, all channels summed. The desired set is cut to that by priority; what does not fit
is refused here, in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.events import SubscriptionChanged
from kisnb.kis import control_frames as cf
from kisnb.kis.error_codes import explain
from kisnb.kis.frames import BOOK, TRADES
from kisnb.kis.notices import NOTICE_TR
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

ATTEMPTS = 3
"""How often a registration without an answer is sent."""


class _State(Enum):
    DUE = "due"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Step(NamedTuple):
    """A request to send: tr_type, TR and key (the HTS id for exec notices)."""

    tr_type: str
    tr_id: str
    tr_key: str


class _Entry:
    def __init__(self, want: Want, tr_id: str, tr_key: str) -> None:
        self.want = want
        self.tr_id = tr_id
        self.tr_key = tr_key
        self.state = _State.DUE
        self.attempts = 0


class Subscriptions:
    """Knows no socket and no clock: it says what to send and takes in what KIS answered."""

    def __init__(self, persona: Mode, hts_id: str) -> None:
        self._tr = {"notices": NOTICE_TR[persona], "ticks": TRADES, "depth": BOOK}
        self._hts_id = hts_id
        self._wanted: dict[tuple[str, str], _Entry] = {}
        self._to_release: dict[tuple[str, str], _Entry] = {}
        self._releasing: set[tuple[str, str]] = set()
        """Those of ``_to_release`` whose release was sent."""

    def want(self, now: Ns, wants: Sequence[Want]) -> list[SubscriptionChanged]:
        """Set the desired set; returns what is refused at once."""
        refused: list[SubscriptionChanged] = []
        before, self._wanted = self._wanted, {}
        for want in sorted(wants, key=lambda w: w.priority):
            why_not = self._why_not(want)
            if why_not:
                refused.append(SubscriptionChanged(now, want.channel, want.code, "refused", why_not))
                continue
            key = self._key(want)
            entry = before.pop(key, None) or self._take_back(key) or _Entry(want, *key)
            self._wanted.setdefault(key, entry)
        for key, entry in before.items():
            if entry.state in (_State.SENT, _State.CONFIRMED):
                self._to_release[key] = entry
        return refused

    def due(self) -> list[Step]:
        """What to send now: releases first, for they make room; then by priority. It counts as sent."""
        steps = [Step(cf.RELEASE, *key) for key in self._to_release if key not in self._releasing]
        self._releasing.update(self._to_release)
        for entry in self._wanted.values():
            if entry.state is _State.DUE:
                entry.state = _State.SENT
                entry.attempts += 1
                steps.append(Step(cf.SUBSCRIBE, entry.tr_id, entry.tr_key))
        return steps

    def acknowledged(self, now: Ns, ack: cf.Ack) -> list[SubscriptionChanged]:
        """KIS answered a request."""
        key = (ack.tr_id, ack.tr_key)
        if ack.msg_cd in (cf.RELEASED, cf.NOT_FOUND):
            self._forget_release(key)
            return []
        entry = self._wanted.get(key)
        if entry is None or entry.state is _State.CONFIRMED:
            return []
        entry.state = _State.CONFIRMED if ack.ok else _State.REFUSED
        text = "" if ack.ok else explain(ack.msg_cd)
        return [self._changed(now, entry, text)]

    def overdue(self, now: Ns) -> list[SubscriptionChanged]:
        """No answer came in time: what was sent becomes due again, or is given up."""
        given_up: list[SubscriptionChanged] = []
        self._to_release.clear()
        self._releasing.clear()
        for entry in self._wanted.values():
            if entry.state is not _State.SENT:
                continue
            entry.state = _State.DUE
            if entry.attempts >= ATTEMPTS:
                entry.state = _State.REFUSED
                given_up.append(self._changed(now, entry, "KIS does not answer"))
        return given_up

    def lost(self) -> None:
        """The connection is gone, and all registrations with it: everything is due again."""
        self._to_release.clear()
        self._releasing.clear()
        for entry in self._wanted.values():
            entry.state = _State.DUE
            entry.attempts = 0

    @property
    def settled(self) -> bool:
        """Every desired registration is confirmed or refused, every release answered."""
        open_states = (_State.DUE, _State.SENT)
        return not self._to_release and not any(e.state in open_states for e in self._wanted.values())

    @property
    def confirmed(self) -> frozenset[tuple[str, str]]:
        """(channel, code) of what KIS confirmed."""
        return frozenset((e.want.channel, e.want.code) for e in self._wanted.values() if e.state is _State.CONFIRMED)

    def _take_back(self, key: tuple[str, str]) -> _Entry | None:
        """A registration that was to be released is wanted again."""
        entry = self._to_release.get(key)
        if entry is not None and key in self._releasing:
            entry.state = _State.DUE
        self._forget_release(key)
        return entry

    def _forget_release(self, key: tuple[str, str]) -> None:
        self._to_release.pop(key, None)
        self._releasing.discard(key)

    def _key(self, want: Want) -> tuple[str, str]:
        return self._tr[want.channel], self._hts_id if want.channel == "notices" else want.code

    def _why_not(self, want: Want) -> str:
        if want.channel != "notices" and want.venue is not Venue.KRX:
            return f"no stream of {want.venue} is read"
        if self._key(want) not in self._wanted and len(self._wanted) >= cf.MAX_SUBSCRIPTIONS:
            return f"KIS takes {cf.MAX_SUBSCRIPTIONS} subscriptions on a connection; watch fewer stocks"
        return ""

    @staticmethod
    def _changed(now: Ns, entry: _Entry, text: str) -> SubscriptionChanged:
        state = "confirmed" if entry.state is _State.CONFIRMED else "refused"
        return SubscriptionChanged(now, entry.want.channel, entry.want.code, state, text)  # type: ignore[arg-type]
