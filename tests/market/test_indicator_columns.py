"""The expressions of the indicators inside the queries that people write with polars."""

from __future__ import annotations

import polars as pl
from polars.testing import assert_frame_equal

from kisnb import indicators as ind
from tests.market.indicator_references import BARS
from tests.market.indicator_twins import TWINS, each_indicator, input_rows, parameters_of, same


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


@each_indicator
def test_a_lazy_query_that_keeps_few_rows_computes_them_from_all_rows(name: str) -> None:
    twins = TWINS[name]
    frame = pl.DataFrame(
        input_rows(name), schema=dict.fromkeys(twins.columns, pl.Float64), orient="row"
    ).with_row_index("row")
    expressions = twins.expressions(*parameters_of(name, 3))
    whole, query = frame.with_columns(expressions), frame.lazy().with_columns(expressions)
    for kept in (query.filter(pl.col("row") >= 40), query.tail(5), query.slice(40, 5)):
        assert_frame_equal(kept.collect(), whole.tail(5))


def test_vwap_begins_anew_each_day_over_the_date() -> None:
    days = pl.Series([f"2026-11-{19 + i // 30}" for i in range(len(BARS))]).str.to_date()
    frame = pl.DataFrame(BARS, schema=["high", "low", "close", "volume"], orient="row")
    found = frame.with_columns(day=days).select(ind.vwap("close", "volume").over("day"))
    vwap, values = ind.Vwap(), []
    for i, (_, _, close, volume) in enumerate(BARS):
        if i == 30:
            vwap.reset()
        values.append((vwap.update(close, volume),))
    assert same(found.rows(), values)
