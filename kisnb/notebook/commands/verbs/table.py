"""The table of all verbs, and the text of ``%kis help``."""

from __future__ import annotations

from kisnb.errors import BadInput
from kisnb.notebook.commands.grammar import Typed, did_you_mean, usage
from kisnb.notebook.commands.verbs.agents import AGENTS
from kisnb.notebook.commands.verbs.backtests import BACKTESTS
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.desk import DESK, OPENING
from kisnb.notebook.commands.verbs.exits import EXITS
from kisnb.notebook.commands.verbs.history import HISTORY
from kisnb.notebook.commands.verbs.looking import LOOKING
from kisnb.notebook.commands.verbs.orders import ORDERS
from kisnb.notebook.commands.verbs.verb import Verb


def help_text(name: str | None = None) -> str:
    """Return the help of all verbs, or of one verb. Raises BadInput for an unknown verb."""
    if name is not None:
        verb = find(name)
        return f"{verb.usage_line}\n    {verb.help}"
    # Without this a few long usage lines would push all sentences of help to the right.
    width = max(len(v.usage_line) for v in VERBS.values() if len(v.usage_line) < 60)
    return "\n".join(f"{v.usage_line:<{width}}  {v.help}" for v in VERBS.values())


def find(name: str) -> Verb:
    """Return the verb of this name. Raises BadInput with the most similar name and the list."""
    if name not in VERBS:
        raise BadInput(
            f"%kis knows no verb {name!r}{did_you_mean(name, VERBS)}",
            f"Its verbs: {', '.join(VERBS)}",
        )
    return VERBS[name]


def _help(_context: Context, typed: Typed) -> None:
    print(help_text(typed.word(0, str)))


_HELP = Verb("help", usage("[VERB]"), "this list", _help, blocking=True, needs_session=False)

VERBS: dict[str, Verb] = {
    # `open` is first and `help` last, because help shows the verbs in the order in which people
    # need them.
    verb.name: verb
    for verb in (
        *OPENING,
        *LOOKING,
        *HISTORY,
        *BACKTESTS,
        *ORDERS,
        *EXITS,
        *AGENTS,
        *DESK,
        _HELP,
    )
}
"""The verbs by name, in the order in which help shows them."""
