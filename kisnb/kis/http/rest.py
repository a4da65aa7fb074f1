"""KIS over HTTP: token, rate limit, retry. A read may be asked again; an order is posted once and never again.

Waiting for the rate limit, for the minute between two tokens and after a refusal for speed goes by the injected clock.
What belongs to the connection, timeouts and the pause after a loss, goes by wall time: a simulated clock may stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kisnb.clock import SECOND, Activity, Clock, Ns
from kisnb.errors import (
    ApiError,
    FrameError,
    KisError,
    LinkLost,
    OrderDenied,
    TokenError,
    Unreachable,
)
from kisnb.events import Event, Trouble
from kisnb.kis.calls.messages import ApiReply, decode_object, decode_reply, encode_params
from kisnb.kis.catalogue import APIS, Api
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.error_codes import TOKEN_EXPIRED, TRY_AGAIN
from kisnb.kis.http.limiter import Lane, Limiter, SlidingWindow
from kisnb.kis.http.paging import Paging
from kisnb.kis.http.token import ApprovalFile, Token, TokenFile, TokenLife
from kisnb.kis.http.transport import HttpRequest, HttpResponse, Network, Transport
from kisnb.orders import ALLOWED, Permission

FIRST_PAUSE: Ns = SECOND // 8
"""KIS advises 100 to 150 ms; each further pause is twice the last."""
LAST_PAUSE: Ns = SECOND
"""After this one a read is given up."""
APPROVAL_TRIES = 5
TOO_FAST = "EGW00201"
COUNT_EVERY: Ns = 10 * SECOND
"""Between two words about how long a token is still waited for."""


def nobody_listens(events: Sequence[Event]) -> None:
    """Until somebody does."""


def always_may_send() -> Permission:
    """Skip the last permission. Used for calls that send no order."""
    return ALLOWED


class Rest:
    """One host, one account. Nothing that it raises or logs shows a secret."""

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
        """``cache`` is the folder of the token; ``transport`` carries requests and frames, the network by default."""
        self._endpoint = endpoint
        self._credentials = credentials
        self.mask = credentials.masking()
        """Hides this connection's secrets, tokens and approval keys included."""
        self._clock = clock
        self._activity = activity
        self.on_events: Callable[[Sequence[Event]], None] = nobody_listens
        self._file = TokenFile(cache, endpoint, credentials)
        self._approval = ApprovalFile(cache, endpoint, credentials)
        self._life = TokenLife()
        self._refused = ""
        """The last token that KIS refused; it may still stand in the file."""
        self._fetching = asyncio.Lock()
        self._limiter = Limiter(SlidingWindow(endpoint.calls_per_second), clock, activity)
        self.transport: Transport = transport or Network(timeout)

    async def close(self) -> None:
        await self.transport.close()

    # calls

    async def read(self, api: Api, params: Mapping[str, str], *, tr_cont: str = "") -> ApiReply:
        """Ask, again when the connection is lost or KIS says to. Raises ApiError, LinkLost, FrameError, TokenError."""
        refreshed = False
        pause = FIRST_PAUSE
        with self._activity.working():
            while True:
                try:
                    return await self._call(api, params, Lane.READ, tr_cont)
                except (ApiError, LinkLost) as e:
                    if isinstance(e, ApiError) and e.msg_cd in TOKEN_EXPIRED and not refreshed:
                        refreshed = True
                        continue
                    if pause > LAST_PAUSE:
                        raise
                    await self._after(e, pause)
                    pause *= 2

    async def send_order(
        self,
        api: Api,
        body: Mapping[str, str],
        lane: Lane,
        may_send: Callable[[], Permission] = always_may_send,
    ) -> ApiReply:
        """Post an order, once. ``may_send`` is asked behind the limiter, before the first byte.

        Raises OrderDenied when ``may_send`` says no, Unreachable and TokenError when nothing was sent, ApiError when KIS refused; LinkLost and FrameError
        leave open whether the order lives.
        """
        with self._activity.working():
            return await self._call(api, body, lane, "", may_send)

    async def read_pages(self, api: Api, params: Mapping[str, str]) -> tuple[list[ApiReply], bool]:
        """All pages and whether they are complete; raises as ``read`` when not even the first page came."""
        walk = Paging(api, params)
        while not walk.done:
            try:
                walk.receive(await self.read(api, walk.params, tr_cont=walk.tr_cont))
            except KisError:
                if not walk.pages:
                    raise
                walk.broke_off()
        return walk.pages, walk.complete

    async def approval_key(self) -> str:
        """A key for the WebSocket: the one on file while it lives, else a new one; KIS gives one a second.

        Raises TokenError, LinkLost, FrameError.
        """
        if (known := self._approval.read(self._clock.now())) is not None:
            self.mask.keep(known)
            return known
        for _ in range(APPROVAL_TRIES - 1):
            said = await self._ask_approval()
            if said.get("error_code") != TOO_FAST:
                break
            await self._rest_until(self._clock.now() + SECOND)
        else:
            said = await self._ask_approval()
        if not said.get("approval_key"):
            code = str(said.get("error_code") or said.get("msg_cd") or "no code")
            raise TokenError(f"KIS gave no approval key [{code}]", "check the appkey and appsecret")
        approval_key = str(said["approval_key"])
        self.mask.keep(approval_key)
        self._approval.write(approval_key, self._clock.now())
        return approval_key

    async def _ask_approval(self) -> dict[str, object]:
        api, keys = APIS["approval"], self._credentials
        with self._activity.working():
            await self._limiter.enter(Lane.ORDER)
            body = encode_params(
                api,
                grant_type="client_credentials",
                appkey=keys.appkey.reveal(),
                secretkey=keys.appsecret.reveal(),
            )
            answer = await self._exchange(api, {}, body)
        return decode_object(answer.body, api.name, answer.status)

    def drop_approval(self) -> None:
        """KIS does not know the approval key: the next one is fetched."""
        self._approval.drop()

    async def _call(
        self,
        api: Api,
        params: Mapping[str, str],
        lane: Lane,
        tr_cont: str,
        may_send: Callable[[], Permission] = always_may_send,
    ) -> ApiReply:
        self._endpoint.rules.check_api(api)
        token = await self._token()
        self.mask.keep(token.text)
        await self._limiter.enter(lane)
        if not (permission := may_send()):
            raise OrderDenied(permission.reason, permission.cure)
        answer = await self._exchange(api, self._headers(api, token, tr_cont), params)
        try:
            return decode_reply(api, answer.body, status=answer.status, tr_cont=answer.tr_cont)
        except ApiError as e:
            if e.msg_cd in TOKEN_EXPIRED:
                self._refused = token.text
                self._life.drop(token.text)
            raise ApiError(
                self.mask.text(e.text), e.cure, msg_cd=e.msg_cd, status=e.status
            ) from None

    async def _after(self, error: ApiError | LinkLost, pause: Ns) -> None:
        """Wait before the next attempt; raises ``error`` when there is no point in one."""
        if isinstance(error, LinkLost):
            await asyncio.sleep(pause / SECOND)
        elif error.msg_cd in TRY_AGAIN:
            await self._rest_until(self._clock.now() + pause)
        else:
            raise error

    async def _rest_until(self, t: Ns) -> None:
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
            "custtype": "P",
        }

    async def _exchange(
        self, api: Api, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> HttpResponse:
        """One request, sent once. Raises Unreachable, LinkLost."""
        request = HttpRequest(
            api.name, api.method, self._endpoint.rest + api.path, api.path, headers, params
        )
        return await self.transport.exchange(request)

    # the token

    async def _token(self) -> Token:
        """The token in use, or a new one; all callers share one request. Raises TokenError, Unreachable."""
        token = self._life.usable(self._clock.now())
        if token is not None:
            return token
        with self._activity.resting():
            await self._fetching.acquire()
        try:
            async with self._file.locked():
                return self._life.usable(self._clock.now()) or await self._fetch()
        except Unreachable:
            raise
        except (LinkLost, FrameError) as e:
            raise TokenError(f"KIS gave no token: {e.text}", "try again in a minute") from None
        except TokenError as e:
            raise TokenError(self.mask.text(e.text), e.cure) from None
        finally:
            self._fetching.release()

    async def _fetch(self) -> Token:
        for _ in range(2):
            life = self._life = self._file.read()
            life.drop(self._refused)
            token = life.usable(self._clock.now())
            if token is not None:
                return token
            await self._count_down(life.may_ask(self._clock.now()))
            token = await self._ask_for_token(life)
            if token is not None:
                self._refused = ""
                return token
        raise TokenError(
            "KIS gives one token a minute, and another program asked for it",
            "try again in a minute",
        )

    async def _count_down(self, t: Ns) -> None:
        """Until a token may be asked for; says meanwhile how long that is."""
        while (now := self._clock.now()) < t:
            seconds = -(-(t - now) // SECOND)
            self.on_events(
                [Trouble(now, f"KIS gives one token a minute: kisnb asks for one in {seconds} s")]
            )
            await self._rest_until(min(t, now + COUNT_EVERY))

    async def _ask_for_token(self, life: TokenLife) -> Token | None:
        api, keys, before = APIS["token"], self._credentials, life.asked
        await self._limiter.enter(Lane.ORDER)
        life.ask(self._clock.now())
        self._file.write(life)
        body = encode_params(
            api,
            grant_type="client_credentials",
            appkey=keys.appkey.reveal(),
            appsecret=keys.appsecret.reveal(),
        )
        try:
            answer = await self._exchange(api, {}, body)
            return life.receive(answer.body, answer.status, self._clock.now())
        except Unreachable:
            life.asked = before
            raise
        finally:
            self._file.write(life)
