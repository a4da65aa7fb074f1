"""A forked process is, for whoever looks at it, the one that was asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from kisnb.desk.life.child_process import python
from tests.forking.popen import Popen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has fork servers")
SIMULATOR = python("kisnb", "sim", "--speed", "step")


@contextmanager
def simulator(**variables: str) -> Iterator[tuple[Popen, psutil.Process]]:
    """A simulator that has said that it is ready."""
    with Popen(
        SIMULATOR, stdout=subprocess.PIPE, cwd="/", env={**os.environ, **variables}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b'{"rest":')
        yield process, psutil.Process(process.pid)
        process.kill()


def test_a_forked_process_has_the_command_line_and_the_folder_that_it_was_given() -> None:
    with simulator() as (process, seen):
        assert seen.ppid() != os.getpid()
        assert seen.cmdline()[: len(SIMULATOR)] == SIMULATOR
        assert seen.cwd() == "/"
        assert process.poll() is None


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_forked_process_that_is_ended_says_how(number: signal.Signals, status: int) -> None:
    with simulator() as (process, seen):
        process.send_signal(number)
        assert process.wait(30) == status
        assert not seen.is_running()


def test_a_forked_process_that_refuses_its_arguments_says_so_in_its_own_files() -> None:
    with Popen([*SIMULATOR, "--spped", "1"], stderr=subprocess.PIPE) as process:
        _, said = process.communicate()
    assert b"unrecognized arguments: --spped" in said
    assert process.returncode == 2


def test_a_process_whose_modules_could_read_another_environment_is_started(tmp_path: Path) -> None:
    with simulator(HOME=str(tmp_path)) as (_, seen):
        assert seen.ppid() == os.getpid()
        assert seen.environ()["HOME"] == str(tmp_path)


def test_a_forked_process_runs_the_customization_on_its_python_path(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("FOUND = 'the module beside it'")
    (tmp_path / "sitecustomize.py").write_text("import beside; print(beside.FOUND, flush=True)")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    with Popen(SIMULATOR, stdout=subprocess.PIPE, cwd="/", env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"the module beside it\n"
        assert process.stdout.readline().startswith(b'{"rest":')
        assert psutil.Process(process.pid).ppid() != os.getpid()
        process.kill()


@pytest.mark.usefixtures("started_processes")
def test_a_test_can_ask_for_processes_that_are_started() -> None:
    with simulator() as (_, seen):
        assert seen.ppid() == os.getpid()


def test_threads_may_ask_at_the_same_time_whether_a_forked_process_has_ended() -> None:
    for _ in range(20):
        process = Popen([*SIMULATOR, "--spped", "1"], stderr=subprocess.DEVNULL)
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(process.poll) for _ in range(8)]
            while process.poll() is None:
                asked.append(threads.submit(process.poll))
            assert {call.result() for call in asked} <= {None, process.returncode}
        assert process.returncode == 2
