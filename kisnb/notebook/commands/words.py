"""Splits a command into its words: quoted words, plain words, and a comment.

Pasted text may contain unusual blanks, invisible characters and curly quotation marks. They are
read as the ordinary characters of a keyboard.
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
    """A word that was typed in quotation marks. It is never an option, and it begins no comment."""

    __slots__ = ()


class Comment(str):
    """A comment with its hash. ``#12`` is not a comment: it is an order number."""

    __slots__ = ()


def split(text: str) -> list[str]:
    """Return the words of a command, each ``Quoted`` or plain. The last may be a ``Comment``.

    Text in quotation marks is one word. An apostrophe inside a word is a letter. A line that ends
    with a backslash continues in the next line. Raises BadInput for a quotation mark that is not
    closed.
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
            # --key=“monthly” is an option with a quoted value.
            words.append(f"{found['option']}{inside}" if found["option"] else Quoted(inside))
        else:
            word = re.sub(
                "\"([^\"]*)\"|'([^']*)'", lambda mark: mark[1] or mark[2] or "", found["plain"]
            )
            words.append(Quoted(word) if found["plain"][0] in "\"'" else word)
    if words and re.fullmatch("%{1,2}kis", narrow(words[0])):
        # A person pasted a whole line of another cell after the magic.
        del words[0]
    return words


def goes_on(text: str) -> bool:
    """Return whether a line continues in the next one.

    It does so when it ends with a backslash outside a comment.
    """
    if not text.rstrip().endswith("\\"):
        return False
    try:
        words = split(text)
    except BadInput:
        # Later code refuses the command, with the cure.
        return False
    return not isinstance(words[-1], Comment)
