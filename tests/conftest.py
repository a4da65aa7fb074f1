"""What all tests share: each has a state folder of its own, and leaves no desk and no simulator
behind."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing about whether it holds.
settings.register_profile("kisnb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kisnb")

SLOW = ("browser", "faults", "session", "notebook", "desk")
"""Folders whose tests start processes or play many schedules, the slowest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow folders, so that no worker is left alone with one at the end."""
    place = {name: n for n, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.parent.name, len(SLOW)))


def pytest_collection_finish() -> None:
    """Take what is loaded by now out of the garbage collector's sight.

    Modules and collected tests stay to the end. IPython collects garbage whenever a shell ends, and
    would walk all of them each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ``KISNB_STATE``; what was started under it is stopped afterwards."""
    folder = tmp_path / "state"
    monkeypatch.setenv("KISNB_STATE", str(folder))
    # The locks of accounts and appkeys stand in the user's own state folder.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("KISNB_SIM_SPEED", "step")
    yield folder
    if folder.exists():
        from kisnb.cli import main

        os.environ["KISNB_STATE"] = str(folder)
        for desk in folder.glob("desk-*"):
            main(["desk", "stop", "--mode", desk.name.removeprefix("desk-")])


@pytest.fixture
def trading_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock stands at 10:00 of the next trading day, in this process and in all that
    it starts."""
    from kisnb.clock import KST, kst
    from kisnb.market.calendar import next_trading_day
    from tests.machine_clock import sitecustomize

    ahead = kst(next_trading_day(datetime.now(KST).date()), 10 * 3600) - time.time_ns()
    time_ns, seconds = sitecustomize.ahead_by(ahead)
    monkeypatch.setattr(time, "time_ns", time_ns)
    monkeypatch.setattr(time, "time", seconds)
    monkeypatch.setenv(sitecustomize.AHEAD, str(ahead))
    monkeypatch.setenv("PYTHONPATH", str(Path(sitecustomize.__file__).parent), prepend=os.pathsep)


@pytest.fixture(autouse=True)
def packaged_universe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests marked ``data`` see real prices; they are skipped where there are none."""
    if request.node.get_closest_marker("data") is None:
        monkeypatch.delenv("KISNB_DATA", raising=False)
    elif not os.environ.get("KISNB_DATA"):
        pytest.skip("KISNB_DATA is not set: no real prices here")
