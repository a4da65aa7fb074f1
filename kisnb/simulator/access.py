"""Who may call: application keys, access tokens, approval keys and calls per second, as KIS's gateway checks them."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping

from kisnb.clock import DAY, MINUTE, SECOND, Ns, kst_datetime
from kisnb.kis.credentials import Credentials
from kisnb.kis.error_codes import CODES
from kisnb.simulator.faults import Faults

TOKEN_LIFE: Ns = DAY
REISSUE: Ns = 6 * 60 * MINUTE
"""Within this time of an issue the same token is given again."""
ISSUE_PAUSE: Ns = MINUTE
"""Between two issues of a token."""


class GatewayRefusal(Exception):
    """The gateway's no: message code and HTTP status. ``oauth`` bodies have a shape of their own."""

    def __init__(self, msg_cd: str, status: int = 500, msg1: str = "", *, oauth: bool = False) -> None:
        super().__init__(msg_cd)
        self.msg_cd = msg_cd
        self.status = status
        self.msg1 = msg1 or CODES[msg_cd].korean
        self.oauth = oauth


class Access:
    """Tokens and keys of one customer at one host. Times are simulated."""

    def __init__(self, keys: Credentials, calls_per_second: int, faults: Faults | None = None) -> None:
        self._keys = keys
        self._faults = faults or Faults()
        self._rate = calls_per_second
        self._calls: deque[Ns] = deque()
        self._tokens: dict[str, Ns] = {}
        """When each ends."""
        self._issued: tuple[str, Ns] | None = None
        self._approvals: set[str] = set()

    def issue_token(self, now: Ns, params: Mapping[str, str]) -> dict[str, object]:
        """The reply to tokenP. Raises GatewayRefusal."""
        self._check_application(params, "appsecret", 403, oauth=True)
        if self._issued is not None and now - self._issued[1] < ISSUE_PAUSE:
            raise GatewayRefusal("EGW00133", 403, oauth=True)
        token = self._token(now)
        self._issued = (token, now)
        expires = self._tokens[token]
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": (expires - now) // SECOND,
            "access_token_token_expired": f"{kst_datetime(expires):%Y-%m-%d %H:%M:%S}",
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

    def issue_approval(self, params: Mapping[str, str]) -> dict[str, object]:
        """The reply to Approval. Raises GatewayRefusal."""
        self._check_application(params, "secretkey", 403, oauth=True)
        approval = secrets.token_hex(16)
        self._approvals.add(approval)
        return {"approval_key": approval}

    def approves(self, approval_key: str) -> bool:
        return approval_key in self._approvals

    def check(self, now: Ns, headers: Mapping[str, str]) -> None:
        """Let a call pass, in the order in which KIS's gateway looks. Raises GatewayRefusal."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise GatewayRefusal("EGW00205")
        if token not in self._tokens:
            raise GatewayRefusal("EGW00121")
        if self._tokens[token] <= now:
            raise GatewayRefusal("EGW00123")
        self._check_application(headers, "appsecret", 500, oauth=False)
        while self._calls and self._calls[0] <= now - SECOND:
            self._calls.popleft()
        if len(self._calls) >= self._rate:
            raise GatewayRefusal("EGW00201")
        self._calls.append(now)
        if msg_cd := self._faults.of_call():
            raise GatewayRefusal(msg_cd)

    def _token(self, now: Ns) -> str:
        for token, expires in self._tokens.items():
            if now < expires and now - (expires - TOKEN_LIFE) < REISSUE:
                return token
        token = "SIMULATED." + secrets.token_urlsafe(48)
        self._tokens[token] = now + TOKEN_LIFE
        return token

    def _check_application(self, given: Mapping[str, str], secret_name: str, status: int, *, oauth: bool) -> None:
        appkey, appsecret = given.get("appkey", ""), given.get(secret_name, "")
        for said, known, missing, wrong in (
            (appkey, self._keys.appkey, "EGW00102", "EGW00103"),
            (appsecret, self._keys.appsecret, "EGW00104", "EGW00105"),
        ):
            if not said:
                raise GatewayRefusal(missing, status, oauth=oauth)
            if not secrets.compare_digest(said.encode(), known.reveal().encode()):
                raise GatewayRefusal(wrong, status, oauth=oauth)
        if oauth and given.get("grant_type", "client_credentials") != "client_credentials":
            raise GatewayRefusal("EGW00116", status, oauth=True)
