"""Verbs about past days: history, download."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from kisnb.notebook.commands.grammar import Typed, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl


async def _history(context: Context, typed: Typed) -> pl.DataFrame:
    return await context.session.history(context.code(typed.text(0)), **_span(typed))


async def _download(context: Context, typed: Typed) -> pl.DataFrame:
    codes = [context.code(word) for word in typed.text(0).replace(",", " ").split()]
    return await context.session.download(codes, **_span(typed))


class _Span(TypedDict):
    """The bars that both verbs name with their options."""

    every: str
    start: str | None
    end: str | None
    venue: Venue
    adjusted: bool


def _span(typed: Typed) -> _Span:
    return _Span(
        every=typed.option("every", str) or "1d",
        start=typed.option("from", str),
        end=typed.option("to", str),
        venue=typed.option("venue", Venue) or Venue.KRX,
        adjusted="raw" not in typed.options,
    )


HISTORY = (
    Verb(
        "history",
        usage("CODE [--every EVERY] [--from D] [--to D] [--venue V] [--raw]"),
        "bars of past days as a polars DataFrame; what the store lacks is downloaded first",
        _history,
    ),
    Verb(
        "download",
        usage("[CODES ...] [--every EVERY] [--from D] [--to D] [--venue V] [--raw]"),
        "bring bars of several stocks into the store: 1d, or 1m of past days",
        _download,
    ),
)
"""The rows of the table."""
