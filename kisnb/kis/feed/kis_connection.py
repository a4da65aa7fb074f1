"""One WebSocket connection: reads its frames, runs its tasks, and ends it when it is dead.

Its times are wall time, because a simulated clock may stand still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from kisnb.errors import LinkLost
from kisnb.kis.http.transport import WebSocket

SILENCE_CHECKS = 12
"""Number of checks for new frames within ``silence``."""

log = logging.getLogger(__name__)


class Dropped(Exception):
    """Raised to end this connection, for the reason in its text."""


class KisConnection:
    """Serves one WebSocket connection until it ends.

    After ``silence`` seconds without a frame the connection counts as dead; 0 means never.
    """

    def __init__(self, socket: WebSocket, silence: float) -> None:
        self._socket = socket
        self.frames = 0
        """Frames received, PINGPONG included."""
        self._silence = silence
        self._end = ""
        """The reason, when this object ended the connection; else empty."""

    async def serve(
        self,
        receive: Callable[[WebSocket, bytes], Awaitable[None]],
        work: Callable[[WebSocket], Coroutine[None, None, None]],
    ) -> str:
        """Pass each frame to ``receive`` until the connection ends. Return why it ended.

        ``work`` runs at the same time and is cancelled at the end. Any error, also one of
        ``receive`` or ``work``, ends the connection and is its reason: the owner connects again.
        """
        tasks = [self._start(work(self._socket), "kis subscriptions")]
        if self._silence:
            tasks.append(self._start(self._watch_silence(), "kis silence"))
        try:
            async for data in self._socket.frames():
                self.frames += 1
                await receive(self._socket, data)
            return self._end or "KIS closed the connection"
        except Dropped as e:
            return str(e)
        except LinkLost as e:
            # When this side ended the connection, the socket's error is only the consequence.
            return self._end or e.text
        except Exception as e:
            log.exception("the stream failed")
            return f"the stream failed: {e!r}"
        finally:
            for task in tasks:
                task.cancel("the connection ended")
            # The tasks are awaited, so that none of them sends requests that belong to the next
            # connection.
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Start a task of the connection. A task that fails ends the connection."""

        async def guarded() -> None:
            try:
                await work
            except LinkLost:
                # The reader of the frames sees the same end.
                pass
            except Exception as e:
                log.exception("%s failed", name)
                # The reader waits for a frame and does not notice the failure. The closed socket
                # wakes it.
                self._end = f"{name} failed: {e!r}"
                await self._socket.close()

        return asyncio.create_task(guarded(), name=name)

    async def _watch_silence(self) -> None:
        """Close the connection when no frame has come for ``silence`` seconds.

        KIS sends at least PINGPONG (KIS's samples answer it). If the other end of a connection is
        gone, nothing comes, not even a close frame.
        """
        loop = asyncio.get_running_loop()
        seen, since = self.frames, loop.time()
        while loop.time() - since < self._silence:
            await asyncio.sleep(self._silence / SILENCE_CHECKS)
            if self.frames != seen:
                seen, since = self.frames, loop.time()
        self._end = f"no frame for {self._silence:g} s"
        await self._socket.close()
