"""Encodes batches of a tape as bytes: as rows, or with the trades in columns.

A closed tape has columns. Price, volume and value of a trade are stored as differences from the
previous trade of the same stock and venue. These are small numbers, often zero, so a column of them
takes a third of the space of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from operator import attrgetter

import msgspec

from kisnb.clock import Ns
from kisnb.events import Event, Tick
from kisnb.history.tape.blocks import Batch, TapeEvent
from kisnb.terms import Side, Venue

_encode = msgspec.msgpack.Encoder().encode
_decode_rows = msgspec.msgpack.Decoder(list[Batch]).decode
_decode_others = msgspec.msgpack.Decoder(list[TapeEvent]).decode
_decode_raw = msgspec.msgpack.Decoder(list[tuple[Ns, list[msgspec.Raw]]]).decode
_decode_tick = msgspec.msgpack.Decoder(Tick).decode
_SIDES: tuple[Side | None, ...] = (None, Side.BUY, Side.SELL)
_VENUES = tuple(Venue)
_KEPT = attrgetter("code", "venue", "price", "qty", "volume", "value", "ask", "bid")


# A row begins with the number of its fields and the name of its type.
_TICK = _encode(Tick(0, "", Venue.KRX, 0, 0, None, 0, 0, 0, 0))[: 2 + len("Tick")]


class Columns(msgspec.Struct, frozen=True, array_like=True):
    """Batches of events, with the trades in columns and all other events as rows."""

    moments: list[Ns]
    """For each batch: nanoseconds since the batch before."""
    counts: list[int]
    """For each batch: its number of events."""
    ticks_at: list[int]
    """For each trade: its index among all events, as the distance from the trade before."""
    stocks: list[tuple[str, int]]
    """Each stock that traded: its code, and its venue as an index in ``Venue``."""
    stock: list[int]
    """For each trade: the index of its stock in ``stocks``."""
    t: list[int]
    received: list[int]
    price: list[int]
    qty: list[int]
    side: list[int]
    volume: list[int]
    """For each trade: the increase of the day's volume, less the shares of the trade itself."""
    value: list[int]
    """For each trade: the increase of the day's value, less the won of the trade itself."""
    ask: list[int]
    """Ask minus price, won. A missing ask is stored as minus the price, so it decodes to 0."""
    bid: list[int]
    ask_qty: list[int]
    bid_qty: list[int]
    others: bytes
    """All other events, as rows."""


_decode_columns = msgspec.msgpack.Decoder(Columns).decode


def rows_of(encoded: Iterable[bytes], count: int) -> bytes:
    """Return encoded batches as the bytes of one array. ``count`` is their number."""
    # This is the longest form of a MessagePack array's head. It fits every number, so no other form
    # is needed.
    return b"\xdd" + count.to_bytes(4, "big") + b"".join(encoded)


def encode_batch(at: Ns, events: Sequence[Event]) -> bytes:
    """Return one batch as the bytes of a row, for ``rows_of``."""
    return _encode((at, events))


def decode_rows(raw: bytes) -> list[Batch]:
    """Return the batches that ``rows_of`` has encoded. Raises msgspec.MsgspecError."""
    return _decode_rows(raw)


def decode_ticks(raw: bytes, codes: Collection[str] | None) -> list[Batch]:
    """Return the trades in encoded rows. ``codes`` None: of all stocks. Raises MsgspecError."""
    # Nearly all events of a day are depth, or belong to other stocks. Their first bytes show that,
    # so they are not decoded.
    wanted = None if codes is None else [_encode(code) for code in codes]
    batches: list[Batch] = []
    for at, events in _decode_raw(raw):
        ticks: list[TapeEvent] = []
        for event in events:
            row = bytes(event)
            if row.startswith(_TICK) and (wanted is None or any(code in row for code in wanted)):
                ticks.append(_decode_tick(row))
        if ticks:
            batches.append((at, ticks))
    return batches


def encode_columns(batches: Sequence[Batch]) -> bytes:
    """Return batches as bytes, with the trades in columns."""
    events = [event for _, of_batch in batches for event in of_batch]
    places = [i for i, event in enumerate(events) if type(event) is Tick]
    ticks = [event for event in events if type(event) is Tick]
    stocks: dict[tuple[str, Venue], int] = {}
    last: dict[int, tuple[int, int, int]] = {}
    steps: list[tuple[int, int, int, int, int, int]] = []
    for code, venue, p, q, vol, val, a, b in map(_KEPT, ticks):
        number = stocks.setdefault((code, venue), len(stocks))
        before = last.get(number, (0, 0, 0))
        rest = val - before[2] - p * q
        steps.append((number, p - before[0], vol - before[1] - q, rest, a - p, b - p))
        last[number] = p, vol, val
    # Without trades there are no columns.
    stock, price, volume, value, ask, bid = (
        map(list, zip(*steps, strict=True)) if steps else [[]] * 6
    )
    return _encode(
        Columns(
            _steps([at for at, _ in batches]),
            [len(of_batch) for _, of_batch in batches],
            _steps(places),
            [(code, _VENUES.index(venue)) for code, venue in stocks],
            stock,
            _steps([tick.t for tick in ticks]),
            _steps([tick.received for tick in ticks]),
            price,
            [tick.qty for tick in ticks],
            [_SIDES.index(tick.side) for tick in ticks],
            volume,
            value,
            ask,
            bid,
            [tick.ask_qty for tick in ticks],
            [tick.bid_qty for tick in ticks],
            _encode([event for event in events if type(event) is not Tick]),
        )
    )


def decode_columns(
    raw: bytes, codes: Collection[str] | None = None, *, trades_only: bool = False
) -> list[Batch]:
    """Return the batches that ``encode_columns`` has encoded. Raises msgspec.MsgspecError.

    With ``trades_only`` only trades are decoded: those of the stocks ``codes``, or all for None.
    """
    columns = _decode_columns(raw)
    total = sum(columns.counts)
    slots: list[TapeEvent | None] = [None] * total
    for place, tick in _ticks(columns, codes if trades_only else None):
        slots[place] = tick
    if not trades_only:
        others = iter(_decode_others(columns.others))
        slots = [next(others) if event is None else event for event in slots]
    batches: list[Batch] = []
    begin = 0
    for at, count in zip(accumulate(columns.moments), columns.counts, strict=True):
        events = [event for event in slots[begin : begin + count] if event is not None]
        begin += count
        if events:
            batches.append((at, events))
    return batches


def _ticks(c: Columns, codes: Collection[str] | None) -> list[tuple[int, Tick]]:
    """Return the trades of these codes (None: all) as pairs.

    A pair is the trade's index among all events, and the trade.
    """
    named = [(code, _VENUES[venue]) for code, venue in c.stocks]
    wanted = [codes is None or code in codes for code, _ in c.stocks]
    last = [(0, 0, 0)] * len(named)
    ticks = []
    places = accumulate(c.ticks_at)
    for place, number, t, received, price, qty, side, volume, value, ask, bid, *sizes in zip(
        *(places, c.stock, accumulate(c.t), accumulate(c.received), c.price, c.qty, c.side),
        *(c.volume, c.value, c.ask, c.bid, c.ask_qty, c.bid_qty),
        strict=True,
    ):
        # A difference refers to the same stock, so trades of other stocks can be skipped.
        if not wanted[number]:
            continue
        p, vol, val = last[number]
        p += price
        vol += volume + qty
        val += value + p * qty
        last[number] = p, vol, val
        code, venue = named[number]
        moved = t, code, venue, p, qty, _SIDES[side], vol, val, ask + p, bid + p, received
        ticks.append((place, Tick(*moved, *sizes)))
    return ticks


def _steps(numbers: Collection[int]) -> list[int]:
    """Return each number's distance from the previous one. The first number's is from 0."""
    steps, before = [], 0
    for number in numbers:
        steps.append(number - before)
        before = number
    return steps
