"""The ``%kis`` command that runs now.

The order calls of a command read it here. The words of the command name an order, and not its
Python code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class MagicLine(NamedTuple):
    """One command of ``%kis`` or of a ``%%kis`` cell."""

    words: str
    """The words as typed, before ``{}`` is expanded."""
    before: int = 0
    """The number of commands before it in its cell."""
    shown: bool = False
    """True when the magic itself shows the result."""
    silent: bool = False
    """True when the command ends with a semicolon."""


_current: ContextVar[MagicLine | None] = ContextVar("kisnb_magic_line", default=None)


def current_line() -> MagicLine | None:
    """Return the command that runs now. None when the call comes from Python code."""
    return _current.get()


@contextmanager
def running(line: MagicLine) -> Iterator[None]:
    """Make ``line`` the current command within the block."""
    token = _current.set(line)
    try:
        yield
    finally:
        _current.reset(token)
