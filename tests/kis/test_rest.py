"""REST against a real server on loopback: K04 retry rule, K02 one refresh for all, K03 backoff, K05
pages, N11."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from kisnb.clock import MINUTE, SECOND, Activity, SimulatedClock, kst
from kisnb.errors import ApiError, FrameError, KisError, LinkLost, TokenError, Unreachable
from kisnb.kis.calls.messages import encode_params, encode_reply
from kisnb.kis.calls.order_messages import order_body
from kisnb.kis.catalogue import APIS
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.http.limiter import Lane
from kisnb.kis.http.rest import Rest
from kisnb.orders import Intent, Route
from kisnb.terms import OrderKind, Side, Venue
from tests.kis.scripted_kis import (
    DROP,
    HANG,
    KEYS,
    NOT_JSON,
    SECRETS,
    Scripted,
    ScriptedKis,
    refusal,
    serving,
)

NINE = kst(date(2026, 11, 20), time(9))
PRICE = APIS["inquire_price"]
BALANCE = APIS["inquire_balance"]
BUY = APIS["order_cash_buy"]
QUERY = encode_params(PRICE, FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="005930")
ORDER = order_body(
    Intent("k", "me", "005930", Side.BUY, 10, OrderKind.LIMIT, 71_900),
    Route(Venue.KRX, OrderKind.LIMIT, ""),
    KEYS.account_params,
)
T = TypeVar("T")


class Bench:
    """A client, its server and a clock that a test steps."""

    def __init__(
        self,
        kis: ScriptedKis,
        endpoint: Endpoint,
        clock: SimulatedClock,
        cache: Path,
        timeout: float,
    ) -> None:
        self.kis = kis
        self.endpoint = endpoint
        self.clock = clock
        self.cache = cache
        self.activity = Activity()
        self.rest = Rest(endpoint, KEYS, clock, self.activity, cache, timeout=timeout)

    async def stepped(self, call: Awaitable[T]) -> T:
        """Await a call and step the clock to whatever it sleeps for."""
        task = asyncio.ensure_future(call)
        while not task.done():
            await asyncio.sleep(0.002)
            wake = self.clock.next_wake()
            if wake is not None and self.activity.quiet:
                self.clock.set(wake)
        return await task


def with_server(cache: Path, body: Callable[[Bench], Awaitable[T]], timeout: float = 5.0) -> T:
    async def main() -> T:
        clock = SimulatedClock(NINE)
        async with serving(clock.now) as (kis, endpoint):
            bench = Bench(kis, endpoint, clock, cache, timeout)
            try:
                return await body(bench)
            finally:
                await bench.rest.close()
                assert bench.activity.quiet
                assert not bench.activity.busy

    return asyncio.run(main())


# K04


def test_k04_a_read_is_asked_again_when_the_connection_is_lost(tmp_path: Path) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["inquire_price"].extend([DROP, DROP])
        await b.rest.read(PRICE, QUERY)
        return len(b.kis.calls("inquire_price"))

    assert with_server(tmp_path, body) >= 3


def test_k04_a_read_is_given_up_after_some_attempts(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        b.kis.script["inquire_price"].extend([DROP] * 50)
        with pytest.raises(LinkLost, match="No answer to inquire_price"):
            await b.rest.read(PRICE, QUERY)

    with_server(tmp_path, body)


@pytest.mark.parametrize("kept_alive", [True, False])
def test_k04_an_order_is_posted_exactly_once_when_the_connection_is_lost(
    tmp_path: Path, kept_alive: bool
) -> None:
    """Also on a connection that was used before, where HTTP clients like to repeat a request by
    themselves."""

    async def body(b: Bench) -> list[int]:
        if kept_alive:
            await b.rest.read(PRICE, QUERY)
        b.kis.script["order_cash_buy"].extend([DROP])
        with pytest.raises(LinkLost, match="Look at the orders of the day"):
            await b.rest.send_order(BUY, ORDER, Lane.ORDER)
        await asyncio.sleep(0.2)
        assert (b.kis.calls("order_cash_buy")[0].port == b.kis.asked[-2].port) or not kept_alive
        return [len(b.kis.calls("order_cash_buy"))]

    assert with_server(tmp_path, body) == [1]


@pytest.mark.parametrize(
    "scripted",
    [NOT_JSON, refusal("EGW00201"), refusal("EGW00215"), refusal("EGW00123"), refusal("EGW00302")],
)
def test_k04_an_order_is_posted_exactly_once_whatever_kis_says(
    tmp_path: Path, scripted: Scripted
) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["order_cash_buy"].append(scripted)
        with pytest.raises((ApiError, FrameError)):
            await b.stepped(b.rest.send_order(BUY, ORDER, Lane.ORDER))
        return len(b.kis.calls("order_cash_buy"))

    assert with_server(tmp_path, body) == 1


def test_k04_an_order_without_an_answer_is_posted_once_and_times_out_by_wall_time(
    tmp_path: Path,
) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["order_cash_buy"].append(HANG)
        with pytest.raises(LinkLost, match="TimeoutError"):
            await b.rest.send_order(BUY, ORDER, Lane.ORDER)
        return len(b.kis.calls("order_cash_buy"))

    assert with_server(tmp_path, body, timeout=0.3) == 1


def test_an_order_that_never_left_is_told_apart_from_one_without_an_answer(tmp_path: Path) -> None:
    async def main() -> None:
        nowhere = Endpoint("http://127.0.0.1:1", "ws://127.0.0.1:1")
        rest = Rest(nowhere, KEYS, SimulatedClock(NINE), Activity(), tmp_path)
        with pytest.raises(Unreachable, match="nothing was sent"):
            await rest.send_order(BUY, ORDER, Lane.ORDER)
        await rest.close()

    asyncio.run(main())


# K01, K02


def test_k01_several_programs_share_one_token(tmp_path: Path) -> None:
    async def body(b: Bench) -> int:
        others = [Rest(b.endpoint, KEYS, b.clock, Activity(), tmp_path) for _ in range(2)]
        await asyncio.gather(*(rest.read(PRICE, QUERY) for rest in (b.rest, *others)))
        for rest in others:
            await rest.close()
        return len(b.kis.calls("token"))

    assert with_server(tmp_path, body) == 1


def test_k02_an_expired_token_is_refreshed_once_for_twenty_callers(tmp_path: Path) -> None:
    async def body(b: Bench) -> tuple[int, int]:
        await b.rest.read(PRICE, QUERY)
        b.clock.set(NINE + 6 * 60 * MINUTE)
        b.kis.good_tokens.clear()
        replies = await b.stepped(asyncio.gather(*(b.rest.read(PRICE, QUERY) for _ in range(20))))
        return len(replies), len(b.kis.calls("token"))

    assert with_server(tmp_path, body) == (20, 2)


def test_k02_a_minute_passes_between_two_tokens_also_across_programs(tmp_path: Path) -> None:
    async def body(b: Bench) -> list[int]:
        await b.rest.read(PRICE, QUERY)
        b.kis.good_tokens.clear()
        other = Rest(b.endpoint, KEYS, b.clock, b.activity, tmp_path)
        await b.stepped(other.read(PRICE, QUERY))
        await other.close()
        return [asked.t - NINE for asked in b.kis.calls("token")]

    assert with_server(tmp_path, body) == [0, MINUTE]


def test_k02_told_to_wait_it_waits_a_minute_and_asks_again(tmp_path: Path) -> None:
    async def body(b: Bench) -> list[int]:
        b.kis.script["token"].append(
            Scripted({"error_code": "EGW00133", "error_description": "1분당 1회"}, 403)
        )
        await b.stepped(b.rest.read(PRICE, QUERY))
        return [asked.t - NINE for asked in b.kis.calls("token")]

    assert with_server(tmp_path, body) == [0, MINUTE]


def test_a_token_that_never_was_asked_for_costs_no_minute(tmp_path: Path) -> None:
    """The host was not reachable: the next attempt may come at once."""

    async def body(b: Bench) -> int:
        gone = Rest(Endpoint("http://127.0.0.1:1", ""), KEYS, b.clock, b.activity, tmp_path)
        with pytest.raises(Unreachable):
            await gone.send_order(BUY, ORDER, Lane.ORDER)
        with pytest.raises(Unreachable):
            await gone.send_order(BUY, ORDER, Lane.ORDER)
        await gone.close()
        return b.clock.now() - NINE

    assert with_server(tmp_path, body) == 0


@pytest.mark.parametrize("scripted", [DROP, NOT_JSON, Scripted({"error_code": "EGW00103"}, 403)])
def test_without_a_token_nothing_is_ordered(tmp_path: Path, scripted: Scripted) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["token"].append(scripted)
        with pytest.raises(TokenError):
            await b.rest.send_order(BUY, ORDER, Lane.ORDER)
        return len(b.kis.calls("order_cash_buy"))

    assert with_server(tmp_path, body) == 0


def test_k02_any_refusal_with_http_401_brings_a_new_token(tmp_path: Path) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["inquire_price"].append(refusal("EGW09999", 401))
        await b.stepped(b.rest.read(PRICE, QUERY))
        return len(b.kis.calls("token"))

    assert with_server(tmp_path, body) == 2


def test_k02_a_fresh_token_that_is_refused_too_is_the_end(tmp_path: Path) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["inquire_price"].extend([refusal("EGW00123")] * 5)
        with pytest.raises(ApiError, match="EGW00123"):
            await b.stepped(b.rest.read(PRICE, QUERY))
        return len(b.kis.calls("token"))

    assert with_server(tmp_path, body) == 2


# K03, K05


def test_k03_a_refusal_for_speed_is_retried_with_growing_pauses(tmp_path: Path) -> None:
    async def body(b: Bench) -> list[int]:
        b.kis.script["inquire_price"].extend(
            [refusal("EGW00201"), refusal("EGW00215"), refusal("EGW00201")]
        )
        await b.stepped(b.rest.read(PRICE, QUERY))
        times = [asked.t for asked in b.kis.calls("inquire_price")]
        return [later - earlier for earlier, later in pairwise(times)]

    pauses = with_server(tmp_path, body)
    assert pauses[0] == SECOND // 8
    assert all(
        pause >= own for pause, own in zip(pauses[1:], (SECOND // 4, SECOND // 2), strict=True)
    )


def test_k03_fifty_concurrent_calls_stay_under_the_limit_in_any_second(tmp_path: Path) -> None:
    async def body(b: Bench) -> list[int]:
        await b.stepped(asyncio.gather(*(b.rest.read(PRICE, QUERY) for _ in range(50))))
        return [asked.t for asked in b.kis.asked]

    times = with_server(tmp_path, body)
    assert len(times) == 51
    assert max(sum(1 for t in times if start <= t < start + SECOND) for start in times) <= 18


def test_other_refusals_are_told_at_once(tmp_path: Path) -> None:
    async def body(b: Bench) -> int:
        b.kis.script["inquire_price"].append(refusal("MCA05918", 200))
        with pytest.raises(ApiError, match="MCA05918"):
            await b.rest.read(PRICE, QUERY)
        return len(b.kis.calls("inquire_price"))

    assert with_server(tmp_path, body) == 1


def test_k05_pages_are_followed_to_the_end(tmp_path: Path) -> None:
    async def body(b: Bench) -> None:
        for number, tr_cont in enumerate(["M", "F", "D"]):
            page = encode_reply(
                BALANCE, {"output1": [{"pdno": f"{number:06d}"}]}, ctx=("query^1", f"key {number}")
            )
            b.kis.script["inquire_balance"].append(Scripted(page, tr_cont=tr_cont))
        pages, complete = await b.rest.read_pages(BALANCE, dict.fromkeys(BALANCE.params, ""))
        assert [p.rows("output1")[0]["pdno"] for p in pages] == ["000000", "000001", "000002"]
        assert complete
        asked = b.kis.calls("inquire_balance")
        assert [a.headers["tr_cont"] for a in asked] == ["", "N", "N"]
        assert [a.params["CTX_AREA_NK100"].rstrip() for a in asked] == ["", "key 0", "key 1"]
        assert asked[1].params["CTX_AREA_FK100"].rstrip() == "query^1"

    with_server(tmp_path, body)


def test_k05_pages_that_break_off_are_flagged(tmp_path: Path) -> None:
    async def body(b: Bench) -> bool:
        b.kis.script["inquire_balance"].extend(
            [Scripted(encode_reply(BALANCE, {}), tr_cont="M"), refusal("EGW00002")]
        )
        return (await b.rest.read_pages(BALANCE, dict.fromkeys(BALANCE.params, "")))[1]

    assert with_server(tmp_path, body) is False


def test_k05_a_full_last_page_whose_follower_is_refused_is_complete(tmp_path: Path) -> None:
    async def body(b: Bench) -> tuple[int, bool]:
        page = encode_reply(BALANCE, {"output1": [{"pdno": f"{n:06d}"} for n in range(50)]})
        b.kis.script["inquire_balance"].extend(
            [Scripted(page, tr_cont="M"), refusal("SYDB0050", 200)]
        )
        pages, complete = await b.rest.read_pages(BALANCE, dict.fromkeys(BALANCE.params, ""))
        return sum(len(page.rows("output1")) for page in pages), complete

    assert with_server(tmp_path, body) == (50, True)


@pytest.mark.parametrize(("changes", "complete"), [(1, True), (9, False)])
def test_k05_rows_that_changed_between_two_pages_are_read_again_from_the_first(
    tmp_path: Path, changes: int, *, complete: bool
) -> None:
    async def body(b: Bench) -> bool:
        first = encode_reply(BALANCE, {"output1": [{"pdno": "000000"}]}, ctx=("query", "key"))
        script = b.kis.script["inquire_balance"]
        for _ in range(changes):
            script.extend([Scripted(first, tr_cont="M"), refusal("SYDB0050", 200)])
        last = encode_reply(BALANCE, {"output1": [{"pdno": "000001"}]})
        script.extend([Scripted(first, tr_cont="M"), Scripted(last, tr_cont="D")])
        return (await b.rest.read_pages(BALANCE, dict.fromkeys(BALANCE.params, "")))[1]

    assert with_server(tmp_path, body) is complete


# N11


def test_n11_no_secret_in_any_error_log_or_repr(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(b: Bench) -> str:
        said: list[str] = [repr(b.rest)]
        echo = Scripted(
            {"rt_cd": "1", "msg_cd": "X", "msg1": "12345678, THE-APPKEY, THE-HTS-ID"}, 500
        )
        for scripted in ([DROP] * 10, [NOT_JSON], [echo], [refusal("EGW00123")] * 2):
            b.kis.script["inquire_balance"].clear()
            b.kis.script["inquire_balance"].extend(scripted)
            try:
                await b.stepped(
                    b.rest.read(BALANCE, dict.fromkeys(BALANCE.params, "") | KEYS.account_params)
                )
            except KisError as e:
                said += [str(e), repr(e), repr(e.__cause__), repr(e.args)]
        return "\n".join(said)

    with caplog.at_level(logging.DEBUG):
        said = with_server(tmp_path, body) + caplog.text
    assert "***" in said
    assert not [secret for secret in SECRETS if secret in said]
