"""The reply to any call as polars DataFrames. A rule decides the type of each column.

The rule, in this order. ``kind`` is the catalogue's kind of a field: text, whole or decimal.

1. A text is a Date when its name says so (``..._dt``, ``..._date``, ``xymd``) and its label ends in
   일자 or 일. Two fields hold a span of days instead (``SPANS``). Every other text is a String:
   codes, times, names, and whatever is not certain.
2. The sign of a change is a String: it is a code. So is a field that KIS's documentation shows with
   something else than a number (``NOT_NUMBERS``).
3. A whole number is Int64 in the calls about Korean stocks, ETFs and ELWs, whose money is won.
   Elsewhere prices and amounts may have decimals, so only counts are Int64: the label ends in 수,
   량, 순위 or 순번. All others there are Float64.
4. A decimal number is Float64.

An empty text is null in every column. No unit is changed: numbers are as KIS sent them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

from kisnb.errors import FrameError
from kisnb.kis.calls.tables import typed_column
from kisnb.kis.catalogue import Api, Block, Field

if TYPE_CHECKING:
    import polars as pl

ColumnType: TypeAlias = Literal["text", "whole", "decimal", "date"]
"""String, Int64, Float64 and Date of polars."""
POLARS: dict[ColumnType, str] = {
    "text": "String",
    "whole": "Int64",
    "decimal": "Float64",
    "date": "Date",
}
"""The name that polars has for each type."""

ACCOUNT_FIELDS = frozenset({"cano", "acnt_prdt_cd", "acno10"})
"""Fields that name the account. No DataFrame has them, so no output shows its number."""
NOT_NUMBERS = frozenset(
    {
        # The documented examples are a circle and a word.
        "e_ordyn",
        # This is a deadline.
        "buy_req_rcpt_term",
        # The name and the label of this field contradict each other.
        "name2",
    }
)
"""Fields that are numbers in the catalogue, but not by their names or examples."""
WITH_DECIMALS = frozenset({("daily_loan_trans", "stck_prpr"), ("daily_loan_trans", "prdy_vrss")})
"""(call, field) of numbers whose documented example has decimals: the call also gives an index."""
SPANS = frozenset({("ksdinfo_forfeit", "subscr_dt"), ("ksdinfo_mand_deposit", "depo_date")})
"""(call, field) of texts that have two days, although the name says one.

The form is ``2024/03/14 ~ 2024/03/15``.
"""

IN_WON = ("/uapi/domestic-stock/", "/uapi/etfetn/", "/uapi/elw/")
"""Paths of the calls about Korean stocks, ETFs and ELWs begin with one of these."""
_DATE_NAME = re.compile(r"(?:^|_)(?:dt|date)\d?$|^[dktx]ymd$|^[a-z]+date$")
_DATE_LABEL = re.compile(r"일(?:자\d?)?(?:\(YYYYMMDD\))?$")
# ``p_xsng`` is KIS's own spelling.
_SIGN_NAME = re.compile(r"(?:sign|sgn|sng)$")
_COUNT_LABEL = re.compile(r"(?:수|량|순위|순번)\d*$|count$", re.IGNORECASE)
# Most calls write 20261120. Those of the depository (ksdinfo) write 2026/11/20 (workbook).
_DAY = re.compile(r"(?P<year>\d{4})([/.-]?)(?P<month>\d\d)\2(?P<day>\d\d)", re.ASCII)
_NO_DATES = frozenset({"", "0", "00000000"})
"""Texts that KIS writes for no date: blank or zeros (workbook's examples)."""


def column_type(api: Api, field: Field) -> ColumnType:
    """Return the type of a field's column, by the rule in this module's docstring."""
    name, label = field.name.lower(), "".join(field.label.split())
    if field.kind == "t":
        says_day = _DATE_NAME.search(name) and _DATE_LABEL.search(label)
        return "date" if says_day and (api.name, name) not in SPANS else "text"
    if name in NOT_NUMBERS or _SIGN_NAME.search(name):
        return "text"
    if field.kind == "d" or (api.name, name) in WITH_DECIMALS:
        return "decimal"
    return "whole" if api.path.startswith(IN_WON) or _COUNT_LABEL.search(label) else "decimal"


def column_types(api: Api, block: Block) -> dict[str, ColumnType]:
    """Return the columns of a block and their types, named in lower case, in KIS's order."""
    return {
        field.name.lower(): column_type(api, field)
        for field in block.fields
        if field.name.lower() not in ACCOUNT_FIELDS
    }


def api_frames(
    api: Api, blocks: Mapping[str, Sequence[dict[str, str]]], *, typed: bool = True
) -> pl.DataFrame | dict[str, pl.DataFrame]:
    """Return the reply to a call: one DataFrame, or several by block name.

    A block with one row is a DataFrame too. Documented columns are always there. Undocumented
    columns that KIS sends follow as String. With ``typed=False`` every column is a String. Raises
    FrameError when a value does not fit the type of its column.
    """
    frames = {
        b.name: frame_of(api.name, column_types(api, b), blocks.get(b.name, ()), typed=typed)
        for b in api.blocks
    }
    return frames if len(frames) > 1 else frames[api.blocks[0].name]


def frame_of(
    name: str, types: Mapping[str, ColumnType], rows: Sequence[dict[str, str]], *, typed: bool
) -> pl.DataFrame:
    """Return rows as a DataFrame: the columns of ``types``, then all other columns, as String.

    ``name`` is the name of the call or channel, for the error. ``typed`` False: every column is a
    String. Raises FrameError.
    """
    import polars as pl

    # A column that KIS adds is kept as text until the table has it.
    more = dict.fromkeys(
        column
        for row in rows
        for column in row
        if column not in types and column not in ACCOUNT_FIELDS
    )
    columns = [(column, kind if typed else "text") for column, kind in types.items()]
    columns += [(column, "text") for column in more]
    return pl.DataFrame(
        [
            _column(name, column, kind, [row.get(column, "").strip() for row in rows])
            for column, kind in columns
        ]
    )


def _column(call: str, name: str, kind: ColumnType, texts: Sequence[str]) -> pl.Series:
    import polars as pl

    try:
        match kind:
            case "text":
                return pl.Series(name, [text or None for text in texts], pl.String)
            case "date":
                return pl.Series(name, [_date(name, text) for text in texts], pl.Date)
            case "whole":
                for text in texts:
                    _check_whole(name, text)
                return typed_column(name, "n", texts)
            case "decimal":
                return typed_column(name, "d", texts)
    except FrameError as e:
        raise FrameError(
            f"of {call}, {e.text[:1].lower()}{e.text[1:]}",
            f"read it as texts: session.api.{call}(..., typed=False)",
        ) from None


def _check_whole(name: str, text: str) -> None:
    # ``typed_column`` would round it, and a frame must not change what KIS sent.
    if text.partition(".")[2].strip("0").isdecimal():
        raise FrameError(f"the field {name} is {text[:20]!r} and should be a whole number")


def _date(name: str, text: str) -> date | None:
    if text in _NO_DATES:
        return None
    try:
        if day := _DAY.fullmatch(text):
            return date(int(day["year"]), int(day["month"]), int(day["day"]))
    except ValueError:
        pass
    raise FrameError(f"the field {name} is {text[:20]!r} and should be a date, YYYYMMDD")
