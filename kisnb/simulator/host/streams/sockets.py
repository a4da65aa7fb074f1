"""The WebSocket connections of a host, and the frames that wait to be sent on them.

A host accepts one connection per appkey: the first socket that subscribes has the appkey until it
closes (KIS's notices on WebSocket sessions; a second one gets OPSP8996).
"""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import SECOND, Ns
from kisnb.kis.feed import notices
from kisnb.simulator.host.personas import Persona


class Outgoing(NamedTuple):
    """A text frame for the socket ``sid``.

    ``text`` is None when instead the connection ends without a close frame, as at KIS.
    """

    sid: int
    text: str | None


class ClientSocket:
    """One connection of a client.

    ``port`` is the TCP port of the client's end, None when unknown.
    """

    __slots__ = (
        "cipher",
        "echoed",
        "frames",
        "indices",
        "pinged",
        "port",
        "sid",
        "subscriptions",
        "unanswered",
    )

    def __init__(self, sid: int, port: int | None) -> None:
        self.sid = sid
        self.port = port
        self.frames = 0
        """Text frames sent so far."""
        self.pinged: Ns | None = None
        """Moment of the host's last PINGPONG; None before the first."""
        self.echoed: Ns | None = None
        """Moment of the last PINGPONG that came back; None before the first."""
        self.unanswered: Ns | None = None
        """Moment of the first PINGPONG that the client has not answered; None when all are."""
        self.subscriptions: set[tuple[str, str]] = set()
        """Pairs of TR id and key."""
        self.indices: set[str] = set()
        """Codes of the indices among the subscriptions."""
        self.cipher: notices.Cipher | None = None
        """Key of the execution notices; None while the client has not subscribed to them."""


class Sockets:
    """All connections of a host, the one that has the appkey, and the outgoing frames."""

    def __init__(self, persona: Persona) -> None:
        self.open: dict[int, ClientSocket] = {}
        """The open connections by their id."""
        self.holder: ClientSocket | None = None
        """The socket that has the appkey. None when no socket has it."""
        self._persona = persona
        self._held_until: Ns = 0
        self._out: list[Outgoing] = []

    def add(self, sid: int, port: int | None) -> None:
        """Add a connection that a client has opened."""
        self.open[sid] = ClientSocket(sid, port)

    def remove(self, now: Ns, sid: int) -> None:
        """Remove a connection with its subscriptions and keys.

        The persona decides for how long the lost connection still blocks the appkey.
        """
        gone = self.open.pop(sid, None)
        # Public clients have waited up to 90 s for an appkey after a crash. The persona decides.
        if gone is not None and gone is self.holder:
            self.holder = None
            self._held_until = now + self._persona.lingers * SECOND

    def kill(self, now: Ns, socket: ClientSocket) -> None:
        """End a connection without a close frame. Frames that wait for a later moment are lost."""
        self._out.append(Outgoing(socket.sid, None))
        self.remove(now, socket.sid)

    def kill_holder(self, now: Ns) -> None:
        """End the connection that has the appkey, if there is one."""
        if self.holder is not None:
            self.kill(now, self.holder)

    def is_appkey_free(self, now: Ns, socket: ClientSocket) -> bool:
        """Return whether ``socket`` may use the appkey now."""
        return self.holder is socket or (self.holder is None and now >= self._held_until)

    def put(self, sid: int, text: str) -> None:
        """Append a text frame to the outgoing frames."""
        self._out.append(Outgoing(sid, text))

    def drain_frames(self) -> list[Outgoing]:
        """Return and remove the waiting frames, in the order of sending."""
        out, self._out = self._out, []
        return out
