"""Verbs that look at the market: quote, search, why, depth, bars, chart."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import TYPE_CHECKING

from kisnb.drawing.tables import badge_text
from kisnb.market.instruments import is_code
from kisnb.notebook.commands.grammar import Typed, did_you_mean, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

    from kisnb.events import Depth, Quote
    from kisnb.market.universe import Universe


def _quote(context: Context, typed: Typed) -> Quote | Awaitable[Quote]:
    return context.calls.quote(context.code(typed.text(0)), typed.option("venue", Venue))


def _depth(context: Context, typed: Typed) -> Depth | Awaitable[Depth]:
    return context.calls.depth(context.code(typed.text(0)), typed.option("venue", Venue))


def _bars(context: Context, typed: Typed) -> pl.DataFrame | Awaitable[pl.DataFrame]:
    code, every = context.code(typed.text(0)), typed.option("every", str) or context.every
    return context.calls.bars(code, every, typed.option("venue", Venue))


def _chart(context: Context, typed: Typed) -> object:
    bars = _bars(context, typed)
    code = context.code(typed.text(0))
    # Where the code cannot await, the call has returned the bars already.
    return _drawn_later(context, code, bars) if isawaitable(bars) else _drawn(context, code, bars)


async def _drawn_later(context: Context, code: str, bars: Awaitable[pl.DataFrame]) -> object:
    return _drawn(context, code, await bars)


def _drawn(context: Context, code: str, bars: pl.DataFrame) -> object:
    # Only the first chart imports plotly, so that the verbs stay fast.
    from kisnb.notebook.charts.chart import chart

    session = context.session
    # A chart marks the fills of all orders that it gets, so the orders of other stocks are left
    # out.
    orders = [o for o in session.book.orders.values() if o.code == code]
    return chart(bars, orders, f"{badge_text(session.mode)}{code} {session.universe.name(code)}")


def _search(context: Context, typed: Typed) -> pl.DataFrame:
    import polars as pl

    schema = {
        "code": pl.String,
        "name": pl.String,
        "board": pl.String,
        "kind": pl.String,
        "base": pl.Int64,
    }
    universe, text = context.session.universe, typed.text(0)
    found = universe.search(text)
    if not found:
        # `did_you_mean` ends with a question mark. Without a hint the sentence needs a full stop.
        near = did_you_mean(text, [item.name for item in universe]) or "."
        asks = f" KIS may know it: %kis quote {text}." if _may_exist(universe, text) else ""
        context.say(
            f"None of the {len(universe):,} issues known here has {text!r} in its code or name"
            f"{near} Write a part of the Korean name, its initial consonants, or the code.{asks}"
        )
    rows = [(i.code, i.name, i.board, i.kind, _base(context, i.code)) for i in found]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _may_exist(universe: Universe, text: str) -> bool:
    """Return whether ``text`` may be the code of a stock that KIS knows and the list lacks."""
    return not universe.is_complete and is_code(text)


def _base(context: Context, code: str) -> int | None:
    """Return the base price of today, won. None, shown as null: it is not known."""
    today = context.session.stock_day(code)
    return None if today is None else today.base


def _api(context: Context, typed: Typed) -> pl.DataFrame:
    from kisnb.kis.by_name.pages import search_calls

    text = typed.text(0)
    found = search_calls(text)
    if found.is_empty():
        context.say(
            f"No call or channel of KIS has {text!r} in its name, title or columns. "
            "Write a shorter Korean or English word."
        )
    return found


def _why(_context: Context, typed: Typed) -> None:
    from kisnb.kis.error_codes import explain
    from kisnb.market.routing.router import REASONS

    text = typed.text(0)
    meaning = REASONS.get(text.lower())
    print(explain(text) if meaning is None else f"{text.lower()}: {meaning}")


LOOKING = (
    Verb(
        "quote",
        usage("CODE [--venue V]"),
        "price, change and limits of a stock, at the venue that is open for it",
        _quote,
        blocking=True,
    ),
    Verb(
        "search",
        usage("TEXT"),
        "stocks by code, Korean name or its initial consonants",
        _search,
        blocking=True,
    ),
    Verb(
        "api",
        usage("TEXT"),
        "KIS's calls and channels, by a Korean or English word; call them with session.api",
        _api,
        needs_session=False,
        blocking=True,
    ),
    Verb(
        "why",
        usage("CODE"),
        "what a message code of KIS, or the code of a venue's choice, means",
        _why,
        needs_session=False,
        blocking=True,
    ),
    Verb(
        "depth",
        usage("CODE [--venue V]"),
        "bids and asks, at the venue that is open for the stock",
        _depth,
        blocking=True,
    ),
    Verb(
        "bars",
        usage("CODE [--every EVERY] [--venue V]"),
        "the bars of today, or with 1d and 1w of years; else as long as %config KisMagics.every",
        _bars,
        blocking=True,
    ),
    Verb(
        "chart",
        usage("CODE [--every EVERY] [--venue V]"),
        "candles with volume and own fills",
        _chart,
        blocking=True,
    ),
)
"""The verbs of this file, as rows of the table of verbs."""
