"""Verbs of exits and price alerts: protect, alert."""

from __future__ import annotations

from kisnb.errors import BadInput
from kisnb.exits import ExitOptions
from kisnb.notebook.commands.grammar import Typed, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb


async def _protect(context: Context, typed: Typed) -> object:
    session, what = context.session, typed.word(0, str)
    if what is None:
        return session.protections()
    agent = typed.option("agent", str) or ""
    if typed.word(1, str) == "off":
        code = context.code(what)
        text = await session.unprotect(code, agent=agent)
        context.say(f"the exit of {session.universe.name(code)} is off ({text})")
        return None
    code = context.code(what)
    options = ExitOptions()
    for name in ("stop", "take", "trail", "entry"):
        if (value := typed.option(name, str)) is not None:
            options[name] = value
    if typed.option("atr", bool):
        options["atr_stop"] = True
    if typed.option("staged", bool):
        options["staged"] = True
    if (at := typed.option("at", str)) is not None:
        options["until"] = session.moment(at)
    watch = await session.protect(code, agent=agent, **options)
    name = session.universe.name(code)
    context.say(f"{name} ({code}) is protected: {watch.protection.text}; %kis protect shows it")
    return None


async def _alert(context: Context, typed: Typed) -> object:
    session, what, side = context.session, typed.word(0, str), typed.word(1, str)
    if what is None:
        return session.alerts()
    code = context.code(what)
    if side == "off":
        ended = await session.end_alerts(code)
        context.say(f"ended: {', '.join(a.text for a in ended)}")
        return None
    price = typed.word(2, int)
    if side is None or price is None:
        cure = f"Write %kis alert {code} above 75000, or below"
        raise BadInput("An alert needs a side and a price", cure)
    above, below = (price, None) if side == "above" else (None, price)
    alert = await session.alert(code, above=above, below=below)
    context.say(f"alert set: {alert.text}")
    return None


EXITS = (
    Verb(
        "protect",
        usage(
            "[CODE] [off] [--stop X] [--take X] [--trail X] [--entry PRICE] [--atr] [--staged] "
            "[--at TIME] [--agent ID]"
        ),
        "let the desk sell a holding: --stop 3% or a price, --take 5%, --trail 2%; off ends it; "
        "alone it lists them",
        _protect,
    ),
    Verb(
        "alert",
        usage("[CODE] [above|below|off] [PRICE]"),
        "be told once when a stock trades at a price; alone it lists the alerts",
        _alert,
    ),
)
"""The verbs of this file, as rows of the table of verbs."""
