"""Sessions under the campaign's faults: defects of the session's side are found, and what notebooks
meet is met."""

from __future__ import annotations

from collections import Counter

import pytest

from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.desk_core import DeskCore
from tests.faults.campaign import Run
from tests.faults.report import first_seed, play
from tests.faults.schedule import make
from tests.faults.session_defects import DEFECTS
from tests.faults.turns import trades

SEEDS = 400
KNOWN = {
    "counts every event as a row": 11,
    "hears half a batch again": 6,
    "delivers in a cell": 28,
    "forgets what a cell booked": 28,
    "lets orders wait that no desk took": 3,
    "tells a cancel to one desk alone": 43,
    "stops at the first failure": 109,
    "drops the rest of a batch": 206,
    "keeps the lease of a failed agent": 2,
    "lets an agent run twice": 6,
    "drops orders before the error": 975,
    "runs on after an interrupt": 47,
    "lets an exit through": 108,
    "takes a cancel for a stop": 25,
}
"""Defects that few schedules show, and the first seed that did: it is played before the others."""


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_campaign_finds_a_session_that(defect: str):
    def finds(seed: int) -> bool:
        return bool(play(make(seed), DeskCore, DEFECTS[defect]).broken)

    assert first_seed(finds, SEEDS, KNOWN.get(defect, 0)) is not None


def test_what_notebooks_can_meet_is_met_within_a_few_seeds():
    """Sessions that return, agents that fail, pause and are taken over, orders of agents, several
    notebooks."""
    met: Counter[str] = Counter()
    for seed in [s for s in range(60) if trades(s)]:
        run = Run(make(seed))
        assert run.play() == []
        for kernel in run.notebooks.kernels:
            assert kernel.session is not None
            met["returns"] += kernel.session._parts.link.state.returns
            met.update(str(runner.state) for runner in kernel.session.agents._runners.values())
            met["orders"] += sum(key.startswith("agent:p") for key in kernel.books.orders)
            met["several"] += len(run.notebooks.kernels) > 1
            met["typed"] += sum(key.startswith("typed") for key in kernel.books.orders)
    wanted = {
        "returns",
        "orders",
        "typed",
        "several",
        AgentState.RUNNING,
        AgentState.FAILED,
        AgentState.PAUSED,
    }
    assert [what for what in wanted if not met[what]] == []
