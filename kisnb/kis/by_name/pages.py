"""The help of one call or channel by name, and the search over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, TypeAlias

from kisnb.kis.by_name.calls import open_params, reading_calls
from kisnb.kis.by_name.channels import RecordColumn, StreamChannel, channels
from kisnb.kis.by_name.frames import ACCOUNT_FIELDS, POLARS, column_type
from kisnb.kis.catalogue import Api
from kisnb.kis.modes import HOST_RULES
from kisnb.terms import Mode

if TYPE_CHECKING:
    import polars as pl


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
                kind = POLARS[column_type(api, field)]
                yield f"    {field.name.lower()} ({kind}): {field.label}{note}"
    yield ""
    yield "Raises BadInput, NotOffered, ApiError, FrameError, DeskLost."


def signature_of_channel() -> Signature:
    """Return the parameters of a channel, as ``signature_of`` does."""
    kind = Parameter.KEYWORD_ONLY
    return Signature([Parameter("tr_key", kind), Parameter("typed", kind, default=True)])


def page_of_channel(channel: StreamChannel) -> str:
    """Return the help of a channel: title, modes, key and columns with KIS's labels."""
    labels = {column.name.lower(): column for column in channel.columns}
    lines = [
        channel.title,
        "",
        f"WebSocket channel {channel.tr_id} · {channel.modes}",
        "",
        "The first call subscribes, and the desk keeps the records from then on. Each call returns",
        "those of the newest 1,000 frames, oldest first. A subscription takes one of the 41 places",
        "of an appkey until the session is closed.",
        "",
        "Parameters:",
        f"    tr_key: {channel.key[0]} – {channel.key[1]}",
        "    typed: False gives every column as String",
        "",
        "Columns (an empty value is null):",
    ]
    for name, kind in channel.types.items():
        column = labels.get(name, RecordColumn(name, ""))
        note = f" – {column.note}" if column.note else ""
        lines.append(f"    {name} ({POLARS[kind]}): {column.label}{note}")
    lines += ["", "Raises BadInput, NotOffered, FrameError, DeskLost."]
    return "\n".join(lines)


def modes_of(api: Api) -> str:
    """Return the modes whose host has this call: ``"live, paper"`` or ``"live"``."""
    return ", ".join(m for m in (Mode.LIVE, Mode.PAPER) if HOST_RULES[m].offers(api))


def search_calls(text: str = "") -> pl.DataFrame:
    """Return the calls and channels that have every word of ``text``, in Korean or English.

    First come those that have the words in name, title, path or TR id. Then come those that have
    them in the labels of their parameters and columns. An empty text gives all of them.

    Columns: name, title (KIS's Korean one), path (of a channel: its TR id), modes (of KIS: live,
    paper), parameters (list of names; those that may be left out end with a question mark).
    """
    import polars as pl

    words = text.lower().split()
    rows: list[_Row] = [(*_call_row(api), _head(api), _labels(api)) for api in reading_calls()]
    rows += [_channel_row(channel) for channel in channels().values() if not channel.is_of_account]
    heads = [row for row in rows if _has(words, row[-2])]
    labels = [row for row in rows if not _has(words, row[-2]) and _has(words, row[-1])]
    return pl.DataFrame(
        [row[:5] for row in heads + labels],
        schema={
            "name": pl.String,
            "title": pl.String,
            "path": pl.String,
            "modes": pl.String,
            "parameters": pl.List(pl.String),
        },
        orient="row",
    )


_Row: TypeAlias = tuple[str, str, str, str, list[str], str, str]
"""The columns of the search, then the texts that are searched: the head, and all labels."""


def _call_row(api: Api) -> tuple[str, str, str, str, list[str]]:
    params = [p.name.lower() + ("" if p.required else "?") for p in open_params(api)]
    return api.name, api.title, api.path, modes_of(api), params


def _channel_row(channel: StreamChannel) -> _Row:
    head = f"{channel.name} {channel.title} {channel.group}"
    labels = " ".join([head, *(column.label for column in channel.columns)])
    return channel.name, channel.title, channel.tr_id, channel.modes, ["tr_key"], head, labels


def _has(words: list[str], text: str) -> bool:
    return all(word in text.lower() for word in words)


def _head(api: Api) -> str:
    return f"{api.name} {api.title} {api.path} {api.tr_live} {api.tr_paper}"


def _labels(api: Api) -> str:
    fields = [field.label for block in api.blocks for field in block.fields]
    return " ".join([_head(api), *(param.label for param in open_params(api)), *fields])
