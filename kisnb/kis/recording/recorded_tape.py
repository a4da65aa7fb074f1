"""Reads the tape of a recorded day: the market data that a simulator sent, in order.

The back-tester trades against it, and the simulator plays it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from kisnb.clock import Ns
from kisnb.errors import BadInput, FrameError
from kisnb.events import Depth, Tick
from kisnb.kis.channels import DEPTH_TRS, TRADE_TRS
from kisnb.kis.feed import frames, market_frames
from kisnb.terms import Venue


class RecordedLine(msgspec.Struct, frozen=True):
    """One line of a recording, with only the fields that a tape needs.

    A tape uses frames of market data, and the requests that place or change orders.
    """

    t: Ns
    """UTC nanoseconds."""
    kind: str
    tr_id: str = ""
    text: str = ""
    path: str = ""
    """Path of the call in a line of a request, which shows an order. Empty in other lines."""


class OrderCame(msgspec.Struct, frozen=True):
    """An order reached the server. The following lines of the recording show its effect."""

    is_new: bool
    """False for a revise and a cancel."""


MarketEvents: TypeAlias = Sequence[Tick] | Sequence[Depth] | OrderCame
"""The events of one frame, or an order that came."""
_Reader: TypeAlias = Callable[[frames.Frame, Ns], Sequence[Tick] | Sequence[Depth]]
_MARKET: dict[str, _Reader] = {
    **{TRADE_TRS[venue]: market_frames.decode_ticks for venue in (Venue.KRX, Venue.NXT)},
    **{DEPTH_TRS[venue]: market_frames.decode_depth for venue in (Venue.KRX, Venue.NXT)},
}
"""Decoder of each channel that shows one venue, by TR id. SOR's channels show both venues."""
ORDER_PATH = "/trading/order-"
"""Text that the path of each call about an order contains."""


def recorded_ticks(
    path: Path, channels: Collection[str] = (frames.TRADES,)
) -> Iterator[tuple[Ns, Sequence[Tick]]]:
    """Yield (moment, trades) for each trade frame in a ``kisnb sim --record`` file.

    ``channels`` are the TR ids that count. Raises BadInput with the number of a line that cannot be
    read.
    """
    for t, events in _recorded(path, dict.fromkeys(channels, market_frames.decode_ticks)):
        if not isinstance(events, OrderCame):
            yield t, [event for event in events if isinstance(event, Tick)]


def recorded_market(path: Path) -> Iterator[tuple[Ns, MarketEvents]]:
    """Yield (moment, events) for each frame of trades and of depth, of KRX and of Nextrade.

    An ``OrderCame`` marks the moment at which an order reached the server.
    Raises BadInput as ``recorded_ticks`` does.
    """
    return _recorded(path, _MARKET, marks_orders=True)


def holds_orders(path: Path) -> bool:
    """Return True when a recording has orders that reached the server. Raises BadInput."""
    try:
        with path.open("rb") as file:
            return any(ORDER_PATH.encode() in line and b'"kind":"request"' in line for line in file)
    except OSError as e:
        raise _unreadable(path, e) from e


def _recorded(
    path: Path, readers: Mapping[str, _Reader], *, marks_orders: bool = False
) -> Iterator[tuple[Ns, MarketEvents]]:
    decode = msgspec.json.Decoder(RecordedLine).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    recorded = decode(line)
                    # Most lines are no market data. Their text is not read at all.
                    reader = readers.get(recorded.tr_id) if recorded.kind == "frame" else None
                    events = (
                        reader(frames.parse(recorded.text), recorded.t)
                        if reader is not None
                        else ()
                    )
                except (msgspec.MsgspecError, FrameError) as e:
                    raise BadInput(
                        f"line {number} of {path.name} is not a line of a recording ({e})",
                        "record the day again",
                    ) from e
                if events:
                    yield recorded.t, events
                elif marks_orders and recorded.kind == "request" and ORDER_PATH in recorded.path:
                    yield recorded.t, OrderCame(recorded.path.endswith("/order-cash"))
    except OSError as e:
        raise _unreadable(path, e) from e


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"the recording {path} cannot be read: {error.strerror}",
        "name the file of kisnb sim --record",
    )
