"""The table of all verbs, and what it says of them: ``%kis help``."""

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
    """Return the table as text, or one row of it. Raises BadInput for an unknown verb."""
    if name is not None:
        verb = find(name)
        return f"{verb.usage_line}\n    {verb.help}"
    # A few long lines would push the help of all others out of sight.
    width = max(len(v.usage_line) for v in VERBS.values() if len(v.usage_line) < 60)
    return "\n".join(f"{v.usage_line:<{width}}  {v.help}" for v in VERBS.values())


def find(name: str) -> Verb:
    """Return the verb of this name. Raises BadInput with the nearest one and the list."""
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
    # `open` stands first and `help` last: the order of the help is the order in which people need
    # them.
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
