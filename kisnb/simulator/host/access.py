"""Who may call: application keys, access tokens, approval keys and calls per second, as KIS's gateway checks them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import date
from typing import Literal, TypeAlias

import msgspec

from kisnb.clock import DAY, MINUTE, SECOND, Ns, kst, kst_datetime, kst_day
from kisnb.kis.credentials import Credentials
from kisnb.kis.error_codes import CODES, TOKEN_EXPIRED
from kisnb.kis.http.limiter import SlidingWindow
from kisnb.simulator.host.keys import APPKEY_START
from kisnb.simulator.host.personas import Persona
from kisnb.terms import Mode

TOKEN_LIFE: Ns = DAY
APPROVAL_LIFE: Ns = DAY
REISSUE: Ns = 6 * 60 * MINUTE
"""Within this time of an issue the same token is given again."""
ISSUE_PAUSE: Ns = MINUTE
"""Between two issues of a token."""
OTHER_HOST = {Mode.PAPER: "EGW02007", Mode.LIVE: "EGW02004"}
"""What a host answers to keys of the other one."""
Sort: TypeAlias = Literal["quote", "account"]


class GatewayRefusal(Exception):
    """The gateway's no: message code and HTTP status. ``oauth`` bodies have a shape of their own."""

    def __init__(
        self, msg_cd: str, status: int = 500, msg1: str = "", *, oauth: bool = False
    ) -> None:
        super().__init__(msg_cd)
        self.msg_cd = msg_cd
        self.status = status
        self.msg1 = msg1 or CODES[msg_cd].korean
        self.oauth = oauth


class Access:
    """Tokens and keys of one customer at one host. Times are simulated."""

    def __init__(self, keys: Credentials, persona: Persona, day: date) -> None:
        self.wall_ahead: Ns = 0
        """Added to the printed end of a token: clients compare it with the clock on the wall."""
        self._keys = keys
        self._persona = persona
        self._gateway = SlidingWindow(persona.rate(day))
        self._ledger = SlidingWindow(persona.ledger_rate) if persona.ledger_rate else None
        self._approving = SlidingWindow(persona.approval_rate)
        self._tokens: dict[str, Ns] = {}
        """When each ends."""
        self._newest: tuple[str, Ns] | None = None
        """The last token, and when it was made."""
        self._issued: Ns | None = None
        self._approvals: dict[str, Ns] = {}

    @property
    def tokens(self) -> Mapping[str, Ns]:
        """When each access token ends."""
        return self._tokens

    # tokens

    def issue_token(self, now: Ns, params: Mapping[str, str]) -> dict[str, object]:
        """The reply to tokenP. Raises GatewayRefusal."""
        self._check_application(params, "appsecret", 403, oauth=True)
        if self._issued is not None and now - self._issued < ISSUE_PAUSE:
            raise GatewayRefusal("EGW00133", 403, oauth=True)
        self._newest = token, made = self._token(now)
        self._issued = now
        expires = made + TOKEN_LIFE
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": (expires - now) // SECOND,
            "access_token_token_expired": f"{kst_datetime(expires + self.wall_ahead):%Y-%m-%d %H:%M:%S}",
        }

    def revoke_token(self, params: Mapping[str, str]) -> dict[str, object]:
        """The reply to revokeP. Raises GatewayRefusal."""
        self._check_application(params, "appsecret", 403, oauth=True)
        if self._tokens.pop(params["token"], None) is None:
            raise GatewayRefusal("EGW00121", 403, oauth=True)
        return {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}

    def expire_tokens(self, now: Ns) -> int:
        """End all tokens before their printed time; how many there were."""
        live = [token for token, expires in self._tokens.items() if expires > now]
        self._tokens |= dict.fromkeys(live, now)
        return len(live)

    def revoke_tokens(self) -> int:
        """Forget all tokens; how many there were."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def _token(self, now: Ns) -> tuple[str, Ns]:
        """The token that is given out now, and when it was made."""
        if self._newest is not None:
            token, made = self._newest
            if now < self._tokens.get(token, 0) and now - made < REISSUE:
                return token, made
        if self._persona.one_token:
            self._tokens.clear()
        token = "SIMULATED." + secrets.token_urlsafe(48)
        midnight = kst(kst_day(now), 0) + DAY
        self._tokens[token] = midnight if self._persona.token_ends_at_midnight else now + TOKEN_LIFE
        return token, now

    def hash_key(self, headers: Mapping[str, str], body: Mapping[str, object]) -> dict[str, object]:
        """The reply to hashkey, which wants the application's keys and no token. Raises GatewayRefusal."""
        self._check_application(headers, "appsecret", 500, oauth=False)
        digest = hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
        return {"BODY": body, "HASH": digest}

    # approval keys

    def issue_approval(
        self, now: Ns, params: Mapping[str, str], *, paced: bool = True
    ) -> dict[str, object]:
        """The reply to Approval, once a second when ``paced``. Raises GatewayRefusal."""
        self._check_application(params, "secretkey", 403, oauth=True)
        if paced and self._approving.earliest(now) > now:
            raise GatewayRefusal("EGW00201")
        self._approving.record_call(now)
        approval = secrets.token_hex(16)
        self._approvals[approval] = now + APPROVAL_LIFE
        return {"approval_key": approval}

    def approves(self, now: Ns, approval_key: str, *, set_up: bool) -> bool:
        """Whether a connection may be used with this key; its end counts only until the connection is set up."""
        ends = self._approvals.get(approval_key)
        return ends is not None and (set_up or now < ends)

    # calls

    def check(self, now: Ns, headers: Mapping[str, str], sort: Sort = "quote") -> None:
        """Let a call pass, in the order in which KIS's gateway looks. Raises GatewayRefusal."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise GatewayRefusal("EGW00205")
        self._check_application(headers, "appsecret", 500, oauth=False)
        if token not in self._tokens:
            raise GatewayRefusal("EGW00121", self._persona.token_status)
        if self._tokens[token] <= now:
            raise GatewayRefusal("EGW00123", self._persona.token_status)
        if self._gateway.earliest(now) > now:
            raise GatewayRefusal("EGW00201")
        self._gateway.record_call(now)
        if sort == "account" and self._ledger is not None:
            if self._ledger.earliest(now) > now:
                raise GatewayRefusal("EGW00215")
            self._ledger.record_call(now)

    def status_of(self, msg_cd: str) -> int:
        """The HTTP status that comes with a code when nothing else is said."""
        if msg_cd in TOKEN_EXPIRED:
            return self._persona.token_status
        return 500 if msg_cd.startswith(("EGW", "OPSQ", "IGW")) else 200

    def _check_application(
        self, given: Mapping[str, str], secret_name: str, status: int, *, oauth: bool
    ) -> None:
        appkey, appsecret = given.get("appkey", ""), given.get(secret_name, "")
        other = next(
            start for mode, start in APPKEY_START.items() if mode is not self._persona.mode
        )
        for said, known, missing, wrong in (
            (appkey, self._keys.appkey, "EGW00102", "EGW00103"),
            (appsecret, self._keys.appsecret, "EGW00104", "EGW00105"),
        ):
            if not said:
                raise GatewayRefusal(missing, status, oauth=oauth)
            if not secrets.compare_digest(_bytes(said), _bytes(known.reveal())):
                code = OTHER_HOST[self._persona.mode] if appkey.startswith(other) else wrong
                raise GatewayRefusal(code, status, oauth=oauth)
        if not oauth:
            return
        grant = given.get("grant_type", "client_credentials")
        if grant != "client_credentials":
            raise GatewayRefusal("EGW00116" if grant else "EGW00115", status, oauth=True)


def _bytes(text: str) -> bytes:
    """Headers may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")
