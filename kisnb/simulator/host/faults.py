"""The faults that a simulated host injects, by script, or by chance with a seed.

A fault file is TOML: an optional ``seed``, and a ``[[fault]]`` table for each fault with the fields
of ``Fault``.

    [[fault]]
    on = "order"             # KIS has the second order, but the reply never comes
    what = "cut"
    done = true
    nth = 2

    [[fault]]
    on = "notice"            # one execution notice in twenty is lost between ten and eleven
    what = "drop"
    probability = 0.05
    since = "10:00:00"
    until = "11:00:00"

``on`` is the *point* where a fault strikes, ``what`` is the *deed*: what it does there. The deeds
that are possible at each point:

    on                       what
    call, read, order        refuse, error, cut, slow, rewrite, pad, kill, expire, revoke
    call, read               empty, miss, part, repeat, branch
    order                    reject
    oauth                    refuse, error, cut, slow
    request                  refuse, silence, kill
    ack, ping, notice, frame drop, duplicate, delay, reorder, kill
    time                     kill, expire, revoke

``call`` strikes reads and orders. ``empty``, ``miss``, ``part``, ``repeat`` and ``branch`` change
lists only. The reply to an order has no list, so there they change nothing.

Add a new deed to ``Deed``, to ``DEEDS``, to the table above and to the docstring of ``Fault``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from random import Random
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import SECOND, Ns, kst, parse_time
from kisnb.kis.error_codes import CODES

Point: TypeAlias = Literal[
    "call", "read", "order", "oauth", "request", "ack", "ping", "notice", "frame", "time"
]
"""The points at which a fault can strike: its field ``on``.

``call`` is a read or an order. ``request`` is a message of a client on its socket. ``frame`` is a
data frame: trades, depth and so on.
"""
Deed: TypeAlias = Literal[
    "refuse",
    "error",
    "cut",
    "slow",
    "rewrite",
    "pad",
    "empty",
    "miss",
    "part",
    "repeat",
    "branch",
    "reject",
    "silence",
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "kill",
    "expire",
    "revoke",
]
"""The things that a fault can do: its field ``what``."""
_CALL = frozenset({"refuse", "error", "cut", "slow"})
_REPLY = frozenset({"rewrite", "pad"})
_LIST = frozenset({"empty", "miss", "part", "repeat", "branch"})
_TOKENS = frozenset({"expire", "revoke"})
_SENT = frozenset({"drop", "duplicate", "delay", "reorder", "kill"})
REWRITING = _REPLY | _LIST
"""The deeds that change a reply."""
DEEDS: dict[Point, frozenset[str]] = {
    "call": _CALL | REWRITING | _TOKENS | {"kill"},
    "read": _CALL | REWRITING | _TOKENS | {"kill"},
    "order": _CALL | _REPLY | _TOKENS | {"kill", "reject"},
    "oauth": _CALL,
    "request": frozenset({"refuse", "silence", "kill"}),
    "ack": _SENT,
    "ping": _SENT,
    "notice": _SENT,
    "frame": _SENT,
    "time": _TOKENS | {"kill"},
}
"""The deeds that are possible at each point."""
_NEED_SECONDS = frozenset({"slow", "delay"})
SOCKET_CODES = "OPSP"
"""The first letters of the WebSocket's codes. All other codes belong to REST."""
_Share: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that goes wrong: its point (``on``), its deed (``what``), when and how often.

    - ``refuse``: the reply carries ``msg_cd``.
    - ``error``: an HTTP ``status`` with a body that is not a reply of KIS's.
    - ``cut``: the connection ends without a reply.
    - ``rewrite``: the reply has ``value`` in its ``field``, or lacks the field.
    - ``pad``: each list of the reply has one more row, in which every field is empty.
    - ``empty``: the first list of the reply has no rows.
    - ``miss``: the first list of the reply lacks its first row.
    - ``part``: an order or holding of 20 shares or more shows 3 of 7 of them, and nothing open.
    - ``repeat``: the first list of the reply has its first row twice.
    - ``branch``: the list of orders has one more row: the newest number, of another branch, for a
      filled sell of another stock.
    - ``slow``: the reply comes ``seconds`` of wall time later. Its notices go ahead.
    - ``reject``: the host accepts the order. Then a notice says that the exchange rejected it.
    - ``silence``: the host ignores a message on the socket.
    - ``drop``, ``duplicate``: a frame is lost, or comes twice.
    - ``reorder``: a frame follows the next one of its kind, or comes a second later.
    - ``delay``: a frame comes ``seconds`` of simulated time later.
    - ``kill``: the socket ends without a close frame. Frames that wait for it are lost.
    - ``expire``: all access tokens expire. The next call returns EGW00123.
    - ``revoke``: the host forgets all access tokens. The next call returns EGW00121.
    """

    on: Point
    what: Deed
    msg_cd: str = ""
    """Message code of ``refuse``."""
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    """HTTP status of ``refuse`` and ``error``. None takes the code's own status, and 502 for
    ``error``."""
    done: bool = False
    """True when ``refuse``, ``error`` and ``cut`` strike after the call was carried out.

    Then an order lives although its client has another reply, or none.
    """
    seconds: _Seconds = 0.0
    """Length of ``slow`` and ``delay``. Of a ``time`` fault, the time until it strikes again."""
    field: str = ""
    """The field of ``rewrite``, as KIS spells it in the reply."""
    value: str | None = None
    """The text that ``rewrite`` writes. None leaves the field out."""
    row: int = 0
    """The row of a list that ``rewrite`` strikes, from 1; 0 strikes all rows."""
    tr_id: str = ""
    """Strike this TR only; empty for all."""
    code: str = ""
    """Strike this stock only; empty for all."""
    nth: _Count = 1
    """Strike from the nth matching call or frame on."""
    times: _Count | None = None
    """Number of strikes. None means one, or no end when ``probability`` is set."""
    probability: _Share | None = None
    """Chance with which each matching call or frame is struck; None strikes every one."""
    since: str = ""
    """HH:MM:SS in KST, empty for the whole day. Of a ``time`` fault, the moment at which it
    strikes."""
    until: str = ""
    """HH:MM:SS in KST, the end of the fault; empty for the whole day."""

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong:
            raise ValueError(wrong)

    def _wrong(self) -> str:
        """Return a sentence about an impossible combination in the fault.

        Empty when there is none.
        """
        if self.what not in DEEDS[self.on]:
            return f"{self.on} cannot {self.what}; it can {', '.join(sorted(DEEDS[self.on]))}"
        if self.what == "refuse":
            if self.msg_cd not in CODES:
                return f"msg_cd {self.msg_cd!r} is not a code that kisnb knows"
            # A socket message gets an OPSP code, an HTTP call any other.
            if self.msg_cd.startswith(SOCKET_CODES) != (self.on == "request"):
                return (
                    f"{self.msg_cd} belongs to {'calls' if self.on == 'request' else 'requests'}"
                    " of the other kind"
                )
        if self.what in _NEED_SECONDS and not self.seconds:
            return f"{self.what} needs seconds"
        if self.what == "rewrite" and not self.field:
            return "rewrite needs a field"
        if self.on == "time" and not self.since:
            return "a time fault needs since, its moment"
        if self.on == "time" and (self.times or 1) > 1 and not self.seconds:
            return "a time fault that strikes again needs seconds between"
        return self._wrong_times()

    def _wrong_times(self) -> str:
        for text in (self.since, self.until):
            try:
                parse_time(text or "00:00:00")
            except ValueError:
                return f"{text!r} is not a time of day; write HH:MM:SS"
        return ""


class Struck(NamedTuple):
    """A fault that has struck: when, which one, and on which TR and stock."""

    t: Ns
    fault: Fault
    tr_id: str
    code: str


class _Armed:
    """A fault with its moments on this day, the strikes that remain, and its own random numbers."""

    __slots__ = ("chance", "fault", "left", "seen", "since", "until")

    def __init__(self, fault: Fault, day: date, seed: str) -> None:
        self.fault = fault
        self.since: Ns = kst(day, parse_time(fault.since)) if fault.since else 0
        self.until: Ns | None = kst(day, parse_time(fault.until)) if fault.until else None
        # Without a number of times, a fault by chance has no end, and any other strikes once.
        self.left: int | None = fault.times or (None if fault.probability else 1)
        self.seen = 0
        self.chance = Random(seed)

    def fits(self, now: Ns, points: Sequence[Point], tr_id: str, code: str) -> bool:
        fault = self.fault
        return (
            fault.on in points
            and self.since <= now
            and (self.until is None or now < self.until)
            and fault.tr_id in ("", tr_id)
            and fault.code in ("", code)
        )

    def draw_strike(self) -> bool:
        """Count a matching call or frame, and return whether the fault strikes it."""
        self.seen += 1
        probability = self.fault.probability
        return self.seen >= self.fault.nth and (
            probability is None or self.chance.random() < probability
        )

    def wait_again(self, now: Ns) -> bool:
        """Move a ``time`` fault to its next moment. Return False when there is none."""
        pause = round(self.fault.seconds * SECOND)
        if not pause:
            return False
        # Simulated time can jump over several moments. The fault strikes once for all of them.
        self.since += pause * ((now - self.since) // pause + 1)
        return self.until is None or self.since < self.until

    def spend(self) -> None:
        if self.left is not None:
            self.left -= 1


class Faults:
    """The faults of one day. Each part of the host asks here whether it must fail.

    The same script, seed and requests give the same faults.
    """

    def __init__(self, day: date, script: Iterable[Fault] = (), *, seed: int = 1) -> None:
        self.struck: list[Struck] = []
        """The faults that have struck so far, oldest first."""
        self._day = day
        self._seed = seed
        self._added = 0
        self._armed: list[_Armed] = []
        for fault in script:
            self.add(fault)

    @property
    def armed(self) -> list[Fault]:
        """The faults that can still strike."""
        return [one.fault for one in self._armed]

    def add(self, fault: Fault) -> None:
        """Add a fault. It can strike from now on."""
        self._added += 1
        # Each fault has its own random numbers, so that another fault does not change its chances.
        self._armed.append(_Armed(fault, self._day, f"{self._seed}/{self._added}"))

    def clear(self) -> int:
        """Remove all faults, and return how many there were."""
        count = len(self._armed)
        self._armed.clear()
        return count

    def strike(
        self, now: Ns, points: Sequence[Point], tr_id: str = "", code: str = ""
    ) -> Fault | None:
        """Return the fault to apply at one of ``points``; None when no fault strikes.

        If several faults match, the one that was added first wins. The others count this call or
        frame too: a fault strikes from its ``nth`` matching one on.
        """
        if not self._armed:
            return None
        fitting = [one for one in self._armed if one.fits(now, points, tr_id, code)]
        # Every matching fault counts and draws, so that none depends on the others.
        striking = [one for one in fitting if one.draw_strike()]
        return self._strike(now, striking[0], tr_id, code) if striking else None

    def due(self) -> Ns | None:
        """Return the moment of the next ``time`` fault; None when no such fault waits."""
        if not self._armed:
            return None
        return min((one.since for one in self._armed if one.fault.on == "time"), default=None)

    def timed(self, now: Ns) -> list[Fault]:
        """Return the ``time`` faults that strike now, and record them as struck."""
        struck: list[Fault] = []
        for one in [one for one in self._armed if one.fault.on == "time" and one.since <= now]:
            if one.draw_strike():
                struck.append(self._strike(now, one, "", ""))
            # A fault that has struck for the last time has left the list already.
            if one in self._armed and not one.wait_again(now):
                self._armed.remove(one)
        return struck

    def _strike(self, now: Ns, one: _Armed, tr_id: str, code: str) -> Fault:
        one.spend()
        if one.left == 0:
            self._armed.remove(one)
        self.struck.append(Struck(now, one.fault, tr_id, code))
        return one.fault
