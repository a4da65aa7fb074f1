"""K13: what the host of a mode cannot do is refused here, with the reason and the cure, and never
asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kisnb.clock import Activity, SimulatedClock
from kisnb.config import MEANINGS, Config, load_config
from kisnb.errors import BadInput, ConfigError, NotOffered, OrderDenied
from kisnb.kis.broker import KisBroker
from kisnb.kis.catalogue import APIS
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.modes import HOST_RULES
from kisnb.orders import Intent, Route
from kisnb.terms import Mode, OrderKind, Side, Venue
from tests.kis.scripted_kis import KEYS, ScriptedKis, serving
from tests.kis.simulated import CODE, START

K, N, S = Venue.KRX, Venue.NXT, Venue.SOR


def order(price: int | None, venue: Venue = K) -> tuple[Intent, Route]:
    kind = OrderKind.LIMIT if price else OrderKind.MARKET
    return Intent("k", "me", CODE, Side.BUY, 1, kind, price), Route(venue, kind, "test")


def at(mode: Mode, cache: Path, body: Callable[[KisBroker], Awaitable[None]]) -> ScriptedKis:
    async def main() -> ScriptedKis:
        clock = SimulatedClock(START, speed=1000.0)
        async with serving(clock.now) as (kis, endpoint):
            persona = Mode.PAPER if mode is Mode.PAPER else Mode.LIVE
            host = Endpoint(endpoint.rest, endpoint.ws, persona, mode=mode)
            broker = KisBroker(host, KEYS, clock, Activity(), cache=cache)
            try:
                await body(broker)
            finally:
                await broker.close()
            return kis

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("mode", "venues", "lowest"),
    [(Mode.SIM, (K, N, S), 0), (Mode.PAPER, (K,), 1_000), (Mode.LIVE, (K, N, S), 0)],
)
def test_k13_each_mode_has_a_table_and_the_desk_sees_it(
    tmp_path: Path, mode: Mode, venues: tuple[Venue, ...], lowest: int
) -> None:
    async def body(broker: KisBroker) -> None:
        assert broker.capabilities.venues == venues
        plain = (OrderKind.LIMIT, OrderKind.MARKET)
        assert broker.capabilities.kinds == (plain if mode is Mode.PAPER else tuple(OrderKind))

    at(mode, tmp_path, body)
    assert set(HOST_RULES) == set(Mode)
    assert HOST_RULES[mode].lowest_price == lowest


@pytest.mark.parametrize(
    ("mode", "price", "venue", "reason", "cure"),
    [
        (
            Mode.PAPER,
            995,
            K,
            "paper trades no stock under 1,000 won",
            "Take another one, or use live or sim for it",
        ),
        (Mode.PAPER, 71_900, N, "paper orders go to KRX only", "Order at KRX"),
        (Mode.PAPER, None, S, "paper orders go to KRX only", "Order at KRX"),
    ],
)
def test_k13_an_order_that_the_host_would_refuse_is_denied_and_not_sent(
    tmp_path: Path, mode: Mode, price: int | None, venue: Venue, reason: str, cure: str
) -> None:
    async def body(broker: KisBroker) -> None:
        with pytest.raises(OrderDenied) as denied:
            await broker.submit(*order(price, venue))
        assert (denied.value.text.lower(), denied.value.cure, denied.value.key) == (
            reason.lower(),
            cure,
            "k",
        )

    assert at(mode, tmp_path, body).asked == []


@pytest.mark.parametrize(
    ("mode", "price", "venue"),
    [
        (Mode.PAPER, 1_000, K),
        (Mode.PAPER, None, K),
        (Mode.SIM, 995, K),
        (Mode.LIVE, 995, N),
        (Mode.LIVE, 995, S),
    ],
)
def test_k13_an_order_that_the_host_takes_is_sent(
    tmp_path: Path, mode: Mode, price: int | None, venue: Venue
) -> None:
    async def body(broker: KisBroker) -> None:
        assert (await broker.submit(*order(price, venue))).outcome == "sent"

    assert len(at(mode, tmp_path, body).calls("order_cash_buy")) == 1


def test_k13_a_ranking_in_paper_is_refused_here_with_the_cure(tmp_path: Path) -> None:
    async def body(broker: KisBroker) -> None:
        with pytest.raises(
            NotOffered, match=r"Paper has no volume_rank\. Use live or sim for it\."
        ):
            await broker._rest.read(
                APIS["volume_rank"], dict.fromkeys(APIS["volume_rank"].params, "")
            )

    assert at(Mode.PAPER, tmp_path, body).asked == []
    assert issubclass(NotOffered, BadInput)


@pytest.mark.parametrize("mode", [Mode.SIM, Mode.LIVE])
def test_k13_a_ranking_is_asked_elsewhere(tmp_path: Path, mode: Mode) -> None:
    async def body(broker: KisBroker) -> None:
        await broker._rest.read(APIS["volume_rank"], dict.fromkeys(APIS["volume_rank"].params, ""))

    assert len(at(mode, tmp_path, body).calls("volume_rank")) == 1


def test_k13_paper_has_no_prices_of_nextrade_and_asks_for_none(tmp_path: Path) -> None:
    async def body(broker: KisBroker) -> None:
        for ask in (broker.quote, broker.depth):
            with pytest.raises(NotOffered, match=r"has no prices of NXT\. Leave the venue out"):
                await ask("005930", Venue.NXT)

    assert at(Mode.PAPER, tmp_path, body).asked == []


def test_k13_only_paper_lacks_calls() -> None:
    refused = {mode: {a.name for a in APIS.values() if not _offered(mode, a.name)} for mode in Mode}
    assert refused[Mode.SIM] == refused[Mode.LIVE] == set()
    trading = {
        a.name for a in APIS.values() if a.path.startswith("/uapi/domestic-stock/v1/trading")
    }
    offered = {
        "order_cash_buy",
        "order_cash_sell",
        "order_rvsecncl",
        "inquire_balance",
        "inquire_psbl_order",
    }
    assert trading - refused[Mode.PAPER] == offered | {
        "inquire_daily_ccld",
        "inquire_daily_ccld_old",
    }
    assert {"volume_rank", "fluctuation", "inquire_psbl_sell", "chk_holiday"} <= refused[Mode.PAPER]


def _offered(mode: Mode, name: str) -> bool:
    try:
        HOST_RULES[mode].check_api(APIS[name])
    except NotOffered:
        return False
    return True


def test_k03_the_limit_is_configurable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [
        Endpoint.of(m).limited(Config().calls_per_second).calls_per_second
        for m in (Mode.LIVE, Mode.PAPER)
    ] == [
        15,
        1,
    ]
    assert "15 at live, 1 at paper" in MEANINGS["calls_per_second"].text
    monkeypatch.setenv("KISNB_CALLS_PER_SECOND", "3")
    assert Endpoint.of(Mode.LIVE).limited(load_config().calls_per_second).calls_per_second == 3
    monkeypatch.setenv("KISNB_CALLS_PER_SECOND", "-1")
    with pytest.raises(ConfigError, match="calls_per_second"):
        load_config()
