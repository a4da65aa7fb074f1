"""The stream of one account: one WebSocket for all channels, kept alive, its frames as facts.

Timeouts of the connection and of KIS's replies are in wall time. The pause before a reconnect is on
the injected clock.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence

from kisnb.backoff import Backoff
from kisnb.clock import MINUTE, SECOND, Activity, Clock, Ns
from kisnb.errors import FrameError, KisError
from kisnb.events import Event, LinkUp
from kisnb.events import LinkDown as LinkWasLost
from kisnb.kis.channels import TRS_OF_CHANNEL, Feed
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.gaps import VolumeWatch
from kisnb.kis.feed.kis_connection import Dropped, KisConnection
from kisnb.kis.feed.subscriptions import Subscriptions
from kisnb.kis.http.rest import Rest, nobody_listens
from kisnb.kis.http.transport import WebSocket
from kisnb.orders import Want
from kisnb.terms import Venue

ACK_SECONDS = 5.0
"""Wall seconds after which a request for a subscription counts as unanswered."""
RECONNECT_PAUSES = Backoff.doubling(SECOND, MINUTE)
"""Pauses before the next attempt to connect.

KIS blocks addresses that connect in a loop (KIS notices of 2026-02-24 and 2026-05-18).
"""
HEALTHY: Ns = MINUTE
"""After a connection that lasted this long, the next pause is short again."""
DEAD_LETTERS = 100
"""Number of newest unreadable frames that are kept for people."""
LETTER_LENGTH = 200
"""Number of letters of an unreadable frame that are kept."""
# The path decides nothing: the subscribe message names the TR. KIS's newer samples connect here.
PATH = "/tryitout"

log = logging.getLogger(__name__)


class Stream:
    """Keeps one connection to KIS and its subscriptions. Passes facts to ``on_events``.

    Set ``on_events`` before ``start``. It is called once for each frame with facts, and for changes
    of the connection and of subscriptions.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        rest: Rest,
        clock: Clock,
        activity: Activity,
        *,
        jitter: Callable[[], float] = random.random,
        ack_seconds: float = ACK_SECONDS,
        nxt_listed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Build the stream. ``rest`` gives approval keys and the transport.

        ``jitter`` draws a random number from 0 to 1. A subscription counts as unanswered
        ``ack_seconds`` of wall time after its request. ``nxt_listed`` returns True for the code of
        a stock that Nextrade lists.
        """
        self._endpoint = endpoint
        self._mask = rest.mask
        self._rest = rest
        self._clock = clock
        self._activity = activity
        self.on_events: Callable[[Sequence[Event]], None] = nobody_listens
        self._jitter = jitter
        self._ack_seconds = ack_seconds
        feed = Feed(nxt_listed, endpoint.rules.stream_venues)
        self._subscriptions = Subscriptions(
            endpoint.persona, credentials.hts_id.reveal(), endpoint.rules, feed
        )
        self._reader = FrameReader(credentials.full_account)
        self._volumes = VolumeWatch()
        self._changed = asyncio.Event()
        """Set when a request may have become due."""
        self._approval: str | None = None
        self._socket: WebSocket | None = None
        self._connection: KisConnection | None = None
        """The present connection, or the last one."""
        self._task: asyncio.Task[None] | None = None
        self._is_pausing = False
        self._failures = 0
        """Number of connections in a row that failed or did not last long."""
        self.dead_letters: deque[str] = deque(maxlen=DEAD_LETTERS)
        """Frames that could not be read, newest last, shortened and without secrets."""

    @property
    def frames(self) -> int:
        """Frames received on the present connection, or on the last one while there is none."""
        return self._connection.frames if self._connection is not None else 0

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the present connection; None without one."""
        return self._socket.local_port if self._socket is not None else None

    @property
    def settled(self) -> bool:
        """True when nothing but the clock can change the state.

        Every subscription is answered, or the stream waits for its next attempt to connect.
        """
        return self._is_pausing or (self._socket is not None and self._subscriptions.settled)

    @property
    def desired(self) -> frozenset[Want]:
        """Subscriptions that fit on the connection."""
        return self._subscriptions.desired

    @property
    def confirmed(self) -> frozenset[Want]:
        """Subscriptions that KIS has confirmed on the present connection."""
        return self._subscriptions.confirmed

    def last_record(self, want: Want) -> dict[str, str]:
        """Return all columns of the channel's newest record, as KIS sent them.

        It is empty before the first record, and for notices.
        """
        trs = TRS_OF_CHANNEL.get(want.channel)
        return self._reader.last_record(trs[want.venue or Venue.KRX]) if trs else {}

    def kept_records(self, tr_id: str, key: str) -> list[list[str]]:
        """Return the newest kept records of a channel and key, oldest first."""
        return self._reader.kept_records(tr_id, key)

    def want(self, wants: Sequence[Want]) -> None:
        """Set the desired subscriptions; events report which are confirmed, refused or dropped."""
        self._reader.keep({want.tr_id for want in wants if want.tr_id})
        self._publish_placed(self._subscriptions.want(self._clock.now(), wants))
        self._changed.set()

    async def start(self) -> None:
        """Connect, and stay connected. Raises KisError when the first attempt fails."""
        # The first attempt is made here and not in the task, so that its error reaches the caller.
        connection = await self._connect()
        self._task = asyncio.create_task(self._run(connection), name="kis stream")

    async def close(self) -> None:
        """End the connection for good."""
        if self._task is not None:
            self._task.cancel("the desk closes")
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    def publish(self, events: Sequence[Event]) -> None:
        """Pass events to the listener. An error of the listener is only logged."""
        if not events:
            return
        try:
            self.on_events(events)
        except Exception:
            # A defect of the listener must not end the feed of everybody else.
            log.exception("a listener failed")

    # connection
    #
    #   start ─► _connect ─► serve ─► _forget_connection ─► _pause ─► _connect ─► serve ─► …
    #                          │                               ▲          │
    #                          │ _receive, _send_requests      └── fails ─┘
    #                          │ until KIS closes, is silent, or something fails
    #
    # Only the first attempt raises, because its caller waits for it.

    async def _run(self, connection: KisConnection | None) -> None:
        while True:
            since = self._clock.now()
            if connection is not None:
                why = await connection.serve(self._receive, self._send_requests)
                if self._clock.now() - since >= HEALTHY:
                    self._failures = 0
                await self._forget_connection(why)
            await self._pause()
            try:
                connection = await self._connect()
            # Any cause may pass. If the stream gave up, it would be silent without a message.
            except Exception as e:
                log.warning("no stream: %s", e, exc_info=not isinstance(e, KisError))
                connection = None

    async def _connect(self) -> KisConnection:
        with self._activity.working():
            if self._approval is None:
                self._approval = await self._rest.approval_key()
            socket = await self._rest.transport.connect(self._endpoint.ws.rstrip("/") + PATH)
        self._socket, self._connection = socket, KisConnection(socket, self._endpoint.silence)
        # On a new socket KIS has no registrations, so all are due, whatever happened before.
        self._subscriptions.on_lost()
        self._changed.set()
        self.publish([LinkUp(self._clock.now())])
        return self._connection

    async def _forget_connection(self, why: str) -> None:
        await self._disconnect()
        # Subscriptions and AES keys end with the socket (clients' observation).
        self._subscriptions.on_lost()
        self._reader.forget_keys()
        self.publish([LinkWasLost(self._clock.now(), why)])

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _pause(self) -> None:
        """Wait before the next attempt to connect."""
        pause = RECONNECT_PAUSES.spread(self._failures, self._jitter())
        self._failures += 1
        # A stepped clock moves only when the stream is settled. The pause waits for that clock, so
        # it has to count as settled.
        self._is_pausing = True
        try:
            await self._clock.sleep_until(self._clock.now() + int(pause))
        finally:
            self._is_pausing = False

    # frames

    async def _receive(self, socket: WebSocket, data: bytes) -> None:
        now = self._clock.now()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            error = FrameError("a frame is not UTF-8", "the feed goes on without it")
            self._bury(data.decode(errors="replace"), error)
            return
        # KIS's control frames are JSON; data frames begin with 0 or 1 (KIS's workbook).
        if text.startswith("{"):
            await self._receive_control(socket, text, now)
            return
        try:
            events = self._reader.read(text, now)
        except FrameError as e:
            self._bury(text, e)
            return
        # The events of an ending channel are dropped first. Otherwise the volumes would remember
        # its last trade, and report a gap when the channel is wanted again.
        self.publish(self._volumes.check(self._subscriptions.without_superseded(events)))

    async def _receive_control(self, socket: WebSocket, text: str, now: Ns) -> None:
        try:
            control = cf.decode_control(text)
            # The key is kept before anything else. The first notice may follow its confirmation at
            # once.
            if isinstance(control, cf.Ack) and control.ok and control.key:
                self._reader.learn_key(control)
        except FrameError as e:
            self._bury(text, e)
            return
        if isinstance(control, cf.PingPong):
            # The same text is sent back, as in KIS's samples. That keeps the session alive.
            await socket.send(text)
            return
        if control.msg_cd == cf.BAD_APPROVAL:
            # OPSP0011: a key lives a day, and KIS checks it when a session is set up (workbook).
            self._approval = None
            self._rest.drop_approval()
            raise Dropped("KIS does not know the approval key; a new one is fetched")
        if control.msg_cd == cf.APPKEY_IN_USE:
            # OPSP8996: KIS accepts one session for an appkey, and an old one may stay for a while
            # after a crash. A new approval key would not help, so the stream pauses and keeps its
            # key.
            raise Dropped("another connection uses this appkey")
        events = self._subscriptions.on_ack(now, control)
        self._changed.set()
        self.publish(events)

    def _bury(self, text: str, error: FrameError) -> None:
        """Keep an unreadable frame in ``dead_letters``, where people can read it."""
        self.dead_letters.append(self._mask.text(text)[:LETTER_LENGTH])
        log.warning("a frame cannot be read: %s", self._mask.text(error.text))

    # requests

    async def _send_requests(self, socket: WebSocket) -> None:
        """Send due requests whenever something changes, and react when replies do not come."""
        while True:
            # This is cleared before the check, so that a change during the sending starts another
            # round.
            self._changed.clear()
            self._publish_placed(self._subscriptions.refresh(self._clock.now()))
            for request in self._subscriptions.take_due(self._clock.now()):
                await socket.send(
                    cf.encode_request(cf.SubscriptionRequest(self._approval or "", *request))
                )
                # KIS's samples keep 0.05 to 0.1 s between two requests.
                await asyncio.sleep(self._endpoint.spacing)
            # Without an open request there is no reply to wait for, only the next change.
            if self._subscriptions.settled:
                await self._wait_for_due()
                continue
            try:
                async with asyncio.timeout(self._ack_seconds):
                    await self._changed.wait()
            except TimeoutError:
                self.publish(self._subscriptions.on_silence(self._clock.now()))

    async def _wait_for_due(self) -> None:
        """Wait until something changes, or until the next request becomes due."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._changed.wait())]
        if (t := self._subscriptions.next_wake) is not None:
            waits.append(asyncio.create_task(self._clock.sleep_until(t)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _publish_placed(self, changes: Sequence[Event]) -> None:
        """Publish the changes of the desired subscriptions; forget the volumes of dropped ones."""
        self._volumes.keep(
            {(w.venue or Venue.KRX, w.code) for w in self.desired if w.channel == "ticks"}
        )
        self.publish(changes)
