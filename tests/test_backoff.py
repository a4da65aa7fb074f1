"""Pauses between attempts: each owner's series, and what a count of failures takes from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.backoff import Backoff
from kisnb.clock import SECOND
from kisnb.desk.run import safety
from kisnb.kis.feed.stream import RECONNECT_PAUSES
from kisnb.kis.http.rest import READ_PAUSES
from kisnb.trading.orders.readings import RETRY


@pytest.mark.parametrize(
    ("backoff", "unit", "pauses"),
    [
        (READ_PAUSES, SECOND, (0.125, 0.25, 0.5, 1)),
        (RECONNECT_PAUSES, SECOND, (1, 2, 4, 8, 16, 32, 60)),
        (RETRY, SECOND, (2, 4, 8, 16, 30)),
        (safety.PAUSES, 1, (60, 120, 240, 480, 960, 1920, 3600)),
    ],
)
def test_k10_the_pause_doubles_up_to_the_longest_one_and_the_longest_one_repeats(
    backoff: Backoff[float], unit: int, pauses: tuple[float, ...]
) -> None:
    assert tuple(pause / unit for pause in backoff.pauses) == pauses
    assert [backoff.pause(n) for n in range(len(pauses))] == list(backoff.pauses)
    assert backoff.pause(1_000_000) == backoff.longest == backoff.pauses[-1]


@given(st.integers(0, 100), st.floats(0, 1))
def test_a_spread_pause_lies_between_half_of_it_and_all_of_it(failures: int, draw: float) -> None:
    backoff = Backoff.doubling(10, 300)
    pause = backoff.pause(failures)
    assert pause / 2 <= backoff.spread(failures, draw) <= pause
