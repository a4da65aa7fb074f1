"""The access token of an appkey: its state as a plain object, and the file that processes share.

    none ── record_request ──► asked ── receive ──► valid ── 5 minutes before its end ──► none
      ▲                          │                    │
      │                          │                    └── drop: KIS refused it ──► none
      └── KIS: one a minute, ────┘
          or an error

``usable`` returns the token while it is valid. ``next_request`` says when the next one may be asked
for: a minute after the last request, whatever came of it.

The rules of KIS behind it:

- One token a minute and appkey, or EGW00133 (README of KIS's samples; documented as one a second).
- A token lives a day. Within six hours KIS gives the same token again (workbook: tokenP).
- It may die before its printed end, with EGW00123 (clients' observation).
- Each issue sends the customer a KakaoTalk message (KIS's sample kis_auth). So a token is kept on
  disk and shared.
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
"""KIS issues one token in this time."""
MARGIN: Ns = 5 * MINUTE
"""A token is not used in this time before its end."""
LOCK_POLL = 0.05
"""Wall seconds between two attempts to take the lock."""
LOCK_PATIENCE = 120.0
"""Wall seconds for which another process may hold the lock: it may wait for KIS's next minute."""


class Token(msgspec.Struct, frozen=True):
    """An access token; its repr hides it."""

    text: str
    asked: Ns
    """The moment of the request for the token."""
    expires: Ns
    """The moment at which the token ends, as KIS stated it."""

    def __repr__(self) -> str:
        return f"<Token {HIDDEN}>"


class TokenLife(msgspec.Struct):
    """The state of an appkey's token; the drawing is in this module's docstring."""

    token: Token | None = None
    asked: Ns | None = None
    """The moment of the last request to KIS; None before the first one."""

    def usable(self, now: Ns) -> Token | None:
        """Return the token while it is valid, else None."""
        token = self.token
        return token if token is not None and now + MARGIN < token.expires else None

    def next_request(self, now: Ns) -> Ns:
        """Return the moment at which KIS may be asked for a token; ``now`` when at once."""
        return now if self.asked is None else max(now, self.asked + ISSUE_INTERVAL)

    def record_request(self, now: Ns) -> None:
        """Note that KIS is asked. A minute must pass after it, whatever the reply is."""
        self.asked = now

    def receive(self, body: bytes, status: int, now: Ns) -> Token | None:
        """Process KIS's reply, and return the token.

        None: one was asked for less than a minute ago.

        Raises TokenError when KIS refuses, FrameError when the reply cannot be read.
        """
        reply = decode_object(body, "token", status)
        if "access_token" not in reply:
            code = str(reply.get("error_code") or reply.get("msg_cd") or f"HTTP {status}")
            # This reply has another body than all others: error_code, error_description, HTTP 403.
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
        """Forget a token that KIS refused; a newer one stays."""
        if self.token is not None and self.token.text == text:
            self.token = None


def _end(reply: dict[str, object], now: Ns) -> Ns:
    """Return the end of a token as KIS printed it (KST), else ``now`` plus ``expires_in``."""
    # The printed end has no zone; it is Korean time (workbook).
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
    """Return the part of a file's name that identifies server, appkey and account."""
    # Hashed, because a file's name is the wrong place for an appkey or an account number.
    owner = "\0".join((endpoint.rest, credentials.appkey.reveal(), credentials.full_account))
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


class ApprovalFile:
    """The WebSocket's approval key on disk, mode 0600, so that a restarted desk uses the same key.

    KIS limits how often a key is asked for; a key lasts a day (workbook: Approval).
    """

    def __init__(self, folder: Path, endpoint: Endpoint, credentials: Credentials) -> None:
        self._path = private_dir(folder) / f"approval-{_owner(endpoint, credentials)}.json"

    def read(self, now: Ns) -> str | None:
        """Return the stored approval key while it is valid, else None."""
        try:
            token = msgspec.json.decode(self._path.read_bytes(), type=Token)
        except (OSError, msgspec.MsgspecError):
            return None
        # A clock that was set back would make an old key look fresh.
        return token.text if token.asked <= now < token.expires - MARGIN else None

    def write(self, key: str, now: Ns) -> None:
        """Write the approval key to the file. ``now`` is the moment at which KIS issued it."""
        write_private(self._path, msgspec.json.encode(Token(key, now, now + DAY)).decode())

    def drop(self) -> None:
        """Delete the file, because KIS does not know the key any more."""
        self._path.unlink(missing_ok=True)


class TokenFile:
    """The token of a host, appkey and account on disk, mode 0600, with a lock for all processes."""

    def __init__(self, folder: Path, endpoint: Endpoint, credentials: Credentials) -> None:
        self._path = private_dir(folder) / f"token-{_owner(endpoint, credentials)}.json"

    def read(self) -> TokenLife:
        """Return the stored state of the token; an empty one when the file is missing or broken."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=TokenLife)
        except (OSError, msgspec.MsgspecError):
            return TokenLife()

    def write(self, life: TokenLife) -> None:
        """Write the state of the token to the file, in the place of the old one."""
        write_private(self._path, msgspec.json.encode(life).decode())

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Wait for the lock of all processes, and hold it while the block runs.

        Raises ConfigError when another process holds it for ``LOCK_PATIENCE`` seconds.
        """
        path = self._path.with_suffix(".lock")
        with path.open("ab") as file:
            path.chmod(0o600)
            loop = asyncio.get_running_loop()
            deadline = loop.time() + LOCK_PATIENCE
            # A lock that blocks would stop the event loop, so it is tried again and again.
            while not _try_lock(file):
                if loop.time() > deadline:
                    raise ConfigError(
                        "another process holds the token's lock", f"end it, or remove {path}"
                    )
                await asyncio.sleep(LOCK_POLL)
            yield


def _try_lock(file: BufferedWriter) -> bool:
    """Try to take the lock of an open file; return True on success. Closing the file releases it.

    Raises FolderError where the disk has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        raise refusal_of(e, Path(file.name)) from None
    return True
