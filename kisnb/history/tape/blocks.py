"""The file format of a tape: a head, then blocks that are only appended.

    kisnb tape 1

    head of a block   kind, length, CRC-32, first and last moment, number of events
    payload           zlib over MessagePack
    head of a block …

A tape grows by one block every half second of a busy day. Earlier blocks never change. So a process
that dies leaves complete blocks and at most one incomplete one, which the next writer cuts off.

There are three kinds of blocks. ``M`` says what the tape is (``TapeLabel``). ``R`` has batches as
rows, as they are written during the day. ``C`` has the same batches with the trades in columns
(``columns.py``), in a third of the size. A closed tape has only ``C`` blocks after its ``M``.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text
from kisnb.errors import BadInput
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelRefused,
    CancelStarted,
    Denied,
    Depth,
    Event,
    ExpectedMatch,
    Expired,
    ExternalFound,
    Filled,
    GapFound,
    HaltSet,
    IntentTaken,
    LinkDown,
    LinkUp,
    MarketFact,
    MarketOperation,
    OrderFact,
    OrderHeld,
    OrderReserved,
    PhaseChanged,
    ProgramTrades,
    Quote,
    Rejected,
    Reopened,
    Resolved,
    Revised,
    SendStarted,
    SendUnknown,
    Sent,
    StockDay,
    Tick,
)

try:
    import fcntl
except ImportError:
    # Windows has no fcntl. Only the simulator runs there, and no other process writes its tape.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing_extensions import TypeIs

VERSION = 1
"""Version of the file format. A reader refuses any other version."""
MAGIC = b"kisnb tape "
HEAD = MAGIC + b"%d\n" % VERSION
"""The first bytes of a tape."""
# kind, bytes of the payload, CRC-32 of the rest of the head and the payload, first, last, events
_BLOCK = struct.Struct("<cIIqqI")
_SEALED = struct.Struct("<cIqqI")
MOST_BYTES = 256 * 1024 * 1024
"""The most bytes of a block. A head with a larger length is damaged."""
LABEL, ROWS, COLUMNS = b"M", b"R", b"C"

TapeEvent: TypeAlias = (
    MarketFact | OrderFact | LinkDown | LinkUp | GapFound | PhaseChanged | HaltSet
)
"""All types of events on a tape: of the market, of orders, and of gaps."""
_ON_TAPE: frozenset[type] = frozenset(
    {
        *(Tick, Depth, ExpectedMatch, MarketOperation, ProgramTrades, Quote, StockDay),
        *(LinkDown, LinkUp, GapFound, PhaseChanged, HaltSet),
        *(IntentTaken, Denied, OrderHeld, SendStarted, Sent, OrderReserved, SendUnknown, Resolved),
        *(ExternalFound, Accepted, Rejected, Filled, CancelStarted, CancelRefused, Cancelled),
        *(Revised, Expired, Reopened),
    }
)
"""The types in ``TapeEvent``. A tape leaves out a desk's other events."""
Batch: TypeAlias = tuple[Ns, list[TapeEvent]]
"""A moment (UTC nanoseconds), and the events that were received together at it, in order."""


class TapeLabel(msgspec.Struct, frozen=True, array_like=True):
    """The first block of a tape: its source and its day. It names no account."""

    source: str
    """The desk that wrote the tape, such as ``sim 2026-11-20 seed 7``, or ``live``."""
    day: str
    """The Korean day of the tape, such as ``2026-11-20``."""


class BlockHead(NamedTuple):
    """The head of a block, and where its payload begins in the file."""

    kind: bytes
    length: int
    crc: int
    first: Ns
    last: Ns
    events: int
    at: int


class Scan(NamedTuple):
    """The blocks of a file, and the position at which the last complete block ends."""

    label: TapeLabel
    heads: list[BlockHead]
    """The blocks with events, in order."""
    end: int
    torn: int
    """Number of bytes after the last complete block. A process died while it wrote them."""


def block(kind: bytes, raw: bytes, first: Ns, last: Ns, events: int, level: int) -> bytes:
    """Return the bytes of a block with its head. ``raw`` is compressed with zlib's ``level``."""
    payload = zlib.compress(raw, level)
    sealed = _SEALED.pack(kind, len(payload), first, last, events)
    crc = zlib.crc32(payload, zlib.crc32(sealed))
    return _BLOCK.pack(kind, len(payload), crc, first, last, events) + payload


@contextlib.contextmanager
def locked(descriptor: int, *, wait: bool) -> Iterator[None]:
    """Hold the lock on a tape's file, so that no other process writes or closes the tape.

    With ``wait`` False, raise BlockingIOError (an OSError) when another process holds it.
    """
    lock(descriptor, wait=wait)
    try:
        yield
    finally:
        unlock(descriptor)


def lock(descriptor: int, *, wait: bool) -> None:
    """Take the lock that ``locked`` describes.

    ``unlock``, or closing the descriptor, releases it.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def unlock(descriptor: int) -> None:
    """Release the lock that ``lock`` took."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_taped(event: Event) -> TypeIs[TapeEvent]:
    """Return whether a tape holds events of this type."""
    return type(event) in _ON_TAPE


def is_tape(path: Path) -> bool:
    """Return whether a file begins like a tape of any version. False for an unreadable file."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def scan(path: Path, file: BinaryIO) -> Scan:
    """Read the heads of all blocks. Raises BadInput for a file that is not a tape we can read.

    Only the payload of the last block is checked. Earlier blocks must be complete, because a later
    block follows them.
    """
    head = file.read(len(HEAD))
    if head != HEAD:
        raise BadInput(*_not_ours(path, head))
    size, at = os.fstat(file.fileno()).st_size, len(HEAD)
    heads: list[BlockHead] = []
    while (found := _head(file, at, size)) is not None:
        heads.append(found)
        at = found.at + found.length
    # A crash of the machine can leave a block with the right length and wrong bytes.
    while heads and _payload(file, heads[-1]) is None:
        at = heads.pop().at - _BLOCK.size
    if not heads or heads[0].kind != LABEL:
        raise BadInput(f"the tape {path} is empty", "record the day again")
    label = msgspec.msgpack.decode(read_block(path, file, heads[0]), type=TapeLabel)
    return Scan(label, heads[1:], at, size - at)


def read_block(path: Path, file: BinaryIO, head: BlockHead) -> bytes:
    """Read the contents of a block. Raises BadInput for a damaged block."""
    payload = _payload(file, head)
    if payload is None:
        raise BadInput(
            f"the tape {path} is damaged between {clock_text(head.first)} and "
            f"{clock_text(head.last)}",
            "read the part before or after it",
        )
    return zlib.decompress(payload)


def _head(file: BinaryIO, at: int, size: int) -> BlockHead | None:
    """Read the head of the block at ``at``. None when no whole block begins there."""
    if at + _BLOCK.size > size:
        return None
    file.seek(at)
    kind, length, crc, first, last, events = _BLOCK.unpack(file.read(_BLOCK.size))
    begin = at + _BLOCK.size
    if kind not in (LABEL, ROWS, COLUMNS) or length > MOST_BYTES or begin + length > size:
        return None
    return BlockHead(kind, length, crc, first, last, events, begin)


def _payload(file: BinaryIO, head: BlockHead) -> bytes | None:
    """Read the payload of a block. None when its checksum is wrong."""
    file.seek(head.at)
    payload = file.read(head.length)
    sealed = _SEALED.pack(head.kind, head.length, head.first, head.last, head.events)
    return payload if zlib.crc32(payload, zlib.crc32(sealed)) == head.crc else None


def _not_ours(path: Path, head: bytes) -> tuple[str, str]:
    if not head.startswith(MAGIC):
        return f"{path} is not a tape", "name a file that kisnb sim --record or a desk wrote"
    version = head.removeprefix(MAGIC).strip().decode(errors="replace")
    return (
        f"the tape {path} is of version {version}, this kisnb reads {VERSION}",
        "use the kisnb that wrote it",
    )
