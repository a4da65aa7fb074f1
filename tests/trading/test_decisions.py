"""The decision log of an agent: a row for each decision, equal ones in a row folded. Row A14."""

from __future__ import annotations

import numpy as np
import pytest

from kisnb.clock import SECOND
from kisnb.errors import BadInput
from kisnb.trading.agents.decisions import Decisions
from kisnb.trading.ports.commands import NoteDecision
from kisnb.trading.state import MOST_DECISIONS, State
from tests.trading.desk import CODE, NOON, Desk


def test_a14_a_repeated_hold_is_one_row_with_its_count_and_newest_numbers():
    log = Decisions("mean", "r")
    (first,) = log.note(NOON, CODE, "HOLD", "below", {"mean": 70_000}, "")
    assert (first.session_id, first.venue, first.times) == ("KRX_REG", "KRX", 1)
    for n in range(1, 5):
        assert log.note(NOON + n * SECOND, CODE, "HOLD", "below", {"mean": 70_000 + n}, "") == []
    counted, bought = log.note(NOON + 9 * SECOND, CODE, "BUY", "above", {"mean": 70_100}, "k1")
    assert (counted.key, counted.times, counted.last) == (first.key, 5, NOON + 4 * SECOND)
    assert counted.inputs == (("mean", 70_004),)
    assert (bought.order, bought.times) == ("k1", 1)


def test_a14_two_orders_for_one_reason_are_two_rows():
    log = Decisions("mean", "r")
    log.note(NOON, CODE, "BUY", "above", {}, "k1")
    (second,) = log.note(NOON, CODE, "BUY", "above", {}, "k2")
    assert second.order == "k2"


def test_a14_the_count_of_the_newest_decision_is_handed_over_once():
    log = Decisions("mean", "r")
    log.note(NOON, CODE, "HOLD", "", {}, "")
    assert log.counted() == []
    log.note(NOON, CODE, "HOLD", "", {}, "")
    assert [made.times for made in log.counted()] == [2]
    assert log.counted() == []


def test_a14_a_number_that_is_none_is_missing_and_never_0():
    (made,) = Decisions("mean", "r").note(
        NOON, CODE, "HOLD", "", {"nan": float("nan"), "np": np.float64(1.5), "n": np.int64(3)}, ""
    )
    assert made.inputs == (("nan", None), ("np", 1.5), ("n", 3.0))
    with pytest.raises(BadInput, match="is not a number or a text"):
        Decisions("mean", "r").note(NOON, CODE, "HOLD", "", {"bar": object()}, "")


def test_a14_decisions_are_journaled_and_the_newest_row_of_a_key_counts():
    one, log = Desk(), Decisions("mean", "r")
    for made in log.note(NOON, CODE, "HOLD", "below", {"mean": 1}, ""):
        one.say(NoteDecision(made))
    log.note(NOON + SECOND, CODE, "HOLD", "below", {"mean": 2}, "")
    for made in log.counted():
        one.say(NoteDecision(made))
    (kept,) = State.fold(one.rows).decisions.values()
    assert (kept.times, kept.inputs) == (2, (("mean", 2),))


def test_a14_memory_keeps_the_newest_decisions_alone():
    state, log = State(), Decisions("mean", "r")
    for n in range(MOST_DECISIONS + 3):
        for made in log.note(NOON, CODE, "BUY", str(n), {}, ""):
            state.apply(made)
    assert len(state.decisions) == MOST_DECISIONS
    assert next(d.why for d in state.decisions.values()) == "3"
