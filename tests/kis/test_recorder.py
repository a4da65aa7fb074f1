"""N11, K07: what a client records holds no secret of any kind, and a recording can be played back
to the same facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kisnb.clock import MINUTE, Activity, SimulatedClock
from kisnb.errors import ApiError, BadInput, FrameError, LinkLost
from kisnb.events import Depth, Event, Notice, Tick
from kisnb.kis.broker import KisBroker
from kisnb.kis.catalogue import APIS
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.rest import Rest
from kisnb.kis.http.transport import Network
from kisnb.kis.recording.recorder import Recording, open_recording
from kisnb.kis.recording.replay import Replay, read_recording
from tests.kis.scripted_kis import (
    DROP,
    KEYS,
    NOT_JSON,
    SECRETS,
    Scripted,
    ScriptedKis,
    refusal,
    serving,
)
from tests.kis.simulated import CODE, DAY, START, WANTS, Desk, on_simulator
from tests.waiting import until

PARAMS = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": CODE}
FACTS = (Tick, Depth, Notice)


def recorded_day(cache: Path, file: Path) -> tuple[list[Event], Credentials, list[object]]:
    """Some minutes on a simulator with an order and questions, recorded by the client."""
    said: list[object] = []
    kept: list[Any] = []

    async def body(d: Desk) -> None:
        d.control("trade", code=CODE, side="buy", qty=3)
        await d.move(START + 2 * MINUTE)
        said.extend(
            [await d.broker.account(), await d.broker.day_orders(DAY), await d.broker.quote(CODE)]
        )
        with pytest.raises(ApiError):
            await d.broker.quote("000000")
        kept.extend([d.heard, d.keys])

    def recorded(clock: SimulatedClock, keys: Credentials) -> Recording:
        return Recording(Network(5.0), open_recording(file), clock, keys.masking())

    on_simulator(cache, body, transport=recorded)
    heard, keys = kept
    return [e for e in heard if isinstance(e, FACTS)], keys, said


def test_a_recorded_exchange_is_played_back_to_the_same_facts_and_answers(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    heard, keys, said = recorded_day(tmp_path / "a", file)
    assert {type(e) for e in heard} == set(FACTS)

    async def main() -> None:
        clock, again = SimulatedClock(START), list[Event]()
        replay = Replay(read_recording(file), keys, clock)
        broker = KisBroker(
            Endpoint("http://nowhere", "ws://nowhere"),
            keys,
            clock,
            Activity(),
            cache=tmp_path / "b",
            transport=replay,
        )
        broker.listen(again.extend)
        broker.want(WANTS)
        await broker.start()
        await until(lambda: sum(isinstance(e, FACTS) for e in again) >= len(heard), 5)
        assert [e for e in again if isinstance(e, FACTS)] == heard
        assert not broker.dead_letters
        assert [await broker.account(), await broker.day_orders(DAY)] == said[:2]
        quote = await broker.quote(CODE)
        assert quote.price == said[2].price  # type: ignore[attr-defined]
        with pytest.raises(ApiError):
            await broker.quote("000000")
        with pytest.raises(LinkLost, match="no more replies to inquire_price"):
            await broker.quote(CODE)
        await broker.close()

    asyncio.run(main())


def test_n11_a_recording_is_for_its_owner_and_holds_no_key_token_account_or_id(
    tmp_path: Path,
) -> None:
    file = tmp_path / "day.jsonl"
    _, keys, _ = recorded_day(tmp_path / "a", file)
    text = file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in (keys.appkey, keys.appsecret, keys.account, keys.hts_id):
        assert secret.reveal() not in text
    lines = [json.loads(line) for line in text.splitlines()]
    notices = [
        line["text"]
        for line in lines
        if line.get("tr_id") == "H0STCNI0" and line["kind"] == "frame"
    ]
    assert notices
    assert all(notice.startswith("1|H0STCNI0|001|***^***^") for notice in notices)
    assert not any('"iv"' in line.get("text", "") for line in lines)
    issued = [
        line["body"] for line in lines if line["kind"] == "reply" and "access_token" in line["body"]
    ]
    assert [body["access_token"] for body in issued] == ["***"]


def through_a_recording(
    file: Path,
    cache: Path,
    body: Callable[[Rest, ScriptedKis], Awaitable[None]],
    *,
    token_from_file: bool = False,
) -> list[dict[str, Any]]:
    async def main() -> None:
        clock = SimulatedClock(START)
        async with serving(clock.now) as (kis, endpoint):
            if token_from_file:
                before = Rest(endpoint, KEYS, clock, Activity(), cache)
                await before.read(APIS["inquire_price"], PARAMS)
                await before.close()
            transport = Recording(Network(2.0), open_recording(file), clock, KEYS.masking())
            rest = Rest(endpoint, KEYS, clock, Activity(), cache, transport=transport)
            await body(rest, kis)
            await rest.close()

    asyncio.run(main())
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("token_from_file", [False, True])
def test_n11_secrets_are_hidden_wherever_kis_puts_them(
    tmp_path: Path, token_from_file: bool
) -> None:
    """In messages, nested blocks, names of fields, half replies.

    A token from the file that was never fetched here.
    """

    async def body(rest: Rest, kis: ScriptedKis) -> None:
        output = [{"THE-APPKEY": ["12345678-01"]}]
        everywhere = {"rt_cd": "0", "msg_cd": "X", "msg1": " ".join(SECRETS[:5]), "output": output}
        nested = {
            "rt_cd": "0",
            "msg_cd": "X",
            "output": {"a": {"appkey": "x-x", "ACCESS_TOKEN": "y-y"}},
        }
        kis.script["inquire_price"].extend(
            [Scripted(everywhere), Scripted(nested), refusal("token-1"), NOT_JSON]
        )
        for _ in range(2):
            await rest.read(APIS["inquire_price"], PARAMS | {"FID_INPUT_ISCD": "THE-HTS-ID"})
        with pytest.raises(ApiError):
            await rest.read(APIS["inquire_price"], PARAMS)
        with pytest.raises(FrameError):
            await rest.read(APIS["inquire_price"], PARAMS)

    file = tmp_path / "x.jsonl"
    lines = through_a_recording(file, tmp_path / "cache", body, token_from_file=token_from_file)
    asked = [line["path"].rpartition("/")[2] for line in lines if line["kind"] == "request"]
    assert asked == ["inquire-price"] * 4 if token_from_file else ["tokenP", *["inquire-price"] * 4]
    text = file.read_text("utf-8")
    assert [secret for secret in (*SECRETS[:5], "x-x", "y-y") if secret in text] == []
    assert "bytes that are not JSON" in text


def test_what_got_no_reply_is_recorded_as_lost_and_played_back_as_lost(tmp_path: Path) -> None:
    async def body(rest: Rest, kis: ScriptedKis) -> None:
        kis.script["order_cash_buy"].append(DROP)
        with pytest.raises(LinkLost):
            await rest.send_order(APIS["order_cash_buy"], {"CANO": "12345678", "PDNO": "005930"}, 1)  # type: ignore[arg-type]

    lines = through_a_recording(tmp_path / "lost.jsonl", tmp_path / "cache", body)
    assert [line["kind"] for line in lines][-2:] == ["request", "lost"]
    assert lines[-2]["params"] == {"CANO": "***", "PDNO": "005930"}


@pytest.mark.parametrize("text", ["{", "[]", '{"t":1}', "x"])
def test_a_broken_recording_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"t":1,"kind":"frame","text":"x"}\n' + text)
    with pytest.raises(BadInput, match=r"Line 2 of x\.jsonl"):
        read_recording(file)
    with pytest.raises(BadInput, match="cannot be read"):
        read_recording(tmp_path / "missing")
