"""Deterministic simulation of desk and host under faults: all invariants, and every transition of the table."""

from __future__ import annotations

import pytest

from kisnb.events import Rejected, SendUnknown
from kisnb.orders import TRANSITIONS, OrderState
from kisnb.trading.commands import Send
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.limits import Limits
from kisnb.trading.notice_intake import NoticeIntake
from kisnb.trading.reconciliation import execution
from kisnb.trading.state import State
from tests.faults.campaign import Run, rules
from tests.faults.report import outcomes, play, reached
from tests.faults.schedule import Schedule, make
from tests.faults.shrink import shrink

SEEDS = 400


def test_all_invariants_hold_and_every_transition_is_made():
    """O01 O02 O04 O05 O07 O08 O09: kills, lost answers, notices lost, late and repeated, a phone beside."""
    found = list(outcomes(range(SEEDS), processes=2))
    assert [(o.seed, o.broken) for o in found if o.broken] == []
    table = {(a, b) for a, following in TRANSITIONS.items() for b in following}
    made = reached(found)
    assert made - table == set()
    assert table - made == set()


def test_a_seed_is_played_the_same_way_every_time():
    stories = []
    for _ in range(2):
        run = Run(make(11))
        run.trace = []
        run.play()
        stories.append(run.trace)
    assert stories[0] == stories[1]
    assert len(stories[0]) > 20


class TrustsEveryNotice(NoticeIntake):
    """Books a fill as often as it is told: a defect."""

    def _filled(self, now, order, notice):
        if order.is_open and notice.qty <= order.leaves:
            self._row(execution(rules(), now, order, notice.qty, notice.price, notice.venue, notice.t))


def careless(state: State) -> DeskCore:
    core = DeskCore(rules(), Limits(), state)
    core._notices.__class__ = TrustsEveryNotice
    return core


class SendsAgain(DeskCore):
    """Sends once more what was not answered: a defect."""

    def _replied(self, now, reply):
        order = self.state.books.orders[reply.key]
        super()._replied(now, reply)
        if order.state is OrderState.UNKNOWN:
            self._then(Send(order.intent, order.route))


class Forgets(DeskCore):
    """Takes a lost answer for a refusal: a defect."""

    def _row(self, row):
        super()._row(Rejected(row.t, row.key, "", row.text) if isinstance(row, SendUnknown) else row)


DEFECTS = {
    "books a fill twice": careless,
    "sends again": lambda state: SendsAgain(rules(), Limits(), state),
    "forgets an order": lambda state: Forgets(rules(), Limits(), state),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_campaign_finds_a_desk_that(defect):
    assert any(play(make(seed), DEFECTS[defect]).broken for seed in range(200))


def test_a_failing_schedule_shrinks_to_what_matters():
    def fails(schedule: Schedule) -> bool:
        return any(getattr(item, "step", "") == "cut" for item in schedule.items)

    seed = next(seed for seed in range(100) if fails(make(seed)))
    small = shrink(make(seed), fails)
    assert [item.step for item in small.items] == ["cut"]
    assert not play(small).broken
