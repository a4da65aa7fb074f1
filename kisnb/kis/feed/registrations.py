"""The registrations of one connection to KIS: a table in which each has one stage.

A registration is one TR id with one key: for example the trades of a stock at KRX, or the notices
of an HTS id. A followed stock changes its channel with the market session. Its old registration
then stays until the new one is confirmed, so that no trade is missed.

    (none) ─ wanted ─► DUE ─ KIS is asked ─► SENT ─ KIS confirms ─► CONFIRMED
                       ▲ ▲                   │ │
                       │ └──── no reply ─────┘ │ KIS refuses, or leaves three requests unanswered
                       │                       ▼
                       └ pause over, or room ─ REFUSED

    Not wanted any more:

    SENT, CONFIRMED ─┬─ another venue's channel of the ─► REPLACED
                     │  stock takes over                    │ the successor is confirmed,
                     │                                      │ is gone, or needs the room
                     │                                      ▼
                     └─ nothing takes over ────────────► RELEASE_DUE
                                                            │ KIS is asked
                                                            ▼
    (none) ◄──── KIS has released it, or no reply ────── RELEASING

    DUE, REFUSED ─► (none)                     KIS holds nothing that could be released

    Wanted again:       REPLACED, RELEASE_DUE ─► SENT or CONFIRMED, as before
                        RELEASING ─► DUE
    Connection lost:    DUE, SENT, CONFIRMED, REFUSED ─► DUE;  the others ─► (none)
    A late reply:       DUE, REFUSED ─► CONFIRMED or REFUSED
    Successor changes:  REPLACED ─► REPLACED   it waits for another registration now

The rules of KIS behind it:

- A connection takes 41 registrations, all channels summed, the notice included. The 42nd is
  refused with OPSP0008 (KIS notice of 2026-04-20; clients measured the 42nd). So releases are sent
  first, and a predecessor stays only while there is room.
- Registrations end with the connection (clients' observation). So nothing is released after a loss.
- Requests carry no id. A reply names TR id and key (KIS's samples), so these are the table's key.
- KIS blocks clients that subscribe and release in a loop (KIS notices of 2026-02-24 and
  2026-05-18). So the pauses before a refused registration is asked for again grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, TypeAlias

from kisnb.backoff import Backoff
from kisnb.clock import MINUTE, SECOND, Ns
from kisnb.kis.channels import is_same_kind
from kisnb.kis.feed import control_frames as cf
from kisnb.orders import Want

ATTEMPTS = 3
"""Requests in a row for one registration while KIS does not answer."""
FIRST_RETRY: Ns = 10 * SECOND
RETRY_PAUSES = Backoff.doubling(FIRST_RETRY, 5 * MINUTE)
"""Pauses before a refused registration is asked for again."""

Key: TypeAlias = tuple[str, str]
"""TR id and tr_key."""


class Stage(Enum):
    """Stage of a registration; the drawing is in this module's docstring."""

    DUE = "due"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    REPLACED = "replaced"
    RELEASE_DUE = "release due"
    RELEASING = "releasing"


_S = Stage
WANTED: Final = frozenset({_S.DUE, _S.SENT, _S.CONFIRMED, _S.REFUSED})
"""Stages of registrations in the desired set."""
ASKED: Final = frozenset({_S.SENT, _S.CONFIRMED})
"""Stages of registrations that must be released when they are no longer wanted."""
ENDING: Final = frozenset({_S.RELEASE_DUE, _S.RELEASING})
"""Stages of registrations that KIS is asked to release.

Their events are left out while the stock's other channel is confirmed.
"""
MOVES: Final[Mapping[Stage, frozenset[Stage]]] = {
    # A reply may come late: the registration is due again by then, or counts as refused.
    _S.DUE: frozenset({_S.DUE, _S.SENT, _S.CONFIRMED, _S.REFUSED}),
    _S.SENT: frozenset({_S.DUE, _S.CONFIRMED, _S.REFUSED, _S.REPLACED, _S.RELEASE_DUE}),
    _S.CONFIRMED: frozenset({_S.DUE, _S.REPLACED, _S.RELEASE_DUE}),
    _S.REFUSED: frozenset({_S.DUE, _S.CONFIRMED, _S.REFUSED}),
    _S.REPLACED: frozenset({_S.SENT, _S.CONFIRMED, _S.REPLACED, _S.RELEASE_DUE}),
    _S.RELEASE_DUE: frozenset({_S.SENT, _S.CONFIRMED, _S.RELEASING}),
    _S.RELEASING: frozenset({_S.DUE}),
}
"""The arrows of the drawing, with those of late replies. Each stage may also end in (none)."""


class Registration:
    """One registration: a row of the table ``Registrations``."""

    def __init__(self, key: Key, want: Want) -> None:
        self.key = key
        self.want = want
        self.stage = Stage.DUE
        self.attempts = 0
        """Requests in a row without a reply."""
        self.refusals = 0
        """Refusals in a row. ATTEMPTS requests in a row without a reply count as one refusal."""
        self.retry: Ns | None = None
        """When KIS is asked again after a refusal. None: it is not asked again."""
        self.successor: Key | None = None
        """The registration that this registration waits for while it is REPLACED."""
        self.stage_before = Stage.DUE
        """The stage to which an ending registration returns when it is wanted again."""

    @property
    def is_awaited(self) -> bool:
        """True when the registration is wanted and not confirmed, so a reply of KIS counts."""
        return self.stage in WANTED and self.stage is not Stage.CONFIRMED


class Registrations:
    """The table of registrations: first the wanted ones by priority, then the ending ones.

    Those that began to end last come last.
    """

    def __init__(self) -> None:
        self._table: dict[Key, Registration] = {}
        self._superseded: frozenset[Key] | None = None
        """``superseded`` as of the last move; None when a move has made it stale."""

    def get(self, key: Key) -> Registration | None:
        """Return the registration of a key, in any stage; None when there is none."""
        return self._table.get(key)

    @property
    def wanted(self) -> list[Registration]:
        """Registrations of the desired set, in order of priority."""
        return self._of(*WANTED)

    @property
    def settled(self) -> bool:
        """True when no request is due and every request has its reply."""
        return not self._of(Stage.DUE, Stage.SENT, *ENDING)

    @property
    def superseded(self) -> frozenset[Key]:
        """Registrations that end while another venue's channel of the stock is confirmed.

        Trades that still come over them would count twice.
        """
        # It is read for every frame, and the table rarely changes.
        if self._superseded is None:
            on_air = self._of(Stage.CONFIRMED)
            self._superseded = frozenset(
                r.key
                for r in self._of(*ENDING)
                if any(_is_same_stock(r.key, s.key) for s in on_air)
            )
        return self._superseded

    # changes of stage

    def place(self, places: Mapping[Key, Want]) -> None:
        """Set the desired registrations, by priority. Begin new ones, and end those left out."""
        old = self._table
        # The table is rebuilt, because its order is the order of priority.
        self._table = {key: self._placed(key, want) for key, want in places.items()}
        self._superseded = None
        gone = [r for key, r in old.items() if key not in places]
        # Registrations that end already keep their order. KIS has nothing of a DUE or REFUSED one.
        self._table |= {r.key: r for r in gone if r.stage not in WANTED}
        alone = [r for r in gone if r.stage is Stage.REPLACED and r.successor not in places]
        for registration in [*(r for r in gone if r.stage in ASKED), *alone]:
            self._end(registration)

    def take_due(self, now: Ns) -> tuple[list[Registration], list[Registration]]:
        """Return the registrations to release now, and those to subscribe. Mark all as sent."""
        # Releases come before subscriptions, because KIS counts a registration until it has
        # released it.
        self._make_room()
        releases = self._of(Stage.RELEASE_DUE)
        for registration in releases:
            self._move(registration, Stage.RELEASING)
        for registration in self.wanted:
            if registration.retry is not None and registration.retry <= now:
                self._ask_again(registration)
        requests = self._of(Stage.DUE)
        for registration in requests:
            self._move(registration, Stage.SENT)
            registration.attempts += 1
        return releases, requests

    def on_confirmed(self, registration: Registration) -> None:
        """Mark a wanted registration as confirmed. Its predecessor must then be released."""
        self._move(registration, Stage.CONFIRMED)
        registration.retry, registration.refusals = None, 0
        # Only now does the stock's old channel end. Until here it brought the trades.
        predecessor = self._predecessor(registration.key)
        if predecessor is not None:
            self._move(predecessor, Stage.RELEASE_DUE)

    def on_refused(self, registration: Registration, now: Ns, *, passing: bool) -> None:
        """Mark a registration as refused. ``passing`` True: it is asked for again after a pause."""
        self._move(registration, Stage.REFUSED)
        if passing:
            registration.retry = now + RETRY_PAUSES.pause(registration.refusals)
        registration.refusals += 1

    def on_released(self, key: Key) -> None:
        """Remove a registration that KIS has released. Ask again for one that had been refused."""
        registration = self._table.get(key)
        # The reply may be to an earlier request: a release that is due has not been asked for.
        if registration is not None and registration.stage is Stage.RELEASING:
            self._drop([registration])
        refused = next((r for r in self.wanted if r.retry is not None), None)
        if refused is not None:
            self._ask_again(refused)

    def on_silence(self, now: Ns) -> list[Registration]:
        """Return the registrations that got no reply. They are now DUE again, or REFUSED.

        Releases are not repeated: registrations that KIS may still have end with the connection.
        """
        self._drop(self._of(*ENDING))
        unanswered = self._of(Stage.SENT)
        for registration in unanswered:
            if registration.attempts >= ATTEMPTS:
                self.on_refused(registration, now, passing=True)
            else:
                self._move(registration, Stage.DUE)
        return unanswered

    def on_lost(self) -> None:
        """Handle the loss of the connection: wanted registrations are due again, others end."""
        self._drop(self._of(Stage.REPLACED, *ENDING))
        for registration in self.wanted:
            self._ask_again(registration)
            # The refusals were about the old connection, so the pauses begin short again.
            registration.refusals = 0

    def _move(self, registration: Registration, stage: Stage) -> None:
        """Set the stage of a registration. No other method sets it."""
        assert stage in MOVES[registration.stage], (registration.stage, stage)
        if registration.stage in ASKED:
            registration.stage_before = registration.stage
        if stage is not Stage.REPLACED:
            registration.successor = None
        registration.stage = stage
        if stage in (Stage.REPLACED, Stage.RELEASE_DUE):
            # The registration that ends last comes last: releases go out in this order.
            self._table.pop(registration.key, None)
            self._table[registration.key] = registration
        self._superseded = None

    def _drop(self, registrations: Iterable[Registration]) -> None:
        for registration in registrations:
            del self._table[registration.key]
        self._superseded = None

    def _placed(self, key: Key, want: Want) -> Registration:
        """Return the registration of a wanted key: the existing one, wanted again, or a new one."""
        registration = self._table.get(key)
        if registration is None:
            return Registration(key, want)
        registration.want = want
        if registration.stage is Stage.RELEASING:
            # KIS has been asked to release it, so it is asked again.
            self._ask_again(registration)
        elif registration.stage not in WANTED:
            self._move(registration, registration.stage_before)
        return registration

    def _end(self, registration: Registration) -> None:
        """End an unwanted registration: now, or when its successor is confirmed."""
        successor = next((r for r in self.wanted if _is_same_stock(registration.key, r.key)), None)
        if (
            successor is None
            or successor.stage is Stage.CONFIRMED
            # One old channel is enough during the change. A second one would only use room.
            or self._predecessor(successor.key) is not None
        ):
            self._move(registration, Stage.RELEASE_DUE)
        else:
            self._move(registration, Stage.REPLACED)
            registration.successor = successor.key

    def _make_room(self) -> None:
        """Release predecessors, the newest first, until all wanted registrations have room."""
        replaced = self._of(Stage.REPLACED)
        asked = len(self._of(Stage.DUE, Stage.SENT, Stage.CONFIRMED))
        # KIS refuses the 42nd registration. Wanted registrations come before those that only stay
        # for a while.
        excess = max(0, asked + len(replaced) - cf.MAX_SUBSCRIPTIONS)
        for registration in replaced[::-1][:excess]:
            self._move(registration, Stage.RELEASE_DUE)

    def _ask_again(self, registration: Registration) -> None:
        self._move(registration, Stage.DUE)
        registration.attempts, registration.retry = 0, None

    def _predecessor(self, key: Key) -> Registration | None:
        """Return the registration that stays until the one of ``key`` is confirmed."""
        return next((r for r in self._of(Stage.REPLACED) if r.successor == key), None)

    def _of(self, *stages: Stage) -> list[Registration]:
        return [r for r in self._table.values() if r.stage in stages]


def _is_same_stock(one: Key, other: Key) -> bool:
    """Return True for two venues' channels of the same kind and the same stock."""
    return one[1] == other[1] and is_same_kind(one[0], other[0])
