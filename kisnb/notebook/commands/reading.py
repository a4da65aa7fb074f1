"""Reads the text behind ``%kis``: expands it, finds its verb, fits its words into the grammar."""

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
    """A command that has been read: its verb, its words, and whether its result is shown."""

    verb: Verb
    typed: Typed
    silent: bool
    """True when a semicolon ends it: then its result is not shown."""


def read_command(text: str, shell: InteractiveShell) -> Command:
    """Return the command that a text means. An empty text means ``help``. Raises BadInput."""
    # The first command imports the verbs: loading the extension stays fast.
    from kisnb.notebook.commands.grammar import parse
    from kisnb.notebook.commands.verbs.table import find

    # The text is kept as it stands in the cell, because it is a part of the order's place. A price
    # in `{price}` may change between two runs of one cell.
    call = text.strip()
    silent = call.endswith((";", "；"))
    call = call.rstrip("; ；")
    name, *words = split(_expanded(call, shell)) or ["help"]
    # The first word is read in small letters and in plain width: a paste may have capitals, or a
    # full-width word.
    verb = find("help" if isinstance(name, Comment) else narrow(name).lower())
    typed = parse(verb.name, verb.usage, words, call)
    return Command(verb, typed, silent or typed.silent)


def commands_of_cell(line: str, body: str) -> list[str]:
    """Return the commands of ``%%kis``: its own line, and the lines below.

    Blank lines and comments are left out. A line that ends with a backslash goes on in the next
    line, as in Python. A comment never goes on in the next line.
    """
    commands: list[str] = []
    continued = False
    for text in [line, *body.splitlines()]:
        if continued:
            commands[-1] += f"\n{text}"
        # The hash may stand behind a blank that only looks like one.
        elif text.strip() and not tidy(text).lstrip().startswith("#"):
            commands.append(text)
        continued = goes_on(text)
    return commands


def with_lines(commands: Sequence[Command]) -> Iterator[tuple[MagicLine, Command]]:
    """Yield each command with its ``MagicLine``, which names the orders of its calls.

    The magic shows the results of all commands but the last one. IPython shows the last result.
    """
    for n, command in enumerate(commands):
        yield MagicLine(command.typed.call, n, n < len(commands) - 1, command.silent), command


def _expanded(call: str, shell: InteractiveShell) -> str:
    """Return a command with its ``{}`` and ``$`` filled in. Raises BadInput."""
    if "{" not in call and "$" not in call:
        return call
    # Locals go over globals, as Python looks names up.
    names = {**shell.user_ns, **locals_of_user(shell.user_ns)}
    try:
        expanded: str = DollarFormatter().vformat(call, [], names)
        return expanded
    except Exception as error:
        # The expression is the person's own code, so that anything may come out of it.
        raise BadInput(f"%kis {call}: {error}", "Braces may contain notebook variables") from None
