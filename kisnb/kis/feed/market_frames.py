"""Makes facts of the market's data frames: trades, depths, expected matches, operation, programs.

``record_reader.py`` finds the fields. Won and shares; times are KST, to the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import GenericAlias
from typing import TypeAlias, TypeVar

import msgspec

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.kis.calls.quote_messages import HALTED
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.kis.feed.columns import LEVELS, TAKER_COLUMN
from kisnb.kis.feed.frames import NOTHING, Frame, malformed, unparse
from kisnb.kis.feed.record_reader import (
    Channel,
    Layout,
    moment,
    read_each,
    read_list,
    read_numbers,
    read_stated,
)
from kisnb.kis.wire_text import on_day_of
from kisnb.terms import Side, Venue

C = TypeVar("C")
SIDES = {"1": Side.BUY, "5": Side.SELL}
"""The taker by CCLD_DVSN or CNTG_CLS_CODE; a match of an auction (3) has none."""


class Trades(Channel[Tick]):
    """Trades: H0STCNT0, H0NXCNT0, H0UNCNT0. Won and shares."""

    numbers = (
        "STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN",
        "ASKP1", "BIDP1", "ASKP_RSQN1", "BIDP_RSQN1",
    )  # fmt: skip
    needed = (True, True, True, True, False, False, False, False)
    """Every trade has price, shares and sums; a side of the depth may be empty."""

    def __init__(self, tr_id: str, venue: Venue) -> None:
        self.texts = ("MKSC_SHRN_ISCD", "BSOP_DATE", "STCK_CNTG_HOUR", TAKER_COLUMN[venue])
        super().__init__(tr_id, venue)
        self._last: tuple[str, str, Ns] = "", "", 0
        """Date, time and moment of the newest trade."""

    def decode(self, text: str, received: Ns) -> list[Tick]:
        """Return the trades of a frame in order. Raises FrameError, and then no trade counts."""
        # All records are read in one function, because a call for each would take a fifth of the
        # time.
        fields = text.split("^")
        layout = self._layout(fields)
        venue, side_of = self.venue, SIDES.get
        ticks: list[Tick] = []
        last_day, last_at, when = self._last
        try:
            texts, numbers = layout[0]
            picked = numbers(fields)
            try:
                read = read_list(f"[{','.join(picked)}]")
            except msgspec.MsgspecError:
                # JSON takes no padded or empty number, and no plus sign. ``read_each`` then reads
                # them one by one.
                read = []
            if len(read) != len(picked):
                read = read_each(picked, self.needed)
            t, n = iter(texts(fields)), iter(read)
            # Both iterators serve several targets: a record takes four texts and eight numbers.
            records = zip(t, t, t, t, n, n, n, n, n, n, n, n)  # noqa: B905 - as many each
            for code, day, at, taker, price, qty, volume, value, ask, bid, asks, bids in records:
                # Most trades are of the same second as the trade before. A comparison is faster
                # than a look-up.
                if at != last_at or day != last_day:
                    when = moment(day, at)
                    last_day, last_at = day, at
                    self._last = last_day, last_at, when
                ticks.append(
                    Tick(
                        when,
                        code,
                        venue,
                        price,
                        qty,
                        side_of(taker),
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


Levels: TypeAlias = tuple[tuple[int, int], ...]
"""(price, shares) of the levels of one side, best first."""
read_levels: Callable[[str], tuple[int, ...]] = msgspec.json.Decoder(
    GenericAlias(tuple, (int,) * (4 * LEVELS))
).decode
"""The 40 whole numbers of a depth, from a JSON list of exactly 40. Raises MsgspecError."""
_LEVELS_END = 3 + 4 * LEVELS
"""The first column after the levels."""


class Depths(Channel[Depth]):
    """Depth of ten levels: H0STASP0, H0NXASP0, H0UNASP0. Won and shares.

    The frames carry no date: the day is that of receipt.
    """

    texts = ("MKSC_SHRN_ISCD", "BSOP_HOUR", "HOUR_CLS_CODE")
    numbers = tuple(
        f"{name}{i}"
        for name in ("ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN")
        for i in range(1, LEVELS + 1)
    )

    def decode(self, text: str, received: Ns) -> list[Depth]:
        """Return the depths of a frame in order. Raises FrameError, and then no depth counts."""
        # Nearly every frame is one record of plain numbers, as wide as the record before it. Then
        # only the ends are split off, and JSON reads all fields between them at once.
        try:
            start, at, _, rest = text.split("^", 3)
            code, fields, layout = self._heads[start]
            levels = rest.rsplit("^", fields - _LEVELS_END)[0]
            # A comma in KIS's text would look like one of ours, and shift the columns.
            if len(layout) == 1 and "," not in levels:
                asks, bids = _sides(read_levels(f"[{levels.replace('^', ',')}]"))
                return [Depth(on_day_of(received, at), code, self.venue, asks, bids, received)]
        except (KeyError, ValueError, FrameError):
            # The frame has a new head, another width, a padded number, or is no depth at all. The
            # code below finds out which. MsgspecError is a ValueError.
            pass
        return super().decode(text, received)

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> Depth:
        """Return one record as a fact; empty levels are left out. Raises FrameError, ValueError."""
        code, at, _ = texts
        asks, bids = _sides(read_numbers(numbers))
        return Depth(on_day_of(received, at), code, self.venue, asks, bids, received)


def _sides(n: Sequence[int]) -> tuple[Levels, Levels]:
    """Return asks and bids of a depth's 40 numbers, without the empty levels."""
    # KIS sends all ask prices, all bid prices, all ask sizes and all bid sizes (workbook).
    # Written out, because slices and ``zip`` take half as long again for each depth.
    (
        a1, a2, a3, a4, a5, a6, a7, a8, a9, a10,
        b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
        r1, r2, r3, r4, r5, r6, r7, r8, r9, r10,
        s1, s2, s3, s4, s5, s6, s7, s8, s9, s10,
    ) = n  # fmt: skip
    asks = (
        (a1, r1), (a2, r2), (a3, r3), (a4, r4), (a5, r5),
        (a6, r6), (a7, r7), (a8, r8), (a9, r9), (a10, r10),
    )  # fmt: skip
    bids = (
        (b1, s1), (b2, s2), (b3, s3), (b4, s4), (b5, s5),
        (b6, s6), (b7, s7), (b8, s8), (b9, s9), (b10, s10),
    )  # fmt: skip
    # Most depths are full. One search for a 0 is faster than a check of each level.
    return (asks, bids) if all(n) else (_filled(asks), _filled(bids))


def _filled(levels: Levels) -> Levels:
    """Return the levels without the empty ones, which KIS writes as price 0, or 0 shares."""
    return tuple(level for level in levels if level[0] and level[1])


class ExpectedMatches(Channel[ExpectedMatch]):
    """Expected matches of call auctions: H0STANC0, H0NXANC0, H0UNANC0. Won and shares."""

    texts = ("MKSC_SHRN_ISCD", "BSOP_DATE", "STCK_CNTG_HOUR")
    numbers = ("STCK_PRPR", "CNTG_VOL", "ASKP1", "BIDP1")

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> ExpectedMatch:
        """Return one record as a fact. Raises FrameError, ValueError."""
        code, day, at = texts
        # A side of the depth may be empty. An expected match without its price or shares is not
        # valid.
        price, qty, ask, bid = read_each(numbers, (True, True, False, False))
        return ExpectedMatch(moment(day, at), code, self.venue, price, qty, ask, bid, received)


class Operations(Channel[MarketOperation]):
    """Market operation and VI of a stock: H0STMKO0, H0NXMKO0, H0UNMKO0.

    The frames carry no time: the time of receipt is used.
    """

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
        """Return one record as a fact."""
        code, halted, reason, operation, status, vi, after_vi = (
            "" if text == NOTHING else text for text in texts
        )
        # VI_CLS_CODE is of the regular session, OVTM_VI_CLS_CODE of the one after hours.
        in_vi = "Y" in (vi, after_vi)
        return MarketOperation(
            received,
            code,
            self.venue,
            operation,
            # TRHT_YN, or the status 58 of inquire-price.
            halted == "Y" or status == HALTED,
            reason,
            in_vi,
            received,
        )


class Programs(Channel[ProgramTrades]):
    """Program trades of a stock since the day's open: H0STPGM0, H0NXPGM0, H0UNPGM0.

    Won and shares. The frames carry no date: the day is that of receipt.
    """

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
        """Return one record as a fact. Raises FrameError, ValueError."""
        code, at = texts
        sold, sold_value, bought, bought_value, net, net_value = read_stated(numbers)
        return ProgramTrades(
            on_day_of(received, at),
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
_DEPTHS = {tr_id: Depths(tr_id, venue) for venue, tr_id in DEPTH_TRS.items()}
MarketChannel: TypeAlias = Trades | Depths | ExpectedMatches | Operations | Programs
CHANNELS: dict[str, MarketChannel] = {
    **_TRADES,
    **_DEPTHS,
    **{tr_id: ExpectedMatches(tr_id, venue) for venue, tr_id in EXPECTED_TRS.items()},
    **{tr_id: Operations(tr_id, venue) for venue, tr_id in OPERATION_TRS.items()},
    **{tr_id: Programs(tr_id, venue) for venue, tr_id in PROGRAM_TRS.items()},
}
"""The decoder of each TR id of the market."""


def decode_ticks(frame: Frame, received: Ns) -> list[Tick]:
    """Return the trades of a frame of a trade channel, in order. Raises FrameError."""
    return _of(_TRADES, frame).decode(unparse(frame), received)


def decode_depth(frame: Frame, received: Ns) -> list[Depth]:
    """Return the depths of a frame of a depth channel, on the Korean day of ``received``.

    Raises FrameError.
    """
    return _of(_DEPTHS, frame).decode(unparse(frame), received)


def _of(channels: Mapping[str, C], frame: Frame) -> C:
    channel = channels.get(frame.tr_id)
    if channel is None:
        raise malformed(f"{frame.tr_id[:10]} carries something else")
    return channel
