"""Data frames of the market ⇄ facts: trades, books, expected matches, market operation, program trades.

Trades and books are the hot path: a frame is split once, where its fields lie is looked up by its number of fields and
of records, and each record's numbers are read in one go. Won and shares; times are KST, to the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

import msgspec

from kisnb.clock import DAY, KST_SHIFT, SECOND, Ns, kst
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.kis.calls.quote_messages import HALTED
from kisnb.kis.channels import BOOK_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.kis.feed.columns import COLUMNS, LEVELS, TAKER_COLUMN
from kisnb.kis.feed.frames import NOTHING, Frame, malformed, read_count, record_width
from kisnb.kis.wire_text import read_day, seconds_of
from kisnb.terms import Side, Venue

MarketFact: TypeAlias = Tick | Depth | ExpectedMatch | MarketOperation | ProgramTrades
F = TypeVar("F", bound=MarketFact)
C = TypeVar("C")
Pick: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
Layout: TypeAlias = tuple[tuple[Pick, Pick], ...]
"""For each record of a frame, or for all of them: what takes the texts, and what the numbers, from all fields."""

KEPT = 256
"""Layouts and times that are remembered before all are forgotten; a quiet day needs a handful."""
SIDES = {"1": Side.BUY, "5": Side.SELL}
"""CCLD_DVSN, CNTG_CLS_CODE; what matches in an auction (3) has no taker."""

_read_list = msgspec.json.Decoder(list[int]).decode


class Channel(Generic[F]):
    """How the frames of one TR id become facts. Subclasses say which columns they read and what they make of them."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...]

    def __init__(self, tr_id: str, venue: Venue) -> None:
        self.tr_id = tr_id
        self.venue = venue
        self._layouts: dict[tuple[int, str], Layout] = {}
        names = COLUMNS[tr_id]
        self._text_at = [names.index(name) for name in self.texts]
        self._number_at = [names.index(name) for name in self.numbers]

    def decode(self, fields: Sequence[str], count: str, received: Ns) -> list[F]:
        """All records of a payload's fields, or none: raises FrameError."""
        layout = self._layouts.get((len(fields), count)) or self._lay_out(len(fields), count)
        read = self.read
        try:
            return [read(texts(fields), numbers(fields), received) for texts, numbers in layout]
        except (ValueError, FrameError):
            raise self._wrong() from None

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> F:
        """One record as a fact. Raises FrameError, ValueError."""
        raise NotImplementedError

    def _wrong(self) -> FrameError:
        return malformed(f"{self.tr_id}: a number, a date or a time is none")

    def _lay_out(self, fields: int, count: str) -> Layout:
        records = read_count(count)
        layout = self._arranged(range(0, fields, record_width(self.tr_id, fields, records)))
        if len(self._layouts) >= KEPT:
            self._layouts.clear()
        self._layouts[fields, count] = layout
        return layout

    def _arranged(self, starts: Sequence[int]) -> Layout:
        return tuple(
            (_picking(self._text_at, start), _picking(self._number_at, start)) for start in starts
        )


def _picking(indices: Sequence[int], start: int) -> Pick:
    """What takes these fields of the record that begins at ``start``; neighbours are cut out as one slice."""
    if not indices:
        return itemgetter(slice(0))
    first, last = indices[0] + start, indices[-1] + start
    if last - first == len(indices) - 1:
        return itemgetter(slice(first, last + 1))
    return itemgetter(*(start + i for i in indices))


def _numbers(texts: Sequence[str]) -> list[int]:
    """Whole numbers, read as one JSON list: a third of the time of ``int`` on each. Raises ValueError."""
    try:
        numbers = _read_list(f"[{','.join(texts)}]")
    except msgspec.MsgspecError:
        numbers = []
    return numbers if len(numbers) == len(texts) else _read_each(texts)


def _read_each(texts: Sequence[str], needed: Sequence[bool] = (False,)) -> list[int]:
    """What is no number in JSON may still be one, padded or signed; empty is 0 but where it is ``needed``, in turn."""
    return [int(text) if need else int(text or 0) for text, need in zip(texts, cycle(needed))]


_moments: dict[tuple[str, str], Ns] = {}
_seconds: dict[str, Ns] = {}


def _moment(day: str, at: str) -> Ns:
    """The moment of YYYYMMDD and HHMMSS. Raises FrameError."""
    if len(_moments) >= KEPT:
        _moments.clear()
    t = _moments[day, at] = kst(read_day(day), seconds_of(at))
    return t


def _today(received: Ns, at: str) -> Ns:
    """The moment of HHMMSS on the Korean day of ``received``. Raises FrameError."""
    seconds = _seconds.get(at)
    if seconds is None:
        if len(_seconds) >= KEPT:
            _seconds.clear()
        seconds = _seconds[at] = seconds_of(at) * SECOND
    return received - (received + KST_SHIFT) % DAY + seconds


class Trades(Channel[Tick]):
    """Trades: H0STCNT0, H0NXCNT0, H0UNCNT0."""

    numbers = (
        "STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN", "ASKP1", "BIDP1", "ASKP_RSQN1", "BIDP_RSQN1",
    )  # fmt: skip
    needed = (True, True, True, True, False, False, False, False)
    """No trade is without them; a side of the book may be empty."""

    def __init__(self, tr_id: str, venue: Venue) -> None:
        self.texts = ("MKSC_SHRN_ISCD", "BSOP_DATE", "STCK_CNTG_HOUR", TAKER_COLUMN[venue])
        super().__init__(tr_id, venue)

    def decode(self, fields: Sequence[str], count: str, received: Ns) -> list[Tick]:
        # All records at once and in one function: a call for each costs a fifth of the time.
        layout = self._layouts.get((len(fields), count)) or self._lay_out(len(fields), count)
        venue, side_of = self.venue, SIDES.get
        ticks: list[Tick] = []
        last_day = last_at = ""
        when = 0
        try:
            texts, numbers = layout[0]
            picked = numbers(fields)
            try:
                read = _read_list(f"[{','.join(picked)}]")
            except msgspec.MsgspecError:
                read = []
            t, n = (
                iter(texts(fields)),
                iter(read if len(read) == len(picked) else _read_each(picked, self.needed)),
            )
            for code, day, at, taker, price, qty, volume, value, ask, bid, asks, bids in zip(  # noqa: B905
                t, t, t, t, n, n, n, n, n, n, n, n
            ):
                # Mostly one second for all records of a frame; comparing is cheaper than looking up.
                if at != last_at or day != last_day:
                    last_day, last_at, when = day, at, _moments.get((day, at)) or _moment(day, at)
                side = side_of(taker)
                ticks.append(
                    Tick(
                        when,
                        code,
                        venue,
                        price,
                        qty,
                        side,
                        volume,
                        value,
                        ask,
                        bid,
                        received,
                        asks,
                        bids,
                    )
                )
        except (ValueError, FrameError):
            raise self._wrong() from None
        return ticks

    def _arranged(self, starts: Sequence[int]) -> Layout:
        return (
            (
                itemgetter(*(start + i for start in starts for i in self._text_at)),
                itemgetter(*(start + i for start in starts for i in self._number_at)),
            ),
        )


class Depths(Channel[Depth]):
    """Books of ten levels: H0STASP0, H0NXASP0, H0UNASP0. They carry no date: the day is that of receipt."""

    texts = ("MKSC_SHRN_ISCD", "BSOP_HOUR", "HOUR_CLS_CODE")
    numbers = tuple(
        f"{name}{i}"
        for name in ("ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN")
        for i in range(1, LEVELS + 1)
    )

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> Depth:
        code, at, _ = texts
        n = _numbers(numbers)
        levels = tuple(zip(n[: 2 * LEVELS], n[2 * LEVELS :]))  # noqa: B905 - as many each
        asks, bids = levels[:LEVELS], levels[LEVELS:]
        if 0 in n:
            asks, bids = _filled(asks), _filled(bids)
        return Depth(_today(received, at), code, self.venue, asks, bids, received)


def _filled(levels: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """An empty level is price 0, or 0 shares."""
    return tuple(level for level in levels if level[0] and level[1])


class ExpectedMatches(Channel[ExpectedMatch]):
    """Expected matches of call auctions: H0STANC0, H0NXANC0, H0UNANC0."""

    texts = ("MKSC_SHRN_ISCD", "BSOP_DATE", "STCK_CNTG_HOUR")
    numbers = ("STCK_PRPR", "CNTG_VOL", "ASKP1", "BIDP1")

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> ExpectedMatch:
        code, day, at = texts
        price, qty, ask, bid = _numbers(numbers)
        return ExpectedMatch(_moment(day, at), code, self.venue, price, qty, ask, bid, received)


class Operations(Channel[MarketOperation]):
    """Market operation and VI of a stock: H0STMKO0, H0NXMKO0, H0UNMKO0. They carry no time: it is that of receipt."""

    texts = (
        "MKSC_SHRN_ISCD",
        "TRHT_YN",
        "TR_SUSP_REAS_CNTT",
        "MKOP_CLS_CODE",
        "ISCD_STAT_CLS_CODE",
        "VI_CLS_CODE",
        "OVTM_VI_CLS_CODE",
    )
    numbers = ()

    def read(self, texts: Sequence[str], _numbers: Sequence[str], received: Ns) -> MarketOperation:
        code, halted, reason, operation, status, vi, after_vi = (
            "" if text == NOTHING else text for text in texts
        )
        in_vi = "Y" in (vi, after_vi)
        return MarketOperation(
            received,
            code,
            self.venue,
            operation,
            halted == "Y" or status == HALTED,
            reason,
            in_vi,
            received,
        )


class Programs(Channel[ProgramTrades]):
    """Program trades of a stock since the day's open: H0STPGM0, H0NXPGM0, H0UNPGM0."""

    texts = ("MKSC_SHRN_ISCD", "STCK_CNTG_HOUR")
    numbers = (
        "SELN_CNQN",
        "SELN_TR_PBMN",
        "SHNU_CNQN",
        "SHNU_TR_PBMN",
        "NTBY_CNQN",
        "NTBY_TR_PBMN",
    )

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> ProgramTrades:
        code, at = texts
        sold, sold_value, bought, bought_value, net, net_value = _numbers(numbers)
        return ProgramTrades(
            _today(received, at),
            code,
            self.venue,
            sold,
            sold_value,
            bought,
            bought_value,
            net,
            net_value,
            received,
        )


_TRADES = {tr_id: Trades(tr_id, venue) for venue, tr_id in TRADE_TRS.items()}
_DEPTHS = {tr_id: Depths(tr_id, venue) for venue, tr_id in BOOK_TRS.items()}
MarketChannel: TypeAlias = Trades | Depths | ExpectedMatches | Operations | Programs
CHANNELS: dict[str, MarketChannel] = {
    **_TRADES,
    **_DEPTHS,
    **{tr_id: ExpectedMatches(tr_id, venue) for venue, tr_id in EXPECTED_TRS.items()},
    **{tr_id: Operations(tr_id, venue) for venue, tr_id in OPERATION_TRS.items()},
    **{tr_id: Programs(tr_id, venue) for venue, tr_id in PROGRAM_TRS.items()},
}
"""What decodes the frames of each TR id of the market."""


def decode_ticks(frame: Frame, received: Ns) -> list[Tick]:
    """The trades of a frame of a trade channel, in order. Raises FrameError."""
    return _of(_TRADES, frame).decode(frame.payload.split("^"), str(frame.count), received)


def decode_depth(frame: Frame, received: Ns) -> list[Depth]:
    """The books of a frame of a book channel; the day is the Korean day of ``received``. Raises FrameError."""
    return _of(_DEPTHS, frame).decode(frame.payload.split("^"), str(frame.count), received)


def _of(channels: Mapping[str, C], frame: Frame) -> C:
    channel = channels.get(frame.tr_id)
    if channel is None:
        raise malformed(f"{frame.tr_id[:10]} carries something else")
    return channel
