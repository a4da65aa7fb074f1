"""What reports about KIS differ on is played when a quirk names it, and only then.

Rows H03, K02, K06, K07, K12.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from kisnb.clock import DAY as ONE_DAY
from kisnb.clock import MINUTE, SECOND
from kisnb.errors import BadInput
from kisnb.kis.feed import control_frames, frames
from kisnb.kis.feed.market_frames import decode_ticks
from kisnb.simulator.host.personas import LIVE
from kisnb.simulator.host.quirks import QUIRKS, read_quirks, with_quirks

from .customer import ACCOUNT, BALANCE, DAY_ORDERS, HYNIX, KEYS, SAMSUNG, Customer, at, host, trader

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
NOTICES = ("H0STCNI0", KEYS.hts_id.reveal())


def code_after(one: Customer, moment: int) -> str:
    one.core.advance(moment)
    return str(one.said(one.ask("inquire_price", PRICE))["msg_cd"])


def midnight_expiry(one: Customer) -> object:
    return code_after(one, at("00:00") + ONE_DAY)


def one_token(one: Customer) -> object:
    one.core.advance(one.core.now + 6 * 60 * MINUTE)
    assert one.said(one.oauth("token"))["access_token"] != one.token
    return one.said(one.ask("inquire_price", PRICE))["msg_cd"]


def token_status(one: Customer) -> object:
    one.core.by_hand.revoke_tokens()
    return one.ask("inquire_price", PRICE).status


def calls_in_a_second(one: Customer) -> object:
    said = [one.said(one.ask("inquire_price", PRICE))["msg_cd"] for _ in range(19)]
    return said.index("EGW00201")


def account_calls(one: Customer) -> object:
    said = [one.said(one.ask("inquire_balance", BALANCE))["msg_cd"] for _ in range(12)]
    assert "EGW00201" not in said
    assert one.said(one.ask("inquire_price", PRICE))["rt_cd"] == "0"
    return said.count("EGW00215")


def old_order(one: Customer) -> object:
    body = ACCOUNT | {"PDNO": SAMSUNG, "ORD_DVSN": "01", "ORD_QTY": "1", "ORD_UNPR": "0"}
    return one.said(one.ask("order_cash_buy", body, tr_id="TTTC0802U"))["rt_cd"]


def second_approval(one: Customer) -> object:
    one.core.advance(one.core.now + SECOND)
    one.oauth("approval")
    return one.cut


def registrations(one: Customer) -> object:
    """Three are there already."""
    return one.subscribe("H0STCNT0", HYNIX).msg_cd


def after_a_loss(one: Customer) -> object:
    one.core.socket_closed(one.core.now, 1)
    one.connect(2)
    said = [one.subscribe("H0STCNT0", HYNIX, sid=2).msg_cd]
    one.core.advance(one.core.now + 90 * SECOND)
    one.taken()
    return [*said, one.subscribe("H0STCNT0", SAMSUNG, sid=2).msg_cd]


def second_socket(one: Customer) -> object:
    one.connect(2)
    return one.subscribe("H0STCNT0", HYNIX, sid=2).rt_cd


def unanswered_pings(one: Customer) -> object:
    one.core.free_running = True
    one.advance("09:02:00")
    return one.cut


def announced(one: Customer) -> object:
    one.subscribe(*NOTICES, tr_type="2")
    return one.subscribe(*NOTICES).encrypt


def notice_width(one: Customer) -> object:
    one.order("buy", 1, None)
    return {len(notice) for notice in one.notices()}


def kind_of_fill(one: Customer) -> object:
    one.order("buy", 1, None)
    return [notice[6] for notice in one.notices()]


def widths(one: Customer) -> object:
    one.subscribe("H0UNASP0", SAMSUNG)
    one.subscribe("H0NXASP0", SAMSUNG)
    one.advance("09:01:00")
    return {f.tr_id: len(frames.records(f)[0]) for f in map(frames.parse, one.taken())}


def padding(one: Customer) -> object:
    texts = [
        one.said(one.ask("inquire_price", params))["msg1"]
        for params in (PRICE, PRICE | {"FID_INPUT_ISCD": "1"})
    ]
    return [text != text.rstrip() for text in texts]


def order_output(one: Customer) -> object:
    number = next(
        iter(
            {
                k: v for k, v in one.order("buy", 1, None)["output"].items() if k.upper() == "ODNO"
            }.items()
        )
    )
    listed = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"][0]["odno"]
    return number, listed


def page_after_the_only_holding(one: Customer) -> object:
    """The one page is full: one holding a page."""
    persona = msgspec.structs.replace(one.core.persona, balance_page=1)
    owner = trader(persona=persona)
    owner.order("buy", 1, None)
    first = owner.ask("inquire_balance", BALANCE)
    second = owner.ask("inquire_balance", BALANCE, tr_cont="N")
    return first.headers["tr_cont"], owner.said(second)["msg_cd"]


def order_numbers(one: Customer) -> object:
    for _ in range(3):
        one.order("buy", 1, None)
    listed = one.said(one.ask("inquire_daily_ccld", DAY_ORDERS))["output1"]
    return [int(row["odno"]) for row in reversed(listed)]


CASES: list[tuple[str, Callable[[Customer], object], object, object]] = [
    ("midnight-expiry", midnight_expiry, "MCA00000", "EGW00123"),
    ("one-token", one_token, "MCA00000", "EGW00121"),
    ("token401", token_status, 500, 401),
    ("token200", token_status, 500, 200),
    ("new-customer", calls_in_a_second, 18, 3),
    ("ledger", account_calls, 0, 2),
    ("full-page", page_after_the_only_holding, ("D", "KIOK0510"), ("M", "SYDB0050")),
    ("no-old-trs", old_order, "0", "1"),
    ("approval-ends-socket", second_approval, False, True),
    ("three-registrations", registrations, "OPSP0000", "OPSP0008"),
    ("lingering", after_a_loss, ["OPSP0000", "OPSP0000"], ["OPSP8996", "OPSP0000"]),
    ("in-use-rt1", second_socket, "9", "1"),
    ("ping-cut", unanswered_pings, False, True),
    ("encrypt-n", announced, "Y", "N"),
    ("notice23", notice_width, {26}, {23}),
    ("notice-kind00", kind_of_fill, ["01", "01"], ["01", "00"]),
    (
        "old-columns",
        widths,
        {"H0STCNT0": 47, "H0STASP0": 63, "H0NXASP0": 62, "H0UNASP0": 66},
        {"H0STCNT0": 46, "H0STASP0": 59, "H0NXASP0": 65, "H0UNASP0": 65},
    ),
    (
        "workbook-columns",
        widths,
        {"H0STCNT0": 47, "H0STASP0": 63, "H0NXASP0": 62, "H0UNASP0": 66},
        {"H0STCNT0": 47, "H0STASP0": 60, "H0NXASP0": 65, "H0UNASP0": 66},
    ),
    ("unpadded-msg1", padding, [True, True], [False, False]),
    (
        "short-odno",
        order_output,
        (("ODNO", "0000000001"), "0000000001"),
        (("ODNO", "1"), "0000000001"),
    ),
    ("unordered-numbers", order_numbers, [1, 2, 3], [1, 900_002, 3]),
    (
        "lower-keys",
        order_output,
        (("ODNO", "0000000001"), "0000000001"),
        (("odno", "0000000001"), "0000000001"),
    ),
]


@pytest.mark.parametrize(
    ("quirk", "played", "plain", "quirky"), CASES, ids=[case[0] for case in CASES]
)
def test_a_quirk_is_played_when_it_is_named(
    quirk: str, played: Callable[[Customer], object], plain: object, quirky: object
) -> None:
    assert played(trader(persona=LIVE)) == plain
    assert played(trader(persona=with_quirks(LIVE, (quirk,)))) == quirky


def test_every_quirk_is_shown_here_or_with_the_paper_host() -> None:
    assert {case[0] for case in CASES} == {name for name in QUIRKS if not name.startswith("paper")}


def test_an_answered_ping_keeps_the_connection() -> None:
    one = trader(persona=with_quirks(LIVE, ("ping-cut",)))
    one.core.free_running = True
    for second in range(1, 13):
        one.core.advance(at("09:00:30") + second * 10 * SECOND)
        one.core.socket_text(one.core.now, 1, control_frames.encode_ping(one.core.now))
    assert one.core.sockets


def test_a_client_reads_the_narrow_notices_and_the_old_columns_too() -> None:
    """K07."""
    one = Customer(host(persona=with_quirks(LIVE, read_quirks("notice23, old-columns"))))
    one.log_in()
    one.connect()
    one.subscribe(*NOTICES)
    one.subscribe("H0STCNT0", SAMSUNG)
    one.advance("09:01:00")
    (tick,) = decode_ticks(frames.parse(one.taken()[0]), 0)
    assert (tick.price, tick.qty) == (71_100, 10)


def test_names_are_read_with_blanks_and_an_unknown_one_is_named_with_the_nearest() -> None:
    assert read_quirks("") == ()
    assert read_quirks(" notice23 ,ledger,") == ("notice23", "ledger")
    with pytest.raises(BadInput, match="notice23") as refused:
        read_quirks("notice22")
    assert "Did you mean" in str(refused.value)
