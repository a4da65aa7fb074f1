"""The ``%kis`` command that runs now, for the calls that it makes: its words name an order's call, not its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class MagicLine(NamedTuple):
    """One command of ``%kis`` or of a ``%%kis`` cell."""

    words: str
    """As typed, before ``{}`` expansion."""
    place: int = 0
    """The how-manieth command of its cell."""
    shown: bool = False
    """The magic shows the result itself."""
    silent: bool = False
    """It ends with a semicolon."""


_current: ContextVar[MagicLine | None] = ContextVar("kisnb_magic_line", default=None)


def current_line() -> MagicLine | None:
    """The command that runs now; None for a call in Python."""
    return _current.get()


@contextmanager
def running(line: MagicLine) -> Iterator[None]:
    """Within the block this command runs."""
    token = _current.set(line)
    try:
        yield
    finally:
        _current.reset(token)
