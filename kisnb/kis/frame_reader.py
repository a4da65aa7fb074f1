"""Turns data frames into facts, by channel; keeps the keys that open the encrypted ones."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Event
from kisnb.kis.control_frames import Ack
from kisnb.kis.frames import Frame, malformed, named_records, parse, records
from kisnb.kis.market_frames import CHANNELS
from kisnb.kis.notices import NOTICE_TRS, Cipher, decode_notice


class FrameReader:
    """One for each connection's keys; ``account`` is the ten digits whose notices are wanted."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ciphers: dict[str, Cipher] = {}
        self._newest: dict[str, str] = {}

    def learn_key(self, ack: Ack) -> None:
        """An answer to a subscription brought the key of its channel. Raises FrameError."""
        if ack.tr_id in NOTICE_TRS:
            self._ciphers[ack.tr_id] = Cipher(ack.key, ack.iv)

    def forget_keys(self) -> None:
        """The keys die with the connection."""
        self._ciphers.clear()

    def read(self, text: str, now: Ns) -> Sequence[Event]:
        """The facts of a frame, in order. Raises FrameError."""
        try:
            flag, tr_id, count, payload = text.split("|", 3)
            channel = CHANNELS[tr_id] if flag == "0" else None
        except (ValueError, KeyError):
            channel = None
        if channel is None:
            return self._other(text, now)
        events = channel.decode(count, payload, now)
        self._newest[tr_id] = text
        return events

    def last_record(self, tr_id: str) -> dict[str, str]:
        """The newest record of a market channel with all its columns; empty before the first."""
        text = self._newest.get(tr_id)
        return named_records(parse(text))[-1] if text is not None else {}

    def _other(self, text: str, now: Ns) -> list[Event]:
        frame = parse(text)
        if frame.tr_id not in NOTICE_TRS:
            raise malformed(f"nobody asked for {frame.tr_id[:10]}")
        if frame.encrypted:
            cipher = self._ciphers.get(frame.tr_id)
            if cipher is None:
                raise FrameError("an exec notice came before its key", "the orders of the day tell what it said")
            frame = Frame(frame.tr_id, False, frame.count, cipher.decrypt(frame.payload))
        notices = (decode_notice(fields, self._account, now) for fields in records(frame))
        return [notice for notice in notices if notice is not None]
