"""``subprocess.Popen`` for processes of kisnb: it asks a fork server for the process."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kisnb.desk.life import launch, simulator_process, supervisor

ROOT = Path(__file__).parents[2]
FOLDER = "FORK_SERVERS"
"""Variable of the environment: the folder with the sockets of this run's fork servers."""
PADDING = " " * 3000
"""Room for the command line of a forked process."""
WAIT_SECONDS = 60.0

DESK = "desk"
"""The fork server of desks and simulators."""
KERNEL = "kernel"
"""The fork server of notebooks: kernels, and processes that open a session."""
LOADED = {
    DESK: (
        "kisnb.cli",
        "kisnb.desk.life.supervisor",
        "kisnb.desk.life.process",
        "kisnb.desk.life.build",
        "kisnb.desk.life.door",
        "kisnb.simulator.serve.command",
        "kisnb.simulator.serve.server",
    ),
    KERNEL: (
        "ipykernel.kernelapp",
        "kisnb.notebook.extension",
        "kisnb.session.connect",
        "tests.faults.notebook",
    ),
}
"""Modules that each fork server has loaded."""
SERVERS = {
    "kisnb": DESK,
    "kisnb.desk.life.supervisor": DESK,
    "kisnb.desk.life.process": DESK,
    "ipykernel_launcher": KERNEL,
    "tests.faults.notebook": KERNEL,
}
"""The fork server of each entry."""
FIXED = ("HOME", "LANG", "LC_", "LD_", "MACHINE_CLOCK_", "MALLOC_", "OPENSSL_", "PYTHON", "TZ")
"""Variables begin so that the interpreter or a module reads while it starts.

A process for which one differs from the fork server's is not forked. ``PYTHONPATH`` may differ: a
forked process searches the folders that it names, and runs the ``sitecustomize.py`` in them.
"""
OWN = dict(os.environ)
"""The environment of this process as it began."""


class Popen(subprocess.Popen[Any]):
    """A process that a fork server forks when it can, and that is started like any other if not."""

    _line: socket.socket | None = None
    """The connection on which the fork server says how the process ended."""

    def _execute_child(  # type: ignore[override]
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo,
        creationflags, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,
        restore_signals, gid, gids, uid, umask, start_new_session, *rest,
    ) -> None:  # fmt: skip
        environment = dict(os.environ if env is None else env)
        entry = _entry(args, environment) if preexec_fn is None else None
        if entry is None:
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo,
                creationflags, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,
                restore_signals, gid, gids, uid, umask, start_new_session, *rest,
            )  # fmt: skip
            return
        module, arguments, is_safe = entry
        standard = {0: p2cread, 1: c2pwrite, 2: errwrite}
        files = {number: number if file == -1 else file for number, file in standard.items()}
        files |= {file: file for file in pass_fds}
        request = {
            "module": module,
            "arguments": arguments,
            "safe_path": is_safe,
            "command": list(args),
            "environment": environment,
            "folder": os.fspath(cwd) if cwd is not None else os.fspath(Path.cwd()),
            "numbers": list(files),
            "own_session": bool(start_new_session),
            "file_size": resource.getrlimit(resource.RLIMIT_FSIZE),
        }
        self._line = _connect(SERVERS[module])
        text = json.dumps(request).encode()
        sent = socket.send_fds(self._line, [text], list(files.values()))
        self._line.sendall(text[sent:])
        self._line.shutdown(socket.SHUT_WR)
        self.pid = self._read_number()
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _read_number(self) -> int:
        assert self._line is not None
        text = b""
        while not text.endswith(b"\n"):
            more = self._line.recv(1)
            if not more:
                raise ChildProcessError("the fork server is gone")
            text += more
        return int(text)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._line is None:
            result: tuple[int, int] = super()._try_wait(wait_flags)  # type: ignore[misc]
            return result
        if wait_flags & os.WNOHANG and not select.select([self._line], [], [], 0)[0]:
            return 0, 0
        with suppress(ChildProcessError):
            status = self._read_number()
            self._line.close()
            return self.pid, status
        return self.pid, 0

    def _internal_poll(self, *args: Any, **kwargs: Any) -> int | None:
        if self._line is None:
            polled: int | None = super()._internal_poll(*args, **kwargs)  # type: ignore[misc]
            return polled
        # Another thread that starts a process polls the ended ones, too.
        lock: threading.Lock = self._waitpid_lock  # type: ignore[attr-defined]
        if self.returncode is None and lock.acquire(blocking=False):
            try:
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                lock.release()
        return self.returncode


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """``subprocess.run`` of such a process, for the options that kisnb uses."""
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options.pop("check", None)
    with Popen(command, **options) as process:
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _entry(args: Any, environment: Mapping[str, str]) -> tuple[str, list[str], bool] | None:
    """The module of a command, its arguments, and whether ``-P`` is given.

    None for a process that no fork server can give: it must be started.
    """
    # The fork server names a process by ``/proc``, which macOS has not.
    if sys.platform != "linux" or FOLDER not in environment or FOLDER not in os.environ:
        return None
    if isinstance(args, (str, bytes)):
        return None
    words = [os.fspath(word) for word in args]
    is_safe = words[1:2] == ["-P"]
    rest = words[2:] if is_safe else words[1:]
    # Jupyter's kernel specification turns off a warning of the debugger.
    if rest[:2] == ["-Xfrozen_modules=off", "-m"]:
        rest = rest[1:]
    if words[0] != sys.executable or rest[:1] != ["-m"] or rest[1] not in SERVERS:
        return None
    if rest[1] == "kisnb" and rest[2:3] != ["sim"]:
        return None
    if _fixed(environment) != _fixed(OWN):
        return None
    return rest[1], rest[2:], is_safe


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """What a forked process has from its fork server, and so must be the same."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(FIXED) and name != "PYTHONPATH"
    }


def _connect(server: str) -> socket.socket:
    path = Path(os.environ[FOLDER]) / server
    if servers is not None:
        servers.start(server)
    connection = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.connect(os.fspath(path))
        except OSError:
            # The server still loads its modules.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return connection


class ForkServers:
    """The fork servers of a test run's worker. Each starts when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a server and, for the desks of its notebooks, those that it may need."""
        for needed in {name, DESK} - self._running.keys():
            self._running[needed] = subprocess.Popen(
                [sys.executable, "-m", "tests.forking.server", os.fspath(self._folder / needed),
                 *LOADED[needed], PADDING],
                stdin=subprocess.PIPE, cwd=ROOT, env=OWN,
            )  # fmt: skip

    def stop(self) -> None:
        for server in self._running.values():
            server.communicate()


servers: ForkServers | None = None
"""Those of this process; None in a process that was forked itself."""


def install() -> None:
    """Let kisnb start its desks and simulators by a fork server, in this process."""
    for module in (launch, simulator_process, supervisor):
        module.subprocess = SUBPROCESS  # type: ignore[assignment]


# What stands for the module ``subprocess`` in the modules of kisnb that start processes.
SUBPROCESS = SimpleNamespace(Popen=Popen, run=run, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE)
