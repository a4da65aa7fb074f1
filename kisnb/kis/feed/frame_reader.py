"""Turns data frames into facts, by channel; keeps the keys that decrypt execution notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Event
from kisnb.kis.feed.control_frames import Ack
from kisnb.kis.feed.frames import Frame, malformed, named_records, parse, records
from kisnb.kis.feed.market_frames import CHANNELS, MarketChannel
from kisnb.kis.feed.notices import NOTICE_TRS, Cipher, decode_notice

Head: TypeAlias = tuple[MarketChannel, str, str]
"""The part of a frame before its first caret: channel, number of records, first field."""
KEPT_HEADS = 4096
"""Heads that are remembered before all are forgotten.

A stock has one for each channel and number of records.
"""
LONGEST_HEAD = 40
"""Letters; a longer head belongs to no stock, and is not remembered."""


class FrameReader:
    """Reads the frames of one connection; ``account`` is the ten digits whose notices count."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ciphers: dict[str, Cipher] = {}
        self._newest: dict[str, str] = {}
        self._heads: dict[str, Head] = {}

    def learn_key(self, ack: Ack) -> None:
        """Keep the key that an answer to a subscription brought. Raises FrameError."""
        # KIS sends a key with every confirmation, also for channels whose frames are plain
        # (workbook).
        if ack.tr_id in NOTICE_TRS:
            self._ciphers[ack.tr_id] = Cipher(ack.key, ack.iv)

    def forget_keys(self) -> None:
        """Forget all keys: KIS issues new ones for each connection."""
        self._ciphers.clear()

    def read(self, text: str, now: Ns) -> Sequence[Event]:
        """Return the facts of a frame, in order. Raises FrameError."""
        fields = text.split("^")
        # A busy stock sends the same head thousands of times a day. One look-up then replaces the
        # splitting and the checks of it.
        head = self._heads.get(fields[0]) or self._learn_head(fields[0])
        if head is None:
            return self._other(text, now)
        # The first field held the whole head. The decoders want the stock's code there.
        channel, count, fields[0] = head
        events = channel.decode(fields, count, now)
        # Kept unsplit: few callers ask for the last record.
        self._newest[channel.tr_id] = text
        return events

    def _learn_head(self, text: str) -> Head | None:
        """Return the head of a frame, up to its first caret; None for no market channel.

        Raises FrameError when the first record names no stock.
        """
        flag, tr_id, count, first = (*text.split("|", 3), "", "", "")[:4]
        channel = CHANNELS.get(tr_id)
        if flag != "0" or channel is None or text.count("|") < 3:
            return None
        if not first.strip():
            raise malformed(f"{tr_id}: a record without the code of its stock")
        if len(self._heads) >= KEPT_HEADS:
            self._heads.clear()
        head = channel, count, first
        # A frame of noise may have a head of any length. Those must not fill the memory.
        if len(text) <= LONGEST_HEAD:
            self._heads[text] = head
        return head

    def last_record(self, tr_id: str) -> dict[str, str]:
        """Return the newest record of a channel with all its columns; empty before the first."""
        text = self._newest.get(tr_id)
        return named_records(parse(text))[-1] if text is not None else {}

    def _other(self, text: str, now: Ns) -> list[Event]:
        """Return the execution notices of a frame of another channel. Raises FrameError."""
        # A frame carries no tr_key, so its key belongs to the TR id (clients' observation).
        frame = parse(text)
        if frame.tr_id not in NOTICE_TRS:
            raise malformed(f"nobody asked for {frame.tr_id[:10]}")
        if frame.encrypted:
            cipher = self._ciphers.get(frame.tr_id)
            if cipher is None:
                raise FrameError(
                    "an execution notice came before its key",
                    "the desk reads the orders of the day instead",
                )
            frame = Frame(frame.tr_id, False, frame.count, cipher.decrypt(frame.payload))
        notices = (decode_notice(fields, self._account, now) for fields in records(frame))
        return [notice for notice in notices if notice is not None]
