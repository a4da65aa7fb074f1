"""The desk's parent process: starts the desk, and starts it again when it dies, up to a limit.

It is small on purpose. It has no socket and no journal, so that it does not fail together with the
desk.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from kisnb.backoff import Backoff
from kisnb.desk.address import desk_folder, supervisor_lock
from kisnb.desk.life.child_process import python
from kisnb.desk.locks import Lock
from kisnb.errors import KisnbError
from kisnb.paths import refusal_of, write_private
from kisnb.terms import Mode

READY_SECONDS = 45.0
HEALTHY_SECONDS = 60.0
"""A desk that has run for this time counts as healthy. Then its earlier deaths are forgotten."""
MOST_DEATHS = 5
BACKOFF = Backoff((0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0))
"""Pauses before the 1st, 2nd, … restart in a row, seconds. The last pause repeats."""
POLL_SECONDS = 0.02
RESTART = 75
"""Exit status of a desk that wants to be started again at once (EX_TEMPFAIL)."""
PASSING = ("LinkLost", "Unreachable", "TokenError", "ApiError", "JournalLost", "FolderError")
"""Errors at a start that may end by themselves.

KIS cannot be reached or gives no token now, the disk is full, or the state folder cannot be used.
"""


# What the end of a desk, or of its start, leads to:
#
#   the desk                                      what the supervisor does
#   ────────────────────────────────────────────  ───────────────────────────────────────────────
#   exit status 0, or a stop was asked for        ends
#   exit status RESTART                           starts the next one; not a death
#   any other exit status, or a signal            counts a death; the 5th in a row gives up
#   no ready line in READY_SECONDS                kills it, and counts a death
#   a start refused with an error of PASSING      starts again after the pause; not a death
#   a start refused with any other error          gives up with the sentence of that error
#   the very first start refused, or not ready    ends; whoever started it gets the error
#   lived longer than HEALTHY_SECONDS             deaths and pauses begin at zero again
class Supervisor:
    """Runs one desk process after another, until one ends on purpose or the deaths are too many."""

    def __init__(self, command: Sequence[str], log: Path, report: ReportStart) -> None:
        self._command = command
        self._log = log
        self._report = report
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._deaths = 0

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Send the desk the signal to end. ``run`` returns when the desk is gone."""
        self._stopping = True
        if self._child is not None:
            self._child.terminate()

    def run(self) -> str:
        """Start desks until one ends for good.

        Return why the desk was given up. Empty when it ended on purpose.
        """
        began, ready = time.monotonic(), self._start([])
        self._report(ready)
        if ready is None or "error" in ready:
            self._end_child()
            return ""
        tries = 0
        while not self._stopping:
            status = self._wait()
            # The wait may be long. A stop that was requested meanwhile counts before the exit
            # status.
            if self._stopping or status == 0:
                break
            if time.monotonic() - began > HEALTHY_SECONDS:
                self._deaths = tries = 0
            # A start that was refused for a passing cause does not count as a death.
            refused = ready is not None and "error" in ready
            self._deaths += status != RESTART and not refused
            if self._deaths >= MOST_DEATHS:
                last = f"the last time with {_named(status)}"
                return f"the desk died {self._deaths} times in a row, {last}"
            if not self._wait_pause(BACKOFF.pause(tries)):
                break
            tries += 1
            began, ready = time.monotonic(), self._start(["--again"])
            if ready is not None and "error" in ready:
                why = f"the desk could not be started again: {ready['text']}. {ready['cure']}"
                _write(self._log, why)
                if ready["error"] not in PASSING:
                    self._end_child()
                    return why
        self._end_child()
        return ""

    def _start(self, more: Sequence[str]) -> dict[str, str] | None:
        """Start a desk.

        Return its ready line with its address or error; None when it is not ready.
        """
        read_end, write_end = os.pipe()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter
                [*self._command, "--ready", str(write_end), *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
            )
        # The child has its own copy. While ours is open, the pipe does not end when the child dies.
        os.close(write_end)
        # The signal came before the child was stored, so ``stop`` could not pass it on.
        if self._stopping:
            self._child.terminate()
        ready = ready_line(read_end, READY_SECONDS)
        if ready is None:
            # A desk that hangs during its start holds the locks, so the next one could not begin.
            self._child.kill()
        return ready

    def _wait(self) -> int:
        assert self._child is not None
        return self._child.wait()

    def _wait_pause(self, seconds: float) -> bool:
        """Wait for ``seconds``. Return False when a stop was asked for meanwhile."""
        until = time.monotonic() + seconds
        # A signal does not shorten ``time.sleep`` (PEP 475). So the wait is made of short ones.
        while time.monotonic() < until and not self._stopping:
            time.sleep(POLL_SECONDS)
        return not self._stopping

    def _end_child(self) -> None:
        if self._child is not None and self._child.wait() is not None:
            self._child = None


class ReportStart:
    """Reports the result of the first start, once, to the process that started the supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "w")

    def __call__(self, ready: dict[str, str] | None) -> None:
        if ready is not None and not self._pipe.closed:
            self._pipe.write(json.dumps(ready) + "\n")
        self._pipe.close()


def ready_line(read_end: int, seconds: float) -> dict[str, str] | None:
    """Wait up to ``seconds`` for the line of JSON that a child writes when it is ready. Return it.

    None when the child ends, or the time passes, without such a line.
    """
    with os.fdopen(read_end, "rb") as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        line = pipe.readline() if selector.select(seconds) else b""
    ready: dict[str, str] | None = json.loads(line) if line else None
    return ready


def farewell_path(mode: Mode) -> Path:
    """Return the path of the file that says why the supervisor gave its desk up.

    The file exists until a desk is started again.
    """
    return desk_folder(mode) / "given_up.txt"


def _write(log: Path, text: str) -> None:
    """Add a line to the log. The desk may have begun a new log file since this process started."""
    # On a full disk nothing is logged, but the desk is started again all the same.
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _named(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def main() -> int:
    """Run a supervisor until its desk has ended for good. Return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", type=Mode, required=True)
    parser.add_argument("--ready", type=int, required=True)
    options, rest = parser.parse_known_args()
    report = ReportStart(options.ready)
    mode: Mode = options.mode
    try:
        lock = Lock(supervisor_lock(mode), f"the {mode} account")
        farewell = farewell_path(mode)
        farewell.unlink(missing_ok=True)
        log = desk_folder(mode) / "desk.log"
    except (KisnbError, OSError) as e:
        refused = refusal_of(e) if isinstance(e, OSError) else e
        report({"error": type(refused).__name__, "text": refused.text, "cure": refused.cure})
        return 1
    supervisor = Supervisor(python("kisnb.desk.life.process", "--mode", mode, *rest), log, report)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    why = supervisor.run()
    if why:
        _write(log, why)
        with suppress(OSError):
            write_private(farewell, f"{why}\n")
    # The lock is released last, so that a process that finds no supervisor finds its farewell file.
    lock.close()
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
