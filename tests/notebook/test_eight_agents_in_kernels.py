"""Eight agents trade a day with faults, and a kernel is killed. Rows A02, A12, H04, O14."""

from __future__ import annotations

from pathlib import Path

import tests
from tests.notebook.real_kernels import Kernel, kernel, stop_desk

OPEN = "%kis open sim --seed 7 --date 2026-11-20 --start 08:58"
HERE = f"""
import sys
sys.path.insert(0, {str(Path(tests.__file__).parents[1])!r})
from kisnb.events import Requoted, SendUnknown
from tests.session import day_agents
from tests.session.agent_ledgers import agent_differences
"""
FAULTS = """
for fault in (
    dict(on="notice", what="drop", probability=0.05, times=60),
    dict(on="notice", what="duplicate", probability=0.1, times=60),
    dict(on="notice", what="delay", seconds=3, probability=0.1, times=60),
    dict(on="order", what="cut", done=True, probability=0.03, times=6),
    dict(on="order", what="refuse", msg_cd="EGW00201", probability=0.05, times=10),
    dict(on="read", what="error", status=500, probability=0.1, times=30),
    dict(on="frame", what="drop", probability=0.001, times=200),
):
    await session.simulator.fault(**fault)
"""


def passed(k: Kernel, until: str) -> None:
    """Let the day pass. That may take minutes."""
    output = k.finish(k.start(f"%kis until {until}"), timeout=1800)
    assert not output.error, output.error


def started(k: Kernel, which: str) -> None:
    k.ok("%load_ext kisnb")
    k.ok(OPEN)
    k.ok(HERE)
    k.ok(
        f"for made in day_agents.{which}:\n"
        "    await session.agents.start(made(), at='KRX_REG', until='15:15')"
    )


def test_a02_a12_o14_eight_agents_trade_a_day_with_faults_and_every_order_book_is_the_ledgers(
    state: Path,
) -> None:
    with (
        kernel(state, KISNB_SIM_SPEED="step") as stays,
        kernel(state, KISNB_SIM_SPEED="step") as dies,
    ):
        started(stays, "FIRST")
        started(dies, "OTHERS")
        passed(stays, "09:05")
        stays.ok(FAULTS)
        passed(stays, "11:30")
        dies.kill()
        stays.ok("await session.sleep(5)")
        lost = stays.ok("print(*sorted(session.agents.lost))").text.split()
        assert len(lost) == 4
        stays.ok(
            "for made in day_agents.OTHERS:\n"
            "    await session.agents.restore(f'{made.__name__}-{made.code}', made)"
        )
        passed(stays, "15:20")
        states = stays.ok("print({str(v.state) for v in session.agents})").text
        assert states == "{'waiting'}\n"
        stays.ok("await session.simulator.calm()")
        stays.ok("for view in list(session.agents): await session.agents.stop(view.id)")
        passed(stays, "15:45")
        stays.ok("await session.settle()")
        counts = stays.ok(
            "print(*[sum(bool(o.fills) for o in session.books.of(v.id).orders.values())"
            " for v in session.agents])"
        ).text.split()
        assert len(counts) == 8
        assert min(map(int, counts)) > 0, counts
        lost_replies = stays.ok(
            "print(sum(isinstance(fact, SendUnknown)"
            " for o in session.books.orders.values() for fact in o.facts))"
        ).text
        assert int(lost_replies) > 0, "the faults struck"
        requoted = stays.ok(
            "print(sum(isinstance(fact, Requoted)"
            " for o in session.books.orders.values() for fact in o.facts))"
        ).text
        assert int(requoted) > 0
        shown = stays.ok("print(agent_differences(session, await session.simulator.ledger()))")
        assert shown.text == "[]\n"
    stop_desk(state)
