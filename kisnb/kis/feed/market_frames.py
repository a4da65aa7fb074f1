"""Data frames of the market become facts: trades, depths, expected matches, operation, programs.

``record_reader.py`` says where the fields lie. Won and shares; times are KST, to the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TypeAlias, TypeVar

import msgspec

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Depth, ExpectedMatch, MarketOperation, ProgramTrades, Tick
from kisnb.kis.calls.quote_messages import HALTED
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.kis.feed.columns import LEVELS, TAKER_COLUMN
from kisnb.kis.feed.frames import NOTHING, Frame, malformed
from kisnb.kis.feed.record_reader import (
    Channel,
    Layout,
    known_moments,
    moment,
    read_each,
    read_list,
    read_numbers,
    read_stated,
    today,
)
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

    def decode(self, fields: Sequence[str], count: str, received: Ns) -> list[Tick]:
        """Return the trades of a payload in order. Raises FrameError, then none counts."""
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
                read = read_list(f"[{','.join(picked)}]")
            except msgspec.MsgspecError:
                # JSON takes no padded or empty number, and no plus sign. ``read_each`` then reads
                # them one by one.
                read = []
            t, n = (
                iter(texts(fields)),
                iter(read if len(read) == len(picked) else read_each(picked, self.needed)),
            )
            # Both iterators serve several targets: a record takes four texts and eight numbers.
            records = zip(t, t, t, t, n, n, n, n, n, n, n, n)  # noqa: B905 - as many each
            for code, day, at, taker, price, qty, volume, value, ask, bid, asks, bids in records:
                # Most frames hold the trades of one second; to compare is cheaper than to look up.
                if at != last_at or day != last_day:
                    last_day, last_at, when = (
                        day,
                        at,
                        known_moments.get((day, at)) or moment(day, at),
                    )
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
    """Depth of ten levels: H0STASP0, H0NXASP0, H0UNASP0. Won and shares.

    The frames carry no date: the day is that of receipt.
    """

    texts = ("MKSC_SHRN_ISCD", "BSOP_HOUR", "HOUR_CLS_CODE")
    numbers = tuple(
        f"{name}{i}"
        for name in ("ASKP", "BIDP", "ASKP_RSQN", "BIDP_RSQN")
        for i in range(1, LEVELS + 1)
    )

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> Depth:
        """Return one record as a fact; empty levels are left out. Raises FrameError, ValueError."""
        code, at, _ = texts
        n = read_numbers(numbers)
        # KIS sends all ask prices, all bid prices, all ask sizes and all bid sizes (workbook).
        levels = tuple(zip(n[: 2 * LEVELS], n[2 * LEVELS :]))  # noqa: B905 - as many each
        asks, bids = levels[:LEVELS], levels[LEVELS:]
        # Most depths are full. One search for a 0 is cheaper than a look at each level.
        if 0 in n:
            asks, bids = _filled(asks), _filled(bids)
        return Depth(today(received, at), code, self.venue, asks, bids, received)


def _filled(levels: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the levels without the empty ones, which KIS writes as price 0, or 0 shares."""
    return tuple(level for level in levels if level[0] and level[1])


class ExpectedMatches(Channel[ExpectedMatch]):
    """Expected matches of call auctions: H0STANC0, H0NXANC0, H0UNANC0. Won and shares."""

    texts = ("MKSC_SHRN_ISCD", "BSOP_DATE", "STCK_CNTG_HOUR")
    numbers = ("STCK_PRPR", "CNTG_VOL", "ASKP1", "BIDP1")

    def read(self, texts: Sequence[str], numbers: Sequence[str], received: Ns) -> ExpectedMatch:
        """Return one record as a fact. Raises FrameError, ValueError."""
        code, day, at = texts
        # A side of the depth may be empty. An expected match without its price or shares is none.
        price, qty, ask, bid = read_each(numbers, (True, True, False, False))
        return ExpectedMatch(moment(day, at), code, self.venue, price, qty, ask, bid, received)


class Operations(Channel[MarketOperation]):
    """Market operation and VI of a stock: H0STMKO0, H0NXMKO0, H0UNMKO0.

    The frames carry no time: it is that of receipt.
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
            today(received, at),
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
    return _of(_TRADES, frame).decode(frame.payload.split("^"), str(frame.count), received)


def decode_depth(frame: Frame, received: Ns) -> list[Depth]:
    """Return the depths of a frame of a depth channel, on the Korean day of ``received``.

    Raises FrameError.
    """
    return _of(_DEPTHS, frame).decode(frame.payload.split("^"), str(frame.count), received)


def _of(channels: Mapping[str, C], frame: Frame) -> C:
    channel = channels.get(frame.tr_id)
    if channel is None:
        raise malformed(f"{frame.tr_id[:10]} carries something else")
    return channel
