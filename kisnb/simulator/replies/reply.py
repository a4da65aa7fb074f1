"""The parts of a reply: rows of KIS's fields, and the checks of parameters that KIS makes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple, TypeAlias, TypeVar

from kisnb.errors import ApiError, FrameError
from kisnb.kis.calls.quote_messages import MARKET_DIV
from kisnb.kis.catalogue import APIS
from kisnb.kis.wire_text import read_day, seconds_of
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.terms import Board, Venue

Params: TypeAlias = Mapping[str, str]
"""All parameters of a call, their names in upper case."""
Row: TypeAlias = dict[str, object]
"""Values of one row by KIS's field names."""
Blocks: TypeAlias = dict[str, Row | list[Row]]
"""The ``output`` blocks of a reply."""


class Page(NamedTuple):
    """One page of a reply.

    ``next_row`` is the row at which the next page begins, 0 when there is no next page.
    """

    blocks: Blocks
    next_row: int = 0


Answer: TypeAlias = Callable[[Params], Blocks]
"""Answers a call. Raises ApiError with KIS's code for wrong parameters."""
Pages: TypeAlias = Callable[[Params, int], Page]
"""Answers a call page by page, from a row on."""

_VENUE_OF = {code: venue for venue, code in MARKET_DIV.items()}
_BOARD_OF = {"0001": Board.KOSPI, "1001": Board.KOSDAQ}
_T = TypeVar("_T")


def pick(api: str, block: str, *sources: Mapping[str, object]) -> Row:
    """Return the values for which a block has a field. Later sources win."""
    names = _names(api, block)
    return {name: value for source in sources for name, value in source.items() if name in names}


# Each row of each reply asks for these names.
@cache
def _names(api: str, block: str) -> frozenset[str]:
    return frozenset(APIS[api].block(block).empty)


def page_of(rows: Sequence[_T], first: int, size: int) -> tuple[Sequence[_T], int]:
    """Return up to ``size`` rows from index ``first`` on, and the first index of the next page.

    The index is 0 when there is no next page.
    """
    end = first + size
    return rows[first:end], end if end < len(rows) else 0


def wrong(what: str) -> ApiError:
    """Return the query server's refusal of a parameter."""
    return ApiError(f"ERROR : INPUT INVALID_CHECK_{what}", msg_cd="OPSQ2001")


def venue_of(params: Params, *taken: Venue, name: str = "FID_COND_MRKT_DIV_CODE") -> Venue:
    """Return the venue that a call asks for: J, NX or UN.

    ``taken`` are the venues that the API knows; none given means all. Raises ApiError for any other
    venue.
    """
    venue = _VENUE_OF.get(params[name])
    if venue is None or (taken and venue not in taken):
        raise wrong("MRKT_DIV_CODE")
    return venue


def code_of(params: Params, universe: Universe, name: str = "FID_INPUT_ISCD") -> str:
    """Return the code that a call asks for. Raises ApiError for an unknown one."""
    code = params[name]
    if code not in universe:
        # KIS refuses a wrong code with a code of the quotation system (MCA…), and other wrong
        # parameters with one of the query server (OPSQ…).
        raise ApiError("종목코드 오류입니다", msg_cd="MCA05918")
    return code


def one_of(params: Params, name: str, *taken: str) -> str:
    """Return a parameter that must have one of these values. Raises ApiError for any other."""
    if params[name] not in taken:
        raise wrong("FIELD")
    return params[name]


def number_of(params: Params, name: str, default: int) -> int:
    """Return a whole number; ``default`` for a blank. Raises ApiError for anything else."""
    text = params[name].strip()
    # `int` would also take signs, underscores and digits of other scripts.
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise wrong(f"FIELD [{name}]")
    return int(text) if text else default


def day_of(params: Params, name: str, blank: date | None = None) -> date:
    """Return a date from YYYYMMDD; ``blank`` for a blank where KIS takes one. Raises ApiError."""
    text = params[name].strip()
    if not text and blank is not None:
        return blank
    try:
        # KIS's workbook pads the date of some calls to ten digits, as in 0020240308.
        return read_day(text[-8:])
    except FrameError:
        raise wrong(f"FIELD [{name}]") from None


def time_of(params: Params, name: str) -> str:
    """Return a parameter that must be HHMMSS. Raises ApiError for anything else."""
    try:
        seconds_of(params[name])
    except FrameError:
        raise wrong(f"FIELD [{name}]") from None
    return params[name]


def issues(params: Params, universe: Universe, name: str = "FID_INPUT_ISCD") -> list[Instrument]:
    """Return the issues of the market that a call asks for.

    0001 is KOSPI, 1001 KOSDAQ. Anything else takes all issues.
    """
    board = _BOARD_OF.get(params[name])
    return [item for item in universe if board in (None, item.board)]
