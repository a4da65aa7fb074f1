"""The grammar of ``%kis``: the usage line that help shows is also what a command is parsed by.

In a usage line ``CODE`` is a word, ``a|b`` a choice, ``[...]`` optional, ``--flag`` a switch, ``--name X`` an option
with a value, ``--name [X]`` one whose value may be left out, ``[X ...]`` the rest of the line and
``[--NAME VALUE ...]`` options of any name.

What is pasted is read once, here and in ``words``: full-width digits, and a dash where two hyphens
were typed. Reasons, keys and files keep their words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kisnb.clock import parse_time
from kisnb.errors import BadInput
from kisnb.notebook.commands.words import Comment, Quoted
from kisnb.terms import OrderKind, Venue
from kisnb.values import DASHES, SHARES, WON, narrow, near_names, whole_text

_FREE = frozenset({"REASON", "KEY", "FILE", "VALUE"})
"""Words of a person's own: they keep their width, and a quotation mark or a hash in them is theirs."""
_OPTION = re.compile(rf"(?P<dashes>[-{DASHES}]{{1,3}})(?P<name>[^\W\d].*)", re.DOTALL)


@dataclass(frozen=True)
class Word:
    """A word that stands at its place."""

    name: str
    """``CODE``, ``TIME|close``: lower-case alternatives are literal, the upper-case one has a converter."""
    required: bool
    rest: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(a for a in self.name.split("|") if a.islower())

    @property
    def kind(self) -> str | None:
        """The upper-case alternative."""
        return next((a for a in self.name.split("|") if a.isupper()), None)


@dataclass(frozen=True)
class Usage:
    """One verb's grammar."""

    text: str
    words: tuple[Word, ...]
    options: Mapping[str, Word | None]
    """Option to its value; None for a switch."""
    any_option: bool


@dataclass(frozen=True)
class Typed:
    """What was typed: the converted words (None where an optional one is missing) and options."""

    words: tuple[object, ...]
    options: Mapping[str, object]
    call: str
    """The command as it stands in the cell, before ``{}`` expansion."""
    silent: bool = False
    """Whether a semicolon ends it, before a comment."""

    def number(self, at: int) -> int:
        value = self.words[at]
        assert isinstance(value, int)
        return value

    def text(self, at: int) -> str:
        return str(self.words[at])


def usage(text: str) -> Usage:
    """Read a usage line."""
    words: list[Word] = []
    options: dict[str, Word | None] = {}
    any_option = False
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
                Word(name, required=not optional or i > 0, rest=rest)
                for i, name in enumerate(names)
            ]
    return Usage(text, tuple(words), options, any_option)


def _value_of(name: str) -> Word:
    """The value of an option; in brackets it may be left out."""
    return Word(name.strip("[]"), required=not name.startswith("["))


def parse(verb: str, grammar: Usage, tokens: list[str], call: str) -> Typed:
    """Fit ``tokens`` into the verb's grammar; raises BadInput with the usage line."""
    cure = f"Write %kis {verb} {grammar.text}".rstrip()
    tokens, silent = _before_comment(grammar, tokens)
    said: list[str] = []
    options: dict[str, object] = {}
    priced = any(w.kind == "PRICE" for w in grammar.words)
    queue = _Queue([t for t in tokens if not (priced and t in ("@", "＠"))])
    while (token := queue.take()) is not None:
        option = _as_option(grammar, token)
        if option:
            name, value = _option(verb, grammar, option, queue, cure)
            options[name] = value
        else:
            said.append(token)
    return Typed(tuple(_words(verb, grammar, said, cure)), options, call, silent)


def _before_comment(grammar: Usage, tokens: list[str]) -> tuple[list[str], bool]:
    """The words before a comment, and whether a semicolon ends them. Raises BadInput for a dangling backslash."""
    ends = any(word.rest for word in grammar.words)
    if tokens and isinstance(tokens[-1], Comment):
        *tokens, comment = tokens
        if ends and not re.match(r"#\s|#$", comment):
            # A reason keeps its words: there a hash that is glued to a word begins no comment.
            return [*tokens, *comment.split()], False
    if not tokens or isinstance(tokens[-1], Quoted):
        return tokens, False
    *kept, last = tokens
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
    """The option that a word writes, with the hyphens that it should have; empty for a word that is none."""
    found = None if isinstance(token, Quoted) else _OPTION.fullmatch(token)
    if found is None:
        spelt, equals, value = token.partition("=")
        wide = not token.isascii() and not isinstance(token, Quoted) and narrow(spelt) != spelt
        return _as_option(grammar, f"{narrow(spelt)}{equals}{value}") if wide else ""
    if found["dashes"] in ("-", "--"):
        return token
    name, equals, value = found["name"].partition("=")
    known = [f"{hyphens}{name}" for hyphens in ("--", "-") if f"{hyphens}{name}" in grammar.options]
    if grammar.any_option:
        known.append(f"--{name}")
    # Any other dash is a word's own.
    return f"{known[0]}{equals}{value}" if known else ""


class _Queue:
    """The tokens that are still to be read."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def take(self) -> str | None:
        """The next token, which is then read; None at the end."""
        if self._at == len(self._tokens):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def take_short_number(self) -> str | None:
        """The next token when it is a number of at most three digits; a code of six digits stands for itself."""
        following = self._tokens[self._at] if self._at < len(self._tokens) else ""
        return self.take() if re.fullmatch(r"[0-9]{1,3}", narrow(following)) else None


def _option(verb: str, grammar: Usage, token: str, queue: _Queue, cure: str) -> tuple[str, object]:
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
    if not word.required and not attached:
        number = queue.take_short_number()
        return key, True if number is None else _convert(word, number, cure)
    value = attached or queue.take()
    if value is None:
        raise BadInput(f"%kis {verb}: {name} needs a value", cure)
    return key, _convert(word, value, cure)


def _words(verb: str, grammar: Usage, said: list[str], cure: str) -> Iterator[object]:
    for at, word in enumerate(grammar.words):
        if word.rest:
            yield " ".join(said[at:])
            return
        if at < len(said):
            yield _convert(word, said[at], cure)
        elif word.required and not (
            at and grammar.words[at - 1].required is False and at - 1 >= len(said)
        ):
            raise BadInput(f"%kis {verb}: {word.name} is missing", cure)
        else:
            yield None
    if len(said) > len(grammar.words):
        raise BadInput(f"%kis {verb}: too many words, from {said[len(grammar.words)]!r} on", cure)


def _convert(word: Word, said: str, cure: str) -> object:
    text = str(said) if word.kind in _FREE else narrow(str(said))
    if narrow(text) in word.choices:
        return narrow(text)
    if word.kind is None:
        raise BadInput(
            f"{text!r} is none of {', '.join(word.choices)}{did_you_mean(text, word.choices)}", cure
        )
    try:
        return _CONVERTERS.get(word.kind, str)(text)
    except ValueError as error:
        raise BadInput(str(error), cure) from None


def did_you_mean(text: str, known: Iterable[str], near_enough: float = 0.5) -> str:
    """``". Did you mean quote?"``, or nothing when nothing is near."""
    near = near_names(text.lower(), known, 3, near_enough)
    # Two letters in the wrong order are the commonest slip.
    swapped = [word for word in near if sorted(word) == sorted(text.lower())]
    return f". Did you mean {(swapped or near)[0]}?" if near else ""


def _whole(text: str, what: str, unit: str = "") -> int:
    if text.startswith("@"):
        raise ValueError(f"{what} is missing before the price {text}")
    number = whole_text(text, unit)
    if number is None:
        raise ValueError(f"{text!r} is no whole number, and {what} must be one")
    if number < 0:
        raise ValueError(f"{text} is below zero, and {what} must be at least 1")
    return number


def _quantity(text: str) -> int:
    qty = _whole(text, "the quantity in shares", SHARES)
    if qty < 1:
        raise ValueError("The quantity must be at least 1 share")
    return qty


def _price(text: str) -> int:
    price = _whole(text.removeprefix("@"), "the price in won", WON)
    if price < 1:
        raise ValueError("The price must be at least 1 won; leave it out for a market order")
    return price


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is no date; write it as YYYY-MM-DD") from None


def _time(text: str) -> str:
    try:
        parse_time(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time of day; write it as HH:MM") from None
    return text


def span(text: str) -> str:
    """The length of a bar, as it was typed; raises BadInput when it is none."""
    from kisnb.market.bars import span_of

    span_of(text)
    return text


def _one_of(kinds: type[StrEnum], what: str) -> Callable[[str], StrEnum]:
    def convert(text: str) -> StrEnum:
        for member in kinds:
            if text.lower() == member.value.lower():
                return member
        raise ValueError(f"There is no {what} {text!r}; it is one of {', '.join(kinds)}")

    return convert


_CONVERTERS: dict[str, Callable[[str], object]] = {
    "QTY": _quantity,
    "PRICE": _price,
    "N": lambda text: _whole(text, "the number"),
    "D": _day,
    "T": _time,
    "TIME": _time,
    "SPAN": span,
    "V": _one_of(Venue, "venue"),
    "K": _one_of(OrderKind, "kind of order"),
}
