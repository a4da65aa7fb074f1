"""Verbs about the past: history, download, at."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from kisnb.notebook.commands.grammar import Typed, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.terms import Venue

if TYPE_CHECKING:
    import polars as pl

    from kisnb.session.moments.moment import Moment


async def _history(context: Context, typed: Typed) -> pl.DataFrame:
    return await context.session.history(context.code(typed.text(0)), **_span(typed))


async def _download(context: Context, typed: Typed) -> pl.DataFrame:
    codes = [context.code(word) for word in typed.text(0).replace(",", " ").split()]
    return await context.session.history.download(codes, **_span(typed))


async def _at(context: Context, typed: Typed) -> Moment:
    code = typed.word(1, str)
    codes = () if code is None else (context.code(code),)
    return await context.session.at(typed.text(0), codes)


class _Span(TypedDict):
    """The options of ``history`` and ``download`` that choose the bars."""

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
    Verb(
        "at",
        usage("MOMENT [CODE]"),
        "prices, depth and order books as of 09:31:05, or of '2026-11-20 09:31', from the tape",
        _at,
    ),
)
"""The verbs of this file, as rows of the table of verbs."""
