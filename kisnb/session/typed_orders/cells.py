"""Finds the place where an order call is typed: its cell run, its text, its position in the code.

Row O11 uses the place to decide how a repeated order is answered:

    code that orders                    its run                its call and position begin at
    ──────────────────────────────────  ─────────────────────  ──────────────────────────────────
    a cell, %%capture, %time, exec,     the typed cell         the line of the typed cell
      %rerun, %run, run_cell
    a function of another cell          the typed cell         the line that calls it
    a task, call_later, to_thread       the cell that began    the outermost code of a cell in the
                                          it, also later         task, callback or thread
    a task of a module's coroutine      the cell that began    the coroutine
                                          it, also later
    another thread                      the cell that runs     the outermost code of a cell in the
                                          now                    thread; without any: refused
    a comm message's callback, its      a ticket
      tasks and its to_thread
    any other while no cell runs        refused
    %timeit                             refused
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kisnb.errors import BadInput
from kisnb.orders import Place
from kisnb.session.typed_orders.call_text import (
    Written,
    cell_digest,
    command_text,
    digest,
    is_typed_in,
    written_at,
    written_in_module,
)
from kisnb.session.typed_orders.cell_runs import CellRuns, Click, Here, executing
from kisnb.session.typed_orders.code_places import CallStack
from kisnb.session.typed_orders.run_calls import RunCalls

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_CURE = "Name the order: key='NAME' in Python, --key NAME with %kis"


@dataclass(frozen=True)
class Origin:
    """The place of one order call, and whether its cell shows the result."""

    place: Place
    """The kernel, run, cell, texts and call."""
    position: Hashable
    """The position in the code, equal in each round of a loop. Compare it within one run only."""
    shown: bool = False
    """True when the cell displays exactly the value of this call as its result."""
    silent: bool = False
    """True when the line of this call ends with a semicolon."""


@dataclass(frozen=True)
class Ticket:
    """The place of an order call that a click on a person's own widget makes.

    Each click is one order.
    """

    where: str
    """For people: ``a click (process 4711)``."""


def running_shell() -> InteractiveShell | None:
    """Return the IPython shell of this process. None in plain Python.

    IPython is not imported for this.
    """
    ipython = sys.modules.get("IPython")
    shell: InteractiveShell | None = ipython.get_ipython() if ipython is not None else None
    return shell


_shells: WeakKeyDictionary[InteractiveShell, Cells] = WeakKeyDictionary()


class Cells:
    """Finds the places of order calls in one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._runs = CellRuns(shell)
        self._calls: dict[str, RunCalls] = {}

    @classmethod
    def of(cls, shell: InteractiveShell) -> Cells:
        """Return the cells of ``shell``."""
        known = _shells.get(shell)
        if known is None:
            known = _shells[shell] = cls(shell)
        return known

    @classmethod
    def here(cls) -> Cells | None:
        """Return the cells of this process's shell. None outside IPython.

        IPython is not imported for this.
        """
        shell = running_shell()
        return None if shell is None else cls.of(shell)

    def acquire(self) -> None:
        """Begin to follow the shell's cells, the current one included.

        Each caller calls ``release`` at its end. The last ``release`` removes the hooks from
        IPython.
        """
        self._runs.acquire()

    def release(self) -> None:
        """Undo one ``acquire``."""
        self._runs.release()

    def calls(self, scope: str) -> RunCalls:
        """Return the claims of this shell's cell runs in ``scope``.

        ``scope`` is an account or a simulated day. All its sessions share the claims, because one
        run of a cell may open several sessions one after another, for example a loop that tries
        again.
        """
        return self._calls.setdefault(scope, RunCalls())

    def kernel_place(self) -> Place:
        """Return the place of a call that has no cell. Only its kernel and notebook are set."""
        return self._runs.kernel_place()

    def run_now(self) -> int | None:
        """Return the number of the run of the current cell. None when no cell runs."""
        context = self._runs.context()
        here = context if isinstance(context, Here) else self._runs.running_now()
        return None if here is None else here.run.number

    def origin(self, words: str = "", index: int = 0) -> Origin | Ticket:
        """Return the place where the current order call is typed. Call it inside that call.

        ``words`` are the ``%kis`` command as typed, before ``{}`` is expanded; empty for Python.
        ``index`` is the line of a batch or of a ``%%kis`` body. Raises BadInput when the place
        cannot be found, and under ``%timeit``.
        """
        stack = CallStack.of_caller()
        if stack.is_timed:
            raise BadInput("%timeit would buy many times", _CURE)
        # A task keeps the context of the cell that began it. A thread has no context.
        context = self._runs.context()
        if isinstance(context, Click):
            return Ticket(f"a click (process {os.getpid()})")
        here = context or self._runs.running_now()
        if here is None:
            raise BadInput(
                "This order comes from a timer or a thread while no cell runs, "
                "so kisnb cannot know whether it was sent before",
                _CURE,
            )
        return self._origin(here, stack, words, index)

    def _origin(self, here: Here, stack: CallStack, words: str, index: int) -> Origin:
        shell, run = self._runs.shell, here.run
        is_cell_thread = self._runs.is_cell_thread()
        if is_cell_thread and not self._runs.is_running(run, threading.get_ident()):
            # The code above the event loop belongs to another cell. That cell only lets this task
            # continue.
            stack = stack.in_task()
        in_cell = stack.up_to_cell(shell.user_ns)
        if in_cell is not None:
            stack = in_cell
            written = written_at(stack.outermost, shell.ast_node_interactivity)
        elif is_cell_thread:
            # No code of a cell is on the stack: a task runs the coroutine of a module.
            stack = stack.in_task()
            written = written_in_module(stack.outermost)
        else:
            raise BadInput(
                "This thread runs no code of a cell, so kisnb cannot tell its orders apart",
                f"{_CURE}. Or let the thread run a function of the cell that orders",
            )
        place = Place(
            kernel=run.kernel,
            run=run.number,
            notebook=run.notebook,
            cell=run.cell,
            texts=_texts(here, stack),
            call=digest(_call(written, words)),
            where=run.where,
        )
        silent = written.silent or words.rstrip().endswith(";")
        return Origin(
            place=place,
            position=(stack.position(), index),
            shown=written.shown and not silent and _is_direct(stack),
            silent=silent,
        )


def _texts(here: Here, stack: CallStack) -> tuple[str, ...]:
    """Return the texts of ``here``, and of the cells that ``%run`` runs.

    IPython fires no event for cells that ``%run`` runs.
    """
    silent = [cell_digest(str(cell.raw_cell)) for cell, _ in executing(stack) if cell.silent]
    return tuple(dict.fromkeys([*here.texts, *silent]))


def _call(written: Written, words: str) -> str:
    """Return the text of the call. For a magic that runs ``%kis`` commands: the command."""
    # A magic that expands braces itself gives values to its command, and these are not the typed
    # text.
    if words and (written.magic == "kis" or is_typed_in(words, written.argument)):
        return command_text(words)
    return written.text


def _is_direct(stack: CallStack) -> bool:
    """Return whether top-level code of a cell calls kisnb, with no function in between."""
    # Code of functions has the flag CO_OPTIMIZED, code at top level does not.
    if stack.outermost.f_code.co_flags & inspect.CO_OPTIMIZED:
        return False
    return all(map(_is_of_kisnb, stack.frames[:-1]))


def _is_of_kisnb(frame: FrameType) -> bool:
    package = f"{frame.f_globals.get('__name__', '')}."
    return package.startswith(("kisnb.", "IPython.core."))
