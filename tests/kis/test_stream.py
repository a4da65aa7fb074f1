"""The WebSocket against a real server on loopback: K06 acks, K07 dead letters, K08 PINGPONG, K10
reconnects."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, time
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND, Activity, SimulatedClock, kst
from kisnb.errors import LinkLost
from kisnb.events import Event, LinkUp, Notice, SubscriptionChanged, Tick
from kisnb.events import LinkDown as LinkWasLost
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.frames import TRADES, encode, encode_tick
from kisnb.kis.feed.notices import Cipher, NoticeMore, encode_notice
from kisnb.kis.feed.stream import Stream
from kisnb.kis.http.rest import TOO_FAST, Rest
from kisnb.orders import Want
from kisnb.terms import Mode, Side, Venue
from tests.kis.scripted_kis import KEYS, SECRETS, Scripted, ScriptedKis, serving
from tests.waiting import until

NINE = kst(date(2026, 11, 20), time(9))
AES_KEY, AES_IV = "abcdefghijklmnopqrstuvwxyz012345", "0123456789abcdef"
WANTS = [Want("ticks", "005930"), Want("notices", priority=0)]
TICK = Tick(NINE, "005930", Venue.KRX, 71_900, 3, Side.BUY, 3, 215_700, 71_900, 71_800, NINE)


async def confirm(socket: web.WebSocketResponse, text: str) -> None:
    """What KIS does with a request."""
    request = cf.decode_request(text)
    if isinstance(request, cf.SubscriptionRequest):
        msg_cd = cf.SUBSCRIBED if request.tr_type == cf.SUBSCRIBE else cf.RELEASED
        await socket.send_str(
            cf.encode_ack(cf.ack(msg_cd, request.tr_id, request.tr_key, key=AES_KEY, iv=AES_IV))
        )


class Bench:
    """A stream, its server, a clock that a test steps, and all frames' events."""

    def __init__(
        self, kis: ScriptedKis, endpoint: Endpoint, cache: Path, clock: SimulatedClock
    ) -> None:
        self.kis = kis
        self.clock = clock
        self.activity = Activity()
        self.rest = Rest(endpoint, KEYS, clock, self.activity, cache)
        self.stream = Stream(endpoint, KEYS, self.rest, clock, self.activity, jitter=lambda: 1.0)
        self.calls: list[list[Event]] = []
        self.stream.on_events = lambda events: self.calls.append(list(events))
        kis.on_text = confirm

    @property
    def events(self) -> list[Event]:
        return [event for call in self.calls for event in call]

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, 5)

    async def send(self, text: str) -> None:
        before = self.stream.frames
        await self.kis.sockets[-1].send_str(text)
        await self.until(lambda: self.stream.frames > before)


def with_stream(
    cache: Path, body: Callable[[Bench], Awaitable[None]], *, start: bool = True
) -> None:
    async def main() -> None:
        clock = SimulatedClock(NINE)
        async with serving(clock.now) as (kis, endpoint):
            bench = Bench(kis, endpoint, cache, clock)
            try:
                if start:
                    bench.stream.want(WANTS)
                    await bench.stream.start()
                    await bench.until(lambda: bench.stream.settled)
                await body(bench)
            finally:
                await bench.stream.close()
                await bench.rest.close()

    asyncio.run(main())


def test_k06_subscriptions_are_confirmed_notices_first_and_told(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        assert [type(e) for e in b.events] == [LinkUp, SubscriptionChanged, SubscriptionChanged]
        requests = [cf.decode_request(text) for text in b.kis.heard]
        assert [r.tr_id for r in requests if isinstance(r, cf.SubscriptionRequest)] == [
            "H0STCNI0",
            "H0STCNT0",
        ]
        assert b.stream.frames == 2
        assert b.stream.local_port == b.kis.sockets[0]._req.transport.get_extra_info("peername")[1]  # type: ignore[union-attr]

    with_stream(tmp_path, body)


def test_k06_a_release_is_sent_with_tr_type_2(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        b.stream.want([Want("notices", priority=0)])
        assert not b.stream.settled
        await b.until(lambda: b.stream.settled)
        assert json.loads(b.kis.heard[-1])["header"]["tr_type"] == "2"

    with_stream(tmp_path, body)


def test_one_call_per_frame_with_all_its_events_in_order(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        b.calls.clear()
        await b.send(encode(TRADES, [encode_tick(TICK)] * 3))
        await b.send(encode(TRADES, [encode_tick(TICK)]))
        assert b.calls == [[TICK] * 3, [TICK]]

    with_stream(tmp_path, body)


def test_an_encrypted_notice_becomes_a_fact(tmp_path: Path) -> None:
    notice = Notice(NINE, "filled", 7, 0, "005930", Side.BUY, 3, 71_900, "06010", Venue.KRX)

    async def body(b: Bench) -> None:
        record = encode_notice(notice, NoticeMore("THE-HTS-ID", "1234567801", 3, 71_900))
        await b.send(
            encode(
                "H0STCNI0", [[Cipher(AES_KEY, AES_IV).encrypt("^".join(record))]], encrypted=True
            )
        )
        assert b.calls[-1] == [notice]

    with_stream(tmp_path, body)


def test_k07_a_malformed_frame_is_a_dead_letter_and_the_feed_lives(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        bottomless = '{"header":' + "[" * 100_000
        await b.send(bottomless)
        assert b.stream.dead_letters.pop() == bottomless[:200]
        for junk in (
            "junk",
            "{junk",
            "0|H0STCNT0|001|005930^090000",
            "1|H0STCNI0|001|THE-HTS-ID",
            '{"header":{}}',
        ):
            await b.send(junk)
        await b.send(encode(TRADES, [encode_tick(TICK)]))
        assert b.calls[-1] == [TICK]
        assert list(b.stream.dead_letters) == [
            "junk",
            "{junk",
            "0|H0STCNT0|001|005930^090000",
            "1|H0STCNI0|001|***",
            '{"header":{}}',
        ]

    with_stream(tmp_path, body)


def test_k07_a_frame_in_a_wrong_encoding_or_in_binary_is_a_dead_letter_and_the_feed_lives(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> None:
        before = b.stream.frames
        frame = encode(TRADES, [encode_tick(TICK)])
        for data in ("0|삼성전자".encode("cp949"), b"\xff\xfe\x00", b""):
            await b.kis.sockets[-1]._writer.send_frame(data, aiohttp.WSMsgType.TEXT)  # type: ignore[union-attr]
        await b.kis.sockets[-1].send_bytes(b"\x80")
        await b.kis.sockets[-1].send_bytes(frame.encode())
        await b.send(frame)
        assert b.stream.frames == before + 6
        assert b.calls[-2:] == [[TICK], [TICK]]
        assert len(b.stream.dead_letters) == 4
        assert len(b.kis.sockets) == 1

    with_stream(tmp_path, body)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60) | st.binary(max_size=40), max_size=8))
def test_k07_whatever_comes_the_feed_lives(frames: list[str | bytes]) -> None:
    async def body(b: Bench) -> None:
        for frame in frames:
            socket = b.kis.sockets[-1]
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        await b.send(encode(TRADES, [encode_tick(TICK)]))
        await b.until(lambda: b.calls[-1] == [TICK])
        assert len(b.kis.sockets) == 1

    with tempfile.TemporaryDirectory() as cache:
        with_stream(Path(cache), body)


def test_a_listener_that_fails_does_not_end_the_feed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(b: Bench) -> None:
        heard = []

        def listen(events: Sequence[Event]) -> None:
            heard.append(events)
            raise RuntimeError("a defect")

        b.stream.on_events = listen
        await b.send(encode(TRADES, [encode_tick(TICK)]))
        await b.send(encode(TRADES, [encode_tick(TICK)]))
        assert len(heard) == 2

    with caplog.at_level(logging.CRITICAL):
        with_stream(tmp_path, body)


def test_k08_pingpong_is_echoed_as_it_came_and_says_nothing(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        b.calls.clear()
        ping = cf.encode_ping(NINE)
        await b.send(ping)
        await b.until(lambda: b.kis.heard[-1] == ping)
        assert not b.calls

    with_stream(tmp_path, body)


def test_k10_twenty_cut_connections_are_twenty_reconnects_with_everything_subscribed_again(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> None:
        for n in range(20):
            b.kis.sockets[-1]._req.transport.abort()  # type: ignore[union-attr]
            await b.until(lambda: b.clock.next_wake() is not None)
            assert b.stream.settled, "only the clock can change anything now"
            assert b.stream.local_port is None
            b.clock.set(b.clock.next_wake() or 0)
            await b.until(lambda n=n: len(b.kis.sockets) == n + 2 and b.stream.settled)  # type: ignore[misc]
        requests = [cf.decode_request(text) for text in b.kis.heard]
        assert [r.tr_id for r in requests if isinstance(r, cf.SubscriptionRequest)] == [
            "H0STCNI0",
            "H0STCNT0",
        ] * 21
        assert sum(isinstance(e, LinkWasLost) for e in b.events) == 20
        assert sum(isinstance(e, LinkUp) for e in b.events) == 21
        assert b.stream.frames == 2
        assert b.kis.approvals == 1

    with_stream(tmp_path, body)


def test_k10_pauses_double_up_to_a_minute_and_are_short_again_after_a_healthy_minute(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> None:
        async def cut() -> int:
            b.kis.sockets[-1]._req.transport.abort()  # type: ignore[union-attr]
            await b.until(lambda: b.clock.next_wake() is not None)
            wake = b.clock.next_wake() or 0
            pause, sockets = wake - b.clock.now(), len(b.kis.sockets)
            b.clock.set(wake)
            await b.until(lambda: len(b.kis.sockets) > sockets and b.stream.settled)
            return pause // SECOND

        assert [await cut() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
        b.clock.set(b.clock.now() + MINUTE)
        assert await cut() == 1

    with_stream(tmp_path, body)


def test_an_unknown_approval_key_is_replaced(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        async def refuse_once(socket: web.WebSocketResponse, text: str) -> None:
            b.kis.on_text = confirm
            await socket.send_str(cf.encode_ack(cf.ack(cf.BAD_APPROVAL, "H0STCNI0", "THE-HTS-ID")))

        b.kis.on_text = refuse_once
        b.stream.want(WANTS)
        await b.stream.start()
        await b.until(lambda: b.clock.next_wake() is not None)
        b.clock.set(b.clock.next_wake() or 0)
        await b.until(lambda: len(b.kis.sockets) == 2 and b.stream.settled)
        assert b.kis.approvals == 2
        assert json.loads(b.kis.heard[-1])["header"]["approval_key"] == "approval-2"

    with_stream(tmp_path, body, start=False)


def test_a_pause_before_the_next_approval_key_is_rest_so_that_a_stepped_clock_ends_it(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> None:
        b.kis.script["approval"].append(Scripted({"error_code": TOO_FAST}, 403))
        starting = asyncio.create_task(b.stream.start())
        await b.until(lambda: b.clock.next_wake() is not None)
        assert b.activity.quiet
        b.clock.set(b.clock.next_wake() or 0)
        await starting

    with_stream(tmp_path, body, start=False)


def test_an_appkey_in_use_backs_off_and_keeps_its_key(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        async def refuse_once(socket: web.WebSocketResponse, text: str) -> None:
            b.kis.on_text = confirm
            await socket.send_str(cf.encode_ack(cf.ack(cf.APPKEY_IN_USE, "(null)", "")))

        b.kis.on_text = refuse_once
        b.stream.want(WANTS)
        await b.stream.start()
        await b.until(lambda: b.clock.next_wake() is not None)
        assert any(isinstance(e, LinkWasLost) and "appkey" in e.text for e in b.events)
        b.clock.set(b.clock.next_wake() or 0)
        await b.until(lambda: len(b.kis.sockets) == 2 and b.stream.settled)
        assert b.kis.approvals == 1

    with_stream(tmp_path, body, start=False)


def test_the_first_connection_fails_in_one_line(tmp_path: Path) -> None:
    async def main() -> None:
        clock = SimulatedClock(NINE)
        async with serving(clock.now) as (_, endpoint):
            nowhere = Endpoint(endpoint.rest, "ws://127.0.0.1:1")
            rest = Rest(nowhere, KEYS, clock, Activity(), tmp_path)
            stream = Stream(nowhere, KEYS, rest, clock, Activity())
            with pytest.raises(LinkLost, match="No stream to KIS"):
                await stream.start()
            await stream.close()
            await rest.close()

    asyncio.run(main())


def test_n11_no_secret_in_any_event_or_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []

    async def body(b: Bench) -> None:
        await b.send("1|H0STCNI0|001|" + "x" * 180 + "THE-HTS-ID 12345678")
        await b.send("THE-HTS-ID|THE-APPKEY|x|y")
        b.kis.sockets[-1]._req.transport.abort()  # type: ignore[union-attr]
        await b.until(lambda: b.clock.next_wake() is not None)
        said.extend([repr(b.events), repr(b.stream.dead_letters), repr(b.stream)])

    with caplog.at_level(logging.DEBUG):
        with_stream(tmp_path, body)
    text = "\n".join(said) + caplog.text
    assert "***" in text
    assert not [secret for secret in SECRETS if secret in text]


def silent_stream(cache: Path, body: Callable[[Bench], Awaitable[None]], silence: float) -> None:
    async def main() -> None:
        clock = SimulatedClock(NINE)
        async with serving(clock.now) as (kis, endpoint):
            bench = Bench(kis, msgspec.structs.replace(endpoint, silence=silence), cache, clock)
            bench.stream.want(WANTS)
            await bench.stream.start()
            await bench.until(lambda: bench.stream.settled)
            await body(bench)
            await bench.stream.close()
            await bench.rest.close()

    asyncio.run(main())


def test_k12_a_half_open_connection_is_ended_and_built_anew(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        await b.until(lambda: b.clock.next_wake() is not None)
        (lost,) = [e for e in b.events if isinstance(e, LinkWasLost)]
        assert lost.text == "no frame for 0.2 s"
        b.clock.set(b.clock.next_wake() or 0)
        await b.until(lambda: len(b.kis.sockets) == 2 and b.stream.settled)
        assert b.stream.confirmed == b.stream.desired

    silent_stream(tmp_path, body, 0.2)


def test_k12_k08_pingpong_alone_keeps_a_connection_alive(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        for _ in range(8):
            await asyncio.sleep(0.5)
            await b.send(cf.encode_ping(NINE))
        assert len(b.kis.sockets) == 1
        assert not [e for e in b.events if isinstance(e, LinkWasLost)]

    silent_stream(tmp_path, body, 2.0)


def test_k12_kis_own_hosts_are_watched_for_silence_and_simulators_are_not() -> None:
    assert [Endpoint.of(mode).silence for mode in (Mode.LIVE, Mode.PAPER)] == [60.0, 60.0]
    assert Endpoint("", "").silence == 0


def test_k12_while_an_old_session_lingers_the_pauses_grow_and_no_key_is_issued_again(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> None:
        async def refuse(socket: web.WebSocketResponse, text: str) -> None:
            await socket.send_str(cf.encode_ack(cf.ack(cf.APPKEY_IN_USE, "(null)", "")))

        b.kis.on_text = refuse
        b.stream.want(WANTS)
        await b.stream.start()
        pauses = []
        for n in range(6):
            await b.until(
                lambda n=n: len(b.kis.sockets) == n + 1 and b.clock.next_wake() is not None
            )  # type: ignore[misc]
            wake = b.clock.next_wake() or 0
            pauses.append((wake - b.clock.now()) // SECOND)
            if n == 5:
                b.kis.on_text = confirm
            b.clock.set(wake)
        await b.until(lambda: b.stream.settled and b.stream.confirmed == b.stream.desired)
        assert pauses == [1, 2, 4, 8, 16, 32]
        assert b.kis.approvals == 1

    with_stream(tmp_path, body, start=False)


@pytest.mark.parametrize("part", ["refresh", "take_due", "without_superseded"])
def test_k10_whatever_fails_in_the_stream_it_is_built_anew_and_says_why(
    tmp_path: Path, part: str
) -> None:
    async def body(b: Bench) -> None:
        works, failed = getattr(b.stream._subscriptions, part), []

        def fails_once(*args: object) -> object:
            if failed:
                return works(*args)
            failed.append(part)
            raise RuntimeError("a bug")

        setattr(b.stream._subscriptions, part, fails_once)
        b.stream.want([*WANTS, Want("ticks", "000660")])
        if part == "without_superseded":
            await b.kis.sockets[-1].send_str(encode(TRADES, [encode_tick(TICK)]))
        await b.until(
            lambda: any(isinstance(e, LinkWasLost) and "a bug" in e.text for e in b.events)
        )
        await b.until(lambda: b.clock.next_wake() is not None)
        b.clock.set(b.clock.next_wake() or 0)
        await b.until(lambda: b.stream.settled and len(b.stream.confirmed) == 3)

    with_stream(tmp_path, body)
