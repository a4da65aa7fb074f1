"""N02, N03: `%kis` reads what people paste; what is in doubt is refused in one line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import BadInput
from kisnb.market.universe import Universe
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.reading import commands_of_cell
from kisnb.notebook.commands.verbs.table import find
from kisnb.notebook.commands.words import goes_on, split
from kisnb.notebook.kernel.transform import plain_magics
from kisnb.session.typed_orders.call_text import command_text, is_typed_in
from kisnb.terms import Venue
from kisnb.values import UNSEEN, narrow, text, tidy

BUY = ("005930", 1, None)
PRICED = ("005930", 10, 70_000)
UNIVERSE = Universe.packaged()


def nfd(korean: str) -> str:
    """Korean as macOS pastes it: taken apart into its letters."""
    return unicodedata.normalize("NFD", korean)


def typed(line: str):
    name, *rest = split(line)
    verb = find(narrow(name))
    return parse(verb.name, verb.usage, rest, line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("buy 005930 1 #price now", BUY),
        ("buy 005930 1 # don't", BUY),
        ("buy 005930 1 #why=“cheap” enough", BUY),
        ("buy 005930 1 #", BUY),
        ("buy\u00a0005930\u00a01", BUY),
        ("buy\u3000005930\u30001", BUY),
        ("buy\t005930\t\t1", BUY),
        ("buy 005930\u200b 1\ufeff", BUY),
        ("ｂｕｙ ００５９３０ １", BUY),
        ("buy 005930 \\\n  1", BUY),
        ("buy 005930 \\ \n1 \\\n", BUY),
        ("%kis buy 005930 1", BUY),
        ("%%kis buy 005930 1", BUY),
        ("buy “005930” ‘1’", BUY),
        ("buy 005930 10주 70,000원", PRICED),
        ("buy 005930 10 @70，000", PRICED),
        ("buy 005930 10 ₩70,000", PRICED),
        ("buy 005930 10 ￦７０，０００원", PRICED),
        ("buy 005930 １０ ＠ ７０,０００", PRICED),
        ("until 09：05", ("09:05",)),
        ("cancel #12 #the wrong one", ("#12",)),
        ("cancel ＃１２", ("#12",)),
        ("cancel ａｌｌ", ("all",)),
        (f"search {nfd('삼성전자')}", ("삼성전자",)),
        (f"halt {nfd('급락')} ＡＢ", ("급락 ＡＢ",)),
        ("halt 'a # b' now", ("a # b now",)),
        ("halt #earnings tomorrow", ("#earnings tomorrow",)),
        ("halt out # of office", ("out",)),
        ("halt price – far too high", ("price – far too high",)),
        ('halt "--flatten was wrong"', ("--flatten was wrong",)),
        ("halt it’s late", ("it’s late",)),
    ],
)
def test_n02_pasted_words_are_read(line: str, words: tuple[object, ...]):
    assert typed(line).words == words


@pytest.mark.parametrize("dashes", ["--", "–", "—", "–-", "-–", "——", "－－", "−−", "-‐"])
def test_n02_dashes_of_an_editor_are_the_hyphens_of_an_option(dashes: str):
    assert typed(f"buy 005930 1 {dashes}venue krx {dashes}again 2").options == {
        "venue": Venue.KRX,
        "again": 2,
    }
    assert typed(f"buy 005930 1 {dashes}key=월간").options == {"key": "월간"}
    assert typed(f"agents start trend {dashes}qty 3").options == {"qty": "3"}


def test_n02_a_dash_alone_stands_for_the_one_hyphen_of_a_short_option():
    assert typed("report –o day.html").options == {"o": "day.html"}


@pytest.mark.parametrize("line", ["quote 005930;", "quote 005930 ; # note", "quote 005930; #note"])
def test_n02_a_semicolon_before_a_comment_asks_for_silence(line: str):
    read = typed(line)
    assert read.words == ("005930",)
    assert read.silent


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("buy 005930 –1", "below zero"),
        ("buy 005930 1 #2", "not a whole number"),
        ("buy 005930 1 \\", "ends with a backslash, and nothing follows it"),
        ("buy 005930 1 \\ # the price", "ends with a backslash, and nothing follows it"),
        ("buy 005930 70,000원 10주", "not a whole number"),
        ("buy 005930 10만주", "not a whole number"),
        ("buy 005930 ₩10", "not a whole number"),
        ("buy 005930 10 70, 000", "not a whole number"),
        ("buy 005930 10 --price 70,000", r"has no option --price\. Write"),
        ("buy 005930 1²", "not a whole number"),
        ("buy 005930 ½", "not a whole number"),
        ("buy 005930 10 7。000", "not a whole number"),
        ("buy 005930 10 −70,000", "below zero"),
        ("buy 005930 1 –vanue krx", "not a whole number"),
        ("buy “삼성 전자 1", "not a whole number"),
    ],
)
def test_n03_what_is_in_doubt_is_refused_in_one_line(line: str, said: str):
    with pytest.raises(BadInput, match=said) as caught:
        typed(line)
    (shown,) = caught.value._render_traceback_()
    assert "\n" not in shown


@given(st.text(max_size=40))
def test_n02_a_reason_keeps_its_words(reason: str):
    """Blanks and what nobody sees may go; no other letter of a reason does, quoted as it is."""
    quoted = reason.replace('"', "'").replace("\\", "/")
    read = typed(f'halt "{quoted}"').text(0)
    assert read == tidy(quoted)
    assert text(quoted, "the reason") == read


@given(
    st.sampled_from(
        [
            "buy 005930 10 @70,000 --venue krx",
            "sell 삼성전자 1 --again 2",
            "cancel 7",
            "until 09:05",
        ]
    ),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(UNSEEN)), max_size=6),
    st.booleans(),
)
def test_n02_letters_that_show_nothing_change_no_command(
    line: str, places: list[tuple[int, str]], apart: bool
):
    """Those with a width part words, as a blank does, so they are put beside blanks alone."""
    pasted = nfd(line) if apart else line
    for place, letter in places:
        blank = tidy(letter) == " "
        at = pasted.index(" ") if blank else min(place, len(pasted))
        pasted = pasted[:at] + letter + pasted[at:]
    assert (typed(pasted).words, typed(pasted).options) == (typed(line).words, typed(line).options)
    # Row O11 compares calls by their words.
    assert command_text(pasted) == command_text(line)
    assert is_typed_in(line, f"  {pasted} ;")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("buy 005930 1", "%kis buy 005930 1"),
        ("buy  005930 1 --again 3;", "%kis buy 005930 1"),
        ("buy 005930 1 –again 3 —key x", "%kis buy 005930 1"),
        ("buy 005930 \\\n 1", "%kis buy 005930 1"),
        ("sell {code} 1 --key=a # note", "%kis sell {code} 1 # note"),
        ("halt – later", "%kis halt – later"),
    ],
)
def test_o11_a_call_is_named_by_its_plain_words(words: str, name: str):
    assert command_text(words) == name


def test_n02_lines_of_a_cell_go_on_after_a_backslash_and_never_out_of_a_comment():
    body = (
        "buy 005930 \\\n  1\n# first \\\nquote 005930 # don't \\\nsell 005930 1 #won't \\\n"
        "cancel all\n"
    )
    commands = commands_of_cell("", body)
    assert [typed(command).words for command in commands] == [BUY, ("005930",), BUY, ("all",)]
    assert [goes_on(line) for line in body.splitlines()] == [
        True,
        False,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("\u00a0%kis quote 삼성", " %kis quote 삼성"),
        ("\ufeff%%kis\n", "%%kis\n"),
        ("\u200b％kis\u3000quote 1", "%kis quote 1"),
        ("x\u00a0=\u00a0%kis\u00a0quote 1\n", "x = %kis quote 1\n"),
        ("\t％％kis", "\t%%kis"),
        ("값 = %kis quote ０", "값 = %kis quote ０"),
        ("print('％kis 0')", "print('％kis 0')"),
        ("%kisses ０", "%kisses ０"),
    ],
)
def test_n02_a_line_that_begins_with_kis_begins_with_plain_letters(line: str, plain: str):
    assert plain_magics([line]) == [plain]


@pytest.mark.parametrize(
    "code", ["００５９３０", " 005930 ", "A005930", "a005930", "005930\u200b", "\u00a0005930"]
)
def test_n02_a_code_is_found_however_it_was_pasted(code: str):
    assert UNIVERSE.get(code).code == "005930"


@pytest.mark.parametrize("name", ["삼성전자", "ㅅㅅㅈㅈ", "0004v0", "ＫＯＤＥＸ"])
def test_n02_a_stock_is_found_by_its_name_taken_apart_too(name: str):
    found = UNIVERSE.search(name)
    assert found
    assert UNIVERSE.search(f"\u200b{nfd(name)}\u3000") == found


@pytest.mark.parametrize("code", [None, nfd("삼성전자"), "\u200b", "005930 삼성전자"])
def test_n03_a_code_that_is_none_is_refused_with_the_cure(code: object):
    with pytest.raises(BadInput, match=r"is not a (valid|listed) code\. (Write|Did you|Look)"):
        UNIVERSE.get(code)  # type: ignore[arg-type]


def test_a07_an_apostrophe_in_a_reason_does_not_keep_a_halt_from_being_pulled():
    assert typed("halt it's late, don't buy").words == ("it's late, don't buy",)
