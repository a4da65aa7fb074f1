"""K13: kisnb's own client against the simulated paper host, which does what the capability table
promises."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import time
from pathlib import Path

import pytest

from kisnb.clock import SECOND, kst
from kisnb.errors import ApiError, NotOffered, OrderDenied
from kisnb.kis.calls.order_messages import order_api, order_body
from kisnb.kis.catalogue import APIS
from kisnb.kis.http.limiter import Lane
from kisnb.kis.modes import HOST_RULES
from kisnb.orders import Intent, Route, Want
from kisnb.simulator.host.personas import PAPER, Persona
from kisnb.simulator.host.quirks import with_quirks
from kisnb.terms import Mode, OrderKind, Side, Venue

from ..kis.simulated import CODE, DAY, WANTS, Desk, on_simulator


def order(qty: int, price: int | None, venue: Venue = Venue.KRX) -> tuple[Intent, Route]:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    return Intent("k", "cell", CODE, Side.BUY, qty, kind, price), Route(venue, kind, "as asked")


def on_paper(
    tmp_path: Path,
    body: Callable[[Desk], Awaitable[None]],
    *,
    persona: Persona = PAPER,
    wants: tuple[Want, ...] = WANTS,
) -> None:
    on_simulator(tmp_path, body, persona=persona, wants=wants)


def test_k13_orders_account_prices_and_stream_work_on_paper(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        bought = await d.stepped(d.broker.submit(*order(10, None)))
        assert (bought.outcome, bought.ref and bought.ref.number) == ("sent", 1)
        await d.received()
        assert d.notices() == [("accepted", 10), ("filled", 10)]
        resting = await d.stepped(
            d.broker.submit(*order(5, (await d.stepped(d.broker.quote(CODE))).lower))
        )
        assert resting.ref is not None
        assert (await d.stepped(d.broker.cancel("c", resting.ref, 2))).outcome == "sent"
        page = await d.stepped(
            d.broker.day_orders(
                DAY,
            )
        )
        assert page.complete
        assert [
            (row.ref.number, row.filled, row.leaves) for row in page.rows if not row.original
        ] == [
            (2, 0, 3),
            (1, 10, 0),
        ]
        account = await d.stepped(d.broker.account())
        assert [(h.code, h.qty) for h in account.holdings] == [(CODE, 10)]
        assert (await d.stepped(d.broker.depth(CODE))).asks
        codes = [line["body"]["msg_cd"] for line in d.recorded("reply") if "rt_cd" in line["body"]]
        assert codes[0] == "40600000"
        assert "40630000" in codes

    on_paper(tmp_path, body)


def test_k13_the_host_itself_refuses_what_the_client_refuses_before_it_asks(tmp_path: Path) -> None:
    """Both sides by the same table: what the client would deny, sent all the same, comes back
    refused."""

    async def body(d: Desk) -> None:
        rules, rest = HOST_RULES[Mode.PAPER], d.broker._rest
        with pytest.raises(OrderDenied):
            await d.broker.submit(*order(1, 995))
        with pytest.raises(NotOffered):
            await rest.read(APIS["volume_rank"], {})
        assert d.calls("order-cash") == d.calls("volume-rank") == []
        for price, venue, msg_cd in (
            (rules.lowest_price - 5, Venue.KRX, "40070000"),
            (71_000, Venue.NXT, "90000000"),
        ):
            sent = order_body(*order(1, price, venue), d.keys.account_params)
            with pytest.raises(ApiError) as refused:
                await d.stepped(rest.send_order(order_api(Side.BUY), sent, Lane.ORDER))
            assert refused.value.msg_cd == msg_cd

    on_paper(tmp_path, body)


def test_k03_one_call_a_second_is_never_exceeded(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        for _ in range(5):
            await d.stepped(d.broker.quote(CODE))
        assert d.refusals() == []
        times = [line["t"] for line in d.calls("inquire-price")]
        assert all(b - a >= SECOND for a, b in itertools.pairwise(times))

    on_paper(tmp_path, body)


def test_k13_a_closed_market_is_rejected_with_the_code_of_paper(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        close = kst(DAY, time(15, 30))
        while d.server.core.now < close:
            d.control("step", until=close)
        d.clock.set(d.server.core.now)
        said = await d.stepped(d.broker.submit(*order(1, None)))
        assert (said.outcome, said.msg_cd) == ("rejected", "40580000")

    on_paper(tmp_path, body, wants=())


def test_k07_narrow_notices_of_paper_are_read(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        await d.stepped(d.broker.submit(*order(3, None)))
        await d.received()
        assert d.notices() == [("accepted", 3), ("filled", 3)]

    on_paper(
        tmp_path, body, persona=with_quirks(PAPER, ("notice23", "short-odno", "unpadded-msg1"))
    )
