"""K01, K02: one token for all, kept in a private file, asked for at most once a minute.

On a stepped clock.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
from datetime import date, time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND, Ns, kst
from kisnb.errors import ConfigError, FrameError, TokenError
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.token import Token, TokenFile, TokenLife
from tests.kis.scripted_kis import KEYS

NINE = kst(date(2026, 11, 20), time(9))
ENDPOINT = Endpoint("http://127.0.0.1:1", "ws://127.0.0.1:1")


def answer(text: str = "abc", end: str = "2026-11-21 09:00:00") -> bytes:
    return json.dumps(
        {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": 86400,
            "access_token_token_expired": end,
        }
    ).encode()


def test_a_token_serves_until_shortly_before_its_printed_end() -> None:
    life = TokenLife()
    assert life.usable(NINE) is None
    token = life.receive(answer(), 200, NINE)
    end = kst(date(2026, 11, 21), time(9))
    assert token == Token("abc", NINE, end)
    assert life.usable(end - 6 * MINUTE) is token
    assert life.usable(end - 5 * MINUTE) is None


def test_without_a_printed_end_expires_in_counts() -> None:
    token = TokenLife().receive(b'{"access_token":"abc","expires_in":86400}', 200, NINE)
    assert token is not None
    assert token.expires == NINE + 86_400 * SECOND


@given(st.lists(st.integers(0, 3 * MINUTE), max_size=20))
def test_k02_two_requests_are_never_closer_than_a_minute(gaps: list[Ns]) -> None:
    life, now, asked = TokenLife(), NINE, []
    for gap in gaps:
        now = life.next_request(now + gap)
        life.record_request(now)
        asked.append(now)
    assert all(b - a >= MINUTE for a, b in pairwise(asked))


def test_k02_too_soon_is_no_failure_but_no_token_either() -> None:
    why = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
    body = f'{{"error_code":"EGW00133","error_description":"{why}"}}'.encode()
    assert TokenLife().receive(body, 403, NINE) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"error_code":"EGW00103","error_description":"x"}',
        b'{"rt_cd":"1","msg_cd":"EGW00105","msg1":"x"}',
        b"{}",
    ],
)
def test_wrong_keys_are_a_token_error(body: bytes) -> None:
    with pytest.raises(TokenError, match="Check the appkey"):
        TokenLife().receive(body, 403, NINE)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"access_token":"abc"}', b'{"access_token":"abc","expires_in":"soon"}'],
)
def test_an_unreadable_answer_is_a_typed_error(body: bytes) -> None:
    with pytest.raises(FrameError):
        TokenLife().receive(body, 200, NINE)


def test_k02_a_refused_token_is_dropped_and_a_newer_one_stays() -> None:
    life = TokenLife()
    life.receive(answer("new"), 200, NINE)
    life.drop("old")
    assert life.usable(NINE) is not None
    life.drop("new")
    assert life.usable(NINE) is None


def test_k01_the_file_is_private_and_holds_what_was_written(tmp_path: Path) -> None:
    file, life = TokenFile(tmp_path / "tokens", ENDPOINT, KEYS), TokenLife()
    assert file.read() == life
    life.record_request(NINE)
    life.receive(answer(), 200, NINE)
    file.write(life)
    assert file.read() == life
    (path,) = (tmp_path / "tokens").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(secret in path.name for secret in ("THE-APPKEY", "12345678"))


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"token":{"text":3}}'])
def test_a_broken_file_counts_as_none(tmp_path: Path, junk: bytes) -> None:
    file = TokenFile(tmp_path, ENDPOINT, KEYS)
    file.write(TokenLife())
    (path,) = tmp_path.iterdir()
    path.write_bytes(junk)
    assert file.read() == TokenLife()


def test_k01_host_appkey_and_account_each_have_a_file_of_their_own(tmp_path: Path) -> None:
    import msgspec

    from kisnb.kis.credentials import Secret

    others = [
        (Endpoint("http://127.0.0.1:2", ENDPOINT.ws), KEYS),
        (ENDPOINT, msgspec.structs.replace(KEYS, appkey=Secret("another"))),
        (ENDPOINT, msgspec.structs.replace(KEYS, account=Secret("87654321"))),
        (ENDPOINT, KEYS),
    ]
    for endpoint, keys in others:
        TokenFile(tmp_path, endpoint, keys).write(TokenLife())
    assert len(list(tmp_path.iterdir())) == 4


def test_k01_one_holder_at_a_time(tmp_path: Path) -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def hold(name: str) -> None:
            async with TokenFile(tmp_path, ENDPOINT, KEYS).locked():
                said.append(f"{name} in")
                await asyncio.sleep(0.02)
                said.append(f"{name} out")

        await asyncio.gather(hold("a"), hold("b"))
        return said

    said = asyncio.run(main())
    assert said in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


def test_k01_a_disk_without_locks_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    async def main() -> None:
        async with TokenFile(tmp_path, ENDPOINT, KEYS).locked():
            raise AssertionError("it was not locked")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ConfigError, match="cannot be locked: No locks available"):
        asyncio.run(main())


def test_n11_a_token_shows_in_no_repr() -> None:
    life = TokenLife()
    life.receive(answer("the-token"), 200, NINE)
    assert "the-token" not in repr(life)
