"""The base of all facts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kisnb.clock import Ns


class Fact(msgspec.Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Something that happened; ``t`` is when, as far as we can know."""

    log_line: ClassVar[str] = ""
    """Line for an order's log, a format of the fact; empty for facts of no order."""

    t: Ns

    @property
    def happenings(self) -> str:
        """Return the line of an order's log; empty for facts of no order."""
        return self.log_line.format(self)
