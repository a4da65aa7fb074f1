"""Indicators: the object and the column agree, missing is None, and other libraries agree."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kisnb
from kisnb import indicators as ind
from kisnb.errors import BadInput
from kisnb.market.indicators import averages
from tests.market.indicator_references import REFERENCES
from tests.market.indicator_twins import (
    TWINS,
    USUAL,
    Row,
    each_indicator,
    input_rows,
    parameters_of,
    same,
)


def test_both_forms_of_every_public_indicator_are_compared() -> None:
    helpers = {"Bands", "Column", "Indicator", "MacdLines", "PriceIndicator"}
    compared = {form for twins in TWINS.values() for form in (twins.made, twins.expression)}
    assert {getattr(ind, name) for name in set(ind.__all__) - helpers} == compared
    assert set(TWINS) == {twins.expression.__name__ for twins in TWINS.values()}
    assert set(REFERENCES) == set(TWINS)
    for twins in TWINS.values():
        assert f"``{twins.made.__name__}(" in (ind.__doc__ or "")
        assert f"``{twins.expression.__name__}``" in (ind.__doc__ or "")


@each_indicator
def test_both_forms_agree_with_other_libraries(name: str) -> None:
    for values in (
        TWINS[name].object_values(input_rows(name), *USUAL.get(name, ())),
        TWINS[name].column_values(input_rows(name), *USUAL.get(name, ())),
    ):
        first = min(REFERENCES[name])
        assert all(line is None for row in values[:first] for line in row)
        for row, reference in REFERENCES[name].items():
            assert values[row] == pytest.approx(reference, rel=1e-11)


won = st.integers(1, 2_000_000).map(float)
broken = st.sampled_from([None, math.nan, math.inf, -math.inf])
numbers = st.one_of(
    won, st.sampled_from([70_000.0, 70_100.0]), st.floats(-100, 100).map(lambda x: round(x, 2))
)
inputs = st.one_of(numbers, numbers, numbers, broken)


@each_indicator
@settings(max_examples=60, deadline=None)
@given(data=st.data(), length=st.integers(2, 6))
def test_object_and_column_agree_on_any_series_with_missing_values(
    name: str, data: st.DataObject, length: int
) -> None:
    twins = TWINS[name]
    row = st.tuples(*(inputs for _ in twins.columns))
    if name == "vwap":
        row = st.tuples(inputs, st.one_of(st.integers(0, 9_000).map(float), broken))
    rows = data.draw(st.lists(row, max_size=40))
    parameters = parameters_of(name, length)
    by_object = twins.object_values(rows, *parameters)
    assert same(by_object, twins.column_values(rows, *parameters))
    assert all(line is None or math.isfinite(line) for values in by_object for line in values)


@each_indicator
@settings(max_examples=15, deadline=None)
@given(data=st.data(), length=st.integers(2, 6))
def test_a_missing_input_has_no_value_and_changes_no_later_one(
    name: str, data: st.DataObject, length: int
) -> None:
    twins, parameters = TWINS[name], parameters_of(name, length)
    rows = input_rows(name)[:20]
    whole = twins.object_values(rows, *parameters)
    place = data.draw(st.integers(0, len(rows)))
    gap = list(rows[0])
    gap[data.draw(st.integers(0, len(gap) - 1))] = data.draw(broken)
    holed = [*rows[:place], tuple(gap), *rows[place:]]
    values = twins.object_values(holed, *parameters)
    assert values.pop(place) == (None,) * twins.lines
    assert values == whole
    assert same(twins.column_values(holed, *parameters)[place + 1 :], whole[place:])


@each_indicator
@pytest.mark.parametrize("length", [4, 5])
def test_the_first_value_comes_when_the_warm_up_ends(name: str, length: int) -> None:
    parameters = parameters_of(name, length)
    warm_up = TWINS[name].made(*parameters).warm_up
    values = TWINS[name].object_values(input_rows(name), *parameters)
    assert [row[0] is not None for row in values].index(True) == warm_up - 1
    assert all(line is not None for row in values[warm_up - 1 :] for line in row)


def test_prices_that_stand_still_have_no_score_and_no_strength() -> None:
    flat: list[Row] = [(0.1,)] * 40
    for name in ("z_score", "rsi"):
        for values in (TWINS[name].object_values(flat, 7), TWINS[name].column_values(flat, 7)):
            assert values == [(None,)] * 40
    moved = [(float(price),) for price in (1, 2, 3, 2, 1, 2, 3)] + flat
    assert TWINS["z_score"].object_values(moved, 7)[-1] == (None,)
    assert TWINS["z_score"].column_values(moved, 7)[-1] == (None,)
    # The bands of such a window lie on the mean, and its rank is in the middle.
    assert TWINS["bollinger"].object_values(moved, 7)[-1] == (0.1, 0.1, 0.1)
    assert TWINS["rolling_rank"].column_values(moved, 7)[-1] == (0.5,)


def test_an_rsi_forgets_moves_that_lie_thousands_of_prices_back() -> None:
    rows: list[Row] = [(1.0,), (2.0,), (1.5,), *[(1.5,)] * 3_000]
    by_object = TWINS["rsi"].object_values(rows, 2)
    assert same(by_object, TWINS["rsi"].column_values(rows, 2))
    assert by_object[2:4] == [(100 * 2 / 3,)] * 2
    assert by_object[-1] == (None,)


def test_a_mean_keeps_its_precision_after_a_million_prices_and_after_a_wild_one() -> None:
    mean = ind.Sma(20)
    for i in range(100_000):
        mean.update(0.1 if i != 5 else 1e15)
    assert mean.value == pytest.approx(0.1, rel=1e-15)


def test_vwap_is_won_by_shares_and_begins_anew_when_it_is_reset() -> None:
    vwap = ind.Vwap()
    assert [vwap.update(*trade) for trade in ((100, 0), (100, 1), (200, 3), (900, 0))] == [
        None, 100, 175, 175,
    ]  # fmt: skip
    vwap.reset()
    assert vwap.value is None
    assert vwap.update(50, 2) == 50


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ind.Sma(0), "The length 0 is too small. Give 1 or more"),
        (lambda: ind.ZScore(1), "The length 1 is too small. Give 2 or more"),
        (lambda: ind.sma("close", 2.5), "The length 2.5 is not a whole number"),
        (lambda: ind.macd("close", 26, 12), "The fast length 26 is not below the slow length 12"),
        (lambda: ind.Bollinger(20, -1), "-1 deviations make no bands. Give a number above 0"),
        (lambda: ind.Sma(2).update("71,000"), "'71,000' is not a number. Give a number, or None"),
        (lambda: ind.Atr(2).update(1, [], 1), r"\[\] is not a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_the_cure(
    make: Callable[[], object], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        make()


def test_an_indicator_shows_its_parameters_and_its_value() -> None:
    bands = ind.Bollinger(2, 2.5)
    assert repr(bands) == "<Bollinger(2, 2.5): None>"
    bands.update(1)
    assert repr(ind.Vwap()) == "<Vwap(): None>"


def test_the_examples_of_the_docstrings_are_true() -> None:
    assert doctest.testmod(averages).failed == 0
    assert doctest.testmod(averages).attempted > 0


def test_indicators_are_a_public_name_and_agents_that_use_them_load_no_polars() -> None:
    assert kisnb.indicators is ind
    code = (
        "import sys; from kisnb import indicators; indicators.Sma(2).update(1)\n"
        "sys.exit('polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
