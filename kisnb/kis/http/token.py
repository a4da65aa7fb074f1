"""The access token: its life as a plain object, and the file through which processes share it.

KIS issues one token a minute and appkey, valid for a day; within six hours it gives the same one again. A token may die
before its printed end (EGW00123). Source: KIS's documentation of tokenP and its sample code.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kisnb.clock import DAY, MINUTE, SECOND, Ns
from kisnb.errors import ConfigError, FrameError, TokenError
from kisnb.kis.calls.messages import decode_object
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.masking import HIDDEN
from kisnb.paths import private_dir, refusal_of, write_private

if TYPE_CHECKING:
    from io import BufferedWriter

ISSUE_INTERVAL: Ns = 60 * SECOND
MARGIN: Ns = 5 * MINUTE
"""A token this close to its end is not used any more."""
LOCK_POLL = 0.05
LOCK_PATIENCE = 120.0
"""Seconds of wall time that another process may hold the lock: it may have to wait out the minute."""


class Token(msgspec.Struct, frozen=True):
    """An access token; ``asked`` is when it was issued, ``expires`` what KIS printed."""

    text: str
    asked: Ns
    expires: Ns

    def __repr__(self) -> str:
        return f"<Token {HIDDEN}>"


class TokenLife(msgspec.Struct):
    """What is known about the token of an appkey: whether it may be used, and when one may be asked for."""

    token: Token | None = None
    asked: Ns | None = None
    """When KIS was last asked for a token."""

    def usable(self, now: Ns) -> Token | None:
        token = self.token
        return token if token is not None and now + MARGIN < token.expires else None

    def next_request(self, now: Ns) -> Ns:
        """When KIS may be asked for a token; ``now`` when at once."""
        return now if self.asked is None else max(now, self.asked + ISSUE_INTERVAL)

    def record_request(self, now: Ns) -> None:
        """KIS is asked: from now on a minute must pass, whatever the answer is."""
        self.asked = now

    def receive(self, body: bytes, status: int, now: Ns) -> Token | None:
        """KIS's answer; None when it says that one was asked for within the minute. Raises TokenError, FrameError."""
        reply = decode_object(body, "token", status)
        if "access_token" not in reply:
            code = str(reply.get("error_code") or reply.get("msg_cd") or f"HTTP {status}")
            if code == "EGW00133":
                return None
            words = str(
                reply.get("error_description") or reply.get("msg1") or "KIS gave no token"
            ).strip()
            raise TokenError(
                f"{words} [{code}]", "check the appkey and appsecret in your configuration"
            )
        self.token = Token(str(reply["access_token"]), now, _end(reply, now))
        return self.token

    def drop(self, text: str) -> None:
        """KIS refused this token; one that was fetched since stays."""
        if self.token is not None and self.token.text == text:
            self.token = None


def _end(reply: dict[str, object], now: Ns) -> Ns:
    printed = str(reply.get("access_token_token_expired", ""))
    try:
        return int(datetime.fromisoformat(f"{printed}+09:00").timestamp()) * SECOND
    except ValueError:
        pass
    try:
        return now + int(str(reply.get("expires_in"))) * SECOND
    except ValueError:
        raise FrameError("the token has no end", "ask again") from None


def _owner(endpoint: Endpoint, credentials: Credentials) -> str:
    owner = "\0".join((endpoint.rest, credentials.appkey.reveal(), credentials.full_account))
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


class ApprovalFile:
    """The approval key of the WebSocket on disk, mode 0600: a desk that is started again connects with the one it had.

    KIS counts what is asked for keys; one lives a day (KIS's documentation of Approval).
    """

    def __init__(self, folder: Path, endpoint: Endpoint, credentials: Credentials) -> None:
        self._path = private_dir(folder) / f"approval-{_owner(endpoint, credentials)}.json"

    def read(self, now: Ns) -> str | None:
        """The key, when it lives still."""
        try:
            token = msgspec.json.decode(self._path.read_bytes(), type=Token)
        except (OSError, msgspec.MsgspecError):
            return None
        return token.text if token.asked <= now < token.expires - MARGIN else None

    def write(self, key: str, now: Ns) -> None:
        write_private(self._path, msgspec.json.encode(Token(key, now, now + DAY)).decode())

    def drop(self) -> None:
        """KIS does not know it any more."""
        self._path.unlink(missing_ok=True)


class TokenFile:
    """The token of one host, appkey and account on disk, mode 0600, with a lock that all processes honour."""

    def __init__(self, folder: Path, endpoint: Endpoint, credentials: Credentials) -> None:
        self._path = private_dir(folder) / f"token-{_owner(endpoint, credentials)}.json"

    def read(self) -> TokenLife:
        """What the file says; nothing when it is missing or broken."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=TokenLife)
        except (OSError, msgspec.MsgspecError):
            return TokenLife()

    def write(self, life: TokenLife) -> None:
        write_private(self._path, msgspec.json.encode(life).decode())

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock; raises ConfigError when another process does not let it go."""
        path = self._path.with_suffix(".lock")
        with path.open("ab") as file:
            path.chmod(0o600)
            loop = asyncio.get_running_loop()
            deadline = loop.time() + LOCK_PATIENCE
            while not _try_lock(file):
                if loop.time() > deadline:
                    raise ConfigError(
                        "another process holds the token's lock", f"end it, or remove {path}"
                    )
                await asyncio.sleep(LOCK_POLL)
            yield


def _try_lock(file: BufferedWriter) -> bool:
    """Closing the file gives the lock back. Raises ConfigError where the disk has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        raise refusal_of(e, Path(file.name)) from None
    return True
