"""The broker: a trading path through the real simulator, and every outcome of an order that can be
ambiguous."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kisnb.clock import Activity, SimulatedClock
from kisnb.errors import ApiError, OrderDenied
from kisnb.events import Depth, Notice, Tick
from kisnb.kis.broker import KisBroker
from kisnb.kis.endpoint import Endpoint
from kisnb.kis.error_codes import AT_THE_GATE, CODES, explain, was_not_placed
from kisnb.orders import Intent, OrderRef, Route, SendReply
from kisnb.terms import Mode, OrderKind, Side, Venue
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
from tests.kis.simulated import CODE, DAY, START, Desk, on_simulator

LIMIT = Route(Venue.KRX, OrderKind.LIMIT, "test")
MARKET = Route(Venue.KRX, OrderKind.MARKET, "test")


def intent(side: Side, qty: int, price: int | None, key: str = "k") -> Intent:
    return Intent(key, "me", CODE, side, qty, OrderKind.LIMIT if price else OrderKind.MARKET, price)


def test_h03_a_market_order_is_sent_accepted_and_filled_and_stands_in_the_account(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        before = await d.broker.account()
        reply = await d.broker.submit(intent(Side.BUY, 3, None), MARKET)
        assert (reply.outcome, reply.ref and reply.ref.day) == ("sent", 20261120)
        await d.received()
        assert d.notices()[0] == ("accepted", 3)
        assert sum(qty for kind, qty in d.notices() if kind == "filled") == 3
        after = await d.broker.account()
        (holding,) = after.holdings
        assert (holding.code, holding.qty, holding.sellable) == (CODE, 3, 3)
        assert after.orderable < before.orderable
        (row,) = (await d.broker.day_orders(DAY)).rows
        assert (row.ref, row.kind, row.filled, row.leaves) == (reply.ref, OrderKind.MARKET, 3, 0)
        assert holding.cost > 0

    on_simulator(tmp_path, body)


def test_o05_a_partial_and_a_full_cancel_are_told_with_the_quantity_that_they_took(
    tmp_path: Path,
) -> None:
    async def body(d: Desk) -> None:
        quote = await d.broker.quote(CODE)
        sent = await d.broker.submit(intent(Side.BUY, 10, quote.lower), LIMIT)
        assert sent.ref is not None
        part = await d.broker.cancel("k", sent.ref, 4)
        rest = await d.broker.cancel("k", sent.ref, None)
        assert [r.outcome for r in (part, rest)] == ["sent", "sent"]
        assert part.ref is not None
        assert part.ref.number > sent.ref.number
        await d.received()
        assert d.notices() == [("accepted", 10), ("cancelled", 4), ("cancelled", 6)]
        cancels = [e for e in d.heard if isinstance(e, Notice) and e.kind == "cancelled"]
        assert {e.original for e in cancels} == {sent.ref.number}
        nothing_left = await d.broker.cancel("k", sent.ref, None)
        assert (nothing_left.outcome, bool(nothing_left.msg_cd)) == ("rejected", True)

    on_simulator(tmp_path, body)


def test_o03_a_refused_order_carries_the_code_and_the_cure(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        upper = (await d.broker.quote(CODE)).upper
        reply = await d.broker.submit(intent(Side.BUY, 10_000_000, upper), LIMIT)
        assert (reply.outcome, reply.msg_cd, reply.ref) == ("rejected", "APBK0952", None)
        assert "Lower the quantity" in reply.text
        assert not (await d.broker.day_orders(DAY)).rows

    on_simulator(tmp_path, body)


def test_h02_the_stream_agrees_with_the_replies_of_calls(tmp_path: Path) -> None:
    """After a minute of trading the last trade and the last book are those that a query gives."""

    async def body(d: Desk) -> None:
        await d.move(START + 60 * 10**9)
        ticks = [e for e in d.heard if isinstance(e, Tick)]
        quote, depth = await d.broker.quote(CODE), await d.broker.depth(CODE)
        assert ticks
        assert (ticks[-1].price, ticks[-1].volume, ticks[-1].value) == (
            quote.price,
            quote.volume,
            quote.value,
        )
        assert quote.lower < quote.low <= quote.open <= quote.high < quote.upper
        shown = [e for e in d.heard if isinstance(e, Depth)][-1]
        assert (shown.asks, shown.bids) == (depth.asks, depth.bids)
        assert depth.asks[0][0] > depth.bids[0][0]
        assert not d.broker.dead_letters

    on_simulator(tmp_path, body)


def test_an_unknown_stock_is_one_line(tmp_path: Path) -> None:
    async def body(d: Desk) -> None:
        with pytest.raises(ApiError) as caught:
            await d.broker.quote("999999")
        assert caught.value.msg_cd
        assert "\n" not in str(caught.value)

    on_simulator(tmp_path, body)


# what an order may meet


def on_script(
    cache: Path,
    body: Callable[[KisBroker, ScriptedKis], Awaitable[SendReply]],
    *,
    can_order: bool = True,
    persona: Mode = Mode.LIVE,
) -> tuple[SendReply, ScriptedKis]:
    async def main() -> tuple[SendReply, ScriptedKis]:
        clock = SimulatedClock(
            START, speed=1000.0
        )  # a limit of one call a second must not cost a second
        async with serving(clock.now) as (kis, endpoint):
            host = Endpoint(endpoint.rest, endpoint.ws, persona)
            broker = KisBroker(
                host,
                KEYS,
                clock,
                Activity(),
                cache=cache,
                timeout=0.3,
                can_order=can_order,
                why_not="use sim",
            )
            try:
                return await body(broker, kis), kis
            finally:
                await broker.close()

    return asyncio.run(main())


AMBIGUOUS = [
    DROP,
    HANG,
    NOT_JSON,
    refusal("EGW00302"),
    refusal("EGW00001"),
    refusal("NEWCODE1"),
    refusal("IGW00009", 200),
    Scripted({"rt_cd": "1"}),
    Scripted({"rt_cd": "0"}),
    Scripted({"rt_cd": "0", "output": {"ODNO": "x"}}),
]
TURNED_AWAY = [refusal(code) for code in sorted(AT_THE_GATE)]
CERTAIN = [
    refusal("APBK0918", 200),
    refusal("APBK0952", 200, "7"),
    refusal("NEWCODE1", 200),
]


@pytest.mark.parametrize("scripted", AMBIGUOUS)
def test_o02_an_answer_that_proves_nothing_is_unknown_and_nothing_is_sent_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        kis.script["order_cash_buy"].append(scripted)
        return await broker.submit(intent(Side.BUY, 1, 71_900), LIMIT)

    reply, kis = on_script(tmp_path, body)
    assert (reply.outcome, reply.ref, bool(reply.text)) == ("unknown", None, True)
    assert len(kis.calls("order_cash_buy")) == 1


@pytest.mark.parametrize("scripted", CERTAIN)
def test_o03_a_refusal_at_the_door_is_rejected_and_nothing_is_sent_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        kis.script["order_rvsecncl"].append(scripted)
        return await broker.cancel("k", OrderRef(20261120, "06010", 7), None)

    reply, kis = on_script(tmp_path, body)
    assert (reply.outcome, reply.msg_cd) == ("rejected", scripted.body["msg_cd"])
    assert len(kis.calls("order_rvsecncl")) == 1


@pytest.mark.parametrize("scripted", TURNED_AWAY)
@pytest.mark.parametrize("call", ["submit", "cancel", "revise"])
def test_k17_a_call_that_kis_turned_away_may_be_sent_again_and_the_broker_does_not(
    scripted: Scripted, call: str, tmp_path: Path
) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        for name in ("order_cash_buy", "order_rvsecncl"):
            kis.script[name].append(scripted)
        ref = OrderRef(20261120, "06010", 7)
        if call == "submit":
            return await broker.submit(intent(Side.BUY, 1, 71_900), LIMIT)
        if call == "cancel":
            return await broker.cancel("k", ref, None)
        return await broker.revise("k", ref, 1, 71_000)

    reply, kis = on_script(tmp_path, body)
    assert (reply.outcome, reply.msg_cd) == ("again", scripted.body["msg_cd"])
    assert len(kis.calls("order_cash_buy")) + len(kis.calls("order_rvsecncl")) == 1


def test_an_order_that_never_left_is_rejected_with_the_reason(tmp_path: Path) -> None:
    async def main() -> SendReply:
        nowhere = Endpoint("http://127.0.0.1:1", "ws://127.0.0.1:1")
        broker = KisBroker(nowhere, KEYS, SimulatedClock(START), Activity(), cache=tmp_path)
        reply = await broker.submit(intent(Side.BUY, 1, 71_900), LIMIT)
        await broker.close()
        return reply

    reply = asyncio.run(main())
    assert reply.outcome == "rejected"
    assert "nothing was sent" in reply.text


@pytest.mark.parametrize("call", ["submit", "cancel", "revise"])
def test_where_no_orders_are_taken_nothing_is_sent_and_one_line_says_so(
    call: str, tmp_path: Path
) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        ref = OrderRef(20261120, "06010", 7)
        calls: dict[str, Callable[[], Awaitable[SendReply]]] = {
            "submit": lambda: broker.submit(intent(Side.BUY, 1, 71_900), LIMIT),
            "cancel": lambda: broker.cancel("k", ref, None),
            "revise": lambda: broker.revise("k", ref, 1, 71_000),
        }
        with pytest.raises(OrderDenied, match=r"Live is open for reading only\. Use sim\."):
            await calls[call]()
        return SendReply("k", "rejected")

    assert not on_script(tmp_path, body, can_order=False)[1].asked


@pytest.mark.parametrize(
    ("persona", "tr_id"), [(Mode.LIVE, "TTTC0011U"), (Mode.PAPER, "VTTC0011U")]
)
def test_live_and_paper_have_tr_ids_of_their_own(persona: Mode, tr_id: str, tmp_path: Path) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        return await broker.submit(intent(Side.SELL, 1, 71_900), LIMIT)

    reply, kis = on_script(tmp_path, body, persona=persona)
    (asked,) = kis.calls("order_cash_sell")
    assert asked.headers["tr_id"] == tr_id
    assert asked.params == {
        "CANO": "12345678",
        "ACNT_PRDT_CD": "01",
        "PDNO": CODE,
        "ORD_DVSN": "00",
        "ORD_QTY": "1",
        "ORD_UNPR": "71900",
        "EXCG_ID_DVSN_CD": "KRX",
    }
    assert reply.ref == OrderRef(20261120, "", 7)


def test_r08_a_revision_inherits_the_venue_of_its_order(tmp_path: Path) -> None:
    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        return await broker.revise("k", OrderRef(20261120, "06010", 3, Venue.NXT), 2, 71_000)

    reply, kis = on_script(tmp_path, body)
    params = kis.calls("order_rvsecncl")[0].params
    assert (params["EXCG_ID_DVSN_CD"], params["ORGN_ODNO"], params["ORD_UNPR"]) == (
        "NXT",
        "0000000003",
        "71000",
    )
    assert reply.ref == OrderRef(20261120, "", 7, Venue.NXT)


def test_n11_no_secret_in_repr_or_reply(tmp_path: Path) -> None:
    shown: list[str] = []

    async def body(broker: KisBroker, kis: ScriptedKis) -> SendReply:
        kis.script["order_cash_buy"].append(
            Scripted({"rt_cd": "1", "msg_cd": "X", "msg1": "12345678 THE-APPKEY"})
        )
        reply = await broker.submit(intent(Side.BUY, 1, 71_900), LIMIT)
        shown.extend([repr(broker), repr(reply)])
        return reply

    on_script(tmp_path, body)
    text = "\n".join(shown)
    assert "***" in text
    assert not [secret for secret in SECRETS if secret in text]


# codes


def test_k15_every_code_explains_itself_in_both_languages() -> None:
    for msg_cd, code in CODES.items():
        line = explain(msg_cd)
        assert code.korean in line
        assert code.english in line
        assert "\n" not in line
    assert "does not know" in explain("NEWCODE1")


@pytest.mark.parametrize(
    ("msg_cd", "status", "certain"),
    [
        ("APBK0918", 200, True),
        ("NEWCODE1", 200, True),
        ("NEWCODE1", 500, False),
        ("", 200, False),
        ("EGW00301", 500, False),
        ("EGW00301", 200, False),
        ("EGW00201", 500, True),
    ],
)
def test_o02_only_a_known_refusal_proves_that_an_order_does_not_live(
    msg_cd: str, status: int, certain: bool
) -> None:
    assert was_not_placed(msg_cd, status) is certain
