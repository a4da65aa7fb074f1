"""Reads the text after ``%kis``: expands it, finds its verb, and reads its words by the grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from IPython.utils.text import DollarFormatter

from kisnb.errors import BadInput
from kisnb.notebook.commands.words import Comment, goes_on, split
from kisnb.notebook.kernel.call_stack import locals_of_user
from kisnb.session.typed_orders.magic_line import MagicLine
from kisnb.values import narrow, tidy

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.notebook.commands.grammar import Typed
    from kisnb.notebook.commands.verbs.verb import Verb


@dataclass(frozen=True)
class Command:
    """A command that has been read: its verb and the values of its words."""

    verb: Verb
    typed: Typed
    silent: bool
    """True when a semicolon ends it, so that its result is not shown."""


def read_command(text: str, shell: InteractiveShell) -> Command:
    """Return the command in a text. An empty text means ``help``. Raises BadInput."""
    # Only the first command imports the verbs, so that loading the extension stays fast.
    from kisnb.notebook.commands.grammar import parse
    from kisnb.notebook.commands.verbs.table import find

    # The text is kept as it stands in the cell, because it is part of the order's place. The price
    # in `{price}` may differ in two runs of one cell.
    call = text.strip()
    silent = call.endswith((";", "；"))
    call = call.rstrip("; ；")
    name, *words = split(_expanded(call, shell)) or ["help"]
    # The first word may be pasted in capitals or in full-width letters, so both are changed.
    verb = find("help" if isinstance(name, Comment) else narrow(name).lower())
    typed = parse(verb.name, verb.usage, words, call)
    return Command(verb, typed, silent or typed.silent)


def commands_of_cell(line: str, body: str) -> list[str]:
    """Return the commands of ``%%kis``: the one in its own line, and those in the lines below.

    Blank lines and comments are left out. A line that ends with a backslash continues in the next
    line, as in Python. A comment never continues.
    """
    commands: list[str] = []
    continued = False
    for text in [line, *body.splitlines()]:
        if continued:
            commands[-1] += f"\n{text}"
        # The hash may follow an unusual blank character.
        elif text.strip() and not tidy(text).lstrip().startswith("#"):
            commands.append(text)
        continued = goes_on(text)
    return commands


def with_lines(commands: Sequence[Command]) -> Iterator[tuple[MagicLine, Command]]:
    """Yield each command with its ``MagicLine``, which order calls read for their naming.

    The magic shows the results of all commands but the last one. IPython shows the last result.
    """
    for n, command in enumerate(commands):
        yield MagicLine(command.typed.call, n, n < len(commands) - 1, command.silent), command


def _expanded(call: str, shell: InteractiveShell) -> str:
    """Return a command in which ``{}`` and ``$`` are replaced by values. Raises BadInput."""
    if "{" not in call and "$" not in call:
        return call
    # Local variables come before global ones, as in Python.
    names = {**shell.user_ns, **locals_of_user(shell.user_ns)}
    try:
        expanded: str = DollarFormatter().vformat(call, [], names)
        return expanded
    except Exception as error:
        # The expression is a person's own code, so it may raise anything.
        raise BadInput(f"%kis {call}: {error}", "Braces may contain notebook variables") from None
