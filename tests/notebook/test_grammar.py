"""N02, N03: what `%kis` understands, and the one line it answers to what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import BadInput
from kisnb.market.universe import Universe
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.verbs.orders import typed_order
from kisnb.notebook.commands.verbs.table import VERBS, find, help_text
from kisnb.notebook.commands.words import split
from kisnb.session.typed_orders.typed_order import read_order
from kisnb.terms import OrderKind, Side, Venue


def typed(line: str):
    name, *rest = split(line)
    verb = find(name)
    return parse(verb.name, verb.usage, rest, line)


@pytest.mark.parametrize(
    ("line", "words", "options"),
    [
        ("buy 005930 10", ("005930", 10, None), {}),
        ("buy 005930 10 71000", ("005930", 10, 71000), {}),
        ("buy 005930 1,000 @71,000", ("005930", 1000, 71000), {}),
        ("buy 005930 10 @ 71,000 --again", ("005930", 10, 71000), {"again": True}),
        ("sell 0001A0 3 --venue nxt --kind limit --key a", ("0001A0", 3, None),
         {"venue": Venue.NXT, "kind": OrderKind.LIMIT, "key": "a"}),
        ("buy '삼성 전자' 1  # a first try", ("삼성 전자", 1, None), {}),
        ("open sim --seed=7 --date 2026-11-20 --start 09:00 --fresh", ("sim",),
         {"seed": 7, "date": "2026-11-20", "start": "09:00", "fresh": True}),
        ("open paper --quotes live", ("paper",), {"quotes": "live"}),
        ("cancel #12", ("#12",), {}),
        ("cancel all", ("all",), {}),
        ("until close", ("close",), {}),
        ("until 9:10", ("9:10",), {}),
        ("agents", (None, None, None, None), {}),
        ("agents start trend --code 005930 --qty 1", ("start", "trend", None, None),
         {"code": "005930", "qty": "1"}),
        ("halt fat finger, all wrong", ("fat finger, all wrong",), {}),
        ("report -o day.html", (), {"o": "day.html"}),
    ],
)  # fmt: skip
def test_n02_a_line_is_read_as_words_and_options(line, words, options):
    result = typed(line)
    assert result.words == words
    assert result.options == options
    assert result.call == line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("qoute 005930", "Did you mean quote?"),
        ("buy 005930", "QTY is missing"),
        ("buy", "CODE is missing"),
        ("buy 005930 0", "at least 1 share"),
        ("buy 005930 -5", "below zero"),
        ("buy 005930 1.5", "not a whole number"),
        ("buy 005930 7,1000", "not a whole number"),
        ("buy 005930 @71000", "quantity in shares is missing"),
        ("buy 005930 1 0", "at least 1 won"),
        ("buy 005930 1 71000 72000", "too many words"),
        ("buy 005930 1 --agian", "Did you mean --again?"),
        ("buy 005930 1 --venue NYSE", "KRX, NXT, SOR"),
        ("buy 005930 1 --key", "--key needs a value"),
        ("buy '005930 1", "quotation mark"),
        ("open simulator", "Did you mean sim?"),
        ("open sim --date 2026-13-01", "YYYY-MM-DD"),
        ("open sim --seed x", "not a whole number"),
        ("until later", "HH:MM"),
        ("agents stop", "ID is missing"),
        ("agents restart x", "Did you mean start?"),
        ("bars 005930 --every minute", "1m"),
        ("help qoute", "Did you mean quote?"),
    ],
)
def test_n03_one_line_with_its_cure(line, said):
    read = (
        (lambda: help_text(line.split()[1])) if line.startswith("help ") else (lambda: typed(line))
    )
    with pytest.raises(BadInput) as error:
        read()
    shown = "\n".join(error.value._render_traceback_())
    assert said in shown
    assert "\n" not in shown
    assert shown.startswith("BadInput: ")
    assert "%kis" in shown or "quotation mark" in shown or "Write it as" in shown


@given(
    qty=st.integers(1, 10**9),
    price=st.integers(1, 10**8),
    at=st.sampled_from(["", "@", "@ "]),
    comma=st.booleans(),
)
def test_n02_numbers_read_back_as_written(qty, price, at, comma):
    form = ",d" if comma else "d"
    assert typed(f"buy 005930 {qty:{form}} {at}{price:{form}}").words == ("005930", qty, price)


@given(st.text(max_size=30), st.sampled_from(sorted(VERBS)))
def test_n03_no_text_breaks_the_parser(rest, verb):
    try:
        typed(f"{verb} {rest}")
    except BadInput as error:
        shown = error._render_traceback_()
        assert len(shown) == 1


def test_help_lists_every_verb_from_the_one_table():
    lines = help_text().splitlines()
    assert len(lines) == len(VERBS)
    for verb in VERBS.values():
        assert any(verb.usage_line in line and verb.help in line for line in lines)
        assert help_text(verb.name).splitlines() == [verb.usage_line, f"    {verb.help}"]


def test_n03_a_number_below_zero_is_called_so():
    with pytest.raises(
        BadInput, match="-3 is below zero, and the quantity in shares must be at least 1"
    ):
        typed("buy 005930 -3")


@pytest.mark.parametrize(
    ("line", "price", "options"),
    [
        ("buy 005930 1,000", None, {}),
        ("buy 005930 1000 70,000원", 70_000.0, {}),
        ("buy 005930 1000주 @70,000 --venue nxt", "70,000", {"venue": "NXT"}),
        ("buy 005930 1000 70000 --stop 71000", 70_000, {"stop": "71,000"}),
        ("buy 005930 1000 70000 --kind LIMIT-IOC", 70_000, {"kind": OrderKind("limit-ioc")}),
        ("buy 005930 1000 --key 월간 --again", None, {"key": " 월간 ", "again": True}),
        ("buy 005930 1000 --again 3", None, {"again": 3.0}),
    ],
)
def test_n02_a_line_and_a_call_are_read_into_the_same_order(line, price, options):
    code = "005930"
    called = read_order(Universe.packaged(), Side.BUY, code, 1000, price, **options)
    assert typed_order(Side.BUY, code, typed(line)) == called
