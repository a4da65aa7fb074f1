"""The base class of all facts."""

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
    """Something that happened. ``t`` is its moment, as far as we can know it."""

    # A class variable is not a field, so the words are neither journaled nor sent. A later version
    # may use better words.
    log_line: ClassVar[str] = ""
    """Format of the line in an order's log; ``{0.name}`` is a field. Empty for other facts."""

    t: Ns

    @property
    def happenings(self) -> str:
        """The fact as a line of an order's log; empty for a fact that is not about an order."""
        return self.log_line.format(self)
