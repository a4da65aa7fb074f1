"""The tape of a recorded day: a simulator's trade frames, in the order and at the moments they went
out.

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
    """The part of a line that a tape needs; requests, replies and orders are skipped."""

    t: Ns
    """UTC nanoseconds."""
    kind: str
    tr_id: str = ""
    text: str = ""


def recorded_ticks(
    path: Path, channels: Collection[str] = (frames.TRADES,)
) -> Iterator[tuple[Ns, Sequence[Tick]]]:
    """Yield (moment, trades) for each trade frame in a ``kisnb sim --record`` file.

    ``channels`` are the TR ids that count. Raises BadInput with the number of a line that cannot be
    read.
    """
    decode = msgspec.json.Decoder(RecordedLine).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    recorded = decode(line)
                    # Most lines are not trades. Their text is not read at all.
                    wanted = recorded.kind == "frame" and recorded.tr_id in channels
                    ticks = (
                        market_frames.decode_ticks(frames.parse(recorded.text), recorded.t)
                        if wanted
                        else ()
                    )
                except (msgspec.MsgspecError, FrameError) as e:
                    raise BadInput(
                        f"line {number} of {path.name} is not a line of a recording ({e})",
                        "record the day again",
                    ) from e
                if ticks:
                    yield recorded.t, ticks
    except OSError as e:
        raise BadInput(
            f"the recording {path} cannot be read: {e.strerror}",
            "name the file of kisnb sim --record",
        ) from e
