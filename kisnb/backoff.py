"""Pauses between attempts: each failure in a row makes the next pause longer, up to the last one.

All retries of kisnb whose pause grows use this one class. One is left out: the kill switch asks KIS
three times, with two fixed pauses (``PAUSES`` in `trading/halt/kill_switch.py`). Each owner keeps
its own count of failures, and sets the count to 0 when an attempt has succeeded.

| owner                           | what is tried again                                     |
|---------------------------------|---------------------------------------------------------|
| `kis/http/rest.py`              | a read that got no reply, or was too fast               |
| `kis/feed/stream.py`            | the WebSocket to KIS                                    |
| `kis/feed/registrations.py`     | a registration that KIS refused for a passing reason    |
| `trading/orders/readings.py`    | KIS's list of orders                                    |
| `trading/halt/flatten.py`       | a sell of a flatten                                     |
| `desk/life/supervisor.py`       | the start of a desk that died                           |
| `desk/run/safety.py`            | arming, after too many wrong digits of the account      |
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

P = TypeVar("P", int, float)
"""A pause: nanoseconds of a clock as int, seconds of wall time as float."""


class Backoff(msgspec.Struct, Generic[P], frozen=True):
    """A growing series of pauses, shortest first; all have the same unit."""

    pauses: tuple[P, ...]

    @staticmethod
    def doubling(first: P, longest: P) -> Backoff[P]:
        """Return pauses that begin with ``first``, double each time, and end with ``longest``."""
        pauses = [first]
        while pauses[-1] < longest:
            pauses.append(min(pauses[-1] * 2, longest))
        return Backoff(tuple(pauses))

    def pause(self, failures: int) -> P:
        """Return the pause after ``failures`` earlier failures in a row; the last pause repeats."""
        # A count of failures keeps growing while KIS is closed for a night. Owners may count on,
        # because the index is bounded here.
        return self.pauses[min(failures, len(self.pauses) - 1)]

    def spread(self, failures: int, draw: float) -> float:
        """Return a pause from half of ``pause(failures)`` (``draw`` 0) to all of it (``draw`` 1).

        ``draw`` is a random number. It spreads the pauses, so that many clients that lost the same
        server do not all come back at the same moment.
        """
        # The lower half is not used: with a spread from 0, one of many clients would try again at
        # once. The caller draws the random number, so that a test can fix it.
        return self.pause(failures) * (0.5 + draw / 2)

    @property
    def longest(self) -> P:
        """The last and longest pause, which repeats."""
        return self.pauses[-1]
