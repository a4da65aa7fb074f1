"""Reads the frames of the call stack, and names the code position of each. (Row O11)"""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType
from typing import TypeAlias

Span: TypeAlias = tuple[int, int, int, int]
"""First line, last line, first column, column after the last. Columns count UTF-8 bytes."""

# With uvloop no frame of a handle is on the stack, but the frame that ran the loop is.
_EVENT_LOOPS = frozenset(
    {
        "asyncio.base_events",
        "asyncio.events",
        "asyncio.runners",
        "tornado.platform.asyncio",
    }
)
_TIMED_FILES = frozenset({"<magic-timeit>", "<timeit-src>"})
_CODES_KEPT = 512
# IPython's file name of a cell has its execution count. The count is removed, because the same text
# is the same position.
_COUNTED = re.compile(r"^<ipython-input-\d+-")


@dataclass(frozen=True)
class CallStack:
    """The Python stack frames of a call, innermost first."""

    frames: Sequence[FrameType]

    @classmethod
    def of_caller(cls, depth: int = 1) -> CallStack:
        """Return the stack from a caller on: ``depth`` calls above the calling function."""
        frames: list[FrameType] = []
        frame: FrameType | None = sys._getframe(depth + 1)  # noqa: SLF001 - inspect costs far more
        while frame is not None:
            frames.append(frame)
            frame = frame.f_back
        return cls(frames)

    @property
    def is_timed(self) -> bool:
        """True when ``%timeit`` or the module ``timeit`` runs this code many times."""
        return any(map(_times, self.frames))

    def in_task(self) -> CallStack:
        """Return the part of the stack inside the nearest event loop.

        Without a loop: the whole stack.
        """
        for at, frame in enumerate(self.frames):
            if at and frame.f_globals.get("__name__") in _EVENT_LOOPS:
                return CallStack(self.frames[:at])
        return self

    def up_to_cell(self, namespace: Mapping[str, object]) -> CallStack | None:
        """Return the stack from the caller up to the outermost frame of cell code.

        None: no code of a cell is on the stack. ``namespace`` is the one in which cells run.
        """
        cells = [at for at, f in enumerate(self.frames) if f.f_globals is namespace]
        return CallStack(self.frames[: cells[-1] + 1]) if cells else None

    @property
    def outermost(self) -> FrameType:
        """The frame that was called first."""
        return self.frames[-1]

    def position(self) -> Hashable:
        """Return a value that identifies the chain of code positions, outermost first.

        It is equal in each round of a loop. Two positions differ, also on one line.
        """
        return tuple(_place(frame) for frame in reversed(self.frames))


def _times(frame: FrameType) -> bool:
    timed = frame.f_code.co_filename in _TIMED_FILES
    return timed or frame.f_globals.get("__name__") == "timeit"


_Place: TypeAlias = tuple[str, str, Span | tuple[int, int]]
_places: dict[int, tuple[CodeType, dict[int, _Place]]] = {}
"""Known positions by the ``id()`` of their code object.

The code object is kept, so that no other one gets its id.
"""


def _place(frame: FrameType) -> _Place:
    """Return file, function and source span of the code that ``frame`` executes.

    The span identifies the instruction. Code objects do not: IPython compiles each statement of a
    cell alone, and ``exec`` compiles its text in each round. Offsets do not either: once Python has
    specialised a call, it may report another offset than in the first round.
    """
    code, offset = frame.f_code, frame.f_lasti
    known = _places.get(id(code))
    if known is None:
        # The table is bounded, because a kernel that runs for weeks compiles many cells.
        if len(_places) >= _CODES_KEPT:
            _places.clear()
        known = _places[id(code)] = (code, {})
    place = known[1].get(offset)
    if place is None:
        file = _COUNTED.sub("<ipython-input-", code.co_filename)
        span = span_of(frame) or (frame.f_lineno or 0, offset)
        place = known[1][offset] = (file, code.co_qualname, span)
    return place


def span_of(frame: FrameType) -> Span | None:
    """Return the source span of the code that ``frame`` executes. None when Python keeps none."""
    # f_lasti counts bytes, two for an instruction. co_positions yields one row for an instruction.
    offset = max(frame.f_lasti, 0) // 2
    first, last, start, end = next(islice(frame.f_code.co_positions(), offset, None), (None,) * 4)
    if first is None or last is None or start is None or end is None:
        return None
    return first, last, start, end
