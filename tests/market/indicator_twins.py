"""Both forms of each indicator, so that one test can run over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from kisnb import indicators as ind
from tests.market.indicator_references import BARS

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


def parameters_of(name: str, length: int) -> tuple[int, ...]:
    """Short lengths, so that short series are long enough."""
    return {"vwap": (), "macd": (length, length + 3, 3)}.get(name, (length,))
