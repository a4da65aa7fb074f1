"""The wire end to end on the simulator: rows K01, K02, K03, K05, K06, K08, K09, K10 and N11."""

from __future__ import annotations

import asyncio
import logging
import stat
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from kisnb.clock import MINUTE, SECOND, Activity, Ns
from kisnb.events import Depth, LinkDown, LinkUp, SubscriptionChanged, Tick
from kisnb.kis.calls.messages import encode_params
from kisnb.kis.catalogue import APIS
from kisnb.kis.channels import feed_venue
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.rest import Rest
from kisnb.orders import Intent, OrderRef, Route, SendReply, Want
from kisnb.simulator.host.keys import write_configuration
from kisnb.simulator.host.personas import LIVE
from kisnb.simulator.host.quirks import with_quirks
from kisnb.terms import OrderKind, SessionId, Side, Venue
from tests.kis.simulated import CODE, DAY, START, WANTS, Desk, on_simulator

NOTICES = Want("notices", priority=0)
LIMIT = Route(Venue.KRX, OrderKind.LIMIT, "test")
PRICE = encode_params(APIS["inquire_price"], FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD=CODE)


# K10, K08


async def cut_and_reconnect(d: Desk) -> Ns:
    """Cut the connection without a handshake, wait for the next one; the pause between them."""
    assert d.control("cut", port=d.broker.local_port) == {"cut": 1}
    await d.until(lambda: d.broker.local_port is None and not d.server.core.sockets)
    await d.until(lambda: d.clock.next_wake() is not None)
    wake, before = d.clock.next_wake() or 0, d.clock.now()
    d.control("step", until=wake)
    d.clock.set(wake)
    await d.until(lambda: d.broker.local_port is not None)
    await d.received()
    return wake - before


def test_k10_twenty_cut_sockets_are_twenty_reconnects_and_confirmed_is_desired_afterwards(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        pauses = [await cut_and_reconnect(d) for _ in range(20)]
        assert sum(isinstance(e, LinkDown) for e in d.heard) == 20
        assert sum(isinstance(e, LinkUp) for e in d.heard) == 21
        for n, pause in enumerate(pauses):
            longest = min(SECOND << n, MINUTE)
            assert longest // 2 <= pause <= longest
        assert (
            len({pause * SECOND // min(SECOND << n, MINUTE) for n, pause in enumerate(pauses)}) > 10
        ), "jitter"
        (socket,) = d.server.core.sockets
        assert d.broker.confirmed == d.broker.desired == frozenset(WANTS)
        assert socket.subscriptions == {
            ("H0STCNI0", d.keys.hts_id.reveal()),
            ("H0STCNT0", CODE),
            ("H0STASP0", CODE),
        }
        asked = [line["tr_id"] for line in d.recorded("request") if line["method"] == "WS"]
        assert asked == ["H0STCNI0", "H0STCNT0", "H0STASP0"] * 21
        assert len(d.calls("tokenP")) <= 1
        assert len(d.calls("Approval")) == 1

        await d.move(d.clock.now() + MINUTE)
        assert await cut_and_reconnect(d) <= SECOND

    on_simulator(tmp_path, body)


def test_k10_fills_are_told_on_the_new_connection_with_its_own_key(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        await cut_and_reconnect(d)
        d.control("trade", code=CODE, side="buy", qty=3)
        await d.received()
        assert d.notices()[0] == ("accepted", 3)
        assert not d.broker.dead_letters

    on_simulator(tmp_path, body)


def test_k08_pingpong_comes_back_within_a_second_and_the_library_pings_by_itself_never(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        d.server.core.free_running = True
        (socket,) = d.server.core.sockets
        for n in range(1, 4):
            await d.move(START + n * 10 * SECOND)
            await d.until(
                lambda: socket.echoed is not None and socket.echoed >= (socket.pinged or 0)
            )
            assert socket.pinged is not None
            assert socket.echoed is not None
            assert socket.echoed - socket.pinged <= SECOND
        assert socket.pinged == START + 30 * SECOND
        assert d.broker._stream._socket._ws._heartbeat is None  # type: ignore[union-attr]

    on_simulator(tmp_path, body, wants=(NOTICES,))


# K01, K02

PROGRAM = """
import asyncio, sys
from pathlib import Path
from kisnb.clock import Activity, SimulatedClock
from kisnb.kis.catalogue import APIS
from kisnb.kis.credentials import Credentials
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.rest import Rest
address, keys, cache, now = sys.argv[1:]
async def main():
    credentials = Credentials.from_yaml(Path(keys), paper=False)
    rest = Rest(Endpoint(address, ""), credentials, SimulatedClock(int(now)), Activity(),
        Path(cache))
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
    print((await rest.read(APIS["inquire_price"], query)).one()["stck_prpr"])
    await rest.close()
asyncio.run(main())
"""


def test_k01_three_kernels_within_an_hour_ask_for_one_token_in_a_private_file(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        keys = write_configuration(tmp_path / "keys", d.keys, d.addresses.rest, d.addresses.ws)

        async def kernel(now: Ns) -> int:
            arguments = [d.addresses.rest, str(keys), str(tmp_path / "cache"), str(now)]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE
            )
            return int((await process.communicate())[0])

        prices = list(await asyncio.gather(kernel(START), kernel(START)))
        later = START + 50 * MINUTE
        d.server.clock.set(later)
        prices.append(await kernel(later))
        assert all(prices)
        assert len(d.calls("tokenP")) == 1
        assert len(d.calls("inquire-price")) == 3
        files = sorted((tmp_path / "cache").iterdir())
        assert [file.suffix for file in files] == [".json", ".lock"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert not [s for s in (d.keys.appkey, d.keys.account) if s.reveal() in files[0].name]

    on_simulator(tmp_path / "own", body, wants=())


@pytest.mark.parametrize("after", [0, 30, 61, 7 * 3600])
def test_k02_a_token_that_expired_at_any_time_is_refreshed_once_for_twenty_callers(
    tmp_path: Path, after: int
) -> None:
    async def body(d: Desk) -> None:
        await d.broker.quote(CODE)
        d.server.clock.set(START + after * SECOND)
        d.clock.set(START + after * SECOND)
        assert d.control("expire") == {"expired": 1}
        quotes = await d.stepped(asyncio.gather(*(d.broker.quote(CODE) for _ in range(20))))
        assert len(quotes) == 20
        first, second = (line["t"] for line in d.calls("tokenP"))
        assert second - first >= MINUTE
        counted = [text for text in d.troubles() if "one token a minute" in text]
        assert bool(counted) == (after < 60)

    on_simulator(tmp_path, body, wants=())


def test_k02_a_token_asked_for_by_another_program_is_waited_for_with_a_visible_countdown(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        other = Rest(
            Endpoint(d.addresses.rest, ""), d.keys, d.clock, Activity(), tmp_path / "other"
        )
        await other.read(APIS["inquire_price"], PRICE)
        await other.close()
        await d.stepped(d.broker.quote(CODE))
        assert [line["t"] - START for line in d.calls("tokenP")] == [0, 0, MINUTE]
        said = [
            line["body"].get("error_code", "")
            for line in d.recorded("reply")
            if "rt_cd" not in line["body"]
        ]
        assert said.count("EGW00133") == 1
        assert d.troubles() == [
            f"KIS gives one token a minute: kisnb asks for one in {left} s"
            for left in (60, 50, 40, 30, 20, 10)
        ]

    on_simulator(tmp_path, body, wants=())


# K03


@pytest.mark.parametrize("limit", [18, 15, 3, 1])
def test_k03_fifty_concurrent_calls_stay_under_the_configured_limit_and_none_is_refused(
    tmp_path: Path, limit: int
) -> None:
    async def body(d: Desk) -> None:
        await d.stepped(asyncio.gather(*(d.broker.quote(CODE) for _ in range(50))))
        times = [line["t"] for line in d.calls("inquire-price")]
        assert len(times) == 50
        assert max(sum(1 for t in times if start <= t < start + SECOND) for start in times) <= limit
        assert d.refusals() == []

    on_simulator(tmp_path, body, wants=(), limit=limit)


def test_k03_orders_and_cancels_overtake_queued_reads(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        await d.stepped(d.broker.quote(CODE))
        reads = [asyncio.ensure_future(d.broker.quote(CODE)) for _ in range(5)]
        await d.until(lambda: d.clock.next_wake() is not None)
        intent = Intent("k", "me", CODE, Side.BUY, 1, OrderKind.LIMIT, 60_000)
        order = asyncio.ensure_future(d.broker.submit(intent, LIMIT))
        cancel = asyncio.ensure_future(
            d.broker.cancel("k", OrderRef(20261120, "00950", 99_999), None)
        )
        await d.stepped(asyncio.gather(order, cancel, *reads))
        paths = [line["path"].rpartition("/")[2] for line in d.recorded("request")]
        assert paths[-7:] == ["order-rvsecncl", "order-cash", *["inquire-price"] * 5]

    on_simulator(tmp_path, body, wants=(), limit=1)


@pytest.mark.parametrize("msg_cd", ["EGW00201", "EGW00215"])
def test_k03_reads_that_were_too_fast_are_asked_again_with_growing_pauses(
    tmp_path: Path, msg_cd: str
) -> None:
    async def body(d: Desk) -> None:
        d.control("fault", on="call", what="refuse", msg_cd=msg_cd, times=3)
        assert (await d.stepped(d.broker.quote(CODE))).price > 0
        assert d.refusals() == [msg_cd] * 3
        pauses = [
            later["t"] - earlier["t"] for earlier, later in pairwise(d.calls("inquire-price"))
        ]
        # The learned rate makes the later ones longer than the read's own pause.
        least = [SECOND // 8, SECOND // 4, SECOND // 2]
        assert all(pause >= own for pause, own in zip(pauses, least, strict=True))
        assert "KIS refused 3 calls for speed" in d.broker.pace
        (trouble,) = d.troubles()
        assert f"KIS takes fewer calls than it should [{msg_cd}]" in trouble

    on_simulator(tmp_path, body, wants=())


NEW_CUSTOMER = with_quirks(LIVE, ("new-customer",))


def test_k17_the_orders_of_a_new_customer_all_pass_and_the_rate_is_learned(tmp_path: Path) -> None:
    """KIS takes 3 calls a second, and kisnb begins with 15."""

    async def one(d: Desk, n: int) -> SendReply:
        intent = Intent(f"k{n}", "", CODE, Side.BUY, 1, OrderKind.LIMIT, 60_000)
        while (reply := await d.broker.submit(intent, LIMIT)).outcome == "again":
            pass
        return reply

    async def body(d: Desk) -> None:
        work = asyncio.gather(
            *(one(d, n) for n in range(15)), *(d.broker.quote(CODE) for _ in range(5))
        )
        replies = await d.stepped(work)
        assert [reply.outcome for reply in replies[:15]] == ["sent"] * 15
        assert len(d.server.core.account.orders) == 15
        assert "Calls a second: 3 now, 15 at most" in d.broker.pace
        d.lines.clear()
        await d.stepped(asyncio.gather(*(d.broker.quote(CODE) for _ in range(12))))
        assert d.refusals() == []

    on_simulator(tmp_path, body, wants=(), persona=NEW_CUSTOMER)


# K05


def place(d: Desk, count: int) -> None:
    for _ in range(count):
        d.control("trade", code=CODE, side="buy", qty=1, price=60_000)


def test_k05_pages_are_followed_to_the_end(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        place(d, 250)
        page = await d.stepped(d.broker.day_orders(DAY))
        assert (len({row.ref.number for row in page.rows}), len(page.rows), page.complete) == (
            250,
            250,
            True,
        )
        assert len(d.calls("inquire-daily-ccld")) == 3

    on_simulator(tmp_path, body, wants=())


def test_k05_pages_that_moved_are_read_from_the_first_one_again(tmp_path: Path) -> None:
    """An order by hand between two pages pushes the others along: newest come first."""

    async def body(d: Desk) -> None:
        place(d, 150)
        task = asyncio.ensure_future(d.broker.day_orders(DAY))
        while not d.calls("inquire-daily-ccld"):
            await step_once(d)
        await d.until(lambda: d.activity.quiet and d.clock.next_wake() is not None)
        place(d, 1)
        page = await d.stepped(task)
        assert (len({row.ref.number for row in page.rows}), len(page.rows), page.complete) == (
            151,
            151,
            True,
        )
        assert len(d.calls("inquire-daily-ccld")) == 4

    on_simulator(tmp_path, body, wants=(), limit=1)


async def step_once(d: Desk) -> None:
    await d.until(lambda: d.activity.quiet and d.clock.next_wake() is not None)
    wake = d.clock.next_wake() or 0
    while d.control("step", until=wake)["now"] < wake:
        pass
    d.clock.set(wake)
    # The call goes over a real socket.
    await asyncio.sleep(0.01)


def test_k05_a_walk_that_breaks_off_is_flagged(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        place(d, 150)
        task = asyncio.ensure_future(d.broker.day_orders(DAY))
        while not d.calls("inquire-daily-ccld"):
            await step_once(d)
        d.control("fault", on="call", what="refuse", msg_cd="EGW00002")
        page = await d.stepped(task)
        assert (len(page.rows), page.complete) == (100, False)

    on_simulator(tmp_path, body, wants=(), limit=1)


# K06


def changes(d: Desk) -> list[tuple[str, str, str]]:
    return [(e.channel, e.code, e.state) for e in d.heard if isinstance(e, SubscriptionChanged)]


def test_k06_a_subscription_without_an_answer_is_told_and_asked_again(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        d.control("fault", on="request", what="silence")
        d.broker.want([NOTICES])
        await d.until(lambda: d.broker.confirmed == {NOTICES})
        assert d.troubles() == ["09:00:30 KIS did not confirm notices; it is asked again"]
        assert changes(d) == [("notices", "", "confirmed")]

    on_simulator(tmp_path, body, wants=(), timeout=0.2)


def test_k06_silence_and_refusals_are_told_and_asked_again_after_a_pause(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        d.control("fault", on="request", what="silence", times=3)
        d.broker.want([Want("ticks", CODE)])
        await d.until(lambda: d.broker.settled and d.clock.next_wake() is not None)
        d.control("fault", on="request", what="refuse", msg_cd="OPSP0009")
        for pause in (10, 20):
            assert changes(d)[-1] == ("ticks", CODE, "refused")
            assert d.broker.confirmed == frozenset()
            assert d.clock.next_wake() == d.clock.now() + pause * SECOND
            asked = len(d.recorded("request"))
            await step_once(d)
            await d.until(
                lambda asked=asked: len(d.recorded("request")) > asked and d.broker.settled
            )  # type: ignore[misc]
        assert changes(d)[-1] == ("ticks", CODE, "confirmed")

    on_simulator(tmp_path, body, wants=(), timeout=0.1)


def test_k06_forty_one_by_priority_and_a_release_has_tr_type_2(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        codes = [item.code for item in list(d.server.core._market.universe)[:25]]
        watched = [Want(channel, code) for code in codes[1:] for channel in ("ticks", "depth")]  # type: ignore[arg-type]
        held = Want("ticks", codes[0], priority=1)
        d.broker.want(watched)
        await d.received()
        d.broker.want([*watched, held, NOTICES])
        await d.received()
        assert d.broker.confirmed == d.broker.desired == {NOTICES, held, *watched[:39]}
        assert len(d.server.core.sockets[0].subscriptions) == 41
        released = [
            line["params"]["tr_key"]
            for line in d.recorded("request")
            if line["params"].get("tr_type") == "2"
        ]
        assert released == [watched[39].code, watched[40].code]
        assert [c for c in changes(d) if c[2] == "dropped"] == [
            (want.channel, want.code, "dropped") for want in watched[39:41]
        ]

    on_simulator(tmp_path, body, wants=())


# K09


def test_k09_the_unified_channel_follows_an_nxt_stock_and_is_silent_about_a_krx_only_one(
    tmp_path: Path,
) -> None:
    """A stock is followed where ``feed_venue`` says.

    The unified channel carries both venues' trades as its own.
    """

    async def body(d: Desk) -> None:
        universe = d.server.core._market.universe
        krx_only = next(item.code for item in universe if not item.nxt and not item.halted)
        assert universe.get(CODE).nxt
        listed = feed_venue(SessionId.NXT_AFTER, nxt_listed=True)
        unlisted = feed_venue(SessionId.NXT_AFTER, nxt_listed=False)
        wants = [
            Want("ticks", CODE, listed),
            Want("depth", CODE, listed),
            Want("ticks", krx_only, unlisted),
        ]
        silent = Want("ticks", krx_only, Venue.SOR)
        d.broker.want([*wants, silent])
        await d.received()
        await d.move(START + 3 * MINUTE)
        heard = {
            (type(e).__name__, e.code, e.venue) for e in d.heard if isinstance(e, Tick | Depth)
        }
        assert heard == {
            ("Tick", CODE, Venue.SOR),
            ("Depth", CODE, Venue.SOR),
            ("Tick", krx_only, Venue.KRX),
        }
        assert d.broker.confirmed == {*wants, silent}
        assert d.broker.last_record(wants[0])["MKSC_SHRN_ISCD"] == CODE
        assert not d.broker.dead_letters

    on_simulator(tmp_path, body, wants=())


# N11


def test_n11_no_secret_in_logs_events_reprs_errors_dead_letters_or_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    secrets: list[str] = []

    async def body(d: Desk) -> None:
        await d.broker.account()
        intent = Intent("k", "me", CODE, Side.BUY, 2, OrderKind.LIMIT, 1)
        replies = [
            await d.broker.submit(intent, LIMIT),
            await d.broker.cancel("k", OrderRef(20261120, "x", 1), None),
        ]
        d.control("trade", code=CODE, side="buy", qty=3)
        d.control("fault", on="call", what="refuse", msg_cd="EGW00121", times=2)
        with pytest.raises(Exception, match="EGW00121") as refused:
            await d.stepped(d.broker.quote(CODE))
        await d.received()
        d.control("cut")
        await d.until(lambda: d.broker.local_port is None)
        access = d.server.core._access
        secrets.extend(
            s.reveal() for s in (d.keys.appkey, d.keys.appsecret, d.keys.account, d.keys.hts_id)
        )
        secrets.extend([*access._tokens, *access._approvals])
        said.extend(
            map(
                repr,
                (
                    replies,
                    refused.value,
                    refused.value.args,
                    d.heard,
                    d.broker,
                    d.broker.dead_letters,
                ),
            )
        )
        said.extend(line.decode() for line in d.lines)
        said.append(d.broker._rest.mask.text(" ".join(secrets)))

    with caplog.at_level(logging.DEBUG):
        on_simulator(tmp_path, body)
    text = "\n".join([*said, caplog.text])
    assert len(secrets) >= 6
    assert "***" in text
    assert not [secret for secret in secrets if secret in text]
