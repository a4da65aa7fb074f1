"""The texts that clients send on their sockets: subscriptions, releases, and PINGPONG."""

from __future__ import annotations

import secrets

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.errors import ApiError
from kisnb.kis.channels import DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS, TRADE_TRS
from kisnb.kis.credentials import Credentials
from kisnb.kis.feed import control_frames, notices
from kisnb.kis.feed.control_frames import Ack, PingPong, SubscriptionRequest
from kisnb.kis.masking import HIDDEN
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access
from kisnb.simulator.host.faults import Faults
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.record import DayRecorder
from kisnb.simulator.host.streams.market_records import INDEX_TR
from kisnb.simulator.host.streams.outbox import Outbox
from kisnb.simulator.host.streams.overtime_records import OVERTIME_TRS
from kisnb.simulator.host.streams.sockets import ClientSocket, Sockets
from kisnb.simulator.replies.indices import NAMES as INDICES

QUOTED = OVERTIME_TRS.union(
    *(trs.values() for trs in (TRADE_TRS, DEPTH_TRS, EXPECTED_TRS, OPERATION_TRS, PROGRAM_TRS))
)
"""Channels whose key is a stock. Execution notices and indices have other keys."""


class ClientRequests:
    """Replies to the texts of clients, and keeps what each socket has subscribed to."""

    def __init__(
        self,
        sockets: Sockets,
        outbox: Outbox,
        market: Market,
        access: Access,
        keys: Credentials,
        persona: Persona,
        recorder: DayRecorder,
        faults: Faults,
    ) -> None:
        self._sockets = sockets
        self._outbox = outbox
        self._market = market
        self._access = access
        self._keys = keys
        self._persona = persona
        self._recorder = recorder
        self._faults = faults

    def receive(self, now: Ns, sid: int, text: str) -> None:
        """Handle a text frame of a client. A text for a closed socket is ignored."""
        socket = self._sockets.open.get(sid)
        if socket is None:
            return
        try:
            request = control_frames.decode_request(text)
        except ApiError as e:
            self._recorder.request(now, "WS", "", "", {})
            self._acknowledge(now, socket, control_frames.ack(e.msg_cd, "", ""))
            return
        # A PINGPONG that comes back keeps the session alive and needs no reply.
        if isinstance(request, PingPong):
            socket.echoed, socket.unanswered = now, None
            return
        # The key of execution notices is the HTS ID.
        secret = request.tr_id in notices.NOTICE_TRS
        params = {"tr_type": request.tr_type, "tr_key": HIDDEN if secret else request.tr_key}
        self._recorder.request(now, "WS", "", request.tr_id, params)
        # KIS closes the socket without a word after a wrong HTS ID (README of its samples).
        if (
            request.tr_id == self._persona.notice_tr
            and request.tr_key != self._keys.hts_id.reveal()
        ):
            self._sockets.kill(now, socket)
            return
        fault = self._faults.strike(
            now, ("request",), request.tr_id, "" if secret else request.tr_key
        )
        if fault is None:
            self._acknowledge(now, socket, self._reply_to(now, socket, request))
            return
        # With a fault "silence" the request is neither carried out nor answered.
        self._recorder.fault(now, fault)
        if fault.what == "kill":
            self._sockets.kill(now, socket)
        elif fault.what == "refuse":
            self._acknowledge(
                now, socket, control_frames.ack(fault.msg_cd, request.tr_id, request.tr_key)
            )

    def ping(self, now: Ns) -> None:
        """Send PINGPONG on every socket.

        A socket that has not answered for ``answer_ping_within`` seconds (persona) is cut instead.
        """
        text = control_frames.encode_ping(now)
        within = self._persona.answer_ping_within
        for socket in list(self._sockets.open.values()):
            if (
                within is not None
                and socket.unanswered is not None
                and now - socket.unanswered >= within * SECOND
            ):
                self._sockets.kill(now, socket)
                continue
            socket.pinged = now
            if socket.unanswered is None:
                socket.unanswered = now
            self._outbox.send(now, socket, control_frames.PINGPONG, text)

    def _reply_to(self, now: Ns, socket: ClientSocket, request: SubscriptionRequest) -> Ack:
        """Carry out a subscription or release, and return the reply to it."""
        tr_id, tr_key = request.tr_id, request.tr_key
        # KIS checks an approval key's end only when a session is set up (workbook: Approval).
        set_up = self._sockets.holder is socket
        if not self._access.approves(now, request.approval_key, set_up=set_up):
            return control_frames.ack(control_frames.BAD_APPROVAL, tr_id, tr_key)
        if not self._sockets.is_appkey_free(now, socket):
            # Public clients have seen "(null)" in place of the TR id in this reply.
            in_use = control_frames.ack(control_frames.APPKEY_IN_USE, "(null)", tr_key)
            return msgspec.structs.replace(in_use, rt_cd=self._persona.in_use_rt_cd)
        # The first request with a good key sets the session up.
        self._sockets.holder = socket
        if request.tr_type == control_frames.RELEASE:
            return self._release(socket, tr_id, tr_key)
        return self._subscribe(socket, tr_id, tr_key)

    def _subscribe(self, socket: ClientSocket, tr_id: str, tr_key: str) -> Ack:
        quoted = tr_id in QUOTED
        index = tr_id == INDEX_TR
        if tr_id != self._persona.notice_tr and not (
            (quoted or index) and self._persona.has_channel(tr_id)
        ):
            # The channel is unknown, or this host lacks it: the paper host has two quote channels.
            return control_frames.ack("OPSP8991", tr_id, tr_key)
        if (quoted and tr_key not in self._market.universe) or (index and tr_key not in INDICES):
            return control_frames.ack("OPSP8992", tr_id, tr_key)
        if (tr_id, tr_key) in socket.subscriptions:
            return control_frames.ack(control_frames.ALREADY, tr_id, tr_key)
        # 41 registrations per session, notices counted (KIS's notices); clients have measured
        # it.
        if len(socket.subscriptions) >= self._persona.registrations:
            return control_frames.ack(control_frames.TOO_MANY, tr_id, tr_key)
        socket.subscriptions.add((tr_id, tr_key))
        # Every success has a key and an iv, also for a channel that is not encrypted (KIS's
        # workbook).
        key, iv = secrets.token_hex(16), secrets.token_hex(8)
        ack = control_frames.ack(control_frames.SUBSCRIBED, tr_id, tr_key, key=key, iv=iv)
        # A stock without a limit book has no depth to send.
        if quoted:
            self._market.activate(tr_key)
            return ack
        if index:
            socket.indices.add(tr_key)
            return ack
        socket.cipher = notices.Cipher(key, iv)
        return msgspec.structs.replace(ack, encrypt=self._persona.notice_encrypt)

    def _release(self, socket: ClientSocket, tr_id: str, tr_key: str) -> Ack:
        if (tr_id, tr_key) not in socket.subscriptions:
            return control_frames.ack(control_frames.NOT_FOUND, tr_id, tr_key)
        socket.subscriptions.remove((tr_id, tr_key))
        if tr_id == INDEX_TR:
            socket.indices.remove(tr_key)
        if tr_id == self._persona.notice_tr:
            socket.cipher = None
        return control_frames.ack(control_frames.RELEASED, tr_id, tr_key)

    def _acknowledge(self, now: Ns, socket: ClientSocket, ack: Ack) -> None:
        """Send a reply on the socket, and record it without the HTS ID and the cipher's key."""
        secret = ack.tr_id in notices.NOTICE_TRS or ack.tr_key == self._keys.hts_id.reveal()
        tr_key = HIDDEN if secret else ack.tr_key
        safe = Ack(ack.tr_id, tr_key, ack.msg_cd, ack.msg1, ack.rt_cd, encrypt=ack.encrypt)
        # Recorded without TR: the frames of a TR in a recording are its data.
        self._outbox.send(
            now, socket, "", control_frames.encode_ack(ack), control_frames.encode_ack(safe)
        )
