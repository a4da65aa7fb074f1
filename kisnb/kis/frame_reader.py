"""Turns data frames into facts, by channel; keeps the keys that open the encrypted ones."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Event
from kisnb.kis.channels import BOOKS_OF, TRADES_OF
from kisnb.kis.control_frames import Ack
from kisnb.kis.frames import Frame, decode_depth, decode_ticks, named_records, parse, records
from kisnb.kis.notices import NOTICE_TRS, Cipher, decode_notice


class FrameReader:
    """One for each connection's keys; ``account`` is the ten digits whose notices are wanted."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ciphers: dict[str, Cipher] = {}
        self._newest: dict[str, Frame] = {}

    def learn_key(self, ack: Ack) -> None:
        """An answer to a subscription brought the key of its channel. Raises FrameError."""
        if ack.tr_id in NOTICE_TRS:
            self._ciphers[ack.tr_id] = Cipher(ack.key, ack.iv)

    def forget_keys(self) -> None:
        """The keys die with the connection."""
        self._ciphers.clear()

    def read(self, text: str, now: Ns) -> Sequence[Event]:
        """The facts of a frame, in order. Raises FrameError."""
        frame = parse(text)
        events: Sequence[Event]
        if frame.tr_id in TRADES_OF:
            events = decode_ticks(frame, now)
        elif frame.tr_id in BOOKS_OF:
            events = decode_depth(frame, now)
        elif frame.tr_id in NOTICE_TRS:
            return self._notices(frame, now)
        else:
            raise FrameError(f"nobody asked for {frame.tr_id[:10]}", "the feed goes on without it")
        self._newest[frame.tr_id] = frame
        return events

    def last_record(self, tr_id: str) -> dict[str, str]:
        """The newest record of a trade or book channel with all its columns; empty before the first."""
        frame = self._newest.get(tr_id)
        return named_records(frame)[-1] if frame is not None else {}

    def _notices(self, frame: Frame, now: Ns) -> list[Event]:
        if frame.encrypted:
            cipher = self._ciphers.get(frame.tr_id)
            if cipher is None:
                raise FrameError("an exec notice came before its key", "the orders of the day tell what it said")
            frame = Frame(frame.tr_id, False, frame.count, cipher.decrypt(frame.payload))
        notices = (decode_notice(fields, self._account, now) for fields in records(frame))
        return [notice for notice in notices if notice is not None]
