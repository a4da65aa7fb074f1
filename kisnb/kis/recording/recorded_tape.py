"""The tape of a recorded day: the trade frames that a simulator sent, in the order and at the moments it sent them.

The back-tester trades against it, and the simulator plays it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, FrameError
from kisnb.events import Tick
from kisnb.kis.feed import frames, market_frames


class RecordedLine(msgspec.Struct, frozen=True):
    """What the feed reads of a line of a recording; requests, replies and orders are passed over."""

    t: Ns
    kind: str
    tr_id: str = ""
    text: str = ""


def recorded_ticks(
    path: Path, channels: Collection[str] = (frames.TRADES,)
) -> Iterator[tuple[Ns, Sequence[Tick]]]:
    """(moment, trades of one frame) for each frame of some trade channels in a ``kisnb sim --record`` file.

    Raises BadInput with the number of a line that cannot be read.
    """
    decode = msgspec.json.Decoder(RecordedLine).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    recorded = decode(line)
                    wanted = recorded.kind == "frame" and recorded.tr_id in channels
                    ticks = (
                        market_frames.decode_ticks(frames.parse(recorded.text), recorded.t)
                        if wanted
                        else ()
                    )
                except (msgspec.MsgspecError, FrameError) as e:
                    raise BadInput(
                        f"line {number} of {path.name} is no line of a recording ({e})",
                        "record the day again",
                    ) from e
                if ticks:
                    yield recorded.t, ticks
    except OSError as e:
        raise BadInput(
            f"the recording {path} cannot be read: {e.strerror}",
            "name the file of kisnb sim --record",
        ) from e
