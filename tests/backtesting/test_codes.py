"""M03: a back-test whose stock no tape can have is refused."""

from __future__ import annotations

from typing import Any

import pytest

from kisnb.backtesting.tape.tape_run import TapeRun
from kisnb.errors import BadInput
from kisnb.market.universe import Universe
from kisnb.strategies.volume_trigger import VolumeTrigger
from tests.trading.desk import NOON


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("5930", "'5930', the stock of VolumeTrigger, is not a stock code.*code='005930'"),
        ("", "'', the stock of VolumeTrigger, is not a stock code.*code='005930'"),
    ],
)
def test_m03_a_stock_that_no_tape_can_have_is_refused(code: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        TapeRun(VolumeTrigger(code=code), Universe.packaged(), NOON)


def test_m03_a_number_is_read_as_the_code_of_six_digits() -> None:
    number: Any = 5930
    engine = TapeRun(VolumeTrigger(code=number), Universe.packaged(), NOON)
    assert engine.runner.agent.code == "005930"
