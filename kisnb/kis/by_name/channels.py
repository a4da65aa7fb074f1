"""The channels of KIS's WebSocket by name, and their records as polars DataFrames.

A channel's name is its TR id in lower case, such as ``h0stcnt0``. ``channels.json`` has KIS's
documentation, one channel a line. Its source is the workbook of KIS's developer portal of
2026-02-21, with the columns that KIS has announced since.

The type of a column is that of the fields with the same name in the calls, if all of
them agree. For the channels of Korean stocks, only the calls about Korean stocks count.
If no call has the name, the label decides: 지수, 율, 강도, 가, 가격, 대비 are decimals, and 수, 량,
대금 are whole numbers. A column whose type is not certain is a String.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from kisnb.errors import BadInput, NotOffered
from kisnb.kis.by_name.calls import ParamValue, reading_calls
from kisnb.kis.by_name.frames import IN_WON, WITH_DECIMALS, ColumnType, column_type, frame_of
from kisnb.kis.channels import VENUE_OF_TR
from kisnb.kis.feed.columns import COLUMNS, names_of
from kisnb.kis.modes import ELSEWHERE
from kisnb.orders import Want
from kisnb.terms import Mode, Venue

if TYPE_CHECKING:
    import polars as pl

_ACCOUNTS = ("CUST_ID", "USER_ID")
"""A channel brings notices of an account when its records begin with one of these columns."""
_DECIMAL_LABEL = re.compile(r"(?:지수|율|률|강도|가|가격|대비)\d*$")
_WHOLE_LABEL = re.compile(r"(?:수|량|대금)\d*$")


class RecordColumn(msgspec.Struct, frozen=True, array_like=True):
    """One column of a channel's records: name, and KIS's Korean label and note."""

    name: str
    label: str
    note: str = ""


class StreamChannel(msgspec.Struct, frozen=True, dict=True):
    """One channel of KIS's WebSocket."""

    tr_id: str
    title: str
    """KIS's Korean name."""
    group: str
    paper: bool
    """True when the paper host has the channel."""
    key: tuple[str, str]
    """KIS's label and note of ``tr_key``: the stock, or other thing, to subscribe to."""
    columns: tuple[RecordColumn, ...]

    @property
    def name(self) -> str:
        """The name in ``session.api``."""
        return self.tr_id.lower()

    @property
    def is_of_account(self) -> bool:
        """True for notices about an account's orders."""
        return self.columns[0].name in _ACCOUNTS

    @property
    def modes(self) -> str:
        """The modes whose host has the channel: ``"live, paper"`` or ``"live"``."""
        return f"{Mode.LIVE}, {Mode.PAPER}" if self.paper else str(Mode.LIVE)

    def want(self, key: str) -> Want:
        """Return the subscription for the channel's records of a ``tr_key``."""
        venue = VENUE_OF_TR.get(self.tr_id, Venue.KRX)
        return Want("records", key, venue, priority=3, tr_id=self.tr_id)

    @cached_property
    def types(self) -> dict[str, ColumnType]:
        """The columns of records today with their types, in lower case, in KIS's order."""
        labels = {column.name: column.label for column in self.columns}
        # The desk has seen frames of some channels that differ from the workbook.
        names = COLUMNS.get(self.tr_id) or _distinct([c.name for c in self.columns])
        return {name.lower(): self._type(name, labels.get(name, "")) for name in names}

    def _type(self, name: str, label: str) -> ColumnType:
        in_won = self.group == "[국내주식] 실시간시세"
        known = _types_by_name(in_won=in_won).get(name.lower(), set())
        if len(known) == 1:
            return next(iter(known))
        label = "".join(label.split())
        if known == {"whole", "decimal"} or (not known and _DECIMAL_LABEL.search(label)):
            return "decimal"
        return "whole" if not known and _WHOLE_LABEL.search(label) else "text"


@cache
def channels() -> dict[str, StreamChannel]:
    """Return all channels by name. The first call reads them from the file."""
    text = resources.files(__package__).joinpath("channels.json").read_bytes()
    found = msgspec.json.decode(text, type=tuple[StreamChannel, ...])
    return {channel.name: channel for channel in found}


@cache
def _types_by_name(*, in_won: bool) -> dict[str, set[ColumnType]]:
    """Return the types of all fields in the calls, by name. ``in_won``: only calls about won."""
    found = defaultdict[str, set[ColumnType]](set)
    for api in reading_calls():
        if in_won and not api.path.startswith(IN_WON):
            continue
        for block in api.blocks:
            for field in block.fields:
                if (api.name, name := field.name.lower()) not in WITH_DECIMALS:
                    found[name].add(column_type(api, field))
    return found


def channel_key(channel: StreamChannel, given: Mapping[str, ParamValue], mode: Mode) -> str:
    """Return the ``tr_key`` in ``given`` for a subscription at the host of ``mode``.

    Raises BadInput for a channel of an account's notices, for a parameter other than ``tr_key``,
    and for a key that is not a text. Raises NotOffered when the host has no such channel.
    """
    if channel.is_of_account:
        raise BadInput(
            f"the channel {channel.name} brings notices about an account's orders, "
            "and the desk reads them",
            "use %kis orders or session.orders()",
        )
    if mode is Mode.PAPER and not channel.paper:
        raise NotOffered(f"{mode} has no channel {channel.name}", ELSEWHERE)
    takes = f'give tr_key="…", a text: {channel.key[1] or channel.key[0]}'
    key = given.get("tr_key")
    if other := given.keys() - {"tr_key"}:
        raise BadInput(
            f"the channel {channel.name} does not take {', '.join(sorted(other))}", takes
        )
    if not isinstance(key, str) or not key.strip():
        raise BadInput(f"the channel {channel.name} needs tr_key", takes)
    return key.strip()


def channel_frame(
    channel: StreamChannel, rows: Sequence[Sequence[str]], *, typed: bool = True
) -> pl.DataFrame:
    """Return records as a DataFrame, one row for each, in the order in which they came.

    A column that KIS appends is ``column_<index>``, a String. With ``typed=False`` every column is
    a String. Raises FrameError when a value does not fit the type of its column.
    """
    named = [dict(zip(_names(channel, len(row)), row, strict=True)) for row in rows]
    return frame_of(channel.name, channel.types, named, typed=typed)


def _names(channel: StreamChannel, width: int) -> Sequence[str]:
    """Return one name for each column of a record, in lower case."""
    if channel.tr_id in COLUMNS:
        return [name.lower() for name in names_of(channel.tr_id, width)]
    # KIS appends columns. A record with fewer columns than the workbook has another layout, and a
    # guess could show a price under the name of a quantity.
    known = list(channel.types) if width >= len(channel.types) else []
    return [*known, *(f"column_{i}" for i in range(len(known), width))]


def _distinct(names: Sequence[str]) -> Iterator[str]:
    # The workbook has six names of HDFSASP0 twice. A DataFrame takes each name once.
    counts = Counter[str]()
    for name in names:
        counts[name] += 1
        yield name if counts[name] == 1 else f"{name}_{counts[name]}"
