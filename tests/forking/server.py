"""A process that has loaded the modules of others, and forks one of them for each request.

``python -m tests.forking.server SOCKET MODULE ... PADDING`` loads the modules, listens at the
socket and ends when its standard input ends. ``popen.py`` has the other end, and the form of a
request.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from kisnb.kis import catalogue
from tests import known_days
from tests.forking import popen

MOST_BYTES = 1 << 20
"""Length of the longest request."""
MOST_FILES = 16
FREE = 100
"""Descriptors from here on are free: a process of kisnb starts with fewer."""


class Forked(BaseException):
    """Leaves the server's loop in a process that has just been forked."""

    def __init__(self, request: dict[str, Any], files: list[int]) -> None:
        self.request = request
        self.files = files


class ForkServer:
    """Answers each connection with the number of a process, and later with how it ended."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen(64)
        self._waiting: dict[int, socket.socket] = {}
        """By the number of the process that a connection waits for."""

    def serve(self) -> None:
        """Serve until the standard input ends. Raises ``Forked`` in each forked process."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        # A child that ends wakes the loop up.
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            for source in (0, read_end, self._socket.fileno()):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if read_end in ready:
                    os.read(read_end, 4096)
                    self._report_ends()
                if self._socket.fileno() in ready:
                    self._accept()
                if 0 in ready and not os.read(0, 1):
                    return

    def _accept(self) -> None:
        connection, _ = self._socket.accept()
        text, files, _, _ = socket.recv_fds(connection, MOST_BYTES, MOST_FILES)
        # The client closes its end to say that the request is whole.
        while more := connection.recv(MOST_BYTES):
            text += more
        request = json.loads(text)
        pid = os.fork()
        if pid == 0:
            # First of all: whoever asked may signal the group of the process, which is ours so far.
            if request["own_session"]:
                os.setsid()
            _say(connection, os.getpid())
            raise Forked(request, files)
        for file in files:
            os.close(file)
        self._waiting[pid] = connection

    def _report_ends(self) -> None:
        while self._waiting:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._waiting.pop(pid) as connection:
                _say(connection, status)


def _say(connection: socket.socket, number: int) -> None:
    # Whoever asked may be gone: it was killed.
    with suppress(OSError):
        connection.sendall(b"%d\n" % number)


def _become(request: dict[str, Any], files: list[int]) -> int:
    """Run the entry of a request as a process of its own. Return its exit status."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _take(files, request["numbers"])
    resource.setrlimit(resource.RLIMIT_FSIZE, request["file_size"])
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    _name_process(request["command"])
    module, arguments = request["module"], request["arguments"]
    # ``python -m`` puts the working folder first, which is the server's own here. ``-P`` does not,
    # and a kernel takes it out.
    del sys.path[0]
    _search(os.environ.get("PYTHONPATH"))
    if not request["safe_path"] and module != "ipykernel_launcher":
        sys.path.insert(0, os.fspath(Path.cwd()))
    sys.argv = [module, *arguments]
    match module:
        case "kisnb":
            from kisnb.cli import main

            return main()
        case "ipykernel_launcher":
            from ipykernel import kernelapp

            # A kernel ends with its parent, which is the fork server here.
            kernelapp.launch_new_instance(parent_handle=os.getppid())
            return 0
        case "tests.faults.notebook":
            sys.modules.pop(module, None)
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return 0
    status: int = import_module(module).main()
    return status


def _search(python_path: str | None) -> None:
    """Search the folders of ``PYTHONPATH`` as a started process does."""
    own, folders = _folders(popen.OWN.get("PYTHONPATH")), _folders(python_path)
    sys.path[: len(own)] = folders
    for folder in folders:
        # A start of the interpreter imports the first one that it finds.
        if (customize := Path(folder, "sitecustomize.py")).exists():
            if folder not in own:
                runpy.run_path(os.fspath(customize))
            return


def _folders(python_path: str | None) -> list[str]:
    """Return the folders of ``PYTHONPATH``. An empty name is the working folder."""
    names = python_path.split(os.pathsep) if python_path else []
    return list(dict.fromkeys(map(os.path.abspath, names)))


def _take(files: list[int], numbers: list[int]) -> None:
    """Give the files of a request their numbers, and close all others."""
    kept = [fcntl.fcntl(file, fcntl.F_DUPFD, FREE) for file in files]
    for file, number in zip(kept, numbers, strict=True):
        os.dup2(file, number, inheritable=True)
    begin = 0
    for number in sorted(numbers):
        # CPython closes all files when a range is empty and begins at 0.
        if begin < number:
            os.closerange(begin, number)
        begin = number + 1
    os.closerange(begin, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _name_process(command: list[str]) -> None:
    """Show ``command`` as the command line of this process, in the room that PADDING made."""
    fields = Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()
    # proc(5): arg_start and arg_end are the fields 48 and 49; the first one here is field 3.
    start, end = int(fields[45]), int(fields[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in command)
    room = end - start
    ctypes.memmove(start, text[: room - 1].ljust(room, b"\0"), room)


def _end(status: int) -> NoReturn:
    """End as the interpreter does, without taking the loaded modules apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main() -> None:
    """Serve; in a forked process, run what it was forked for and end."""
    path, *modules, _padding = sys.argv[1:]
    gc.disable()
    for module in modules:
        import_module(module)
    # The forked processes start processes too.
    popen.install()
    if Path(path).name == popen.DESK:
        known_days.keep()
        known_days.compute_usual()
        # Each desk and each simulator looks up calls of KIS.
        catalogue.find("GET", "/", "")
    # A thread would not be there in a forked process, and what it holds would stay locked. A
    # library's own threads are no threads of Python.
    assert threading.active_count() == len(list(Path("/proc/self/task").iterdir())) == 1
    gc.collect()
    gc.freeze()
    gc.enable()
    try:
        ForkServer(path).serve()
        return
    except Forked as forked:
        request, files = forked.request, forked.files
    status = 1
    try:
        status = _become(request, files)
    except SystemExit as e:
        status = _exit_status(e)
    except BaseException:
        traceback.print_exc()
    _end(status)


def _exit_status(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
