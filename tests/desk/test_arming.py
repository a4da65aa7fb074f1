"""Who may arm a live desk: few tries, then a pause that grows; a budget with a limit (N06)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kisnb.clock import WallClock, clock_text
from kisnb.desk.run import safety
from kisnb.desk.run.halt_file import HaltFile
from kisnb.desk.run.safety import FREE_TRIES, Safety
from kisnb.errors import ConfigError
from kisnb.notebook.commands.settings import change
from kisnb.terms import Mode
from kisnb.trading.ports.limits import Limits, limits_of
from kisnb.trading.ports.queries import ArmDesk
from kisnb.trading.ports.replies import Failed, TextReply
from tests.desk.served import served

TAIL = "4711"
ARMED = Limits(needs_arming=True, max_armed_budget=100_000_000)


class Door:
    """A live desk's arming, with a clock that the test moves."""

    def __init__(self, arming: Safety, clock: SimpleNamespace) -> None:
        self._arming = arming
        self._clock = clock
        self.t = 0.0
        clock.monotonic = lambda: self.t

    def arm(self, tail: object = TAIL, minutes: object = 30, budget: object = 5_000_000) -> str:
        reply = self._arming.reply(ArmDesk(tail, minutes, budget))  # type: ignore[arg-type]
        assert isinstance(reply, TextReply | Failed)
        return f"{reply.text}. {reply.cure}" if isinstance(reply, Failed) else reply.text

    def refused(self, times: int) -> str:
        return [self.arm("0000") for _ in range(times)][-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace()
    monkeypatch.setattr(safety, "time", clock)
    return clock


def at_a_desk(folder: Path, clock: SimpleNamespace, work: Callable[[Door], object]) -> None:
    async def run() -> None:
        async with served(folder) as desk:
            desk.host.core.gate.limits = ARMED
            arming = Safety(
                desk.host,
                Mode.LIVE,
                "12345674711".endswith,
                HaltFile(desk.host, desk.server.publish),
            )
            work(Door(arming, clock))

    asyncio.run(run())


def test_n06_after_five_wrong_tails_even_the_right_one_waits(
    tmp_path: Path, clock: SimpleNamespace
):
    def work(door: Door) -> None:
        assert "not the last four digits" in door.refused(FREE_TRIES - 1)
        assert door.refused(1).startswith(
            "Wrong account digits were entered 5 times. Arm again at "
        )
        assert door.arm().startswith("Wrong account digits were entered 5 times. Arm again at ")
        door.t += 59
        assert "rong account digits" in door.arm()
        door.t += 1
        assert door.arm().startswith("live is armed until ")

    at_a_desk(tmp_path, clock, work)


def test_n06_the_pause_says_until_when_by_the_wall_clock(tmp_path: Path, clock: SimpleNamespace):
    def work(door: Door) -> None:
        before = WallClock().now()
        said = door.refused(FREE_TRIES)
        told = {clock_text(before + seconds * 1_000_000_000) for seconds in range(60, 90)}
        assert said.partition("Arm again at ")[2].removesuffix(" KST") in told

    at_a_desk(tmp_path, clock, work)


def test_n06_each_further_wrong_tail_doubles_the_pause_up_to_an_hour(
    tmp_path: Path, clock: SimpleNamespace
) -> None:  # fmt: skip
    def work(door: Door) -> None:
        door.refused(FREE_TRIES)
        for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60):
            door.t += minutes * 60 - 1
            assert "rong account digits" in door.arm()
            door.t += 1
            assert "rong account digits" in door.refused(1)

    at_a_desk(tmp_path, clock, work)


def test_n06_a_right_tail_clears_the_count(tmp_path: Path, clock: SimpleNamespace):
    def work(door: Door) -> None:
        for _ in range(3):
            door.refused(FREE_TRIES - 1)
            assert door.arm().startswith("live is armed until ")

    at_a_desk(tmp_path, clock, work)


def test_n06_a_desk_is_disarmed_during_a_pause_too(tmp_path: Path, clock: SimpleNamespace):
    def work(door: Door) -> None:
        door.refused(FREE_TRIES)
        assert door.arm("", 0, 0).startswith("disarmed")

    at_a_desk(tmp_path, clock, work)


def test_n06_a_budget_above_its_limit_is_refused_with_the_cure(
    tmp_path: Path, clock: SimpleNamespace
) -> None:  # fmt: skip
    def work(door: Door) -> None:
        assert door.arm(budget=100_000_000).startswith("live is armed until ")
        said = door.arm(budget=100_000_001)
        assert said.startswith("100,000,001 won is more than a live desk may be armed for. ")
        assert (
            "raise max_armed_budget: %kis config max_armed_budget NEW, then kisnb desk restart"
            in said
        )

    at_a_desk(tmp_path, clock, work)


@pytest.mark.parametrize(
    "given",
    [
        {"minutes": "soon"},
        {"minutes": 2.5},
        {"minutes": -1},
        {"minutes": 721},
        {"minutes": None},
        {"budget": 0},
        {"budget": 10**15},
        {"budget": float("nan")},
        {"tail": 4711},
        {"tail": None},
    ],
    ids=str,
)
def test_n06_odd_values_are_refused_in_one_line_and_cost_no_try(
    tmp_path: Path, clock: SimpleNamespace, given: dict[str, object]
) -> None:
    def work(door: Door) -> None:
        for _ in range(FREE_TRIES + 1):
            assert "armed until" not in (said := door.arm(**given))
            assert "\n" not in said
        assert door.arm(minutes=30.0, budget=5e6).endswith("for buys of 5,000,000 won")

    at_a_desk(tmp_path, clock, work)


def test_n06_the_limit_of_the_budget_is_a_setting() -> None:
    from kisnb.config import load_config

    assert limits_of(load_config(), speed=1.0, needs_arming=True).max_armed_budget == 100_000_000
    change("max_armed_budget", "20,000,000", default=False)
    assert limits_of(load_config(), speed=1.0, needs_arming=True).max_armed_budget == 20_000_000
    with pytest.raises(ConfigError, match="Give a whole number of won from 1 up"):
        change("max_armed_budget", "0", default=False)
