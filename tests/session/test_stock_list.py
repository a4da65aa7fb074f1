"""M05, M06: what a paper or live session says about its list of stocks."""

from __future__ import annotations

from datetime import date

import msgspec

from kisnb.market.universe import Universe
from kisnb.session.feed.stock_list import list_trouble

TODAY = date(2026, 11, 20)


def listed(*, nxt: bool | None, day: date = TODAY, is_complete: bool = False) -> Universe:
    samsung = msgspec.structs.replace(Universe.packaged().get("005930"), nxt=nxt)
    return Universe([samsung], source="KIS's master files", day=day, is_complete=is_complete)


def test_m05_a_list_that_does_not_say_what_nxt_trades_is_said_with_the_cure() -> None:
    said = list_trouble(listed(nxt=None), TODAY)
    assert said == (
        "List of stocks: KIS's master files, 1 stocks. It does not say which stocks NXT trades:"
        " orders of those stocks go to KRX alone. Get KIS's list with: kisnb master download;"
        " then kisnb desk restart and %kis open."
    )
    assert list_trouble(listed(nxt=False), TODAY) == ""
    assert list_trouble(listed(nxt=None, is_complete=True), TODAY) == ""


def test_m06_an_old_list_is_said() -> None:
    said = list_trouble(listed(nxt=True, day=date(2026, 11, 2)), TODAY)
    assert "It is not of today" in said
    assert "NXT" not in said
