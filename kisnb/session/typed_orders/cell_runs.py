"""Follows the cells of an IPython shell, and finds the cell run to which code belongs.

IPython and the comm package fire these events:

    pre_execute ──► pre_run_cell ──► the code of a cell ──► post_execute ──► post_run_cell
    pre_execute ──► the callback of a comm message ──► post_execute

A context variable has the current run of a cell, or the current click. So tasks and ``to_thread``
keep theirs, also when they outlive the cell. Other threads have no context: their code belongs to
the cell that runs now. (Row O11)
"""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from kisnb.orders import Place
from kisnb.session.typed_orders.call_text import cell_digest
from kisnb.session.typed_orders.code_places import CallStack

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

# The session of a console has a name that is not a file.
_FILE = re.compile(r"\.[^\W\d]\w*$")


@dataclass(frozen=True, eq=False)
class Run:
    """One execution of a cell that was typed."""

    kernel: str
    number: int
    """The number of the run, from 1 in each kernel."""
    notebook: str
    """The notebook's file. Empty when it is not known."""
    cell: str
    """The front end's id of the cell. Empty when the front end sent none."""
    where: str
    """The cell in words: ``cell [3] of 04_orders.ipynb (process 4711)``."""


@dataclass(frozen=True, eq=False)
class Here:
    """The context of a cell's code: its run and its texts."""

    run: Run
    texts: tuple[str, ...]
    """Digests of the typed cell, and of the cells that it runs now."""


@dataclass(frozen=True, eq=False)
class Click:
    """The context of the code that handles a comm message, such as a click on a widget."""

    message: str
    """The id of the message."""
    outer: Context = None
    """The context in which the callback was called."""


Context: TypeAlias = Here | Click | None

_current: ContextVar[Context] = ContextVar("kisnb_cell", default=None)


@dataclass(frozen=True, eq=False)
class _Started:
    """A cell that has begun and not ended. A person typed it, or another cell runs it."""

    info: ExecutionInfo
    here: Here | None
    """The context of the cell. None for a cell that a click on a widget runs."""
    outer: Context
    thread: int


class CellRuns:
    """Follows the runs of one shell's cells, from ``acquire`` to ``release``."""

    def __init__(self, shell: InteractiveShell) -> None:
        # The reference is weak, so that a table of all shells does not keep the shells alive.
        self._shell = ref(shell)
        # A restarted kernel counts its runs from 1 again, so a number alone does not identify a
        # run.
        self._kernel = uuid.uuid4().hex
        self._count = 0
        self._holders = 0
        self._started: list[_Started] = []
        """The cells that have begun and not ended, the newest last."""
        self._last: _Started | None = None
        self._threads = threading.local()
        self._lock = threading.RLock()

    @property
    def shell(self) -> InteractiveShell:
        """The shell whose cells are followed. Raises ReferenceError when the shell is gone."""
        shell = self._shell()
        if shell is None:
            raise ReferenceError("The shell of these cells is gone")
        return shell

    def acquire(self) -> None:
        """Begin to follow the shell's cells, the current one included."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                for event, callback in self._callbacks():
                    self.shell.events.register(event, callback)
                self._join()

    def release(self) -> None:
        """Undo one ``acquire``. The last ``release`` removes the hooks from IPython."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for event, callback in self._callbacks():
                    self.shell.events.unregister(event, callback)
                # The hooks are gone, so that no event will end these.
                self._started.clear()
                _current.set(None)

    def context(self) -> Context:
        """Return the context of the calling code: its cell run or its click. None: it has none."""
        current = _current.get()
        if isinstance(current, Here) and current.run.kernel != self._kernel:
            return None
        return current

    def running_now(self) -> Here | None:
        """Return the context of the cell that runs now, in any thread.

        When several cells run, it is the newest.
        """
        with self._lock:
            return next((s.here for s in reversed(self._started) if s.here), None)

    def is_running(self, run: Run, thread: int | None = None) -> bool:
        """Return whether ``run`` has not ended.

        With ``thread``: whether it still runs in that thread.
        """
        with self._lock:
            here = [s for s in self._started if s.here is not None and s.here.run is run]
            return any(thread in (None, started.thread) for started in here)

    def is_cell_thread(self) -> bool:
        """Return whether this thread runs cells: the main thread, or the thread of a subshell."""
        main = threading.current_thread() is threading.main_thread()
        return main or hasattr(self._threads, "ran")

    # ── the events of IPython ──────────────────────────────────────────────────────────────────

    def _callbacks(self) -> Iterator[tuple[str, Any]]:
        yield "pre_execute", self.pre_execute
        yield "pre_run_cell", self.pre_run_cell
        yield "post_execute", self.post_execute
        yield "post_run_cell", self.post_run_cell

    def pre_execute(self) -> None:
        """Begin a click when a comm message is handled."""
        current, message = _current.get(), self._comm_message()
        if message:
            stale = isinstance(current, Click) and current.message != message
            _current.set(Click(message, None if stale else current))
        elif isinstance(current, Click):
            # The callback of an earlier message raised, so comm fired no event at its end.
            _current.set(None)

    def post_execute(self) -> None:
        """End the click that ``pre_execute`` began."""
        current = _current.get()
        if isinstance(current, Click) and current.message == self._comm_message():
            _current.set(current.outer)

    def pre_run_cell(self, info: ExecutionInfo) -> None:
        """Begin the run of a typed cell.

        A cell that another cell runs adds its text to that run.
        """
        cells = executing(CallStack.of_caller())
        self._start(info, next((count for cell, count in cells if cell is info), None))

    def post_run_cell(self, result: ExecutionResult | None) -> None:
        """End the run or the text that ``pre_run_cell`` began."""
        ended = self._end(result.info if result is not None else None)
        current = _current.get()
        # A cell that awaits had its context in a task of its own; then there is nothing to undo.
        if any(started.here is current for started in ended if started.here is not None):
            _current.set(ended[0].outer)

    def _start(self, info: ExecutionInfo, count: int | None) -> None:
        # A cell that a running cell runs, as by %rerun, adds its text. It begins no other run.
        outer, text = self.context(), str(info.raw_cell)
        here: Here | None = None
        if isinstance(outer, Here) and self.is_running(outer.run):
            texts = (*outer.texts, cell_digest(text))
            here = Here(outer.run, tuple(dict.fromkeys(texts)))
        elif not isinstance(outer, Click):
            here = self._begin(text, info.cell_id, count)
        self._threads.ran = True
        self._enter(_Started(info, here, outer, threading.get_ident()))

    def _enter(self, started: _Started) -> None:
        with self._lock:
            self._started.append(started)
        if started.here is not None:
            self._last = started
            _current.set(started.here)

    def _end(self, info: ExecutionInfo | None) -> list[_Started]:
        """Remove and return the cell of ``info``, and all cells of its thread that began after it.

        The oldest comes first.
        """
        with self._lock:
            first = self._ending(info)
            if first is None:
                return []
            since = self._started[self._started.index(first) :]
            ended = [started for started in since if started.thread == first.thread]
            self._started = [started for started in self._started if started not in ended]
            return ended

    def _ending(self, info: ExecutionInfo | None) -> _Started | None:
        thread = threading.get_ident()
        newest_first = list(reversed(self._started))
        mine = [started for started in newest_first if started.thread == thread]
        if info is None:
            # The cell was cancelled, and IPython does not say which cell it was. It is the newest
            # of this thread.
            found = mine
        else:
            # After an error of the event loop, IPython gives a new info with the same text. A blank
            # cell has an end without a begin.
            same = [started for started in newest_first if started.info is info]
            found = same or [s for s in mine if s.info.raw_cell == info.raw_cell]
        return found[0] if found else None

    def _begin(self, text: str, cell_id: str | None, count: int | None) -> Here:
        with self._lock:
            self._count += 1
            number = self._count
        notebook = self._notebook()
        shown = self.shell.execution_count if count is None else count
        of = f" of {PurePath(notebook).name}" if notebook else ""
        run = Run(
            kernel=self._kernel,
            number=number,
            notebook=notebook,
            cell=cell_id or "",
            where=f"cell [{shown}]{of} (process {os.getpid()})",
        )
        return Here(run, (cell_digest(text),))

    def kernel_place(self) -> Place:
        """Return the place of a call that has no cell. Only its kernel and notebook are set.

        Calls from a thread, a timer or a click on a button have no cell.
        """
        return Place(kernel=self._kernel, notebook=self._notebook())

    def _notebook(self) -> str:
        """Return the notebook's file.

        VS Code gives it in a variable, Jupyter as the session's name.
        """
        names = self.shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")
        return next((n for n in names if isinstance(n, str) and _FILE.search(n)), "")

    # ── from the middle of a cell ───────────────────────────────────────────────────────────

    def _join(self) -> None:
        """Register the cell or click that runs now, because it began before the hooks were set."""
        _current.set(None)
        if message := self._comm_message():
            _current.set(Click(message))
            return
        cells = list(executing(CallStack.of_caller()))
        for info, count in cells:
            if self._last is not None and self._last.info is info:
                # This run was known before the hooks were removed.
                self._enter(self._last)
            else:
                self._start(info, count)
        if not cells:
            self._join_from_aside()

    def _join_from_aside(self) -> None:
        """Register the cell whose task or thread makes this call. The cell is not on the stack."""
        result = self.shell.displayhook.exec_result
        request = self._parent()
        if result is not None and result.info is not None:
            info = result.info
            here = self._begin(str(info.raw_cell), info.cell_id, result.execution_count)
            main = threading.main_thread().ident or 0
            self._enter(_Started(info, here, None, main))
        elif "code" in request.get("content", {}):
            # That cell has ended. A task or thread that it started makes this call.
            cell_id = request.get("metadata", {}).get("cellId")
            _current.set(self._begin(request["content"]["code"], cell_id, None))

    def _parent(self) -> dict[str, Any]:
        """Return the message that the kernel handles now. Empty outside a kernel."""
        get_parent = getattr(self.shell, "get_parent", None)
        message = get_parent() if get_parent is not None else None
        return message if isinstance(message, dict) else {}

    def _comm_message(self) -> str:
        """Return the id of the comm message that is being handled; empty for other messages."""
        header = self._parent().get("header", {})
        return str(header.get("msg_id")) if header.get("msg_type") == "comm_msg" else ""


def executing(stack: CallStack) -> Iterator[tuple[ExecutionInfo, int | None]]:
    """Yield the cells on a stack, outermost first, each with the number in its ``[3]``.

    IPython 9 raises its counter before ``pre_run_cell``, IPython 8 after the cell. So the number
    that people see is read from the stack, and not from the counter.
    """
    for frame in reversed(stack.frames):
        module = frame.f_globals.get("__name__")
        if frame.f_code.co_name == "run_cell_async" and module == "IPython.core.interactiveshell":
            known = frame.f_locals
            if (info := known.get("info")) is not None:
                yield info, getattr(known.get("result"), "execution_count", None)
