"""The verbs of ``%kis``: one table of name, usage, help and what is done.

A verb's function gets the desk's door: the session itself, whose answers are awaited, or ``session.blocking``, whose
answers are there at once. Verbs that need the notebook's loop have no blocking side and say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from kisnb.clock import clock_text
from kisnb.errors import BadInput
from kisnb.market.sessions import boundaries
from kisnb.notebook.commands.grammar import Typed, Usage, did_you_mean, usage
from kisnb.notebook.rendering.tables import badge_text
from kisnb.terms import Mode, Side

if TYPE_CHECKING:
    import polars as pl
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.session.session import Session
    from kisnb.trading.agents.agent import Agent


class Kis(Protocol):
    """What a verb needs of the magics; ``KisMagics`` has it."""

    every: Any
    """Length of bars, as text."""
    shell: InteractiveShell
    last_mode: Mode | None
    """Of the desk that was open last."""

    @property
    def user_ns(self) -> dict[str, Any]: ...

    def require(self) -> Session: ...

    def code(self, text: str) -> str: ...

    def say(self, text: str) -> None: ...

    def say_when_agents_stand_still(self) -> None: ...

    def open(self, mode: str, options: dict[str, object]) -> Awaitable[Session]: ...

    def close(self) -> Awaitable[None]: ...


Run: TypeAlias = Callable[[Kis, Any, Typed], object]
"""Gets the magics, the door (None where no session is needed) and what was typed; the result may be awaitable."""


@dataclass(frozen=True)
class Verb:
    """One row of the table."""

    name: str
    usage: Usage
    help: str
    run: Run
    blocking: bool = False
    """Whether it works where await cannot be."""
    needs_session: bool = True

    @property
    def line(self) -> str:
        return f"%kis {self.name} {self.usage.text}".rstrip()


def _quote(kis: Kis, door: Any, typed: Typed) -> object:
    return door.quote(kis.code(typed.text(0)))


def _depth(kis: Kis, door: Any, typed: Typed) -> object:
    return door.depth(kis.code(typed.text(0)))


def _bars(kis: Kis, _door: Any, typed: Typed) -> pl.DataFrame:
    return kis.require().bars(
        kis.code(typed.text(0)), every=str(typed.options.get("every", kis.every))
    )


def _chart(kis: Kis, _door: Any, typed: Typed) -> object:
    from kisnb.notebook.charts.chart import chart

    session, code = kis.require(), kis.code(typed.text(0))
    bars = session.bars(code, every=str(typed.options.get("every", kis.every)))
    orders = [o for o in session.book.orders.values() if o.code == code]
    return chart(
        bars, orders, f"{badge_text(session.mode)}{code} {session.universe.get(code).name}"
    )


def _buy(kis: Kis, door: Any, typed: Typed) -> object:
    return _order(kis, door.buy, typed)


def _sell(kis: Kis, door: Any, typed: Typed) -> object:
    return _order(kis, door.sell, typed)


def _order(kis: Kis, send: Callable[..., object], typed: Typed) -> object:
    code, qty, price = kis.code(typed.text(0)), typed.number(1), typed.words[2]
    name = kis.require().universe.name(code)
    if f"{typed.text(0)} {qty}".casefold() in name.casefold():
        # KODEX 200: the quantity may be a part of the name, and the price the quantity.
        raise BadInput(
            f"{typed.text(0)} {qty} may be the stock {name}, or {qty:,} shares of it",
            f"Write {code}",
        )
    return send(code, qty, price, **_naming(typed), **_terms(typed))


def _naming(typed: Typed) -> dict[str, object]:
    """Number and name of an order, as typed."""
    return {"key": typed.options.get("key"), "again": typed.options.get("again", False)}


def _terms(typed: Typed) -> dict[str, object]:
    """Venue, kind and stop price, as typed."""
    return {
        name: typed.options[name] for name in ("venue", "kind", "stop") if name in typed.options
    }


def _route(kis: Kis, door: Any, typed: Typed) -> object:
    what, qty, price = typed.text(0), typed.words[1], typed.words[2]
    if qty is None:
        if what in kis.require().universe:
            raise BadInput(f"How many shares of {what}?", f"Write for example %kis route {what} 10")
        return door.route(what)
    side = Side.SELL if typed.options.get("sell") else Side.BUY
    return door.route_of(side, kis.code(what), qty, price, **_terms(typed))


def _revise(_kis: Kis, door: Any, typed: Typed) -> object:
    return door.revise(typed.text(0), typed.words[1], typed.words[2], **_naming(typed))


def _resolve(kis: Kis, _door: Any, typed: Typed) -> object:
    said, what = typed.text(0), typed.words[1]
    if said != "never" and not said.removeprefix("#").isdecimal():
        raise BadInput(
            f"{said!r} is no order number", "Write the number that KIS's app shows, or never"
        )
    number = None if said == "never" else int(said.removeprefix("#"))
    return kis.require().resolve(number, None if what is None else str(what))


def _cancel(_kis: Kis, door: Any, typed: Typed) -> object:
    said = typed.text(0).removeprefix("#")
    return door.cancel(int(said) if said.isdigit() else said)


def _orders(_kis: Kis, door: Any, _typed: Typed) -> object:
    return door.orders()


def _positions(kis: Kis, _door: Any, _typed: Typed) -> pl.DataFrame:
    import polars as pl

    session = kis.require()
    schema = {
        "code": pl.String,
        "name": pl.String,
        "quantity": pl.Int64,
        "unassigned": pl.Int64,
        "average": pl.Float64,
        "cost": pl.Int64,
        "realised": pl.Int64,
        "realised_net": pl.Int64,
    }
    free = session.books.unassigned
    rows = [
        (
            p.code,
            session.universe.name(p.code),
            p.qty,
            free.get(p.code, 0),
            p.average,
            p.cost,
            p.realised,
            p.realised_net,
        )
        for p in session.book.positions.values()
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _balance(_kis: Kis, door: Any, _typed: Typed) -> object:
    return door.balance()


def _agents(kis: Kis, _door: Any, typed: Typed) -> object:
    agents = kis.require().agents
    action, name, code, _ = typed.words
    if action == "adopt":
        return _adopt(kis, typed)
    if code is not None:
        raise BadInput(
            f"%kis agents {action} takes one name", "Write its parameters as --NAME VALUE"
        )
    if action in (None, "start"):
        kis.say_when_agents_stand_still()
    if action is None:
        return agents
    if action == "start":
        return agents.start(_agent(kis, str(name), dict(typed.options)))
    return getattr(agents, str(action))(str(name))


def _adopt(kis: Kis, typed: Typed) -> object:
    _, name, code, qty = typed.words
    stock = "" if code is None else kis.code(str(code))
    agent = _agent(
        kis, str(name), {"code": stock} if stock and name in agent_classes(kis.user_ns) else {}
    )
    return kis.require().agents.adopt(agent, stock, qty, **_naming(typed))  # type: ignore[arg-type]


def _agent(kis: Kis, name: str, parameters: dict[str, object]) -> Agent | str:
    """An Agent of the notebook's, a fresh one of a class or of a strategy by name, else the id of a known agent."""
    from kisnb.trading.agents.agent import Agent

    classes = agent_classes(kis.user_ns)
    if name in classes:
        if "code" in parameters:
            parameters["code"] = kis.code(str(parameters["code"]))
        return classes[name](**parameters)
    agents: dict[str, Agent | str] = {n: v for n, v in kis.user_ns.items() if isinstance(v, Agent)}
    known = {a.id: a.id for a in kis.require().agents} | agents
    if name not in known:
        names = [*classes, *known]
        raise BadInput(
            f"There is no agent {name!r} here{did_you_mean(name, names)}",
            f"There are {', '.join(names)}",
        )
    if parameters:
        raise BadInput(
            f"{name!r} is an agent, no class, so it takes no parameters",
            "Set them on the agent itself",
        )
    return known[name]


def agent_classes(namespace: Mapping[str, object]) -> dict[str, type[Agent]]:
    """The Agent classes that can be started by name: kisnb's strategies, and those of the notebook, which go before."""
    from kisnb.strategies import NAMES, strategy
    from kisnb.trading.agents.agent import Agent

    own = {
        n: v
        for n, v in namespace.items()
        if isinstance(v, type) and issubclass(v, Agent) and v is not Agent
    }
    return {**{name: strategy(name) for name in NAMES}, **own}


async def _until(kis: Kis, _door: Any, typed: Typed) -> None:
    session, when = kis.require(), typed.text(0)
    moment, ends = session.moment(when), boundaries(session.today)
    if moment < session.now:
        kis.say(f"{clock_text(moment)} is past: it is {session.status.clock_text()}.")
    elif ends and moment > ends[-1]:
        kis.say(
            f"Nothing is traded after {clock_text(ends[-1])}; the day goes on to {clock_text(moment)} without."
        )
    await session.until(when)


async def _panel(kis: Kis, _door: Any, typed: Typed) -> object:
    from kisnb.notebook.panels import DESK_PANEL, open_panel

    # Its first import takes half a second, in which agents would stand still.
    await asyncio.to_thread(import_module, DESK_PANEL)
    return open_panel(kis.require(), str(typed.words[0] or "desk"))


def _report(kis: Kis, _door: Any, typed: Typed) -> object:
    from kisnb.notebook.report import write_report

    return write_report(kis.require(), Path(str(typed.options.get("o", "report.html"))))


async def _halt(kis: Kis, _door: Any, typed: Typed) -> None:
    from kisnb.trading.gate.halt_words import step_text

    session = kis.require()
    first, _, reason = (typed.text(0) or "").partition(" ")
    flatten, reduce = bool(typed.options.get("flatten")), bool(typed.options.get("reduce"))
    if first == "off":
        if flatten:
            raise BadInput("halt off sells nothing", "leave --flatten out")
        kis.say(await session.resume(reason, state="reducing" if reduce else "active"))
        return
    state: Literal["reducing", "halted"] = "reducing" if reduce else "halted"
    for step in await session.halt(
        typed.text(0) or "typed in the notebook", state=state, flatten=flatten
    ):
        kis.say(step_text(step))


async def _arm(kis: Kis, _door: Any, typed: Typed) -> None:
    from kisnb.notebook.commands.arming import arm

    minutes, budget = typed.options.get("minutes"), typed.options.get("budget")
    kis.say(await arm(kis.require(), kis.shell, minutes, budget, off=typed.words[0] == "off"))


def _config(_kis: Kis, _door: Any, typed: Typed) -> object:
    from kisnb.notebook.commands.settings import change, settings

    name = typed.words[0]
    if name is None:
        return settings()
    change(str(name), typed.text(1), default=bool(typed.options.get("default")))
    return None


async def _tasks(kis: Kis, _door: Any, _typed: Typed) -> None:
    kis.say(await kis.require().tasks())


def _search(kis: Kis, _door: Any, typed: Typed) -> pl.DataFrame:
    import polars as pl

    schema = {
        "code": pl.String,
        "name": pl.String,
        "board": pl.String,
        "kind": pl.String,
        "base": pl.Int64,
    }
    universe, text = kis.require().universe, typed.text(0)
    found = universe.search(text)
    if not found:
        near = did_you_mean(text, [item.name for item in universe]) or "."
        kis.say(
            f"None of the {len(universe):,} issues known here has {text!r} in its code or name{near} "
            "Write a part of the Korean name, its initial consonants, or the code."
        )
    return pl.DataFrame(
        [(i.code, i.name, i.board, i.kind, i.base) for i in found], schema=schema, orient="row"
    )


def _why(_kis: Kis, _door: Any, typed: Typed) -> None:
    from kisnb.kis.error_codes import explain

    print(explain(typed.text(0)))


async def _open(kis: Kis, _door: Any, typed: Typed) -> Session:
    mode = typed.words[0] or kis.last_mode
    if mode is None:
        raise BadInput("Which desk?", "Write %kis open sim, %kis open paper or %kis open live")
    session = await kis.open(str(mode), dict(typed.options))
    kis.say_when_agents_stand_still()
    return session


def _close(kis: Kis, _door: Any, _typed: Typed) -> Awaitable[None]:
    return kis.close()


def _help(_kis: Kis, _door: Any, typed: Typed) -> None:
    print(help_text(typed.words[0] if typed.words else None))


def help_text(name: object = None) -> str:
    """The table as text, or one row of it; raises BadInput for an unknown verb."""
    if name is not None:
        verb = find(str(name))
        return f"{verb.line}\n    {verb.help}"
    width = max(len(v.line) for v in VERBS.values() if len(v.line) < 60)
    return "\n".join(f"{v.line:<{width}}  {v.help}" for v in VERBS.values())


def find(name: str) -> Verb:
    """The verb called ``name``; raises BadInput with the nearest one and the list."""
    if name not in VERBS:
        raise BadInput(
            f"%kis knows no verb {name!r}{did_you_mean(name, VERBS)}",
            f"Its verbs: {', '.join(VERBS)}",
        )
    return VERBS[name]


def _table() -> dict[str, Verb]:
    rows = [
        Verb(
            "open", usage("[sim|paper|live] [--quotes live] [--seed N] [--date D] [--start T] [--fresh]"),
            "open a desk: the simulator (seed, date and start are its own), paper or live; alone, the last one again",
            _open, needs_session=False,
        ),
        Verb("quote", usage("CODE"), "price, change and limits of a stock", _quote, blocking=True),
        Verb("search", usage("TEXT"), "stocks by code, Korean name or its initial consonants", _search, blocking=True),
        Verb("why", usage("CODE"), "what a message code of KIS means", _why, needs_session=False, blocking=True),
        Verb("depth", usage("CODE"), "bids and asks", _depth, blocking=True),
        Verb(
            "bars", usage("CODE [--every SPAN]"),
            "closed bars as a polars frame; their length else is %config KisMagics.every", _bars, blocking=True,
        ),
        Verb("chart", usage("CODE [--every SPAN]"), "candles with volume and own fills", _chart, blocking=True),
        Verb(
            "buy", usage("CODE QTY [PRICE] [--venue V] [--kind K] [--stop PRICE] [--key KEY] [--again [N]]"),
            "buy shares; no price is a market order, --again N means one order more and names it", _buy, blocking=True,
        ),
        Verb(
            "sell", usage("CODE QTY [PRICE] [--venue V] [--kind K] [--stop PRICE] [--key KEY] [--again [N]]"),
            "sell shares, as buy", _sell, blocking=True,
        ),
        Verb(
            "route", usage("ID|CODE [QTY] [PRICE] [--sell] [--venue V] [--kind K] [--stop PRICE]"),
            "why an order went where it went (by its number), or where one would go and what it may cost", _route,
            blocking=True,
        ),
        Verb(
            "revise", usage("ID PRICE [QTY] [--key KEY] [--again [N]]"),
            "move an open order, or some shares of it, to another price; it goes to the end of the queue", _revise,
        ),
        Verb(
            "resolve", usage("NUMBER|never [ID]"),
            "say what became of an order of unknown fate: KIS's number for it, or that it was never sent", _resolve,
        ),
        Verb("cancel", usage("ID|all"), "cancel an order by its number, or all of them", _cancel, blocking=True),
        Verb("orders", usage(""), "the orders of the day", _orders, blocking=True),
        Verb("positions", usage(""), "what was traded here, and its PnL, as a polars frame", _positions, blocking=True),
        Verb("balance", usage(""), "cash and holdings as the broker states them", _balance, blocking=True),
        Verb(
            "agents", usage("[start|stop|pause|flatten|adopt ID] [CODE] [QTY] [--NAME VALUE ...]"),
            "the agents; start one by the name of an Agent or of a strategy, with its parameters; adopt lets it take "
            "over shares that no agent holds, with their cost", _agents,
        ),
        Verb("until", usage("TIME|close"), "let the day go on until a time (KST)", _until),
        Verb("panel", usage("[NAME]"), "a live panel of agents and orders", _panel),
        Verb("report", usage("[-o FILE]"), "the day as one HTML file", _report, blocking=True),
        Verb(
            "halt", usage("[REASON ...] [--reduce] [--flatten]"),
            "kill switch: block, cancel all, ask KIS, set the state; --flatten also sells all that is held; "
            "halt off REASON ends a flatten, then lifts the halt (--reduce: sells alone pass)", _halt,
        ),
        Verb(
            "arm", usage("[off] [--minutes N] [--budget N]"),
            "let buys pass at live, for so long and so many won; asks for the account's last four digits", _arm,
        ),
        Verb(
            "config", usage("[NAME] [VALUE ...] [--default]"),
            "the settings and where each comes from; with a value, set one", _config,
            needs_session=False, blocking=True,
        ),
        Verb("tasks", usage(""), "what runs here and in the desk, and whose it is", _tasks),
        Verb("close", usage(""), "leave the desk; it stays up, and orders in the market stay there", _close),
        Verb("help", usage("[VERB]"), "this list", _help, blocking=True, needs_session=False),
    ]  # fmt: skip
    return {row.name: row for row in rows}


VERBS = _table()
