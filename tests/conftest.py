"""What all tests share: each has a state folder of its own, and leaves no desk and no simulator
behind."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests import known_days
from tests.forking import popen

# How long an example takes says nothing about whether it holds.
settings.register_profile("kisnb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kisnb")

SLOW = ("browser", "faults", "session", "notebook", "desk")
"""Folders whose tests start processes or play many schedules, the slowest first."""
SLOWEST = (
    "browser",
    "faults/test_campaign.py",
    "notebook/test_eight_agents_in_kernels.py",
    "simulator/test_market_real_data.py",
    "session/test_trading.py",
    "session/test_routed_days.py",
    "faults/test_processes.py",
    "notebook/test_readme_blocks.py",
    "notebook/test_o11_cases_in_kernels.py",
    "simulator/test_day_statistics.py",
    "notebook/test_halt_doors.py",
    "desk/test_full_disk.py",
    "simulator/test_quotations.py",
    "simulator/test_market.py",
    "session/test_trading_seen.py",
    "session/test_strategies.py",
    "simulator/test_recording.py",
    "session/test_hybrid.py",
    "session/test_api.py",
    "session/test_real_data.py",
)
"""What runs first, because it takes longest: files, or folders as one."""


def unit_of(path: str) -> str:
    """Return what one worker runs as a whole: a file, or the folder of the browser's tests.

    ``path`` begins below ``tests``. The browser's tests share a JupyterLab and a window on it,
    which take longer to start than most of these tests.
    """
    return "browser" if path.startswith("browser/") else path


class Scheduling(LoadFileScheduling):
    """Gives each worker of a run with ``--dist loadfile`` one unit after another."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(super()._split_scope(nodeid).removeprefix("tests/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it at the end."""
    units = {name: n for n, name in enumerate(SLOWEST)}
    folders = {name: len(SLOWEST) + n for n, name in enumerate(SLOW)}

    def place(item: pytest.Item) -> int:
        path = Path(os.path.relpath(item.path, Path(__file__).parent))
        in_folder = folders.get(path.parts[0], len(SLOWEST) + len(SLOW))
        return units.get(unit_of(path.as_posix()), in_folder)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Take what is loaded by now out of the garbage collector's sight.

    Modules and collected tests stay to the end. IPython collects garbage whenever a shell ends, and
    would walk all of them each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def fork_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Desks, simulators and kernels are forked from a process that has loaded their modules."""
    # A socket's path is short: 108 bytes.
    with TemporaryDirectory(prefix="kisnb-fork-") as folder, pytest.MonkeyPatch.context() as patch:
        known_days.keep()
        popen.servers = popen.ForkServers(Path(folder))
        popen.install()
        patch.setenv(popen.FOLDER, folder)
        yield
        popen.servers.stop()


@pytest.fixture
def started_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process of this test is started as a person's is, with a command line of its own."""
    monkeypatch.delenv(popen.FOLDER)


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
