"""The awaitable that a session's call returns. Nothing is sent or asked until it is awaited."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from inspect import signature
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from kisnb.values import shown

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


class Pending(Coroutine[Any, Any, T_co]):
    """A call that a person typed and that begins when it is awaited.

    It is a coroutine, so it can be given to ``create_task`` and ``gather``. If it is never awaited,
    it says that nothing was sent: as its value in a cell, or in a warning when Python deletes it.
    """

    def __init__(
        self, what: str, begin: Callable[[], Coroutine[Any, Any, T_co]], done: str = "sent"
    ) -> None:
        """Keep the call ``begin``. ``what`` describes it, such as ``buy 10 005930 market``.

        ``done`` is the last word of the warning: nothing was *sent*, or nothing was *done*.
        """
        self._what = what
        self._done = done
        self._begin = begin
        self._running: Coroutine[Any, Any, T_co] | None = None
        self._known = False
        """True once it was awaited, closed or shown. Then no warning follows."""

    def _started(self) -> Coroutine[Any, Any, T_co]:
        if self._running is None:
            self._known = True
            self._running = self._begin()
        return self._running

    def send(self, value: Any) -> Any:
        """Run the call until it waits next. The event loop calls this."""
        return self._started().send(value)

    def throw(
        self, kind: Any, value: BaseException | object = None, trace: TracebackType | None = None
    ) -> Any:
        """Raise an exception where the call waits."""
        # Python 3.12 warns when ``throw`` gets three arguments.
        if value is None and trace is None:
            return self._started().throw(kind)
        return self._started().throw(kind, value, trace)

    def close(self) -> None:
        """End the call. If it has not begun, nothing is sent."""
        self._known = True
        if self._running is not None:
            self._running.close()

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self._started().__await__()

    def __repr__(self) -> str:
        self._known = True
        if self._running is not None:
            return f"<{self._what}: handed over>"
        cure = f"Write await before the call, and it is {self._done}."
        return f"<not {self._done}: {self._what}. {cure}>"

    # Python's own warning for a coroutine that was never awaited does not say that nothing was
    # sent.
    def __del__(self) -> None:
        if not self._known:
            text = f"{self._what} was not awaited: nothing was {self._done}."
            warnings.warn(f"{text} Write await before the call.", RuntimeWarning, stacklevel=2)


def pending(call: Callable[P, Coroutine[Any, Any, T_co]]) -> Callable[P, Pending[T_co]]:
    """Turn ``call``, an ``async def``, into a function that returns a ``Pending``.

    If the ``Pending`` is never awaited, it says that nothing was done.
    """
    arguments = signature(call)

    @wraps(call)
    def begin(*args: P.args, **kwargs: P.kwargs) -> Pending[T_co]:
        # Wrong arguments raise when the function is called, as with any Python function.
        arguments.bind(*args, **kwargs)
        given = [shown(value) for value in args[1 if "self" in arguments.parameters else 0 :]]
        given += [f"{name}={shown(value)}" for name, value in kwargs.items()]
        what = f"{call.__name__}({', '.join(given)})"
        return Pending(what, lambda: call(*args, **kwargs), "done")

    return begin
