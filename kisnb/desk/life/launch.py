"""Starts, finds, restarts and stops the desk of a mode."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

import kisnb.errors as tree
from kisnb.desk.address import (
    DeskAddress,
    desk_folder,
    desk_lock,
    find_or_wait,
    is_up,
    kill_command,
    supervisor_lock,
)
from kisnb.desk.life.child_process import FOLDER, environment, python
from kisnb.desk.life.simulator_process import (
    SimulatedDay,
    check_same_day,
    check_startable,
    find_simulator,
    plain,
)
from kisnb.desk.life.status import stands_of
from kisnb.desk.life.supervisor import READY_SECONDS, ready_line
from kisnb.desk.locks import holder
from kisnb.desk.processes import process_of, terminate, wait_until_gone
from kisnb.desk.serve.client import notebook_name
from kisnb.errors import ConfigError, DeskBusy, DeskError, KisnbError
from kisnb.paths import refusal_of, state_dir
from kisnb.terms import Mode

if TYPE_CHECKING:
    import psutil

STOP_SECONDS = 15.0


def start_desk(
    mode: Mode, day: SimulatedDay, *, fresh: bool = False, quotes: Mode | None = None
) -> DeskAddress:
    """Start the desk as a separate process, or find the running one. Return its address.

    ``fresh`` stops a running desk first. ``quotes`` is the mode of the desk that gives it prices.
    Raises the desk's own error.
    """
    running = find_or_wait(mode)
    if running is not None and not fresh:
        return _same_day(_same_quotes(running, quotes), day)
    if running is not None:
        # This is checked first, because a refused new day must not end the old one.
        check_startable(day)
        stop_desk(mode)
    read_end, write_end = os.pipe()
    arguments = [
        "--mode",
        mode,
        "--ready",
        str(write_end),
        "--day",
        msgspec.json.encode(day).decode(),
    ]
    arguments += ["--fresh"] if fresh else []
    arguments += ["--quotes", quotes] if quotes else []
    path = desk_folder(mode) / "desk.log"
    try:
        with path.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter
                python("kisnb.desk.life.supervisor", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
                # The process gets its own session, so that an interrupt in the notebook's terminal,
                # or the terminal's end, does not end the desk. The desk outlives kernels.
                start_new_session=True,
                cwd=FOLDER,
                env=plain() if mode is Mode.SIM else environment(),
            )
    except (OSError, KisnbError) as e:
        os.close(read_end)
        raise refusal_of(e, path) if isinstance(e, OSError) else e from None
    finally:
        # The child has its own copy. While ours is open the pipe has no end, and the death of the
        # child would be noticed only after the whole waiting time.
        os.close(write_end)
    # A little longer than the supervisor waits itself, so that its sentence arrives first.
    ready = ready_line(read_end, READY_SECONDS + 5)
    if ready is None:
        child.terminate()
        child.wait()
        raise DeskError("the desk did not start", f"its log is {path}")
    if "error" in ready:
        child.wait()
        # Two processes may start a desk at the same time. The later one uses the desk of the other.
        if ready["error"] == "DeskBusy" and (other := find_or_wait(mode)) is not None:
            return _same_day(_same_quotes(other, quotes), day)
        raise _as_error(ready)
    return msgspec.convert(ready, DeskAddress)


def restart_desk(mode: Mode) -> DeskAddress:
    """Stop a desk and start it again, so that it reads its settings. Return its address.

    A simulated day goes on. Raises DeskError when no desk runs, and the desk's own error.
    """
    running = find_or_wait(mode)
    if running is None:
        raise DeskError(f"no {mode} desk runs", f"begin with %kis open {mode}")
    stop_desk(mode)
    # Without options the day is that of the simulator, which has gone on without a desk.
    return start_desk(
        mode, SimulatedDay(), quotes=None if running.quotes is mode else running.quotes
    )


def check_quotes(mode: Mode, quotes: Mode) -> Mode | None:
    """Return the mode of the desk that gives the prices. None when the desk has its own prices.

    Raises ConfigError for a pair of modes that cannot work together.
    """
    if quotes is mode:
        return None
    if (mode, quotes) == (Mode.PAPER, Mode.LIVE):
        return quotes
    raise ConfigError(
        f"a {mode} desk takes no quotes of {quotes}",
        "paper alone takes those of live; leave quotes out",
    )


def _same_quotes(running: DeskAddress, quotes: Mode | None) -> DeskAddress:
    if quotes is not None and running.quotes is not quotes:
        cure = f"stop it with: kisnb desk stop --mode {running.mode}, and open it again"
        raise ConfigError(
            f"the {running.mode} desk runs already, and not with quotes of {quotes}", cure
        )
    return running


def _same_day(running: DeskAddress, day: SimulatedDay) -> DeskAddress:
    # A desk whose simulator is gone is about to stop. Its own message is clearer than one about
    # different days.
    simulator = find_simulator(state_dir()) if running.mode is Mode.SIM else None
    if simulator is None:
        return running
    try:
        check_same_day(day, simulator)
    except ConfigError as e:
        raise ConfigError(
            e.text, f"{e.cure}. A new day ends this one for {_attached_to(running)}"
        ) from None
    return running


def _attached_to(running: DeskAddress) -> str:
    """Return the sessions that are attached to the desk, in words."""
    try:
        sessions = stands_of(running).sessions
    except DeskError:
        return "all who are attached"
    # The line begins with the name. After it come the agents of that session.
    mine = notebook_name()
    named = [
        "this notebook" + who.removeprefix(mine) if who.startswith(mine) else who
        for who in sessions
    ]
    return "; ".join(named) or "nobody: no session is attached"


def stop_desk(mode: Mode) -> bool:
    """Stop a desk and its supervisor, and wait until both are gone. Return whether one of them ran.

    Orders in the market stay there. Raises DeskBusy when the desk does not end.
    """
    if not is_up(mode):
        return False
    deadline = time.monotonic() + STOP_SECONDS
    stopping: dict[int, psutil.Process] = {}
    while is_up(mode):
        # The supervisor passes the signal on. A desk whose supervisor was killed gets the signal
        # directly.
        pid = holder(supervisor_lock(mode)) or holder(desk_lock(mode))
        # The loop looks again and again, because the supervisor may be starting a desk just now.
        # Each process gets one signal.
        if pid is not None and pid not in stopping and (process := process_of(pid)) is not None:
            stopping[pid] = process
            terminate(process)
        if time.monotonic() > deadline:
            raise DeskBusy(f"the {mode} desk does not stop", kill_command(mode))
        time.sleep(0.02)
    # A lock ends a moment before its process does.
    wait_until_gone(stopping.values(), STOP_SECONDS)
    return True


def _as_error(ready: dict[str, str]) -> KisnbError:
    kind = getattr(tree, ready["error"], DeskError)
    error: KisnbError = kind(ready["text"], ready["cure"])
    return error
