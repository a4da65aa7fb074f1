"""Verbs of the desk: open, until, panel, report, halt, arm, config, nest, tasks, close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal

from kisnb.clock import clock_text
from kisnb.errors import BadInput
from kisnb.market.sessions import boundaries
from kisnb.notebook.commands.grammar import Typed, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.notebook.panels import DESK_PANEL, open_panel

if TYPE_CHECKING:
    from kisnb.drawing.report_file import Report
    from kisnb.notebook.commands.settings import Settings
    from kisnb.session.session import Session


async def _open(context: Context, typed: Typed) -> Session:
    # After the loss of a desk, messages name `%kis open` as the cure. So it must open a desk of the
    # same mode.
    mode = typed.words[0] or context.current.last_mode
    if mode is None:
        raise BadInput("Which desk?", "Write %kis open sim, %kis open paper or %kis open live")
    session = await context.current.open(
        str(mode),
        quotes=typed.option("quotes", str),
        seed=typed.option("seed", int),
        date=typed.option("date", str),
        start=typed.option("start", str),
        fresh=bool(typed.option("fresh", bool)),
    )
    context.console.say_when_agents_stand_still()
    _load_panels()
    if not session.universe.is_complete:
        from kisnb.session.feed.stock_list import list_text, list_trouble

        trouble = list_trouble(session.universe, session.today)
        context.say(trouble or list_text(session.universe))
    return session


def _load_panels() -> None:
    """Begin to load the panels, so that the first panel is drawn without a wait for them."""

    def load() -> None:
        # A module that is missing is reported by the panel that needs it.
        with suppress(ImportError):
            import_module(DESK_PANEL)

    # It takes a quarter of a second. A thread leaves the loop to the agents meanwhile.
    Thread(target=load, name="kisnb-panels", daemon=True).start()


async def _until(context: Context, typed: Typed) -> None:
    session, when = context.session, typed.text(0)
    moment, ends = session.moment(when), boundaries(session.today)
    # Both lines are printed before the wait, which may take hours.
    if moment < session.now:
        context.say(f"{clock_text(moment)} is past: it is {session.status.clock_text()}.")
    elif ends and moment > ends[-1]:
        context.say(
            f"Nothing is traded after {clock_text(ends[-1])}; "
            f"the day goes on to {clock_text(moment)} without."
        )
    await session.until(when)


async def _panel(context: Context, typed: Typed) -> object:
    # A panel may be opened before they are loaded. The loop stays free for the agents.
    await asyncio.to_thread(import_module, DESK_PANEL)
    code = typed.word(1, str)
    name = str(typed.words[0] or "desk")
    return open_panel(context.session, name, "" if code is None else context.code(code))


def _report(context: Context, typed: Typed) -> Report:
    from kisnb.notebook.report import write_report

    return write_report(context.session, Path(typed.option("o", str) or "report.html"))


async def _halt(context: Context, typed: Typed) -> None:
    from kisnb.trading.halt.halt_words import step_text

    session, text = context.session, typed.text(0)
    # "halt off" is not a choice of the grammar, because a reason may begin with any word.
    first, _, reason = text.partition(" ")
    flatten, reduce = bool(typed.option("flatten", bool)), bool(typed.option("reduce", bool))
    if first == "off":
        if flatten:
            raise BadInput("halt off cannot be combined with --flatten", "leave --flatten out")
        context.say(await session.resume(reason, state="reducing" if reduce else "active"))
        return
    state: Literal["reducing", "halted"] = "reducing" if reduce else "halted"
    # The person is not asked for a reason, because a halt must not wait for it.
    for step in await session.halt(text or "typed in the notebook", state=state, flatten=flatten):
        context.say(step_text(step))


async def _arm(context: Context, typed: Typed) -> None:
    from kisnb.notebook.commands.arming import arm

    minutes, budget = typed.option("minutes", int), typed.option("budget", int)
    is_off = typed.words[0] == "off"
    context.say(await arm(context.session, context.shell, minutes, budget, off=is_off))


def _config(_context: Context, typed: Typed) -> Settings | None:
    from kisnb.notebook.commands.settings import change, settings

    name = typed.word(0, str)
    if name is None:
        return settings()
    change(name, typed.text(1), default=bool(typed.option("default", bool)))
    return None


def _nest(context: Context, typed: Typed) -> None:
    from kisnb.notebook.kernel.nest import nest

    session = context.current.session
    # The warning names the agents, because from now on an interrupt could end them.
    running = session.agents.running if session is not None and not session.closed else ()
    context.say(nest(typed.word(0, str), running))


async def _tasks(context: Context, _typed: Typed) -> None:
    context.say(await context.session.tasks())


def _close(context: Context, _typed: Typed) -> Awaitable[None]:
    return context.current.close()


OPENING = (
    Verb(
        "open",
        usage("[sim|paper|live] [--quotes live] [--seed N] [--date D] [--start T] [--fresh]"),
        "open a desk: the simulator (seed, date and start are its own), paper or live; alone, "
        "the last one again",
        _open,
        needs_session=False,
    ),
)
"""The verb ``open``, the first row of the table of verbs."""

DESK = (
    Verb("until", usage("TIME|close"), "let the day go on until a time (KST)", _until),
    Verb(
        "panel",
        usage("[desk|account|agents|orders|stocks|exits|depth|tape|ticket|chart] [CODE]"),
        "a live panel: the whole desk, or one part of it alone; CODE is the stock that it shows",
        _panel,
    ),
    Verb("report", usage("[-o FILE]"), "the day as one HTML file", _report, blocking=True),
    Verb(
        "halt",
        usage("[REASON ...] [--reduce] [--flatten]"),
        "kill switch: block, cancel all, ask KIS, set the state; --flatten also sells all that is "
        "held; halt off REASON ends a flatten, then lifts the halt (--reduce: sells alone pass)",
        _halt,
    ),
    Verb(
        "arm",
        usage("[off] [--minutes N] [--budget N]"),
        "let buys pass at live, for a time and up to a budget; asks for the account's last four "
        "digits",
        _arm,
    ),
    Verb(
        "config",
        usage("[NAME] [VALUE ...] [--default]"),
        "the settings and where each comes from; with a value, set one",
        _config,
        needs_session=False,
        blocking=True,
    ),
    Verb(
        "nest",
        usage("[on|off]"),
        "a re-entrant event loop for other libraries (nest_asyncio); off unless you switch it on",
        _nest,
        needs_session=False,
        blocking=True,
    ),
    Verb("tasks", usage(""), "what runs here and in the desk, and whose it is", _tasks),
    Verb(
        "close",
        usage(""),
        "leave the desk; it stays up, and orders in the market stay there",
        _close,
    ),
)
"""The other verbs of this file, as rows of the table of verbs."""
