"""Indicators: the object and the column agree, missing is None, and other libraries agree."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kisnb
from kisnb import indicators as ind
from kisnb.errors import BadInput
from kisnb.market.indicators import averages
from tests.market.indicator_references import BARS, REFERENCES

Row = tuple[float | None, ...]
Lines = tuple[float | None, ...]


@dataclass(frozen=True)
class Twins:
    """Both forms of an indicator, and what its input is called."""

    made: Callable[..., Any]
    expression: Callable[..., pl.Expr | Iterable[pl.Expr]]
    columns: tuple[str, ...] = ("close",)
    lines: int = 1

    def object_values(self, rows: Sequence[Row], *parameters: float) -> list[Lines]:
        """What the object returns row by row; ``value`` must be the same."""
        indicator, found = self.made(*parameters), []
        for row in rows:
            value = indicator.update(*row)
            assert indicator.value is value
            empty = (None,) * self.lines
            found.append(
                empty if value is None else value if isinstance(value, tuple) else (value,)
            )
        return found

    def expressions(self, *parameters: float) -> list[pl.Expr]:
        """The expressions, one a line."""
        made = self.expression(*self.columns, *parameters)
        return [made] if isinstance(made, pl.Expr) else list(made)

    def column_values(self, rows: Sequence[Row], *parameters: float) -> list[Lines]:
        """What the expressions give over a frame of the rows."""
        schema = dict.fromkeys(self.columns, pl.Float64)
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.select(self.expressions(*parameters)).rows()


TWINS = {
    "sma": Twins(ind.Sma, ind.sma),
    "ema": Twins(ind.Ema, ind.ema),
    "rsi": Twins(ind.Rsi, ind.rsi),
    "macd": Twins(ind.Macd, ind.macd, lines=3),
    "bollinger": Twins(ind.Bollinger, ind.bollinger, lines=3),
    "z_score": Twins(ind.ZScore, ind.z_score),
    "rolling_rank": Twins(ind.RollingRank, ind.rolling_rank),
    "atr": Twins(ind.Atr, ind.atr, ("high", "low", "close")),
    "donchian": Twins(ind.Donchian, ind.donchian, ("high", "low"), lines=3),
    "vwap": Twins(ind.Vwap, ind.vwap, ("price", "volume")),
}
each_indicator = pytest.mark.parametrize("name", TWINS)
USUAL: dict[str, tuple[float, ...]] = {
    "sma": (10,), "ema": (10,), "rolling_rank": (20,), "z_score": (20,),
}  # fmt: skip
"""Parameters of the references where they are not the defaults."""


def input_rows(name: str) -> list[Row]:
    """The reference bars as the indicator takes them."""
    rows: dict[tuple[str, ...], list[Row]] = {
        ("close",): [(close,) for _, _, close, _ in BARS],
        ("high", "low"): [(high, low) for high, low, _, _ in BARS],
        ("high", "low", "close"): [(high, low, close) for high, low, close, _ in BARS],
        ("price", "volume"): [
            ((high + low + close) / 3, volume) for high, low, close, volume in BARS
        ],
    }
    return rows[TWINS[name].columns]


def same(one: Sequence[Lines], other: Sequence[Lines]) -> bool:
    """True when both have the same rows, within rounding."""
    return len(one) == len(other) and all(
        (a is None) == (b is None)
        and (a is None or b is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6))
        for row, twin in zip(one, other, strict=True)
        for a, b in zip(row, twin, strict=True)
    )


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


def parameters_of(name: str, length: int) -> tuple[int, ...]:
    """Short lengths, so that short series are long enough."""
    return {"vwap": (), "macd": (length, length + 3, 3)}.get(name, (length,))


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


@each_indicator
def test_a_frame_without_known_rows_gives_nulls_of_type_float(name: str) -> None:
    twins = TWINS[name]
    expressions = twins.expressions(*parameters_of(name, 3))
    for rows in ([], [None], [None] * 9):
        frame = pl.DataFrame(dict.fromkeys(twins.columns, rows))
        found = frame.select(expressions)
        assert found.rows() == [(None,) * twins.lines] * len(rows)
        assert set(found.dtypes) == {pl.Float64}


@each_indicator
def test_over_a_code_each_stock_is_computed_for_itself_also_when_rows_are_mixed(name: str) -> None:
    twins, parameters = TWINS[name], parameters_of(name, 3)
    first, second = input_rows(name)[:20], [(None,) * len(twins.columns), *input_rows(name)[20:39]]
    rows = [row for pair in zip(first, second, strict=True) for row in pair]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(twins.columns, pl.Float64), orient="row")
    over = [expression.over("code") for expression in twins.expressions(*parameters)]
    coded = frame.with_columns(code=pl.Series(["005930", "000660"] * 20))
    for found in (coded.select(over), coded.lazy().select(over).collect(engine="streaming")):
        assert same(found.rows()[::2], twins.object_values(first, *parameters))
        assert same(found.rows()[1::2], twins.object_values(second, *parameters))


@each_indicator
def test_a_value_never_depends_on_a_later_row(name: str) -> None:
    twins, parameters, rows = TWINS[name], parameters_of(name, 3), input_rows(name)
    whole = twins.column_values(rows, *parameters)
    for end in (1, 7, 20):
        assert same(twins.column_values(rows[:end], *parameters), whole[:end])


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


def test_columns_are_named_after_the_indicator_and_may_be_expressions() -> None:
    frame = pl.DataFrame({"close": [1, 2, 3], "volume": [1, 1, 2]})
    found = frame.select(
        ind.sma(pl.col("close") * 10, 2),
        ind.ema("close", 2).alias("fast"),
        *ind.bollinger("close", 2),
        upper=ind.bollinger("close", 2, 1).upper,
    )
    assert found.columns == [
        "sma_2", "fast", "bollinger_2_upper", "bollinger_2_middle", "bollinger_2_lower", "upper",
    ]  # fmt: skip
    assert found["sma_2"].to_list() == [None, 15.0, 25.0]
    assert found["upper"].to_list() == [None, 2.0, 3.0]


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
