"""N03: every `%kis` command that a message of the product names is one that `%kis` reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kisnb
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.verbs.table import find
from kisnb.notebook.commands.words import split

PACKAGE = Path(kisnb.__file__).parent
GIVEN = {
    "ID": "7",
    "PRICE": "70,000",
    "QTY": "10",
    "NAME": "x",
    "TIME": "10:00",
    "REASON": "checked",
    "NUMBER|never": "never",
    "CODE": "005930",
    "MODE": "sim",
    "VERB": "buy",
}
"""What a person writes for a word in capitals."""


def hints() -> Iterator[tuple[str, str]]:
    """Each command that stands in a message, and the file that says it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text("utf-8")
        if "%kis" not in source:
            continue
        tree = ast.parse(source)
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                said |= {id(part) for part in node.values}
                yield from _in(_as_shown(node), path)
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in said
            ):
                yield from _in(node.value, path)


def _as_shown(text: ast.JoinedStr) -> str:
    """An f-string with a 7 in place of each value: a number, a code, or a name of an agent."""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "7" for part in text.values
    )


def _in(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """The commands of a text, with what follows them in their part of the sentence."""
    for found in re.finditer(r"(?<!%)%kis ([a-z]+[^;,.()\n]*)", text):
        yield found[1].strip(), path.relative_to(PACKAGE).as_posix()


HINTS = sorted(set(hints()))
PROSE = ("knows", "bars and", "chart without")
"""Beginnings of sentences that speak of a verb and tell nobody to type it."""


def test_n03_messages_name_more_than_fifteen_commands():
    assert len(HINTS) > 15


@pytest.mark.parametrize(("hint", "path"), [h for h in HINTS if not h[0].startswith(PROSE)])
def test_n03_a_command_that_a_message_names_is_read(hint: str, path: str):
    line = " ".join(GIVEN.get(word, word) for word in hint.split())
    name, *words = split(line)
    verb = find(name)
    # Words of the sentence may follow the command; what is there must not be too little.
    for end in range(len(words), -1, -1):
        try:
            parse(verb.name, verb.usage, words[:end], line)
        except kisnb.errors.BadInput as error:
            if end == 0:
                raise AssertionError(f"{path} says %kis {hint}: {error}") from None
        else:
            return
