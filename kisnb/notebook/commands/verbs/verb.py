"""One row of the table of verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from kisnb.notebook.commands.grammar import Typed, Usage
from kisnb.notebook.commands.verbs.context import Context

Run: TypeAlias = Callable[[Context, Typed], object]
"""Gets what the verb may use and what was typed. Its result is awaited when it can be."""


@dataclass(frozen=True)
class Verb:
    """A verb: its name, its usage, its sentence of help, and what it does."""

    name: str
    usage: Usage
    help: str
    """One sentence that says what it does."""
    run: Run
    blocking: bool = False
    """True when it works where nobody can await."""
    needs_session: bool = True
    """True when it is refused while no session is open."""

    @property
    def usage_line(self) -> str:
        """The verb with its usage: ``%kis cancel ID|all``."""
        return f"%kis {self.name} {self.usage.text}".rstrip()
