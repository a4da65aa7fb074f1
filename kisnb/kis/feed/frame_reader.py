"""Turns data frames into facts, by channel. Stores the keys that decrypt execution notices."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from kisnb.clock import Ns
from kisnb.errors import FrameError
from kisnb.events import Event
from kisnb.kis.feed.control_frames import Ack
from kisnb.kis.feed.frames import Frame, malformed, named_records, parse, records
from kisnb.kis.feed.market_frames import CHANNELS
from kisnb.kis.feed.notices import NOTICE_TRS, Cipher, decode_notice

_TR_ID = slice(2, 10)
"""The place of the TR id in a data frame: eight letters after the flag and a bar."""
MOST_FRAMES = 1_000
"""Number of newest frames of one TR id that are kept for callers that ask for its records."""


class FrameReader:
    """Reads the data frames of one connection. Only notices of ``account`` (ten digits) count."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ciphers: dict[str, Cipher] = {}
        self._newest: dict[str, str] = {}
        self._kept: dict[str, deque[str]] = {}
        """The newest frames, unsplit, of the TR ids whose records are wanted."""
        self._ever_kept: set[str] = set()

    def learn_key(self, ack: Ack) -> None:
        """Store the key in a reply to a subscription. Raises FrameError."""
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
            return self._notices(text, now)
        events = channel.decode(text, now)
        # Kept unsplit: few callers ask for the last record.
        self._newest[channel.tr_id] = text
        if self._kept and (kept := self._kept.get(channel.tr_id)) is not None:
            kept.append(text)
        return events

    def last_record(self, tr_id: str) -> dict[str, str]:
        """Return the newest record of a channel with all its columns; empty before the first."""
        text = self._newest.get(tr_id)
        return named_records(parse(text))[-1] if text is not None else {}

    def keep(self, tr_ids: Iterable[str]) -> None:
        """Keep the records of these channels from now on, and forget those of all others."""
        kept = self._kept
        self._kept = {tr_id: kept.get(tr_id, deque(maxlen=MOST_FRAMES)) for tr_id in tr_ids}
        self._ever_kept |= self._kept.keys()

    def kept_records(self, tr_id: str, key: str) -> list[list[str]]:
        """Return the kept records of one key, oldest first, with the columns as KIS sent them."""
        # A frame carries no tr_key. Every channel of the market names its key in the first column
        # (workbook, and clients' recordings of H0UNMKO0).
        rows = (row for text in self._kept.get(tr_id, ()) for row in records(parse(text)))
        return [row for row in rows if row[0] == key]

    def _notices(self, text: str, now: Ns) -> list[Event]:
        """Return the notices of a frame of the notice channel, decrypted. Raises FrameError.

        Of some channels only the records are wanted. Their frames are stored, and no notice is
        returned.
        """
        # A frame carries no tr_key, so its key belongs to the TR id (clients' observation).
        frame = parse(text)
        if frame.tr_id in self._kept and not frame.encrypted:
            # The frame is split here once, so that an unreadable frame is reported when it comes.
            records(frame)
            self._kept[frame.tr_id].append(text)
            return []
        # KIS continues to send until it has released the channel.
        if frame.tr_id in self._ever_kept:
            return []
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
