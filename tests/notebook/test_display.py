"""N06, N11: how values look: text, and HTML that is escaped and names its mode."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from kisnb.clock import SECOND, kst
from kisnb.drawing.tables import Cell, badge_text, html_table, text_table, width
from kisnb.drawing.theme import FALL, RISE
from kisnb.events import (
    Accepted,
    Cancelled,
    CancelRefused,
    CancelStarted,
    Denied,
    Depth,
    Expired,
    Filled,
    IntentTaken,
    Quote,
    Rejected,
    SendStarted,
    SendUnknown,
    Sent,
)
from kisnb.market.routing.evidence import Evidence
from kisnb.notebook.rendering.display import LOOKS, quote_html, quote_text
from kisnb.orders import Account, Fill, Holding, Intent, Order, OrderRef, Orders, Route
from kisnb.terms import Mode, OrderKind, SessionId, Side, Venue
from kisnb.trading.order_books.order_book import OrderBooks

NOW = kst(date(2026, 11, 20), 9 * 3600 + 600)
QUOTE = Quote(
    t=NOW, code="005930", name="삼성전자", venue=Venue.KRX, price=71_000, base=70_500, open=70_600,
    high=71_200,
    low=70_500, volume=12_345_678, value=876_543_210_000, upper=91_600, lower=49_400, tick=100,
    halted=False,
    listed_shares=5_919_637_922,
)  # fmt: skip
DEPTH = Depth(
    NOW, "005930", Venue.KRX, asks=((71_100, 500), (71_200, 1_500)), bids=((71_000, 700),)
)


def look(value: object, mode: Mode | None = Mode.SIM) -> dict[str, str]:
    return LOOKS[type(value).__module__, type(value).__name__](value, mode)


def intent(key: str, side: Side = Side.BUY, price: int | None = 71_000, agent: str = "") -> Intent:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    return Intent(key=key, agent=agent, code="005930", side=side, qty=10, kind=kind, price=price)


def test_a_quote_reads_in_two_lines():
    assert look(QUOTE)["text/plain"] == (
        "[SIM] 005930 삼성전자  71,000  ▲ 500 (+0.71 %)  KRX 09:10:00\n"
        "open 70,600  high 71,200  low 70,500  volume 12,345,678  limits 49,400 to 91,600  tick 100"
    )


def test_m06_an_issue_without_limit_prices_shows_none():
    assert "no limit prices  tick 100" in quote_text(
        msgspec.structs.replace(QUOTE, upper=0, lower=0)
    )


def test_rising_is_red_and_falling_is_blue_as_in_korea():
    assert "kisnb-rise" in quote_html(QUOTE)
    falling = msgspec.structs.replace(QUOTE, price=70_000)
    assert "kisnb-fall" in quote_html(falling)
    assert "▼ 500 (-0.71 %)" in quote_text(falling)
    still = quote_html(msgspec.structs.replace(QUOTE, price=70_500))
    assert "kisnb-rise" not in still
    assert "kisnb-fall" not in still


def test_depth_is_a_ladder_with_the_spread_in_the_middle():
    assert look(DEPTH)["text/plain"].splitlines() == [
        "[SIM] 005930 depth  KRX 09:10:00",
        " asks   price  bids",
        "1,500  71,200",
        "  500  71,100",
        "       71,000   700",
    ]
    # Red and blue mean above and below the base price, which a depth alone does not have.
    assert not any(colour in look(DEPTH)["text/html"] for colour in (RISE, FALL))


def test_an_order_book_lists_what_became_of_each_order():
    books = OrderBooks()
    books.apply(IntentTaken(NOW, intent("a", agent="trend")))
    books.apply(SendStarted(NOW, "a", Route(Venue.KRX, OrderKind.LIMIT, "session_default")))
    books.apply(Sent(NOW, "a", OrderRef(20261120, "91252", 31)))
    books.apply(Accepted(NOW, "a", OrderRef(20261120, "91252", 31)))
    books.apply(Filled(NOW, "a", 4, 70_900, 0, 0, Venue.KRX))
    books.apply(IntentTaken(NOW, intent("b", Side.SELL, None)))
    books.apply(Denied(NOW, "b", "nothing to sell", "buy first"))
    head, columns, first, second = look(books.account)["text/plain"].splitlines()
    assert head == "[SIM] account: 2 orders, 1 open"
    assert (
        " ".join(columns.split())
        == "time number agent side code venue quantity price filled average state since why"
    )
    assert (
        " ".join(first.split())
        == "09:10:00 31 trend buy 005930 KRX 10 71,000 4 70,900 accepted 09:10:00"
    )
    assert (
        " ".join(second.split())
        == f"09:10:00 sell 005930 10 market 0 denied 09:10:00 {books.orders['b'].text}"
    )


REF = OrderRef(20261120, "91252", 31)
ROUTE = Route(Venue.KRX, OrderKind.LIMIT, "session_default")
SENT = (IntentTaken(NOW, intent("a")), SendStarted(NOW, "a", ROUTE), Sent(NOW, "a", REF))
LATER = NOW + 60 * SECOND


@pytest.mark.parametrize(
    ("facts", "state", "reason", "next_step"),
    [
        (SENT[:1], "new since 09:10:00", "", "the desk has it"),
        (SENT[:2], "sending", "", "has not answered yet"),
        (SENT, "sent", "", "the exchange has not confirmed it"),
        ((*SENT, Accepted(LATER, "a", REF)), "accepted since 09:11:00", "KRX took it",
         "10 shares wait on KRX"),
        (
            (*SENT, Accepted(NOW, "a", REF), Filled(LATER, "a", 4, 70_900, 0, 0, Venue.KRX)),
            "accepted since 09:10:00, 4 of 10 filled at 70,900", "filled 4 at 70,900",
            "%kis cancel 31",
        ),
        (
            (*SENT, Accepted(NOW, "a", REF), CancelStarted(NOW, "a", 10),
             CancelRefused(NOW, "a", "", "none left")),
            "accepted", "cancel refused: none left", "the desk asks KIS",
        ),
        (
            (*SENT, CancelStarted(NOW, "a", 10), CancelRefused(NOW, "a", "", "late"),
             Filled(LATER, "a", 10, 70_900, 0, 0, Venue.KRX)),
            "filled since 09:11:00", "filled 10 at 70,900 on KRX", "it is over",
        ),
        ((*SENT, Cancelled(LATER, "a", 10, 32)), "cancelled since 09:11:00",
         "not asked for at this desk", "over"),
        (
            (*SENT, CancelStarted(NOW, "a", 10), Cancelled(LATER, "a", 10, 32)),
            "cancelled", "10 shares cancelled, asked for at this desk", "it is over",
        ),
        ((*SENT, Expired(LATER, "a", 10)), "expired since 09:11:00", "expired 10", "order again"),
        ((*SENT[:2], Rejected(LATER, "a", "APBK0919", "장종료")), "rejected", "APBK0919 장종료",
         "%kis why APBK0919"),
        ((*SENT[:2], SendUnknown(LATER, "a", "no answer")), "unknown", "no answer",
         "%kis resolve NUMBER|never"),
        ((SENT[0], Denied(LATER, "a", "halted", "lift it")), "denied since 09:11:00",
         "halted; lift it", "it again"),
    ],
)  # fmt: skip
def test_o13_an_order_says_its_state_since_when_why_and_what_next(facts, state, reason, next_step):
    books = OrderBooks()
    for fact in facts:
        books.apply(fact)
    shown = look(books.orders["a"])
    first, *rest = shown["text/plain"].splitlines()
    assert state in first
    assert [line.split()[0] for line in rest] == (["why", "next"] if reason else ["next"])
    assert reason in rest[0]
    assert next_step in rest[-1]
    for line in rest:
        assert escape(line.strip()) in shown["text/html"]
    assert len(books.orders["a"].story.splitlines()) == len(facts)


def test_o13_an_order_book_of_thousands_of_orders_shows_the_newest_and_the_open_ones():
    books = OrderBooks()
    for n in range(2_000):
        books.apply(IntentTaken(NOW, intent(f"{n:04}")))
        if n not in (3, 1_999):
            books.apply(Denied(NOW, f"{n:04}", f"reason {n:04}", ""))
    shown = look(books.account)
    title, _, *rows = shown["text/plain"].splitlines()
    assert title == (
        "[SIM] account: 2000 orders, 2 open; 1949 older ended ones are not shown, frame() has all"
    )
    assert len(rows) == 51
    assert "reason 1949" not in shown["text/plain"]
    assert "reason 1950" in shown["text/plain"]
    assert " new " in rows[0]
    assert len(shown["text/html"]) < 100_000
    assert books.account.frame().height == 2_000


def test_an_account_shows_cash_holdings_and_their_pnl():
    account = Account(
        cash=99_000_000, cash_d1=99_000_000, cash_d2=98_290_000, orderable=98_290_000,
        complete=True,
        holdings=(Holding("005930", "삼성전자", 10, 10, 700_000, 71_000),),
    )  # fmt: skip
    head, _, row = look(account)["text/plain"].splitlines()
    assert head == "[SIM] cash 99,000,000 (D+2 98,290,000)  orderable 98,290,000 won"
    assert row.split() == [
        "005930",
        "삼성전자",
        "10",
        "10",
        "70,000",
        "71,000",
        "710,000",
        "+10,000",
        "+1.43",
    ]
    assert "incomplete" in look(msgspec.structs.replace(account, complete=False))["text/plain"]


def test_o13_a_fill_says_when_how_much_where_and_what_it_cost():
    fill = Fill(NOW, 10, 71_000, 99, 1_420, Venue.NXT)
    assert look(fill)["text/plain"] == "[SIM] 09:10:00 10 at 71,000 on NXT  fee 99 tax 1,420 won"


FILL = Fill(NOW, 1, 71_000, 9, 0, Venue.KRX)
EVIDENCE = Evidence(NOW, intent("a"), SessionId.KRX_REG, None, "closed", "wait", (), (), None)


@pytest.mark.parametrize(
    "value",
    [
        QUOTE,
        DEPTH,
        Order(intent("a")),
        Orders([Order(intent("a"))]),
        OrderBooks().account,
        FILL,
        EVIDENCE,
    ],
    ids=lambda v: type(v).__name__,
)
def test_n06_every_output_names_its_mode(value):
    texts = {mode: look(value, mode)["text/plain"] for mode in Mode}
    plates = {mode: look(value, mode)["text/html"] for mode in Mode}
    for mode in Mode:
        assert texts[mode].startswith(f"[{mode.upper()}] ")
        assert f">{mode.upper()}<" in plates[mode]
    assert len({p.split("background:")[1].split(";")[0] for p in plates.values()}) == 3
    assert badge_text(None) == ""


@given(st.text(max_size=20))
def test_everything_from_outside_is_escaped(name):
    shown = look(msgspec.structs.replace(QUOTE, name=f"<script>{name}</script>"))["text/html"]
    assert "<script>" not in shown
    assert "<img" not in html_table(["<img>"], [[Cell(f"<img {name}>")]])


@given(
    st.lists(
        st.tuples(st.text("삼성a 1", max_size=6), st.integers(-(10**6), 10**6)),
        min_size=1,
        max_size=5,
    )
)
def test_columns_are_aligned_with_korean_text_too(values):
    rows = [[Cell(name, left=True), Cell(f"{number:,}")] for name, number in values]
    lines = text_table(["name", "number"], rows).splitlines()
    assert len({width(line) for line in lines}) == 1
