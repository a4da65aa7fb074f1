"""One row of the table of verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from kisnb.notebook.commands.grammar import Typed, Usage
from kisnb.notebook.commands.verbs.context import Context

Run: TypeAlias = Callable[[Context, Typed], object]
"""Runs a verb with its context and the typed words. An awaitable result is awaited."""


@dataclass(frozen=True)
class Verb:
    """A verb: its name, its usage, its sentence of help, and the function that runs it."""

    name: str
    usage: Usage
    help: str
    """One sentence of help that says what the verb does."""
    run: Run
    blocking: bool = False
    """True when the verb also works in code that cannot await."""
    needs_session: bool = True
    """True when the verb needs an open session."""

    @property
    def usage_line(self) -> str:
        """The verb with its usage: ``%kis cancel ID|all``."""
        return f"%kis {self.name} {self.usage.text}".rstrip()
