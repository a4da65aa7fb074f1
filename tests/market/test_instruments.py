"""M05: the packaged universe, look-up and search."""

import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from kisnb.errors import UnknownInstrument
from kisnb.market import ticks
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe, initials_of
from kisnb.terms import Board, Kind


@pytest.fixture
def universe() -> Universe:
    return Universe.load(None, date(2026, 11, 20))


def test_m05_a_small_universe_ships_inside(universe: Universe) -> None:
    assert 20 <= len(universe) <= 30
    assert {"005930", "005935", "069500"} <= {item.code for item in universe}
    assert universe.get("069500").kind is Kind.ETF
    assert {item.board for item in universe} == set(Board)


@pytest.mark.parametrize("day", [date(2022, 6, 1), date(2026, 11, 20)])
def test_m05_its_base_prices_are_on_the_grid(universe: Universe, day: date) -> None:
    assert [i.code for i in universe if not ticks.on_grid(i.base, i.kind, day)] == []


def test_m05_codes_with_letters_are_strings(universe: Universe) -> None:
    assert universe.get("0004V0").code == "0004V0"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("005930", "005930"),
        ("0059", "005930"),
        ("삼성전자", "005930"),
        ("ㅅㅅㅈㅈ", "005930"),
        ("ㅅㅅㅈㅈㅇ", "005935"),
        ("코프로비", "247540"),
        ("naver", "035420"),
        ("kodex200", "069500"),
        ("하이닉스", "000660"),
    ],
)
def test_m05_a_search_finds_the_meant_issue_first(
    universe: Universe, text: str, first: str
) -> None:
    assert universe.search(text)[0].code == first


def test_m05_search_finds_nothing_for_nothing(universe: Universe) -> None:
    assert universe.search("") == universe.search("zzz") == []


def test_m05_initials_are_the_first_consonants_of_each_syllable() -> None:
    assert initials_of("삼성SDI 꿈") == "ㅅㅅSDI ㄲ"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("00593", "005930 삼성전자"),
        ("5930", "005930"),
        ("삼성저자", "삼성전자"),
        ("005939", "005930"),
    ],
)
def test_m05_an_unknown_code_says_what_may_have_been_meant(
    universe: Universe, wrong: str, meant: str
) -> None:
    with pytest.raises(UnknownInstrument, match=f"Did you mean .*{meant}"):
        universe.get(wrong)


@pytest.mark.parametrize("number", [5930, 5930.0, np.int64(5930), pl.Series([5930])[0]])
def test_m05_a_number_is_read_as_the_code_of_six_digits(universe: Universe, number: Any) -> None:
    assert universe.get(number).code == "005930"
    assert universe.spell(number) == "005930"


@pytest.mark.parametrize("number", [0, -5930, 5930.5, 1_005_930, True, None, [5930]])
def test_m05_a_value_that_is_no_code_is_refused_with_the_cure(
    universe: Universe, number: Any
) -> None:
    with pytest.raises(UnknownInstrument, match=r"is not a valid code.*in quotation marks"):
        universe.spell(number)


def test_m05_a_number_that_is_not_listed_says_what_may_have_been_meant(
    universe: Universe,
) -> None:
    wrong: Any = 5931
    with pytest.raises(
        UnknownInstrument, match=r"'005931' is not a listed code. Did you mean 0059"
    ):
        universe.get(wrong)


def test_m05_an_unknown_code_without_neighbours_has_a_cure_too() -> None:
    universe = Universe([Instrument("005930", "삼성전자", Board.KOSPI, Kind.STOCK, 1, 71_000, 1)])
    with pytest.raises(UnknownInstrument, match="%kis search"):
        universe.get("QQQQQQ")


def test_m05_the_packaged_universe_needs_no_polars() -> None:
    probe = """
import sys
from kisnb.market.universe import Universe
Universe.packaged()
print('polars' in sys.modules)"""
    assert (
        subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )


def test_m06_at_paper_and_live_a_list_has_names_and_no_prices() -> None:
    listed = Universe.for_kis(None, date(2026, 11, 20))
    assert {(item.base, item.volume, item.halted) for item in listed} == {(0, 0, False)}
    assert listed.name("005930") == "삼성전자"
    assert Universe.packaged().get("005930").base > 0, "the list of sim is another one"


def test_m06_a_list_that_is_not_complete_lets_each_code_pass_and_no_name() -> None:
    listed = Universe.for_kis(None, date(2026, 11, 20))
    assert listed.spell("0099z0") == "0099Z0"
    assert listed.spell("Q530036") == "Q530036"
    for wrong in ("삼성", "00593", "0059300", "ABCDEF"):
        with pytest.raises(UnknownInstrument):
            listed.spell(wrong)
    with pytest.raises(UnknownInstrument):
        Universe.packaged().spell("0099Z0")
