"""The grammar of ``%kis``.

The usage line that help shows is also the rule by which a command is read.

    CODE                 a word
    a|b                  a choice
    [...]                may be left out
    [X ...]              all words that follow
    --flag               a switch
    --name X             an option with a value
    --name [X]           an option whose value may be left out
    [--NAME VALUE ...]   options of any name

Pasted text may have full-width digits, or one dash in place of two hyphens. This module and
``words`` read them as if typed on a keyboard. Reasons, keys and file names are not changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kisnb.errors import BadInput
from kisnb.notebook.commands.word_readers import FREE, READERS
from kisnb.notebook.commands.words import Comment, Quoted
from kisnb.values import DASHES, narrow, near_names

_Value = TypeVar("_Value")
_OPTION = re.compile(rf"(?P<dashes>[-{DASHES}]{{1,3}})(?P<name>[^\W\d].*)", re.DOTALL)


@dataclass(frozen=True)
class Word:
    """One word of a usage line, such as ``CODE`` or ``TIME|close``."""

    name: str
    """The word as in the usage line: ``CODE``, ``TIME|close``.

    Lower-case alternatives are typed literally. The upper-case one names the kind of value.
    """
    required: bool
    rest: bool = False
    """True when it stands for all words that follow."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The literal words that may be typed here, such as ``close`` of ``TIME|close``."""
        return tuple(a for a in self.name.split("|") if a.islower())

    @property
    def kind(self) -> str | None:
        """The kind of value that may be typed here, such as ``TIME`` of ``TIME|close``.

        None: only the literal words may be typed.
        """
        return next((a for a in self.name.split("|") if a.isupper()), None)


@dataclass(frozen=True)
class Usage:
    """The grammar of one verb."""

    text: str
    words: tuple[Word, ...]
    options: Mapping[str, Word | None]
    """The options, each with the word for its value. None: the option is a switch."""
    any_option: bool


@dataclass(frozen=True)
class Typed:
    """The values of the words and options that were typed after a verb."""

    words: tuple[object, ...]
    """One value for each word of the usage line. None: the word was left out."""
    options: Mapping[str, object]
    """The values by option name, without hyphens.

    True for a switch, and when no value was typed.
    """
    call: str
    """The command as it stands in the cell, before ``{}`` is expanded."""
    silent: bool = False
    """True when a semicolon ends the command. A comment may follow it."""

    def number(self, at: int) -> int:
        """Return word ``at`` as a number.

        The word is required, and the grammar has read it as one.
        """
        value = self.words[at]
        assert isinstance(value, int)
        return value

    def text(self, at: int) -> str:
        """Return word ``at`` as text."""
        return str(self.words[at])

    def word(self, at: int, kind: type[_Value]) -> _Value | None:
        """Return word ``at``, which the grammar has read as ``kind``. None when it was left out."""
        value = self.words[at]
        assert value is None or isinstance(value, kind)
        return value

    def option(self, name: str, kind: type[_Value]) -> _Value | None:
        """Return the value of an option that the grammar has read as ``kind``. None without it."""
        value = self.options.get(name)
        assert value is None or isinstance(value, kind)
        return value


def usage(text: str) -> Usage:
    """Return the grammar that a usage line describes."""
    words: list[Word] = []
    options: dict[str, Word | None] = {}
    any_option = False
    # Brackets inside brackets have one meaning: the option's value may be left out, as in [--again
    # [N]].
    for group in re.findall(r"\[(?:[^\[\]]|\[[^\]]*\])*\]|[^\s\[\]]+", text):
        optional = group.startswith("[")
        inside = group[1:-1].split() if optional else [group]
        if inside[0] == "--NAME":
            any_option = True
        elif inside[0].startswith("-"):
            options[inside[0]] = _value_of(inside[1]) if len(inside) > 1 else None
        else:
            rest = inside[-1] == "..."
            names = inside[:-1] if rest else inside
            words += [
                # In [start|stop ID] the brackets belong to the first word: a person who types it
                # has to type the others.
                Word(name, required=not optional or i > 0, rest=rest)
                for i, name in enumerate(names)
            ]
    return Usage(text, tuple(words), options, any_option)


def _value_of(name: str) -> Word:
    """Return the word for an option's value. In brackets: the value may be left out."""
    return Word(name.strip("[]"), required=not name.startswith("["))


def parse(verb: str, grammar: Usage, tokens: list[str], call: str) -> Typed:
    """Return the values of ``tokens`` by a grammar. Raises BadInput with the usage line.

    ``call`` is the command as it stands in the cell.
    """
    cure = f"Write %kis {verb} {grammar.text}".rstrip()
    # Comment and semicolon are removed first. Otherwise they would count as words, or as part of
    # the last word.
    tokens, silent = _before_comment(grammar, tokens)
    plain: list[str] = []
    options: dict[str, object] = {}
    priced = any(w.kind == "PRICE" for w in grammar.words)
    # People write the price with an at sign, also with a blank after it.
    queue = _Queue([t for t in tokens if not (priced and t in ("@", "＠"))])
    while (token := queue.take()) is not None:
        option = _as_option(grammar, token)
        if option:
            name, value = _option(verb, grammar, option, queue, cure)
            options[name] = value
        else:
            plain.append(token)
    return Typed(tuple(_words(verb, grammar, plain, cure)), options, call, silent)


def _before_comment(grammar: Usage, tokens: list[str]) -> tuple[list[str], bool]:
    """Return the words before a comment, and True if a semicolon ends them.

    Raises BadInput when the last word is a backslash and nothing follows it.
    """
    ends = any(word.rest for word in grammar.words)
    # Only the last word can be a comment, because a comment contains everything after its hash.
    if tokens and isinstance(tokens[-1], Comment):
        *tokens, comment = tokens
        if ends and not re.match(r"#\s|#$", comment):
            # A reason keeps its words: in a reason, a hash without a blank after it begins no
            # comment.
            return [*tokens, *comment.split()], False
    if not tokens or isinstance(tokens[-1], Quoted):
        return tokens, False
    *kept, last = tokens
    # The person wanted to continue in the next line. The command without it may lack its price.
    if last.endswith("\\") and not ends:
        raise BadInput(
            "The command ends with a backslash, and nothing follows it",
            "Write the rest, or take it away",
        )
    if not last.endswith(";"):
        return tokens, False
    last = last.rstrip(";")
    return ([*kept, last] if last else kept), True


def _as_option(grammar: Usage, token: str) -> str:
    """Return the option in a word, with the right hyphens. Empty when the word is no option."""
    found = None if isinstance(token, Quoted) else _OPTION.fullmatch(token)
    if found is None:
        spelt, equals, value = token.partition("=")
        wide = not token.isascii() and not isinstance(token, Quoted) and narrow(spelt) != spelt
        return _as_option(grammar, f"{narrow(spelt)}{equals}{value}") if wide else ""
    # This has the right hyphens. Later code checks whether the verb knows it, and suggests the
    # nearest name.
    if found["dashes"] in ("-", "--"):
        return token
    name, equals, value = found["name"].partition("=")
    known = [f"{hyphens}{name}" for hyphens in ("--", "-") if f"{hyphens}{name}" in grammar.options]
    if grammar.any_option:
        known.append(f"--{name}")
    # Any other dash belongs to a word.
    return f"{known[0]}{equals}{value}" if known else ""


class _Queue:
    """The words of a command that were not read yet."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def take(self) -> str | None:
        """Remove and return the next word. None at the end."""
        if self._at == len(self._tokens):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def take_short_number(self) -> str | None:
        """Remove and return the next word if it is a number of at most three digits.

        A code of six digits stays: after ``--again`` it is the stock, and not the number.
        """
        following = self._tokens[self._at] if self._at < len(self._tokens) else ""
        return self.take() if re.fullmatch(r"[0-9]{1,3}", narrow(following)) else None


def _option(verb: str, grammar: Usage, token: str, queue: _Queue, cure: str) -> tuple[str, object]:
    """Return the name of an option and its value. Raises BadInput with ``cure``."""
    name, _, attached = token.partition("=")
    name = narrow(name)
    if name in grammar.options:
        word = grammar.options[name]
    elif grammar.any_option and name.startswith("--"):
        word = Word("VALUE", required=True)
    else:
        raise BadInput(
            f"%kis {verb} has no option {name}{did_you_mean(name, grammar.options, 0.6)}", cure
        )
    key = name.lstrip("-").replace("-", "_")
    if word is None:
        return key, True
    # In `--again 005930 10` the value was left out, and 005930 is the stock.
    if not word.required and not attached:
        number = queue.take_short_number()
        return key, True if number is None else _read(word, number, cure)
    value = attached or queue.take()
    if value is None:
        raise BadInput(f"%kis {verb}: {name} needs a value", cure)
    return key, _read(word, value, cure)


def _words(verb: str, grammar: Usage, plain: list[str], cure: str) -> Iterator[object]:
    """Yield the value that was typed for each word of the grammar.

    Raises BadInput with ``cure``.
    """
    for at, word in enumerate(grammar.words):
        if word.rest:
            # A reason may have any number of words, so there can be no word too many.
            yield " ".join(plain[at:])
            return
        if at < len(plain):
            yield _read(word, plain[at], cure)
        # A word after optional words is required only when those were typed: `agents` alone lists
        # the agents.
        elif word.required and not (
            at and grammar.words[at - 1].required is False and at - 1 >= len(plain)
        ):
            raise BadInput(f"%kis {verb}: {word.name} is missing", cure)
        else:
            yield None
    if len(plain) > len(grammar.words):
        raise BadInput(f"%kis {verb}: too many words, from {plain[len(grammar.words)]!r} on", cure)


def _read(word: Word, typed: str, cure: str) -> object:
    """Return the value of the text ``typed`` for ``word``. Raises BadInput with ``cure``."""
    # str() turns a Quoted text into a plain one, because later code does not need the quotation
    # marks.
    text = str(typed) if word.kind in FREE else narrow(str(typed))
    # Literal words are checked before the reader: `close` in TIME|close is not a time of day.
    if narrow(text) in word.choices:
        return narrow(text)
    if word.kind is None:
        raise BadInput(
            f"{text!r} is none of {', '.join(word.choices)}{did_you_mean(text, word.choices)}", cure
        )
    try:
        return READERS.get(word.kind, str)(text)
    except ValueError as error:
        raise BadInput(str(error), cure) from None


def did_you_mean(text: str, known: Iterable[str], near_enough: float = 0.5) -> str:
    """Return a hint such as ``". Did you mean quote?"``. Empty when no known word is similar."""
    near = near_names(text.lower(), known, 3, near_enough)
    # Two letters in the wrong order are the most frequent mistake.
    swapped = [word for word in near if sorted(word) == sorted(text.lower())]
    return f". Did you mean {(swapped or near)[0]}?" if near else ""
