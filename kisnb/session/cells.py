"""Where an order call is typed: the run of a cell, the call as written, and its place in the code. (Row O11)

``Cells`` follows the cells of one IPython shell with its events:

    pre_execute ──► pre_run_cell ──► the cell's code ──► post_execute ──► post_run_cell
    pre_execute ──► the callback of a comm message   ──► post_execute

A run of a cell, or a click, is held in a context variable. So tasks and ``to_thread`` keep theirs, also when they
outlive the cell. Code without a context, as in threads, belongs to the cell that runs now.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import uuid
from collections.abc import Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from kisnb.errors import BadInput
from kisnb.orders import Place
from kisnb.session.call_text import (
    Written,
    cell_digest,
    command_text,
    digest,
    is_typed_in,
    written_at,
    written_in_module,
)
from kisnb.session.code_places import CallStack

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_CURE = "Name the order yourself: key='NAME' in Python, --key NAME with %kis"
_FILE = re.compile(r"\.[^\W\d]\w*$")


@dataclass(frozen=True)
class Origin:
    """Where one order call is typed."""

    place: Place
    """Run, cell, texts and call."""
    position: Hashable
    """The place in the code. Equal for two rounds of one loop; to be compared within one run only."""
    shown: bool = False
    """Whether the value of this call is exactly what the cell displays as its result."""
    silent: bool = False
    """Whether the line of this call ends with a semicolon."""


@dataclass(frozen=True)
class Ticket:
    """The call comes from a click on a widget of the person's own: each click is an order of its own."""

    where: str
    """For people: ``a click (process 4711)``."""


@dataclass(frozen=True, eq=False)
class _Run:
    """One execution of a typed cell."""

    kernel: str
    number: int
    notebook: str
    cell: str
    where: str


@dataclass(frozen=True, eq=False)
class _Here:
    """The context of a cell's code: its run, and the digests of the texts that are being run."""

    run: _Run
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Click:
    """The context of a comm message's callback."""

    message: str
    """The id of the message."""
    outer: _Here | _Click | None
    """The context in which the callback was called."""


_current: ContextVar[_Here | _Click | None] = ContextVar("kisnb_cell", default=None)


@dataclass(frozen=True, eq=False)
class _Started:
    """A cell that has begun and not ended, typed or run from inside another."""

    info: ExecutionInfo
    here: _Here | None
    """None below a click."""
    outer: _Here | _Click | None
    thread: int


_shells: WeakKeyDictionary[InteractiveShell, Cells] = WeakKeyDictionary()


class Cells:
    """Follows the cells of one shell, and says of an order call where it is typed."""

    def __init__(self, shell: InteractiveShell) -> None:
        # A weak reference: the table of all shells must not keep them alive.
        self._shell = ref(shell)
        self._kernel = uuid.uuid4().hex
        self._runs = 0
        self._holders = 0
        self._started: list[_Started] = []
        """Begun and not ended, the newest last."""
        self._last: _Started | None = None
        """The typed cell that began last."""
        self._threads = threading.local()
        self._lock = threading.RLock()

    @classmethod
    def of(cls, shell: InteractiveShell) -> Cells:
        """Return the one that follows ``shell``."""
        known = _shells.get(shell)
        if known is None:
            known = _shells[shell] = cls(shell)
        return known

    @classmethod
    def here(cls) -> Cells | None:
        """Return the one of the shell that this process runs; None outside IPython, which is not imported for it."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        return None if shell is None else cls.of(shell)

    def acquire(self) -> None:
        """Follow the cells from now on, the one that runs now included. Call ``release`` as often as this."""
        with self._lock:
            self._holders += 1
            if self._holders > 1:
                return
            for event, callback in self._callbacks():
                self.shell.events.register(event, callback)
            self._join()

    def release(self) -> None:
        """Take the hooks away when this was the last one that holds them."""
        with self._lock:
            if self._holders == 0:
                return
            self._holders -= 1
            if self._holders:
                return
            for event, callback in self._callbacks():
                self.shell.events.unregister(event, callback)
            # Nobody hears their end any more.
            self._started.clear()
            _current.set(None)

    @property
    def shell(self) -> InteractiveShell:
        """The shell whose cells are followed; raises ReferenceError when it is gone."""
        shell = self._shell()
        if shell is None:
            raise ReferenceError("The shell of these cells is gone")
        return shell

    def origin(self, words: str = "", index: int = 0) -> Origin | Ticket:
        """Return where the call is typed that is being made; to be called synchronously in that call.

        ``words`` are the ``%kis`` command as typed, before ``{}`` is expanded; empty for Python. ``index`` is the line
        of a batch or of a ``%%kis`` body. Raises BadInput when nobody can say from where the call comes, and when it
        is timed by ``%timeit``.
        """
        stack = CallStack.of_caller()
        if stack.is_timed:
            raise BadInput("%timeit would send this order many times, and buy many times", _CURE)
        current = self._context()
        if isinstance(current, _Click):
            return Ticket(f"a click (process {os.getpid()})")
        here = current or self._running_now()
        if here is None:
            raise BadInput(
                "This order comes from a timer or a thread while no cell runs, so nobody can say whether it was sent "
                "before",
                _CURE,
            )
        return self._origin(here, stack, words, index)

    def _origin(self, here: _Here, stack: CallStack, words: str, index: int) -> Origin:
        namespace = self.shell.user_ns
        is_cell_thread = self._is_cell_thread()
        if is_cell_thread and not self._is_running_on_this_stack(here.run):
            # What stands above the event loop is the code of another cell, which lets this task go on.
            stack = stack.in_task()
        in_cell = stack.up_to_cell(namespace)
        if in_cell is not None:
            written = written_at(in_cell.outermost, self.shell.ast_node_interactivity)
        elif is_cell_thread:
            stack = stack.in_task()
            written = written_in_module(stack.outermost)
        else:
            raise BadInput(
                "This order comes from a thread that runs no code of a cell, so its orders cannot be told apart",
                f"{_CURE}. Or call it in a function of the cell",
            )
        chain = in_cell or stack
        run = here.run
        place = Place(
            kernel=run.kernel,
            run=run.number,
            notebook=run.notebook,
            cell=run.cell,
            texts=here.texts,
            call=digest(_call(written, words)),
            where=run.where,
        )
        return Origin(
            place=place,
            position=(chain.position(), index),
            shown=written.shown and in_cell is not None and _is_direct(in_cell),
            silent=written.silent or words.rstrip().endswith(";"),
        )

    def _context(self) -> _Here | _Click | None:
        current = _current.get()
        if isinstance(current, _Here) and current.run.kernel != self._kernel:
            return None
        return current

    def _running_now(self) -> _Here | None:
        with self._lock:
            return next((s.here for s in reversed(self._started) if s.here), None)

    def _is_running(self, run: _Run) -> bool:
        with self._lock:
            return any(s.here is not None and s.here.run is run for s in self._started)

    def _is_running_on_this_stack(self, run: _Run) -> bool:
        thread = threading.get_ident()
        with self._lock:
            return any(s.here is not None and s.here.run is run and s.thread == thread for s in self._started)

    def _is_cell_thread(self) -> bool:
        """Whether this thread runs cells: the main thread, and those of subshells."""
        return threading.current_thread() is threading.main_thread() or hasattr(self._threads, "ran")

    # ── events ──────────────────────────────────────────────────────────────────────────────────

    def _callbacks(self) -> Iterator[tuple[str, Any]]:
        yield "pre_execute", self.pre_execute
        yield "pre_run_cell", self.pre_run_cell
        yield "post_execute", self.post_execute
        yield "post_run_cell", self.post_run_cell

    def pre_execute(self) -> None:
        """Begin a click when a comm message is handled."""
        current, message = _current.get(), self._comm_message()
        if message:
            known = isinstance(current, _Click) and current.message != message
            _current.set(_Click(message, None if known else current))
        elif isinstance(current, _Click):
            # The callback of an earlier message raised, and its end was not told.
            _current.set(None)

    def post_execute(self) -> None:
        """End the click that a comm message began."""
        current = _current.get()
        if isinstance(current, _Click) and current.message == self._comm_message():
            _current.set(current.outer)

    def pre_run_cell(self, info: ExecutionInfo) -> None:
        """Begin the run of a typed cell, or add the text of a cell that a running one runs from inside."""
        self._start(info, _count_of(info))

    def _start(self, info: ExecutionInfo, count: int | None) -> None:
        outer = self._context()
        here: _Here | None = None
        if isinstance(outer, _Here) and self._is_running(outer.run):
            text = cell_digest(str(info.raw_cell))
            here = _Here(outer.run, tuple(dict.fromkeys((*outer.texts, text))))
        elif not isinstance(outer, _Click):
            here = self._begin(str(info.raw_cell), info.cell_id, count)
        self._enter(_Started(info, here, outer, threading.get_ident()))

    def _enter(self, started: _Started) -> None:
        self._threads.ran = True
        with self._lock:
            self._started.append(started)
        if started.here is not None:
            self._last = started
            _current.set(started.here)

    def post_run_cell(self, result: ExecutionResult | None) -> None:
        """End what ``pre_run_cell`` began."""
        ended = self._end(result.info if result is not None else None)
        # In a cell that awaits, the cell's context ended with its task, and this one never was the cell's.
        current = _current.get()
        if any(s.here is current for s in ended if s.here is not None):
            _current.set(ended[0].outer)

    def _end(self, info: ExecutionInfo | None) -> list[_Started]:
        """Take out the cell of ``info``, and what began in its thread since; oldest first."""
        thread = threading.get_ident()
        with self._lock:
            mine = [s for s in self._started if s.thread == thread]
            same = [s for s in self._started if s.info is info]
            if not same and info is None:
                # Cancelled: IPython does not say which. It is the newest of this thread.
                same = mine[-1:]
            elif not same:
                # An error out of the event loop: IPython made a new info. A blank cell ends without having begun.
                same = [s for s in mine if s.info.raw_cell == info.raw_cell][-1:] if info else []
            if not same:
                return []
            first = same[0]
            since = self._started[self._started.index(first) :]
            ended = [s for s in since if s.thread == first.thread]
            self._started = [s for s in self._started if s not in ended]
            return ended

    def _begin(self, text: str, cell_id: str | None, count: int | None) -> _Here:
        self._runs += 1
        notebook = self._notebook()
        number = self.shell.execution_count if count is None else count
        of = f" of {PurePath(notebook).name}" if notebook else ""
        run = _Run(
            kernel=self._kernel,
            number=self._runs,
            notebook=notebook,
            cell=cell_id or "",
            where=f"cell [{number}]{of} (process {os.getpid()})",
        )
        return _Here(run, (cell_digest(text),))

    def _notebook(self) -> str:
        """Return the notebook's file: VS Code's variable, else Jupyter's session; a console's name is no file."""
        named = self.shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
        return named if isinstance(named, str) and _FILE.search(named) else ""

    # ── in the middle of a cell ─────────────────────────────────────────────────────────────────

    def _join(self) -> None:
        """Begin the run of the cell that began before anybody listened."""
        executing = list(_executing())
        if not executing and (message := self._comm_message()):
            _current.set(_Click(message, None))
            return
        _current.set(None)
        if executing:
            for info, count in executing:
                self._rejoin(info, count)
            return
        # A task of the cell, whose stack does not show it.
        result = self.shell.displayhook.exec_result
        if result is not None and result.info is not None:
            self._rejoin(result.info, result.execution_count)
            return
        request = self._parent()
        if "code" in request.get("content", {}):
            # The cell has ended already: a task that outlived it is asking.
            cell_id = request.get("metadata", {}).get("cellId")
            _current.set(self._begin(request["content"]["code"], cell_id, None))

    def _rejoin(self, info: ExecutionInfo, count: int | None) -> None:
        if self._last is not None and self._last.info is info:
            # This run was known before the hooks were taken away.
            self._enter(self._last)
        else:
            self._start(info, count)

    def _parent(self) -> dict[str, Any]:
        """Return the message that the kernel answers now; empty outside a kernel."""
        get_parent = getattr(self.shell, "get_parent", None)
        message = get_parent() if get_parent is not None else None
        return message if isinstance(message, dict) else {}

    def _comm_message(self) -> str:
        """Return the id of the comm message that is being handled; empty when it is another message."""
        header = self._parent().get("header", {})
        return str(header.get("msg_id", "?")) if header.get("msg_type") == "comm_msg" else ""


def _call(written: Written, words: str) -> str:
    """Return the call as written. A magic that runs ``%kis`` commands counts as the command, if it was typed there."""
    if words and (written.magic == "kis" or is_typed_in(words, written.argument)):
        return command_text(words)
    return written.text


def _is_direct(stack: CallStack) -> bool:
    """Whether the cell's own module code calls kisnb, with nothing in between but the magic."""
    # Functions and comprehensions have optimised code, modules have not.
    optimised = 1
    if stack.outermost.f_code.co_flags & optimised:
        return False
    return all(_is_ours(frame) for frame in stack.frames[:-1])


def _is_ours(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module == "kisnb" or module.startswith(("kisnb.", "IPython.core.", "decorator"))


def _executing() -> Iterator[tuple[ExecutionInfo, int | None]]:
    """Yield the cells that this stack runs with their execution counts, outermost first."""
    for frame in reversed(CallStack.of_caller().frames):
        if (
            frame.f_code.co_name == "run_cell_async"
            and frame.f_globals.get("__name__") == "IPython.core.interactiveshell"
        ):
            known = frame.f_locals
            info, result = known.get("info"), known.get("result")
            if info is not None:
                yield info, getattr(result, "execution_count", None)


def _count_of(info: ExecutionInfo) -> int | None:
    """Return the execution count of the cell that begins; None: the shell's.

    IPython 9 counts up before ``pre_run_cell``, IPython 8 after the cell.
    """
    return next((count for known, count in _executing() if known is info), None)
