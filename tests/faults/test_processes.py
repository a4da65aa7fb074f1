"""Real processes under ``kill -9``: a handful of seeds; ``make faults-real`` plays more.

Rows O01, O12, O14, K12.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kisnb.session.session import Session
from tests.session.opening import ledger, on_simulated_day

from . import ledger_checks
from .ledger_checks import differences, settled_differences
from .notebook import GROUPS, wishes
from .notebook import differences as apart
from .processes import play

SEEDS = (3, 11, 18)


@pytest.mark.parametrize("seed", SEEDS)
def test_o12_o14_whatever_is_killed_each_order_is_sent_once_and_the_books_are_the_ledger(seed: int):
    run = play(seed)
    assert run.broken == [], run.story


def test_no_two_wishes_of_a_notebook_can_be_taken_for_each_other():
    for seed in range(50):
        groups = wishes(seed)
        flat = [w for group in groups for w in group]
        assert len(groups) == GROUPS
        assert (
            len({(w.code, w.side, w.qty) for w in flat}) == len({w.key for w in flat}) == len(flat)
        )


def test_a_notebook_that_knows_less_or_more_than_the_desk_says_so():
    desks: dict[str, list[object]] = {
        "k": ["filled", 1, 3, 0, 2],
        "account holds 005930": [3, 210_000],
    }
    assert apart(desks, desks) == []
    assert apart(desks | {"l": ["denied", None, 0, 0, 0]}, desks) == []
    for other in (
        {"k": ["filled", 1, 3, 0, 3]},
        {"account holds 005930": [6, 420_000]},
        {"l": ["new", None, 0, 0, 0]},
    ):
        assert apart(desks | other, desks)
        assert apart(desks, desks | other)


Doctored = Callable[[dict[str, Any]], Any]
LIES: dict[str, Doctored] = {
    "one of the books less": lambda there: there["orders"].pop(),
    "one more": lambda there: there["orders"].append({**there["orders"][0], "number": 99}),
    "another fill": lambda there: there["orders"][0].update(filled=1),
    "a won less": lambda there: there.update(settled_d2=there["settled_d2"] - 1),
    "a share more": lambda there: there["holdings"][0].update(qty=4),
}


@on_simulated_day()
async def test_the_campaign_sees_every_difference(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session.buy("005930", 3)
    await session.settle()
    await session.balance()
    true = ledger()
    assert settled_differences(session, true) == []
    for lie, tell in LIES.items():
        told = copy.deepcopy(true)
        tell(told)
        assert settled_differences(session, told), lie
    sent = ledger_checks.posts()
    monkeypatch.setattr(
        ledger_checks,
        "posts",
        lambda path="order-cash": sent * 2 if path == "order-cash" else [],
    )
    assert any("was sent 2 times" in text for text in differences(session, true))
    monkeypatch.setattr(ledger_checks, "read_journal", lambda _: iter(()))
    assert any("the journal does not know" in text for text in differences(session, true))
    monkeypatch.setattr(ledger_checks, "desk_log", lambda: ledger_checks.secrets()[1])
    assert any("a secret" in text for text in differences(session, true))
