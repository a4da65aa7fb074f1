"""Completes ``%kis``: verbs, options, stock codes by code or Korean name, order numbers, agents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from kisnb.notebook.commands.current_session import CurrentSession

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.market.universe import Universe
    from kisnb.notebook.commands.verbs.verb import Verb

_COMMAND = re.compile(r"^\s*(?:[\w.]+\s*=\s*)?%kis(?:\s+(?P<line>.*))?$")
_SHOWN = 40
"""The largest number of completions in one list."""


class KisMatcher:
    """Gives completions to IPython. The extension adds ``match`` to its ``custom_matchers``."""

    def __init__(self, current: CurrentSession, shell: InteractiveShell) -> None:
        self._current = current
        self._shell = shell
        self._packaged: Universe | None = None
        """The packaged list of stocks, for a notebook without an open session."""

    @context_matcher(identifier="kisnb")  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return the completions at the cursor, in the form of IPython's matcher API version 2."""
        words = _words_before(context)
        if words is None:
            return {"completions": []}
        # The text ends at the cursor. After a blank the fragment is empty, and everything that may
        # follow is offered.
        *before, fragment = re.split(r"\s+", words)
        # Drawing a list of thousands of stocks would take longer than typing the name.
        found = list(self._complete(before, fragment))[:_SHOWN]
        if not found:
            return {"completions": []}
        return {
            "completions": found,
            "matched_fragment": fragment,
            # Names of files and variables have no meaning after %kis.
            "suppress": True,
            "ordered": True,
        }

    def _complete(self, before: list[str], fragment: str) -> Iterator[SimpleCompletion]:
        # Loading the extension imports no verbs: the first Tab or the first command does.
        from kisnb.notebook.commands.verbs.table import VERBS
        from kisnb.notebook.commands.word_readers import CHOICES

        if not before:
            yield from _starting(VERBS, fragment, "verb")
            return
        verb = VERBS.get(before[0])
        if verb is None:
            return
        # If the word before the cursor is an option with a value, that option decides the
        # completions. So options are checked before the words of the verb.
        last = verb.usage.options.get(before[-1])
        if last is not None:
            known = (*last.choices, *CHOICES.get(last.kind or "", ()))
            yield from _starting(known, fragment, "value")
        elif before[-1] == "--code":
            yield from self._codes(fragment)
        elif fragment.startswith("-"):
            options = [*verb.usage.options, *self._parameters(before)]
            yield from _starting([o for o in options if o not in before], fragment, "option")
        else:
            yield from self._word(verb, before[1:], fragment)

    def _word(self, verb: Verb, words: list[str], fragment: str) -> Iterator[SimpleCompletion]:
        from kisnb.notebook.commands.grammar import Word
        from kisnb.notebook.commands.verbs.table import VERBS

        # Options may be typed between words, so they do not count for a word's place.
        at = len(list(_plain(verb, words)))
        word = verb.usage.words[at] if at < len(verb.usage.words) else Word("", required=False)
        yield from _starting(word.choices, fragment, "word")
        if word.kind == "CODE":
            yield from self._codes(fragment)
        elif word.kind == "VERB":
            yield from _starting(VERBS, fragment, "verb")
        elif word.kind == "ID":
            yield from _starting(self._ids(verb, words), fragment, verb.name)

    def _codes(self, fragment: str) -> Iterator[SimpleCompletion]:
        # Without a typed letter every stock would match.
        for instrument in self._universe().search(fragment) if fragment else ():
            yield SimpleCompletion(instrument.code, type=instrument.name)

    def _ids(self, verb: Verb, words: list[str]) -> list[str]:
        session = self._current.session
        if verb.name == "cancel":
            return [str(o.number) for o in session.book.open_orders if o.number] if session else []
        from kisnb.notebook.agent_classes import agent_classes

        # A class is offered only where an agent is started: the other actions need an agent that
        # runs.
        ids = [agent.id for agent in session.agents] if session else []
        return [*ids, *agent_classes(self._shell.user_ns)] if words[:1] == ["start"] else ids

    def _parameters(self, before: list[str]) -> list[str]:
        """Return the options of the Agent that ``agents start NAME`` names."""
        if before[:2] != ["agents", "start"] or len(before) < 3:
            return []
        from kisnb.notebook.agent_classes import agent_classes

        kind = agent_classes(self._shell.user_ns).get(before[2])
        return [f"--{name}" for name in kind.parameters()] if kind else []

    def _universe(self) -> Universe:
        if self._current.session is not None:
            return self._current.session.universe
        if self._packaged is None:
            from kisnb.market.universe import Universe

            self._packaged = Universe.packaged()
        return self._packaged


def _words_before(context: CompletionContext) -> str | None:
    """Return the text between ``%kis`` and the cursor. None when the cursor is not in a command."""
    line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
    command = _COMMAND.match(line)
    if command is not None:
        return command["line"]
    # Below %%kis each line is a command without ``%kis``.
    if context.cursor_line and re.match(r"\s*%%kis\b", context.full_text):
        return line.lstrip()
    return None


def _plain(verb: Verb, words: list[str]) -> Iterator[str]:
    """Yield the words that are neither options nor values of options."""
    following = iter(words)
    for word in following:
        if not word.startswith("-"):
            yield word
        elif verb.usage.options.get(word) is not None or verb.usage.any_option:
            next(following, None)


def _starting(known: Iterable[str], fragment: str, kind: str) -> Iterator[SimpleCompletion]:
    for text in known:
        if text.startswith(fragment):
            yield SimpleCompletion(text, type=kind)
