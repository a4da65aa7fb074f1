"""Rankings of a session: the market code of the hour stands on the wire (row R01), paper refuses
(row K13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kisnb.errors import BadInput, NotOffered
from kisnb.kis.broker import KisBroker
from kisnb.kis.calls.ranking_messages import ranking_call
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.kis.test_modes import at
from tests.session.opening import posts, traded

COLUMNS = {
    "rank": pl.Int64,
    "code": pl.String,
    "name": pl.String,
    "price": pl.Int64,
    "change": pl.Int64,
    "change_pct": pl.Float64,
    "volume": pl.Int64,
    "value": pl.Int64,
}


def asked(path: str) -> list[str]:
    """The market codes that the requests of a ranking carried, in order."""
    found: list[str] = []
    for line in posts(path):
        params: dict[str, Any] = {name.upper(): value for name, value in line["params"].items()}
        found.append(params["FID_COND_MRKT_DIV_CODE"])
    return found


@pytest.mark.parametrize(
    ("start", "code"), [("08:30", "NX"), ("10:00", "J"), ("16:30", "NX"), ("20:30", "J")]
)
def test_r01_both_rankings_carry_the_market_code_of_the_session(start: str, code: str) -> None:
    async def work(session: Session) -> tuple[pl.DataFrame, pl.DataFrame]:
        return await session.ranking(), await session.ranking("fluctuation", n=5)

    by_value, by_rise = traded(work, start=start)
    assert set(asked("volume-rank")) == {code}  # a read may be repeated
    assert set(asked("ranking/fluctuation")) == {code}
    assert dict(by_value.schema) == dict(by_rise.schema) == COLUMNS
    assert by_rise.height <= 5


def test_r01_a_ranking_of_the_regular_session_is_ordered_and_in_won() -> None:
    async def work(session: Session) -> tuple[pl.DataFrame, pl.DataFrame]:
        return await session.ranking(n=10), await session.ranking("fluctuation")

    by_value, by_rise = traded(work, start="11:00")
    assert by_value["rank"].to_list() == list(range(1, 11))
    assert by_value["value"].is_sorted(descending=True)
    assert by_rise["change_pct"].is_sorted(descending=True)
    assert by_rise["value"].null_count() == by_rise.height > 0
    base = by_rise["price"] - by_rise["change"]
    assert ((by_rise["change"] / base * 100 - by_rise["change_pct"]).abs() < 0.01).all()


def test_an_unknown_ranking_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadInput, match="no ranking by size"):
        ranking_call("size", "J")  # type: ignore[arg-type]


def test_k13_paper_refuses_both_rankings_with_reason_and_cure(tmp_path: Path) -> None:
    async def body(broker: KisBroker) -> None:
        for kind in ("volume", "fluctuation"):
            with pytest.raises(NotOffered, match=r"Paper has no \w+\. Use live or sim for it\."):
                await broker.call(*ranking_call(kind, "J"))  # type: ignore[arg-type]

    assert at(Mode.PAPER, tmp_path, body).asked == []


def test_a_call_by_name_refuses_orders_and_unknown_names(tmp_path: Path) -> None:
    async def body(broker: KisBroker) -> None:
        with pytest.raises(BadInput, match="order_cash_buy places orders"):
            await broker.call("order_cash_buy", {})
        with pytest.raises(BadInput, match="inquire_everything is not a call of KIS"):
            await broker.call("inquire_everything", {})

    assert at(Mode.LIVE, tmp_path, body).asked == []
