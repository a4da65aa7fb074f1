"""What kisnb tells people about the calls by name: the help of one call, and the search."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import TYPE_CHECKING

from kisnb.kis.by_name.calls import open_params, reading_calls
from kisnb.kis.by_name.frames import ACCOUNT_FIELDS, ColumnType, column_type
from kisnb.kis.catalogue import Api
from kisnb.kis.modes import HOST_RULES
from kisnb.terms import Mode

if TYPE_CHECKING:
    import polars as pl

_POLARS: dict[ColumnType, str] = {
    "text": "String",
    "whole": "Int64",
    "decimal": "Float64",
    "date": "Date",
}


def signature_of(api: Api) -> Signature:
    """Return the parameters of a call as Tab and ``?`` show them: keywords in lower case."""
    # Two parameters of one call may not have one name; a test walks all calls.
    return Signature(
        [
            Parameter(
                param.name.lower(),
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if param.required else "",
            )
            for param in open_params(api)
        ]
        + [Parameter("typed", Parameter.KEYWORD_ONLY, default=True)]
    )


def page_of(api: Api) -> str:
    """Return the help of a call: title, path, modes, parameters and columns with KIS's labels."""
    return "\n".join(_page(api))


def _page(api: Api) -> Iterator[str]:
    yield api.title
    yield ""
    yield f"{api.method} {api.path} · {modes_of(api)}"
    yield ""
    yield "Parameters (texts as KIS takes them; the desk adds the account and reads all pages):"
    for param in open_params(api):
        left_out = "" if param.required else " (may be left out)"
        note = f" – {param.note}" if param.note else ""
        yield f"    {param.name.lower()}{left_out}: {param.label}{note}"
    yield "    typed: False gives every column as String"
    for block in api.blocks:
        several = f" of ['{block.name}']" if len(api.blocks) > 1 else ""
        rows = "one row" if block.shape == "object" else "any number of rows"
        yield ""
        yield f"Columns{several} ({rows}; an empty value is null):"
        for field in block.fields:
            if field.name.lower() not in ACCOUNT_FIELDS:
                note = f" – {field.note}" if field.note else ""
                kind = _POLARS[column_type(api, field)]
                yield f"    {field.name.lower()} ({kind}): {field.label}{note}"
    yield ""
    yield "Raises BadInput, NotOffered, ApiError, FrameError, DeskLost."


def modes_of(api: Api) -> str:
    """Return the modes whose KIS has this call: ``"live, paper"`` or ``"live"``."""
    return ", ".join(m for m in (Mode.LIVE, Mode.PAPER) if HOST_RULES[m].offers(api))


def search_calls(text: str = "") -> pl.DataFrame:
    """Return the calls that have every word of ``text``, in Korean or English.

    Those with the words in their name, title, path or TR id come first. Those with the words in the
    labels of their parameters and columns follow. An empty text gives all calls.

    Columns: name, title (KIS's Korean one), path, modes (of KIS: live, paper), parameters (list of
    names; those that may be left out end with a question mark).
    """
    import polars as pl

    words = text.lower().split()
    heads = [api for api in reading_calls() if _has(words, _head(api))]
    found = heads + [
        api for api in reading_calls() if api not in heads and _has(words, _labels(api))
    ]
    return pl.DataFrame(
        {
            "name": [api.name for api in found],
            "title": [api.title for api in found],
            "path": [api.path for api in found],
            "modes": [modes_of(api) for api in found],
            "parameters": [
                [p.name.lower() + ("" if p.required else "?") for p in open_params(api)]
                for api in found
            ],
        },
        schema={
            "name": pl.String,
            "title": pl.String,
            "path": pl.String,
            "modes": pl.String,
            "parameters": pl.List(pl.String),
        },
    )


def _has(words: list[str], text: str) -> bool:
    return all(word in text.lower() for word in words)


def _head(api: Api) -> str:
    return f"{api.name} {api.title} {api.path} {api.tr_live} {api.tr_paper}"


def _labels(api: Api) -> str:
    fields = [field.label for block in api.blocks for field in block.fields]
    return " ".join([_head(api), *(param.label for param in open_params(api)), *fields])
