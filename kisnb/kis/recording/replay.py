"""Plays a recording as a transport: the same requests get the same replies and frames.

It is for tests, and for looking at a day again. A recording has no secrets. So the secrets of the
given customer are put where the reader needs them: new keys in the replies to subscriptions, the
account in the execution notices.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from kisnb.clock import Ns, SimulatedClock
from kisnb.errors import BadInput, LinkLost
from kisnb.kis.credentials import Credentials
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frames import Frame, parse, records
from kisnb.kis.feed.notices import NOTICE_TRS, Cipher
from kisnb.kis.http.transport import HttpRequest, HttpResponse, WebSocket
from kisnb.kis.masking import HIDDEN
from kisnb.kis.recording.recorder import WS

# Any key with the lengths of AES-256-CBC will do. The real ones were not recorded.
_KEY, _IV = "k" * 32, "i" * 16
_Call: TypeAlias = tuple[str, str, str]
"""Method, path and TR id. Parameters do not count: they may name the account, which is masked."""


class Line(msgspec.Struct, frozen=True):
    """One line of a recording; fields that its kind does not have are empty."""

    t: Ns
    """UTC nanoseconds."""
    kind: str
    n: int = 0
    method: str = ""
    path: str = ""
    tr_id: str = ""
    params: dict[str, str] = {}
    status: int = 0
    tr_cont: str = ""
    body: Any = None
    text: str = ""


def read_recording(path: Path) -> list[Line]:
    """Read and return all lines of a recording. Raises BadInput that names an unreadable line."""
    decode = msgspec.json.Decoder(Line).decode
    lines = []
    try:
        texts = path.read_bytes().splitlines()
    except OSError as e:
        raise BadInput(
            f"the recording {path} cannot be read: {e.strerror}", "name the file of a recording"
        ) from e
    for number, text in enumerate(texts, 1):
        try:
            lines.append(decode(text))
        except msgspec.MsgspecError as e:
            raise BadInput(
                f"line {number} of {path.name} is not a line of a recording ({e})",
                "record it again",
            ) from e
    return lines


class Replay:
    """A transport that plays a recording, without a network.

    It sets ``clock`` to the moment of each frame before it gives the frame.
    """

    def __init__(
        self, lines: Sequence[Line], credentials: Credentials, clock: SimulatedClock
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._answers: dict[_Call, deque[Line]] = defaultdict(deque)
        calls: dict[int, Line] = {}
        for line in lines:
            if line.kind == "request":
                # Numbers start again where a recording was appended to.
                calls[line.n] = line
            if line.kind in ("reply", "lost"):
                asked = calls[line.n]
                self._answers[asked.method, asked.path, asked.tr_id].append(line)
        self._stream = deque(
            line for line in lines if line.kind in ("frame", "closed") or line.method == WS
        )

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Return the next recorded reply to this call.

        Raises LinkLost when no reply was recorded for it, and when there are no more replies.
        """
        # Each call has its own queue, because a client may ask in another order than on that day.
        replies = self._answers[request.method, request.path, request.headers.get("tr_id", "")]
        if not replies:
            raise LinkLost(
                f"the recording has no more replies to {request.name}", "record a longer day"
            )
        line = replies.popleft()
        if line.kind == "lost":
            raise LinkLost(line.text)
        return HttpResponse(line.status, line.tr_cont, msgspec.json.encode(line.body))

    async def connect(self, url: str) -> WebSocket:  # noqa: ARG002 - a recording has one stream
        """Return a socket that gives the recorded frames that were not given yet."""
        return _ReplayedSocket(self._stream, self._credentials, self._clock)

    async def close(self) -> None:
        """Do nothing: no connection is open."""


class _ReplayedSocket:
    local_port = None

    def __init__(self, lines: deque[Line], credentials: Credentials, clock: SimulatedClock) -> None:
        self._lines = lines
        self._credentials = credentials
        self._clock = clock
        self._requests: deque[cf.SubscriptionRequest] = deque()
        self._more = asyncio.Event()
        self._closed = False
        self._cipher = Cipher(_KEY, _IV)

    async def send(self, text: str) -> None:
        request = cf.decode_request(text)
        if isinstance(request, cf.SubscriptionRequest):
            self._requests.append(request)
            self._more.set()

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the recorded frames.

        A frame that came after a subscription waits until the client makes that subscription again.
        """
        while not self._closed:
            if not self._lines:
                self._more.clear()
                await self._more.wait()
                continue
            line = self._lines.popleft()
            if line.kind == "closed":
                return
            if line.kind != "frame":
                # Otherwise the frames of a stock would come before its reader has asked for the
                # stock.
                await self._wait_for_request()
                continue
            # Time never goes back: a frame may be older than the last reply.
            if line.t > self._clock.now():
                self._clock.set(line.t)
            yield self._with_secrets(line.text).encode()

    async def _wait_for_request(self) -> None:
        """Wait for the next request to subscribe or release."""
        while not self._requests and not self._closed:
            self._more.clear()
            await self._more.wait()
        if self._requests:
            self._requests.popleft()

    async def close(self) -> None:
        self._closed = True
        self._more.set()

    def _with_secrets(self, text: str) -> str:
        """Return a recorded frame as KIS would send it to this customer, with keys and account."""
        if text.startswith("{"):
            return self._with_keys(text)
        if not text.startswith("1|"):
            return text
        frame = parse(text)
        rows = records(Frame(frame.tr_id, False, frame.count, frame.payload))
        payload = "^".join(
            # The reader drops notices of other accounts, and the recorded account is masked.
            field
            for row in rows
            for field in [HIDDEN, self._credentials.full_account, *row[2:]]
        )
        return f"1|{frame.tr_id}|{frame.count:03d}|{self._cipher.encrypt(payload)}"

    def _with_keys(self, text: str) -> str:
        control = cf.decode_control(text)
        if isinstance(control, cf.PingPong) or control.tr_id not in NOTICE_TRS or not control.ok:
            return text
        hts_id = self._credentials.hts_id.reveal()
        return cf.encode_ack(
            cf.Ack(control.tr_id, hts_id, control.msg_cd, control.msg1, control.rt_cd, _KEY, _IV)
        )
