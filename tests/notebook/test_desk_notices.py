"""N04: the list of notices: troubles, price alerts, refused orders, failed steps; newest first."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

import kisnb
from kisnb.clock import SECOND, kst
from kisnb.errors import KisnbError
from kisnb.notebook.panels.desk_notices import LISTED, listed_notices, notice_table
from kisnb.session.session import Session

DAY = {"seed": 7, "date": "2026-11-20", "start": "09:00:00"}


def seen(session: Session) -> list[tuple[str, str, str]]:
    """Time, kind and text of each notice, as the table shows them."""
    rows = notice_table(lambda: listed_notices(session)).rows().values()
    texts = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows]
    return [(time, what, text) for time, what, text, _ in texts]


def test_n04_notices_are_listed_newest_first_whatever_they_are_about() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", **DAY) as session:
            session.troubles.clear()
            assert seen(session) == []
            with pytest.raises(KisnbError):
                await session.buy("005930", 1, 1)
            await session.sleep(5)
            quote = await session.quote("005930")
            await session.alert("005930", above=quote.lower)
            await session.sleep(30)
            session.troubles.append("a sentence without a time")
            listed = seen(session)
            assert [what for _, what, _ in listed] == ["trouble", "alert", "denied"]
            (_, _, plain), (fired, _, alert), (denied, _, refused) = listed
            assert plain == "a sentence without a time"
            assert alert.startswith("price alert: 005930")
            assert refused.startswith("buy 1 005930 @ 1: ")
            assert denied < fired

    asyncio.run(main())


def test_n04_failed_steps_of_the_kill_switch_are_listed_and_done_ones_are_not() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", **DAY) as session:
            await session.simulator.fault("read", "error", times=1000)
            await session.halt("fog")
            await session.sleep(10)
            steps = [text for _, what, text in seen(session) if what == "kill switch"]
            assert steps == ["FAILED: KIS did not list the orders, after 3 queries"]

    asyncio.run(main())


def test_n04_notices_of_two_days_keep_their_order_and_old_ones_go() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", **DAY) as session:
            # A session may be open for days, and a trouble has only a time of day in front.
            session.troubles[:] = [
                "15:20:00 yesterday", "08:59:59 this morning", "08:59:58 a second late",
            ]  # fmt: skip
            assert [text for _, _, text in seen(session)] == [
                "a second late", "this morning", "yesterday",
            ]  # fmt: skip
            today = kst(date(2026, 11, 20), 9 * 3600)
            assert [n.t - today for n in listed_notices(session)] == [
                -2 * SECOND, -2 * SECOND, (6 * 3600 + 20 * 60 - 24 * 3600) * SECOND,
            ]  # fmt: skip
            session.troubles[:] = [f"08:00:00 number {n}" for n in range(LISTED + 20)]
            listed = seen(session)
            assert (len(listed), listed[0][2]) == (LISTED, f"number {LISTED + 19}")

    asyncio.run(main())
