"""Splits a command into its words: quoted, plain, or a comment.

Pasted text may contain unusual blanks, invisible characters and curly quotation marks. They are
read as if they had been typed on a keyboard.
"""

from __future__ import annotations

import re

from kisnb.errors import BadInput
from kisnb.values import narrow, tidy

_WORD = re.compile(
    r"""
      (?P<comment> \#(?!\d+(?:\s|$)) .* )
    | (?P<curly> (?P<option>[^\s"'=]*=)?
        (?: [“”„‟](?P<double>[^“”„‟]*)[“”„‟] | [‘’‚‛](?P<single>[^‘’‚‛]*)[‘’‚‛] ) (?!\S) )
    | (?P<plain> (?: (?<=\w)'(?=\w) | "[^"]*" | '[^']*' | [^\s"'] )+ )
    | (?P<open> ["'] )
    """,
    re.VERBOSE | re.DOTALL,
)
_CONTINUED = re.compile(r"\\[^\S\n]*\n")


class Quoted(str):
    """A word that was typed in quotation marks. It is not an option, and it begins no comment."""

    __slots__ = ()


class Comment(str):
    """A comment with its hash. ``#12`` is not a comment: it is an order number."""

    __slots__ = ()


def split(text: str) -> list[str]:
    """Return the words of a command, each ``Quoted`` or plain; a ``Comment`` may be the last.

    Quotation marks keep blanks together. An apostrophe inside a word is a letter of it. A line
    that ends with a backslash goes on in the next one. Raises BadInput for a quotation mark that
    is not closed.
    """
    words: list[str] = []
    for found in _WORD.finditer(_CONTINUED.sub(" ", tidy(text))):
        if found["open"]:
            raise BadInput(
                f"A quotation mark is not closed in: {text}", "Close it, or leave it out"
            )
        if found["comment"]:
            words.append(Comment(found["comment"]))
        elif found["curly"]:
            inside = found["double"] or found["single"] or ""
            # --key=“monthly” is an option whose value is quoted.
            words.append(f"{found['option']}{inside}" if found["option"] else Quoted(inside))
        else:
            word = re.sub(
                "\"([^\"]*)\"|'([^']*)'", lambda mark: mark[1] or mark[2] or "", found["plain"]
            )
            words.append(Quoted(word) if found["plain"][0] in "\"'" else word)
    if words and re.fullmatch("%{1,2}kis", narrow(words[0])):
        # A whole line of another cell was pasted behind the magic.
        del words[0]
    return words


def goes_on(text: str) -> bool:
    """Return whether a line goes on in the next one.

    It does when it ends with a backslash outside a comment.
    """
    if not text.rstrip().endswith("\\"):
        return False
    try:
        words = split(text)
    except BadInput:
        # The command is refused later, with the cure.
        return False
    return not isinstance(words[-1], Comment)
