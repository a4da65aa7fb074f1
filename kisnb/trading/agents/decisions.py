"""Counts equal decisions of an agent, so that a repeated HOLD is one row.

A decision is sent to the desk when it is made. If it is repeated, it is sent once more with its
count: when another decision follows, or when the agent stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import DecisionMade
from kisnb.events.agents import Input
from kisnb.market import sessions
from kisnb.market.sessions import gives_price
from kisnb.terms import Phase, Venue
from kisnb.values import shown


class Decisions:
    """The decisions of one run of one agent."""

    def __init__(self, agent_id: str, run: str) -> None:
        self._agent = agent_id
        self._run = run
        self._number = 0
        self.newest: DecisionMade | None = None
        """The newest decision with the count of its repetitions. None before the first decision."""
        self._given = 0
        """The count of the newest decision when it was last sent."""

    def note(
        self, now: Ns, code: str, action: str, why: str, inputs: Mapping[str, object], order: str
    ) -> list[DecisionMade]:
        """Note a decision.

        Return the facts to journal now; none when the decision repeats the last one. Raises
        BadInput for an input that is neither a number nor a text.
        """
        read = tuple((name, _input(name, value)) for name, value in inputs.items())
        last = self.newest
        if (
            last is not None
            and not (order or last.order)
            and (last.action, last.why, last.code) == (action, why, code)
        ):
            self.newest = msgspec.structs.replace(last, inputs=read, times=last.times + 1, last=now)
            return []
        counted = self.counted()
        self._number += 1
        self.newest = DecisionMade(
            now,
            f"{self._agent}:{self._run}:{self._number}",
            self._agent,
            code,
            str(sessions.session_id(now)),
            _venue(now),
            action,
            why,
            read,
            order,
        )
        self._given = 1
        return [*counted, self.newest]

    def counted(self) -> list[DecisionMade]:
        """Return the newest decision if it was repeated since it was last sent.

        Otherwise return nothing. Its repetitions so far then count as sent.
        """
        if self.newest is None or self.newest.times == self._given:
            return []
        self._given = self.newest.times
        return [self.newest]


def _venue(now: Ns) -> str:
    """Return the venue whose prices agents get. Empty when no venue is open."""
    for venue in (Venue.KRX, Venue.NXT):
        is_open = sessions.phase(venue, now) is not Phase.CLOSED
        if is_open and gives_price(venue, now):
            return str(venue)
    return ""


def _input(name: str, value: object) -> Input:
    # ``True`` and numpy's numbers get here too.
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        why = f"the input {name}={shown(value)} is not a number or a text"
        raise BadInput(why, "give the number that decided") from None
    # NaN counts as missing. A 0 would be wrong.
    return number if math.isfinite(number) else None
