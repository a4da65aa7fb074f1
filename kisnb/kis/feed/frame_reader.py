"""Turns data frames into facts, by channel; keeps the keys that decrypt execution notices."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Event
from kisnb.kis.feed.control_frames import Ack
from kisnb.kis.feed.frames import Frame, malformed, named_records, parse, records
from kisnb.kis.feed.market_frames import CHANNELS
from kisnb.kis.feed.notices import NOTICE_TRS, Cipher, decode_notice

_TR_ID = slice(2, 10)
"""Where a data frame has its TR id: behind the flag and a bar. Every TR id has eight letters."""


class FrameReader:
    """Reads the frames of one connection; ``account`` is the ten digits whose notices count."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ciphers: dict[str, Cipher] = {}
        self._newest: dict[str, str] = {}

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
        channel = CHANNELS.get(text[_TR_ID])
        if channel is None:
            return self._other(text, now)
        events = channel.decode(text, now)
        # Kept unsplit: few callers ask for the last record.
        self._newest[channel.tr_id] = text
        return events

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
        account = self._account
        return [
            notice
            for fields in records(frame)
            if (notice := decode_notice(fields, account, now)) is not None
        ]
