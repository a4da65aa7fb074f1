"""Ends a back-test whose agent has failed, or does not return from a handler.

Twice a second, a thread looks which call of a handler is running. So the loop over the bars has no
extra work. When one call has lasted longer than the patience, the thread interrupts the main thread
in that call.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState

LOOK_SECONDS = 0.5
"""Wall time between two looks."""


class AgentFailed(RuntimeError):
    """An agent's code has raised an error during a back-test."""


def end_with_agent(runner: AgentRunner, error: BaseException | None = None) -> None:
    """Raise AgentFailed if the agent failed, KeyboardInterrupt if a person interrupted it.

    ``error`` is the agent's exception, when it is at hand.
    """
    if runner.state is AgentState.FAILED:
        text = f"{runner.agent!r} failed: {runner.failed_line}\n{runner.error}"
        raise AgentFailed(text) from error
    if runner.state is AgentState.PAUSED:
        # In a back-test only a person's interrupt pauses an agent. The person wants to end the run.
        raise KeyboardInterrupt(runner.agent.note)


@contextmanager
def stuck_handlers_end(
    patience: float, loops: frozenset[object], interrupted: Callable[[], str]
) -> Iterator[None]:
    """Interrupt a handler that does not return for ``patience`` seconds of wall time.

    ``loops`` are the code objects of the functions that call handlers. ``interrupted`` returns the
    note that the interrupt left with the agent. Raises AgentFailed with the handler's line. An
    interrupt by a person is raised unchanged.
    """
    with StuckWatch(patience, loops) as watch:
        try:
            yield
        except KeyboardInterrupt as e:
            if not watch.struck:
                raise
            where = interrupted().partition(";")[0].removeprefix("interrupted in ")
            text = f"a handler has not returned for {patience:g} s: {where}"
            cure = "end its loop, or give more time: backtest(..., patience=600)"
            raise AgentFailed(f"{text}. {cure.capitalize()}.") from e


class StuckWatch:
    """Watches the thread that opens it: ``with StuckWatch(patience, loops) as watch:``.

    ``patience`` is in seconds. ``loops`` are the code objects of the functions that loop over the
    bars. A call that one of these functions makes counts as a handler.
    """

    def __init__(self, patience: float, loops: frozenset[object]) -> None:
        self.struck = False
        """True once a handler did not return and was interrupted."""
        self._patience = patience
        self._loops = loops
        self._thread_id = threading.get_ident()
        self._was_ignored = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kisnb stuck watch", daemon=True)

    def __enter__(self) -> StuckWatch:
        # Python delivers an interrupt only to the main thread.
        if self._thread_id == threading.main_thread().ident:
            # A shell starts a program with ``&`` so that it ignores SIGINT. The watch needs it.
            self._was_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            if self._was_ignored:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._was_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _watch(self) -> None:
        since, last = 0.0, None
        while not self._over.wait(LOOK_SECONDS):
            called = self._called()
            # Another call has another frame object, because the last frame is kept alive here.
            if called is None or called is not last:
                since, last = time.monotonic(), called
            elif time.monotonic() - since > self._patience:
                self.struck = True
                signal.raise_signal(signal.SIGINT)
                return

    def _called(self) -> FrameType | None:
        """Return the frame of the call that the loop makes now, such as a handler.

        None: no call.
        """
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the one way to look
        called: FrameType | None = None
        while frame is not None:
            if frame.f_code in self._loops:
                return called
            called, frame = frame, frame.f_back
        return None
