"""Returns the access token for calls: from memory, from the file of all processes, or from KIS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from kisnb.clock import SECOND, Activity, Clock, Ns
from kisnb.errors import FrameError, LinkLost, TokenError, Unreachable
from kisnb.events import Event, Trouble
from kisnb.kis.http.limiter import Lane, Limiter
from kisnb.kis.http.token import Token, TokenFile, TokenLife
from kisnb.kis.http.transport import HttpResponse
from kisnb.kis.masking import Mask

COUNT_EVERY: Ns = 10 * SECOND
"""Pause between two troubles that say how long a token is still waited for."""


class TokenSource:
    """Keeps the token of one appkey. All callers of this process share one request for a token.

    ``request`` asks KIS once. ``publish`` gets the troubles that report a wait.
    """

    def __init__(
        self,
        file: TokenFile,
        request: Callable[[], Awaitable[HttpResponse]],
        limiter: Limiter,
        clock: Clock,
        activity: Activity,
        mask: Mask,
        publish: Callable[[Sequence[Event]], None],
    ) -> None:
        self._file = file
        self._request = request
        self._limiter = limiter
        self._clock = clock
        self._activity = activity
        self._mask = mask
        self._publish = publish
        self._life = TokenLife()
        self._refused = ""
        """The last token that KIS refused. The file may still contain it."""
        self._fetching = asyncio.Lock()

    async def token(self) -> Token:
        """Return the token in use, or a new one. Raises TokenError, Unreachable."""
        token = self._life.usable(self._clock.now())
        if token is None:
            token = await self._shared()
        self._mask.keep(token.text)
        return token

    def refuse(self, token: Token) -> None:
        """Forget a token that KIS refused: the next call gets another token."""
        self._refused = token.text
        self._life.drop(token.text)

    # Where a token comes from; each step is taken only when the one before has none:
    #
    #   memory ─► this process's lock ─► the lock of all processes ─► the file ─► KIS
    #             (one caller fetches)   (one process fetches)          ▲          │ one a minute,
    #                                                                   └──────────┘ so once more

    async def _shared(self) -> Token:
        with self._activity.resting():
            await self._fetching.acquire()
        try:
            # Two processes with one appkey would collide on KIS's one token a minute.
            async with self._file.locked():
                # Another caller may have fetched a token while this caller waited: twenty callers
                # need one token.
                return self._life.usable(self._clock.now()) or await self._fetch()
        # Nothing reached KIS, so no minute has begun. This error tells the caller so.
        except Unreachable:
            raise
        except (LinkLost, FrameError) as e:
            raise TokenError(f"KIS gave no token: {e.text}", "try again in a minute") from None
        except TokenError as e:
            raise TokenError(self._mask.text(e.text), e.cure) from None
        finally:
            self._fetching.release()

    async def _fetch(self) -> Token:
        # After EGW00133 another process has a token, or this process waits a minute. Then it asks
        # once more.
        for _ in range(2):
            life = self._life = self._file.read()
            # The file may still hold the token that KIS refused here.
            life.drop(self._refused)
            token = life.usable(self._clock.now())
            if token is not None:
                return token
            await self._count_down(life.next_request(self._clock.now()))
            token = await self._ask_kis(life)
            if token is not None:
                self._refused = ""
                return token
        raise TokenError(
            "KIS gives one token a minute, and another program asked for it",
            "try again in a minute",
        )

    async def _count_down(self, t: Ns) -> None:
        """Wait until a token may be asked for, and publish meanwhile how long that is."""
        while (now := self._clock.now()) < t:
            seconds = -(-(t - now) // SECOND)
            self._publish(
                [Trouble(now, f"KIS gives one token a minute: kisnb asks for one in {seconds} s")]
            )
            with self._activity.resting():
                await self._clock.sleep_until(min(t, now + COUNT_EVERY))

    async def _ask_kis(self, life: TokenLife) -> Token | None:
        """Ask KIS once for a token and return it.

        None: a token was asked for less than a minute ago.
        """
        before = life.asked
        # Every call needs the token, also an order, so it comes before the reads.
        await self._limiter.enter(Lane.ORDER)
        # This is written before the request, so that after a crash the next process waits for the
        # minute too.
        life.record_request(self._clock.now())
        self._file.write(life)
        try:
            reply = await self._request()
            return life.receive(reply.body, reply.status, self._clock.now())
        except Unreachable:
            # KIS has not seen the request, so its minute has not begun.
            life.asked = before
            raise
        finally:
            self._file.write(life)
