"""Bars from ticks (row H02): silent spans included, no future price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, SECOND
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.market.bars import BarSeries, span_of
from kisnb.terms import Venue


def tick(t: int, price: int, qty: int = 1) -> Tick:
    return Tick(t, "005930", Venue.KRX, price, qty, None, 0, 0, price, price)


def test_h02_a_bar_closes_with_the_first_trade_of_a_later_span():
    series = BarSeries("005930", MINUTE)
    for second, price, qty in ((0, 100, 1), (30, 105, 2), (59, 99, 3)):
        assert series.add(tick(second * SECOND, price, qty)) == ()
    (bar,) = series.add(tick(60 * SECOND, 120))
    assert (bar.t, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.count) == (
        0,
        100,
        105,
        99,
        99,
        6,
        3,
    )


def test_h02_silent_spans_repeat_the_last_close_with_no_volume():
    series = BarSeries("005930", MINUTE)
    series.add(tick(0, 100))
    closed = series.add(tick(3 * MINUTE, 130))
    assert [(b.t // MINUTE, b.open, b.close, b.volume) for b in closed] == [
        (0, 100, 100, 1),
        (1, 100, 100, 0),
        (2, 100, 100, 0),
    ]


def test_a_length_is_read_or_refused_with_the_cure():
    assert [span_of(s) for s in ("20s", "1m", "1h")] == [20 * SECOND, MINUTE, 60 * MINUTE]
    for wrong in ("", "m", "0s", "1.5m", "1d"):
        with pytest.raises(BadInput, match="Write it as 20s"):
            span_of(wrong)


@given(
    st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(1, 999), st.integers(1, 9)),
        min_size=1,
        max_size=60,
    )
)
def test_h02_bars_hold_every_trade_once(trades):
    series = BarSeries("005930", MINUTE)
    trades.sort(key=lambda x: x[0])
    for second, price, qty in trades:
        series.add(tick(second * SECOND, price, qty))
    current = series.current
    assert current is not None
    bars = [*series.bars, current]
    assert sum(b.volume for b in bars) == sum(q for _, _, q in trades)
    assert [b.t for b in bars] == list(range(bars[0].t, bars[-1].t + 1, MINUTE))
    for bar in bars:
        inside = [p for s, p, _ in trades if bar.t <= s * SECOND < bar.t + MINUTE]
        if inside:
            assert (bar.open, bar.high, bar.low, bar.close) == (
                inside[0],
                max(inside),
                min(inside),
                inside[-1],
            )
