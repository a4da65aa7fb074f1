"""The checks of KIS's gateway: application keys, access tokens, approval keys, calls per second."""

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
"""Life of a token. KIS gives personal customers 24 hours (workbook: tokenP)."""
APPROVAL_LIFE: Ns = DAY
REISSUE: Ns = 6 * 60 * MINUTE
"""Within this time after an issue KIS gives the same token again (workbook: tokenP)."""
ISSUE_PAUSE: Ns = MINUTE
"""Time between two issues of a token. KIS documents one a second; its samples and public clients
see one a minute."""
OTHER_HOST = {Mode.PAPER: "EGW02007", Mode.LIVE: "EGW02004"}
"""Code by which a host refuses the keys of the other host."""
Sort: TypeAlias = Literal["quote", "account"]
"""The limits that a call counts against. ``quote``: the gateway's. ``account``: both limits."""


class GatewayRefusal(Exception):
    """The gateway refuses a call, with a message code and an HTTP status.

    ``oauth`` marks a refused token or approval key, whose body has field names of its own.
    """

    def __init__(
        self, msg_cd: str, status: int = 500, msg1: str = "", *, oauth: bool = False
    ) -> None:
        super().__init__(msg_cd)
        self.msg_cd = msg_cd
        self.status = status
        self.msg1 = msg1 or CODES[msg_cd].korean
        self.oauth = oauth


class Access:
    """Tokens and keys of one customer at one host. All times are simulated."""

    def __init__(self, keys: Credentials, persona: Persona, day: date) -> None:
        self.wall_ahead: Ns = 0
        """Added to the printed end of a token, because clients compare it with the wall clock."""
        self._keys = keys
        self._persona = persona
        self._gateway = SlidingWindow(persona.rate(day))
        self._ledger = SlidingWindow(persona.ledger_rate) if persona.ledger_rate else None
        self._approving = SlidingWindow(persona.approval_rate)
        self._tokens: dict[str, Ns] = {}
        """The end of each token."""
        self._newest: tuple[str, Ns] | None = None
        """The last token and when it was made; None before the first."""
        self._issued: Ns | None = None
        """Moment of the last reply to tokenP with a token, a new one or the same again."""
        self._approvals: dict[str, Ns] = {}
        """The end of each approval key."""

    @property
    def tokens(self) -> Mapping[str, Ns]:
        """The moment at which each access token ends."""
        return self._tokens

    # tokens

    def issue_token(self, now: Ns, params: Mapping[str, str]) -> dict[str, object]:
        """Issue a token, or the same token again, and return the reply to tokenP.

        Raises GatewayRefusal for wrong keys, and for a second issue within ``ISSUE_PAUSE``.
        """
        self._check_application(params, "appsecret", 403, oauth=True)
        # A reply that repeats the same token counts as an issue too.
        if self._issued is not None and now - self._issued < ISSUE_PAUSE:
            raise GatewayRefusal("EGW00133", 403, oauth=True)
        self._newest = token, made = self._current_token(now)
        self._issued = now
        expires = made + TOKEN_LIFE
        return {
            "access_token": token,
            "token_type": "Bearer",
            # The same token, given again, has a shorter remaining life.
            "expires_in": (expires - now) // SECOND,
            "access_token_token_expired": (
                f"{kst_datetime(expires + self.wall_ahead):%Y-%m-%d %H:%M:%S}"
            ),
        }

    def revoke_token(self, params: Mapping[str, str]) -> dict[str, object]:
        """End a token, and return the reply to revokeP.

        Raises GatewayRefusal for wrong keys and for an unknown token.
        """
        self._check_application(params, "appsecret", 403, oauth=True)
        if self._tokens.pop(params["token"], None) is None:
            raise GatewayRefusal("EGW00121", 403, oauth=True)
        return {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}

    def expire_tokens(self, now: Ns) -> int:
        """End all live tokens now, before their printed time, and return their number."""
        live = [token for token, expires in self._tokens.items() if expires > now]
        self._tokens |= dict.fromkeys(live, now)
        return len(live)

    def revoke_tokens(self) -> int:
        """Forget all tokens, and return their number."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def _current_token(self, now: Ns) -> tuple[str, Ns]:
        """Return the token to give out now, and when it was made. If none is valid, make one."""
        if self._newest is not None:
            token, made = self._newest
            if now < self._tokens.get(token, 0) and now - made < REISSUE:
                return token, made
        # It is not known whether an old token dies when KIS issues a new one. A quirk decides.
        if self._persona.one_token:
            self._tokens.clear()
        token = "SIMULATED." + secrets.token_urlsafe(48)
        # One public client reports that tokens end at midnight KST, before their printed end.
        midnight = kst(kst_day(now), 0) + DAY
        self._tokens[token] = midnight if self._persona.token_ends_at_midnight else now + TOKEN_LIFE
        return token, now

    def hash_key(self, headers: Mapping[str, str], body: Mapping[str, object]) -> dict[str, object]:
        """Return the reply to hashkey, which needs the application's keys and no token.

        Raises GatewayRefusal.
        """
        self._check_application(headers, "appsecret", 500, oauth=False)
        # Any digest will do, because no call compares it.
        digest = hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
        return {"BODY": body, "HASH": digest}

    # approval keys

    def issue_approval(
        self, now: Ns, params: Mapping[str, str], *, paced: bool = True
    ) -> dict[str, object]:
        """Issue an approval key, and return the reply.

        ``paced`` True: the host's rate limit applies. Raises GatewayRefusal.
        """
        self._check_application(params, "secretkey", 403, oauth=True)
        if paced and self._approving.earliest(now) > now:
            raise GatewayRefusal("EGW00201")
        self._approving.record_call(now)
        approval = secrets.token_hex(16)
        self._approvals[approval] = now + APPROVAL_LIFE
        return {"approval_key": approval}

    def approves(self, now: Ns, approval_key: str, *, set_up: bool) -> bool:
        """Return whether a connection may be used with this key.

        The key's end counts only until the connection is ``set_up``.
        """
        ends = self._approvals.get(approval_key)
        return ends is not None and (set_up or now < ends)

    # calls

    def check(self, now: Ns, headers: Mapping[str, str], sort: Sort = "quote") -> None:
        """Check a call and count it against the rate limits, or raise GatewayRefusal.

        The checks come in the order of KIS's gateway.
        """
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            # The header must read "Bearer <token>" (workbook: headers).
            raise GatewayRefusal("EGW00205")
        self._check_application(headers, "appsecret", 500, oauth=False)
        if token not in self._tokens:
            raise GatewayRefusal("EGW00121", self._persona.token_status)
        if self._tokens[token] <= now:
            raise GatewayRefusal("EGW00123", self._persona.token_status)
        # KIS counts calls in a sliding second by appkey (notice of 2026-04-20).
        if self._gateway.earliest(now) > now:
            raise GatewayRefusal("EGW00201")
        self._gateway.record_call(now)
        # The account's back end has a limit of its own, EGW00215, which some clients have met below
        # the gateway's. A call that the back end refuses still counts at the gateway.
        if sort == "account" and self._ledger is not None:
            if self._ledger.earliest(now) > now:
                raise GatewayRefusal("EGW00215")
            self._ledger.record_call(now)

    def status_of(self, msg_cd: str) -> int:
        """Return the HTTP status that comes with a message code."""
        if msg_cd in TOKEN_EXPIRED:
            return self._persona.token_status
        # KIS sends refusals of its gateway and query server with HTTP 500; all other failures come
        # with 200.
        return 500 if msg_cd.startswith(("EGW", "OPSQ", "IGW")) else 200

    def _check_application(
        self, given: Mapping[str, str], secret_name: str, status: int, *, oauth: bool
    ) -> None:
        appkey, appsecret = given.get("appkey", ""), given.get(secret_name, "")
        # A made-up appkey shows its host. Only so can this host recognise the keys of the other
        # one.
        other = next(
            start for mode, start in APPKEY_START.items() if mode is not self._persona.mode
        )
        for given_key, known, missing, wrong in (
            (appkey, self._keys.appkey, "EGW00102", "EGW00103"),
            (appsecret, self._keys.appsecret, "EGW00104", "EGW00105"),
        ):
            if not given_key:
                raise GatewayRefusal(missing, status, oauth=oauth)
            # The time of the comparison does not depend on the key.
            if not secrets.compare_digest(_bytes(given_key), _bytes(known.reveal())):
                code = OTHER_HOST[self._persona.mode] if appkey.startswith(other) else wrong
                raise GatewayRefusal(code, status, oauth=oauth)
        if not oauth:
            return
        grant = given.get("grant_type", "client_credentials")
        if grant != "client_credentials":
            raise GatewayRefusal("EGW00116" if grant else "EGW00115", status, oauth=True)


def _bytes(text: str) -> bytes:
    """Return the bytes of a header, which may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogatepass")
