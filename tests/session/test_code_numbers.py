"""M03, M05: codes of DataFrames and spreadsheets that have become numbers."""

from __future__ import annotations

from typing import Any

import pytest

from kisnb.errors import BadInput
from kisnb.session.session import Session
from kisnb.strategies.volume_trigger import VolumeTrigger
from tests.session.opening import on_simulated_day, posts

NUMBER: Any = 5930


@on_simulated_day()
async def test_m05_a_number_is_read_where_it_can_only_be_a_code_and_refused_in_an_order(
    session: Session,
) -> None:
    quote = await session.quote(NUMBER)
    assert (quote.code, quote.name) == ("005930", "삼성전자")
    assert (await session.depth(NUMBER)).code == "005930"
    assert VolumeTrigger(code=NUMBER).code == "005930"
    with pytest.raises(BadInput, match=r"The code 5930 is a number. Write it as text: '005930'"):
        await session.buy(NUMBER, 10, quote.price)
    with pytest.raises(BadInput, match="The code 20 is a number"):
        await session.buy(20, 5930, quote.price)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="The code 5930 is a number"):
        await session.agents.adopt(VolumeTrigger(code="000660"), NUMBER)
    assert posts() == []
