"""The way of a frame to its socket, with the faults that drop, delay, repeat or reorder frames.

Every frame is sent by ``Outbox.send``.
"""

from __future__ import annotations

import heapq

from kisnb.clock import SECOND, Ns
from kisnb.kis.feed import control_frames, notices
from kisnb.simulator.host.faults import Faults, Point
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.streams.sockets import ClientSocket, Sockets

CODE_AT = 8
"""The column of an execution notice with the stock. Other data frames begin with the stock."""


class _Frame:
    """A text that will be sent on a socket. ``recorded`` is the same text without secrets."""

    __slots__ = ("recorded", "sent", "socket", "text", "tr_id")

    def __init__(self, socket: ClientSocket, tr_id: str, text: str, recorded: str) -> None:
        self.socket = socket
        self.tr_id = tr_id
        self.text = text
        self.recorded = recorded
        self.sent = False

    @property
    def code(self) -> str:
        """The stock of the frame's first record; empty for frames without one."""
        at = CODE_AT if self.tr_id in notices.NOTICE_TRS else 0
        columns = self.recorded.rpartition("|")[2].split("^", at + 1)
        return columns[at] if at < len(columns) else ""


class Outbox:
    """Sends the frames of a host, each at its moment."""

    def __init__(self, sockets: Sockets, recorder: DayRecorder, faults: Faults) -> None:
        self._sockets = sockets
        self._recorder = recorder
        self._faults = faults
        self._late: list[tuple[Ns, int, _Frame]] = []
        """Frames that wait for their moment.

        A number keeps the order of frames with equal moments.
        """
        self._delayed = 0
        self._behind: dict[tuple[int, Point], _Frame] = {}
        """Frames that wait for the next frame of their kind, by socket."""

    def send(
        self, now: Ns, socket: ClientSocket, tr_id: str, text: str, recorded: str | None = None
    ) -> None:
        """Send a frame on ``socket``. If a fault strikes the frame, carry out the fault's deed.

        ``recorded`` is the text without secrets; None when the frame carries none.
        """
        frame = _Frame(socket, tr_id, text, text if recorded is None else recorded)
        point = _point(tr_id)
        fault = (
            # Reading the stock out of a frame costs time, so a host without faults skips it.
            self._faults.strike(now, (point,), tr_id, frame.code) if self._faults.armed else None
        )
        match fault.what if fault is not None else "":
            case "drop":
                pass
            case "kill":
                self._sockets.kill(now, socket)
            case "delay":
                assert fault is not None
                self._delay(now + round(fault.seconds * SECOND), frame)
            case "reorder":
                # The frame is sent after the next one of its kind, or a second later if none comes.
                self._behind[socket.sid, point] = frame
                self._delay(now + SECOND, frame)
                return
            case "duplicate":
                self._put(now, frame)
                self._put(now, _Frame(socket, tr_id, text, frame.recorded))
            case _:
                self._put(now, frame)
        if fault is not None:
            self._recorder.fault(now, fault)
        # A frame that was held back for the next one of its kind is sent now, after it.
        if waiting := self._behind.pop((socket.sid, point), None):
            self._put(now, waiting)

    def next_due(self) -> Ns | None:
        """Return the moment at which the next delayed frame is sent. None when none waits."""
        return self._late[0][0] if self._late else None

    def release(self, now: Ns) -> None:
        """Send the frames whose delay is over."""
        while self._late and self._late[0][0] <= now:
            self._put(now, heapq.heappop(self._late)[2])

    def _put(self, now: Ns, frame: _Frame) -> None:
        """Give a frame to its socket. A frame is sent once, and only while its socket is open."""
        if frame.sent or frame.socket.sid not in self._sockets.open:
            return
        frame.sent = True
        frame.socket.frames += 1
        self._sockets.put(frame.socket.sid, frame.text)
        self._recorder.frame(now, frame.tr_id, frame.recorded)

    def _delay(self, due: Ns, frame: _Frame) -> None:
        self._delayed += 1
        # Two frames of one moment are sent in the order in which they were delayed.
        heapq.heappush(self._late, (due, self._delayed, frame))


def _point(tr_id: str) -> Point:
    """Return the point at which a fault can strike a frame of this TR."""
    if tr_id in notices.NOTICE_TRS:
        return "notice"
    return "ping" if tr_id == control_frames.PINGPONG else "frame" if tr_id else "ack"
