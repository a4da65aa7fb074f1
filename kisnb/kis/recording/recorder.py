"""Recordings of a client or a simulator: one line of JSON per request, reply and frame, in order.

Each line has ``t`` (UTC nanoseconds) and ``kind``. Keys, tokens, account number and HTS id are
masked. Execution notices are written decrypted, without the keys that would decrypt them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kisnb.clock import Clock, Ns
from kisnb.errors import ConfigError, FrameError, LinkLost
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frames import Frame, encode, parse, records
from kisnb.kis.feed.notices import NOTICE_TRS, Cipher, masked_notice
from kisnb.kis.http.transport import HttpRequest, HttpResponse, Transport, WebSocket
from kisnb.kis.masking import HIDDEN, Mask

# ``t`` is the first entry of each line. So these bytes show that a file is a recording, and that it
# may be overwritten.
_BEGIN = b'{"t":'
"""Every line begins with these bytes."""
WS = "WS"
"""The method of a subscription in a recording."""


class Recorder:
    """Writes the lines of a recording with ``write``. ``write`` None: nothing is recorded.

    Requests are numbered from ``last`` + 1 on, and so are frames.
    """

    def __init__(
        self,
        write: Callable[[bytes], object] | None = None,
        mask: Mask | None = None,
        last: int = 0,
    ) -> None:
        self._write = write
        self._encode = msgspec.json.Encoder().encode
        self._frames = last
        self._requests = last
        self.mask = mask or Mask()
        """Hides secrets in each line, wherever a client puts them."""

    @property
    def on(self) -> bool:
        """True when lines are written."""
        return self._write is not None

    def request(
        self, t: Ns, method: str, path: str, tr_id: str, params: Mapping[str, object]
    ) -> int:
        """Record a request; return its number."""
        self._requests += 1
        if not self.on:
            return self._requests
        self._line(
            {
                "t": t,
                "kind": "request",
                "n": self._requests,
                "method": method,
                "path": self.mask.text(path),
                "tr_id": self.mask.text(tr_id),
                "params": self.mask.fields(params),
            }
        )
        return self._requests

    def reply(self, t: Ns, n: int, status: int, tr_cont: str, body: object) -> None:
        """Record the reply to request ``n``."""
        # Masking walks through the whole body, so it is left out when nothing is written.
        if not self.on:
            return
        line = {
            "t": t,
            "kind": "reply",
            "n": n,
            "status": status,
            "tr_cont": tr_cont,
            "body": self.mask.tree(body),
        }
        self._line(line)

    def lost(self, t: Ns, n: int, text: str) -> None:
        """Record that no reply came to request ``n``."""
        self._line({"t": t, "kind": "lost", "n": n, "text": self.mask.text(text)})

    def frame(self, t: Ns, tr_id: str, text: str) -> None:
        """Record a frame. The caller has removed all secrets from ``text``."""
        self._frames += 1
        self._line({"t": t, "kind": "frame", "n": self._frames, "tr_id": tr_id, "text": text})

    def closed(self, t: Ns) -> None:
        """Record that the stream ended."""
        self._line({"t": t, "kind": "closed"})

    def subscription(self, t: Ns, request: cf.SubscriptionRequest) -> None:
        """Record a client's request to subscribe or release."""
        # The key of the execution notices is the HTS id, in the request and in its reply.
        tr_key = HIDDEN if request.tr_id in NOTICE_TRS else request.tr_key
        self.request(t, WS, "", request.tr_id, {"tr_type": request.tr_type, "tr_key": tr_key})

    def _line(self, line: dict[str, Any]) -> None:
        if self._write is not None:
            self._write(self._encode(line) + b"\n")


def masked_ack(ack: cf.Ack) -> str:
    """Return the text of a reply to a subscription, without the keys that decrypt notices."""
    tr_key = HIDDEN if ack.tr_id in NOTICE_TRS else ack.tr_key
    return cf.encode_ack(cf.Ack(ack.tr_id, tr_key, ack.msg_cd, ack.msg1, ack.rt_cd))


def open_recording(
    path: Path, named: str = "--record", *, append: bool = False
) -> Callable[[bytes], object]:
    """Open a file of mode 0600, and return a function that writes bytes to it at once.

    The file is new unless ``append``. Raises ConfigError when it cannot be written, or contains
    something else than a recording. ``named`` is the option with the file's name, for the cure.
    """
    begin = os.O_APPEND if append else os.O_TRUNC
    try:
        ours = not path.is_file() or _is_recording(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | begin, 0o600) if ours else None
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be written: {e.strerror}", f"name another file for {named}"
        ) from e
    if descriptor is None:
        raise ConfigError(
            f"{path} is not a recording and would be lost", f"name another file for {named}"
        )
    # Without a buffer, so that the lines before a crash are in the file.
    return os.fdopen(descriptor, "wb", buffering=0).write


def _is_recording(path: Path) -> bool:
    """Return True for a file that begins as a recording does, or is empty."""
    with path.open("rb") as file:
        begin = file.read(len(_BEGIN))
    return begin in (b"", _BEGIN)


class Recording:
    """A transport that records the requests and frames of another transport.

    ``mask`` knows the customer's secrets. It learns tokens and approval keys from replies, before
    anything of them is written.
    """

    def __init__(
        self, transport: Transport, write: Callable[[bytes], object], clock: Clock, mask: Mask
    ) -> None:
        self._transport = transport
        self._clock = clock
        # Two desks may write to one file, and a later desk may append. Their numbers must differ.
        self._recorder = Recorder(write, mask, last=os.getpid() << 32)

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send a request by the other transport, and record it with its reply."""
        recorder = self._recorder
        headers = request.headers
        # The token is learnt before the line is written.
        recorder.mask.keep(headers.get("authorization", "").removeprefix("Bearer "))
        n = recorder.request(
            self._clock.now(),
            request.method,
            request.path,
            headers.get("tr_id", ""),
            request.params,
        )
        try:
            reply = await self._transport.exchange(request)
        # A replay must lose the same reply, so the loss gets its own line.
        except LinkLost as e:
            recorder.lost(self._clock.now(), n, e.text)
            raise
        recorder.reply(self._clock.now(), n, reply.status, reply.tr_cont, _as_json(reply.body))
        return reply

    async def connect(self, url: str) -> WebSocket:
        """Open a WebSocket by the other transport, and record its frames."""
        return _RecordingSocket(await self._transport.connect(url), self._recorder, self._clock)

    async def close(self) -> None:
        """Close the other transport; the file stays open."""
        await self._transport.close()


class _RecordingSocket:
    def __init__(self, socket: WebSocket, recorder: Recorder, clock: Clock) -> None:
        self._socket = socket
        self._recorder = recorder
        self._clock = clock
        self._ciphers: dict[str, Cipher] = {}

    @property
    def local_port(self) -> int | None:
        return self._socket.local_port

    async def send(self, text: str) -> None:
        request = cf.decode_request(text)
        if isinstance(request, cf.SubscriptionRequest):
            # The approval key, too, is learnt before the line is written.
            self._recorder.mask.keep(request.approval_key)
            self._recorder.subscription(self._clock.now(), request)
        await self._socket.send(text)

    async def frames(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._socket.frames():
                # The line is written before the client gets the frame, so that the client's
                # reaction comes after it in the file.
                tr_id, text = self._readable(data.decode(errors="replace"))
                self._recorder.frame(self._clock.now(), tr_id, text)
                yield data
        finally:
            self._recorder.closed(self._clock.now())

    async def close(self) -> None:
        await self._socket.close()

    def _readable(self, text: str) -> tuple[str, str]:
        """Return TR id and text of a frame, decrypted and masked; no TR id for a control frame."""
        try:
            if text.startswith("{"):
                return "", self._control(text)
            frame = parse(text)
            # Without its key a notice stays encrypted. The recording holds no key that would open
            # it.
            if frame.encrypted and frame.tr_id in self._ciphers:
                return frame.tr_id, self._opened(frame)
        except FrameError:
            return "", self._recorder.mask.text(text)
        return frame.tr_id, self._recorder.mask.text(text)

    def _opened(self, frame: Frame) -> str:
        """Return an execution notice decrypted, without the customer."""
        plain = Frame(
            frame.tr_id, False, frame.count, self._ciphers[frame.tr_id].decrypt(frame.payload)
        )
        rows = [masked_notice(row) for row in records(plain)]
        # The flag stays 1 although the text is plain. A replay then knows what it has to encrypt
        # again.
        return self._recorder.mask.text(encode(frame.tr_id, rows, encrypted=True))

    def _control(self, text: str) -> str:
        control = cf.decode_control(text)
        if isinstance(control, cf.PingPong):
            return text
        if control.tr_id in NOTICE_TRS and control.key:
            self._ciphers[control.tr_id] = Cipher(control.key, control.iv)
        return self._recorder.mask.text(masked_ack(control))


def _as_json(body: bytes) -> object:
    """Return a body as JSON. For another body: a text that shows nothing of it."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # A part of a reply may contain a whole token.
        return f"{len(body)} bytes that are not JSON"
