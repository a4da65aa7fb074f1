"""The base of all facts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kisnb.clock import Ns


# The settings of the base matter to every fact. ``frozen``: core, sessions and agents share one
# object, so nobody may change it. ``gc=False``: facts hold plain values and no cycles, and a busy
# market brings very many, so the garbage collector need not visit them. ``tag`` and ``array_like``:
# a fact travels and is journaled as ``["Filled", t, ...]``, by position. So a new field goes last
# and has a default. Otherwise this version cannot read the journals of earlier ones.
class Fact(msgspec.Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Something that happened; ``t`` is when, as far as we can know."""

    # A class variable is not a field, so the words are neither journaled nor sent. A later version
    # may say the same fact in better words.
    log_line: ClassVar[str] = ""
    """Line for an order's log, a format of the fact; empty for facts of no order."""

    t: Ns

    @property
    def happenings(self) -> str:
        """Return the line of an order's log; empty for facts of no order."""
        return self.log_line.format(self)
