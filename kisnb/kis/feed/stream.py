"""The WebSocket to KIS: one connection for all channels, kept alive, with every frame turned into facts in order.

Timeouts of the connection and of acknowledgements go by wall time, the pause before a reconnect by the injected clock.
The library's own keepalive is off: KIS drops connections that ping.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from kisnb.backoff import Backoff
from kisnb.clock import MINUTE, SECOND, Activity, Clock, Ns
from kisnb.errors import FrameError, KisError, LinkLost
from kisnb.events import Event, LinkUp
from kisnb.events import LinkDown as LinkWasLost
from kisnb.kis.channels import TRS_OF_CHANNEL, Feed
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.gaps import VolumeWatch
from kisnb.kis.feed.subscriptions import Subscriptions
from kisnb.kis.http.rest import Rest, nobody_listens
from kisnb.kis.http.transport import WebSocket
from kisnb.orders import Want
from kisnb.terms import Venue

ACK_SECONDS = 5.0
RECONNECT_PAUSES = Backoff.doubling(SECOND, MINUTE)
HEALTHY: Ns = MINUTE
"""A connection that lived this long makes the next pause short again."""
DEAD_LETTERS = 100
LETTER_LENGTH = 200
PATH = "/tryitout"
SILENCE_LOOKS = 12
"""How often in the span that counts as silence it is looked whether a frame has come."""

log = logging.getLogger(__name__)


class _Dropped(Exception):
    """KIS wants this connection to end; ``pause`` before the next."""


class Stream:
    """Calls ``on_events`` once per frame that says something, with all its events."""

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
        """``ack_seconds`` of wall time after which a subscription counts as unanswered; ``nxt_listed`` by code."""
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
        self._approval: str | None = None
        self._socket: WebSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._pausing = False
        self._end = ""
        """Why the present connection was ended from here; empty while it was not."""
        self._failures = 0
        self.frames = 0
        """Text frames received on the present connection."""
        self.dead_letters: deque[str] = deque(maxlen=DEAD_LETTERS)
        """What could not be read, newest last, cut and without secrets."""

    @property
    def local_port(self) -> int | None:
        """TCP port of our end of the present connection; None without one."""
        return self._socket.local_port if self._socket is not None else None

    @property
    def settled(self) -> bool:
        """Nothing is to be expected but by the clock: all is subscribed, or the next attempt is waited for."""
        return self._pausing or (self._socket is not None and self._subscriptions.settled)

    @property
    def desired(self) -> frozenset[Want]:
        """Subscriptions that have a place on the connection."""
        return self._subscriptions.desired

    @property
    def confirmed(self) -> frozenset[Want]:
        """Subscriptions that KIS has confirmed on the present connection."""
        return self._subscriptions.confirmed

    def last_record(self, want: Want) -> dict[str, str]:
        """All columns of the channel's newest record, as KIS sent them; empty before the first and for notices."""
        trs = TRS_OF_CHANNEL.get(want.channel)
        return self._reader.last_record(trs[want.venue or Venue.KRX]) if trs else {}

    def want(self, wants: Sequence[Want]) -> None:
        """Set the desired subscriptions; what becomes of them is told by events."""
        self._publish_placed(self._subscriptions.want(self._clock.now(), wants))
        self._changed.set()

    def _publish_placed(self, told: Sequence[Event]) -> None:
        self._volumes.keep(
            {(w.venue or Venue.KRX, w.code) for w in self.desired if w.channel == "ticks"}
        )
        self.publish(told)

    async def start(self) -> None:
        """Connect, and from then on stay connected. Raises KisError when the first connection fails."""
        socket = await self._connect()
        self._task = asyncio.create_task(self._run(socket), name="kis stream")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel("the desk closes")
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    # connection

    async def _run(self, socket: WebSocket | None) -> None:
        while True:
            since = self._clock.now()
            if socket is not None:
                why = await self._serve(socket)
                if self._clock.now() - since >= HEALTHY:
                    self._failures = 0
                await self._lost(why)
            await self._pause()
            try:
                socket = await self._connect()
            # Whatever kept it from connecting may pass: a stream that gave up would say nothing any more.
            except Exception as e:
                log.warning("no stream: %s", e, exc_info=not isinstance(e, KisError))
                socket = None

    async def _connect(self) -> WebSocket:
        with self._activity.working():
            if self._approval is None:
                self._approval = await self._rest.approval_key()
            socket = await self._rest.transport.connect(self._endpoint.ws.rstrip("/") + PATH)
        self._socket, self.frames = socket, 0
        self._subscriptions.on_lost()
        self._changed.set()
        self.publish([LinkUp(self._clock.now())])
        return socket

    async def _serve(self, socket: WebSocket) -> str:
        """Until the connection ends; why it did."""
        self._end = ""
        tasks = [self._beside(socket, self._send(socket), "kis subscriptions")]
        if self._endpoint.silence:
            tasks.append(self._beside(socket, self._watch_silence(socket), "kis silence"))
        try:
            async for data in socket.frames():
                await self._receive(socket, data)
            return self._end or "KIS closed the connection"
        except _Dropped as e:
            return str(e)
        except LinkLost as e:
            return self._end or e.text
        except Exception as e:
            log.exception("the stream failed")
            return f"the stream failed: {e!r}"
        finally:
            for task in tasks:
                task.cancel("the connection ended")
            await asyncio.gather(*tasks, return_exceptions=True)

    def _beside(
        self, socket: WebSocket, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        """A task that lives as long as the connection; one that fails ends the connection, which is made anew."""

        async def guarded() -> None:
            try:
                await work
            except LinkLost:
                # The reader of the frames meets the same end.
                pass
            except Exception as e:
                log.exception("%s failed", name)
                self._end = f"{name} failed: {e!r}"
                await socket.close()

        return asyncio.create_task(guarded(), name=name)

    async def _watch_silence(self, socket: WebSocket) -> None:
        """End a half-open connection: KIS sends a PINGPONG at least, the other end of a dead one nothing."""
        loop = asyncio.get_running_loop()
        seen, since = self.frames, loop.time()
        while loop.time() - since < self._endpoint.silence:
            await asyncio.sleep(self._endpoint.silence / SILENCE_LOOKS)
            if self.frames != seen:
                seen, since = self.frames, loop.time()
        self._end = f"no frame for {self._endpoint.silence:g} s"
        await socket.close()

    async def _lost(self, why: str) -> None:
        await self._disconnect()
        self._subscriptions.on_lost()
        self._reader.forget_keys()
        self.publish([LinkWasLost(self._clock.now(), why)])

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _pause(self) -> None:
        """Doubling pauses with jitter: KIS blocks addresses that connect in a loop."""
        pause = RECONNECT_PAUSES.spread(self._failures, self._jitter())
        self._failures += 1
        self._pausing = True
        try:
            await self._clock.sleep_until(self._clock.now() + int(pause))
        finally:
            self._pausing = False

    # frames

    async def _receive(self, socket: WebSocket, data: bytes) -> None:
        self.frames += 1
        now = self._clock.now()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._bury(
                data.decode(errors="replace"),
                FrameError("a frame is not UTF-8", "the feed goes on without it"),
            )
            return
        if text.startswith("{"):
            await self._control(socket, text, now)
            return
        try:
            events = self._reader.read(text, now)
        except FrameError as e:
            self._bury(text, e)
            return
        self.publish(self._volumes.checked(self._subscriptions.without_superseded(events)))

    async def _control(self, socket: WebSocket, text: str, now: Ns) -> None:
        try:
            said = cf.decode_control(text)
            if isinstance(said, cf.Ack) and said.ok and said.key:
                self._reader.learn_key(said)
        except FrameError as e:
            self._bury(text, e)
            return
        if isinstance(said, cf.PingPong):
            await socket.send(text)
            return
        if said.msg_cd == cf.BAD_APPROVAL:
            self._approval = None
            self._rest.drop_approval()
            raise _Dropped("KIS does not know the approval key; a new one is fetched")
        if said.msg_cd == cf.APPKEY_IN_USE:
            raise _Dropped("another connection uses this appkey")
        events = self._subscriptions.on_ack(now, said)
        self._changed.set()
        self.publish(events)

    async def _send(self, socket: WebSocket) -> None:
        """Send what is due, whenever something changes; look after what is not answered."""
        while True:
            self._changed.clear()
            self._publish_placed(self._subscriptions.refresh(self._clock.now()))
            for step in self._subscriptions.take_due(self._clock.now()):
                await socket.send(
                    cf.encode_request(cf.SubscriptionRequest(self._approval or "", *step))
                )
                await asyncio.sleep(self._endpoint.spacing)
            if self._subscriptions.settled:
                await self._until_retry()
                continue
            try:
                async with asyncio.timeout(self._ack_seconds):
                    await self._changed.wait()
            except TimeoutError:
                self.publish(self._subscriptions.on_silence(self._clock.now()))

    async def _until_retry(self) -> None:
        """Until something changes, or the clock does: a refusal is over, a session changes a followed channel."""
        retry = self._subscriptions.next_wake
        waits = [asyncio.ensure_future(self._changed.wait())]
        if retry is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(retry)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand facts to the listener."""
        if not events:
            return
        try:
            self.on_events(events)
        except Exception:
            # A defect of the listener must not end the feed of everybody else.
            log.exception("a listener failed")

    def _bury(self, text: str, error: FrameError) -> None:
        self.dead_letters.append(self._mask.text(text)[:LETTER_LENGTH])
        log.warning("a frame cannot be read: %s", self._mask.text(error.text))
