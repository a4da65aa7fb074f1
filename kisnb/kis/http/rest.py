"""KIS over HTTP: token, rate limit, retry. A read is retried; an order is posted once.

Nothing here repeats an order, not even one that KIS turned away for its speed: a row of the journal
allows each POST (`trading/orders/order_path.py`).

The rate limit, the minute between two tokens and the pause after a refusal for speed are on the
injected clock. Timeouts and the pause after a lost connection are in wall time, because a simulated
clock may stand still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kisnb.backoff import Backoff
from kisnb.clock import SECOND, Activity, Clock, Ns
from kisnb.errors import ApiError, KisError, LinkLost, OrderDenied, TokenError
from kisnb.events import Event, Trouble
from kisnb.kis.calls.messages import ApiReply, decode_object, decode_reply, encode_params
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.error_codes import RATE_LIMITED, ROWS_CHANGED, TRY_AGAIN, refuses_token
from kisnb.kis.http.limiter import Lane, Limiter
from kisnb.kis.http.paging import Paging
from kisnb.kis.http.token import ApprovalFile, Token, TokenFile
from kisnb.kis.http.token_source import TokenSource
from kisnb.kis.http.transport import HttpRequest, HttpResponse, Network, Transport
from kisnb.orders import ALLOWED, Permission

READ_PAUSES = Backoff.doubling(SECOND // 8, SECOND)
"""Pauses before a read is sent again. After the last one the read is given up.

KIS advises 100 to 150 ms between calls (KIS notice of 2026-04-20 on rate limits).
"""
APPROVAL_TRIES = 5
"""Number of requests for an approval key while KIS says that calls come too fast."""
TOO_FAST = "EGW00201"
"""KIS's code for more calls in a second than the appkey may make."""


def nobody_listens(events: Sequence[Event]) -> None:
    """Drop the events. This is the listener until the owner sets its own."""


def always_may_send() -> Permission:
    """Skip the last permission. Used for calls that send no order."""
    return ALLOWED


class Rest:
    """Calls of one account at one server. No error or log of it shows a secret."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
        activity: Activity,
        cache: Path,
        *,
        timeout: float = 10.0,
        transport: Transport | None = None,
    ) -> None:
        """Build the caller. ``cache`` is the folder of the token file.

        ``timeout`` is in seconds of wall time, for one exchange. ``transport`` carries requests and
        frames: the network by default.
        """
        self._endpoint = endpoint
        self._credentials = credentials
        self.mask = credentials.masking()
        """Hides this connection's secrets, tokens and approval keys included."""
        self._clock = clock
        self._activity = activity
        self.on_events: Callable[[Sequence[Event]], None] = nobody_listens
        """Called with a trouble while a token is waited for, and when KIS accepts fewer calls."""
        self._approval = ApprovalFile(cache, endpoint, credentials)
        self._limiter = Limiter(endpoint.calls_per_second, clock, activity)
        self._tokens = TokenSource(
            TokenFile(cache, endpoint, credentials),
            self._ask_for_token,
            self._limiter,
            clock,
            activity,
            self.mask,
            # The owner sets its listener later.
            lambda events: self.on_events(events),
        )
        self.transport: Transport = transport or Network(timeout)

    async def close(self) -> None:
        """Close the transport. Nothing may be called afterwards."""
        await self.transport.close()

    # calls

    async def read(self, api: Api, params: Mapping[str, str], *, tr_cont: str = "") -> ApiReply:
        """Send a query and return the reply. Retry when the connection is lost or KIS asks for it.

        Raises NotOffered, ApiError, LinkLost, FrameError, TokenError.
        """
        refreshed = False
        failures = 0
        with self._activity.working():
            while True:
                try:
                    return await self._send(api, params, Lane.READ, tr_cont)
                except (ApiError, LinkLost) as e:
                    # A token may die before its printed end (EGW00123, clients' observation). It is
                    # replaced once: KIS sends the customer a message for each token that it issues.
                    is_stale = isinstance(e, ApiError) and refuses_token(e.msg_cd, e.status)
                    if is_stale and not refreshed:
                        refreshed = True
                        continue
                    if failures == len(READ_PAUSES.pauses):
                        raise
                    await self._wait_before_retry(e, READ_PAUSES.pause(failures))
                    failures += 1

    async def send_order(
        self,
        api: Api,
        body: Mapping[str, str],
        lane: Lane,
        may_send: Callable[[], Permission] = always_may_send,
    ) -> ApiReply:
        """Post an order once and return the reply.

        ``may_send`` is asked behind the limiter, right before the first byte goes out. Raises
        OrderDenied when it says no, Unreachable and TokenError when nothing was sent, and ApiError
        when KIS refused. After LinkLost and FrameError KIS may have the order or not.
        """
        with self._activity.working():
            return await self._send(api, body, lane, "", may_send)

    async def read_pages(self, api: Api, params: Mapping[str, str]) -> tuple[list[ApiReply], bool]:
        """Read all pages of a query. Return them, and True when they are complete.

        Raises as ``read`` when not even the first page came.
        """
        walk = Paging(api, params)
        while not walk.done:
            try:
                walk.receive(await self.read(api, walk.params, tr_cont=walk.tr_cont))
            except KisError as e:
                if not walk.pages:
                    raise
                if isinstance(e, ApiError) and e.msg_cd == ROWS_CHANGED:
                    walk.receive_change()
                    continue
                # Some pages are better than none, if the caller learns that others are missing.
                walk.break_off()
        return walk.pages, walk.complete

    async def approval_key(self) -> str:
        """Return the stored approval key while it is valid. Otherwise get a new one, and store it.

        Raises TokenError, LinkLost, FrameError.
        """
        if (known := self._approval.read(self._clock.now())) is not None:
            self.mask.keep(known)
            return known
        # KIS issues one approval key a second (KIS notice of 2026-04-20 on rate limits).
        for _ in range(APPROVAL_TRIES - 1):
            reply = await self._request_approval()
            if reply.get("error_code") != TOO_FAST:
                break
            await self._wait_until(self._clock.now() + SECOND)
        else:
            reply = await self._request_approval()
        if not reply.get("approval_key"):
            code = str(reply.get("error_code") or reply.get("msg_cd") or "no code")
            raise TokenError(f"KIS gave no approval key [{code}]", "check the appkey and appsecret")
        approval_key = str(reply["approval_key"])
        self.mask.keep(approval_key)
        self._approval.write(approval_key, self._clock.now())
        return approval_key

    async def _request_approval(self) -> dict[str, object]:
        api, keys = APIS["approval"], self._credentials
        with self._activity.working():
            # Without the stream no order can be followed, so its key comes before the reads.
            await self._limiter.enter(Lane.ORDER)
            body = encode_params(
                api,
                grant_type="client_credentials",
                appkey=keys.appkey.reveal(),
                secretkey=keys.appsecret.reveal(),
            )
            reply = await self._exchange(api, {}, body)
        return decode_object(reply.body, api.name, reply.status)

    def drop_approval(self) -> None:
        """Delete the stored approval key, because KIS does not know it."""
        self._approval.drop()

    async def _send(
        self,
        api: Api,
        params: Mapping[str, str],
        lane: Lane,
        tr_cont: str,
        may_send: Callable[[], Permission] = always_may_send,
    ) -> ApiReply:
        self._endpoint.rules.check_api(api)
        # The token comes first, because a call must not use its turn in the limiter while it waits
        # for a token.
        token = await self._tokens.token()
        left = await self._limiter.enter(lane)
        # The permission comes last, so that it considers changes while the call waited for its
        # turn.
        if not (permission := may_send()):
            raise OrderDenied(permission.reason, permission.cure)
        reply = await self._exchange(api, self._headers(api, token, tr_cont), params)
        try:
            return decode_reply(api, reply.body, status=reply.status, tr_cont=reply.tr_cont)
        except ApiError as e:
            if refuses_token(e.msg_cd, e.status):
                self._tokens.refuse(token)
            if e.msg_cd in RATE_LIMITED:
                self._slow_down(left, e.msg_cd)
            # KIS's text may repeat a part of the request.
            raise ApiError(
                self.mask.text(e.text), e.cure, msg_cd=e.msg_cd, status=e.status
            ) from None

    def _slow_down(self, left: Ns, msg_cd: str) -> None:
        """Send fewer calls after a refusal for speed, and report that once."""
        rate, now = self._limiter.rate, self._clock.now()
        was_full = rate.limit(now) == rate.most
        if self._limiter.on_refused(left) and was_full:
            fewer = f"kisnb makes {rate.limit(now)} a second now instead of {rate.most}"
            self.on_events(
                [Trouble(now, f"KIS takes fewer calls than it should [{msg_cd}]: {fewer}")]
            )

    @property
    def pace(self) -> str:
        """The calls a second that KIS takes, in a sentence. Empty while it has refused no call."""
        return self._limiter.rate.text(self._clock.now())

    async def _wait_before_retry(self, error: ApiError | LinkLost, pause: Ns) -> None:
        """Wait before the next attempt. Raise ``error`` when another attempt cannot help."""
        if isinstance(error, LinkLost):
            # The network does not wait for a simulated clock.
            await asyncio.sleep(pause / SECOND)
        elif error.msg_cd in TRY_AGAIN:
            await self._wait_until(self._clock.now() + pause)
        else:
            raise error

    async def _wait_until(self, t: Ns) -> None:
        with self._activity.resting():
            await self._clock.sleep_until(t)

    # the wire

    def _headers(self, api: Api, token: Token, tr_cont: str) -> dict[str, str]:
        keys = self._credentials
        return {
            "authorization": f"Bearer {token.text}",
            "appkey": keys.appkey.reveal(),
            "appsecret": keys.appsecret.reveal(),
            "tr_id": api.tr_id(self._endpoint.persona),
            "tr_cont": tr_cont,
            # A personal customer. Corporate ones need more headers (workbook).
            "custtype": "P",
        }

    async def _exchange(
        self, api: Api, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> HttpResponse:
        """Send one request once. Raises Unreachable, LinkLost."""
        request = HttpRequest(
            api.name, api.method, self._endpoint.rest + api.path, api.path, headers, params
        )
        return await self.transport.exchange(request)

    async def _ask_for_token(self) -> HttpResponse:
        api, keys = APIS["token"], self._credentials
        body = encode_params(
            api,
            grant_type="client_credentials",
            appkey=keys.appkey.reveal(),
            appsecret=keys.appsecret.reveal(),
        )
        return await self._exchange(api, {}, body)
