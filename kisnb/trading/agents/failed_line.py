"""Finds the line of a person's own code in which an error, or an interrupt, occurred."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from types import CodeType, CoroutineType, FrameType
from typing import Any

MOST = 100
"""The most characters of a line that are shown."""
_FOLDERS = ("stdlib", "platstdlib", "purelib", "platlib")
_LIBRARIES = tuple({sysconfig.get_path(name) for name in _FOLDERS})


def own_line(error: BaseException, agent: object, coroutine: object = None) -> str:
    """Return the line of a person's code that raised ``error``. Empty when there is no such line.

    The form is ``"Dip.on_tick, line 3: if tick.prise > 0"``. It is the innermost line of the
    agent's module, or else of code that belongs neither to kisnb nor to a library. If the error
    came between two steps of ``coroutine``, it is the line at which the coroutine waits.
    """
    # Python wraps a coroutine's StopIteration in a RuntimeError that has no line of the person's
    # code. The cause has the line.
    chain = [error] if error.__cause__ is None else [error.__cause__, error]
    steps = [step for link in chain for step in traceback.walk_tb(link.__traceback__)]
    modules = {kind.__module__ for kind in type(agent).__mro__[:-1]} - {
        "kisnb.trading.agents.agent"
    }
    for owns in (lambda frame: frame.f_globals.get("__name__") in modules, _is_a_persons):
        for frame, line in reversed(steps):
            if owns(frame):
                return _described(frame.f_code, line, frame.f_globals)
    return _standing_line(coroutine, modules)


def _standing_line(coroutine: object, modules: set[str]) -> str:
    """Return the line at which a handler waits; empty when there is no such line."""
    own = standing = coroutine
    # A back-test drives many calls of a handler by one coroutine, which awaits the handler's.
    while isinstance(standing, CoroutineType) and standing.cr_frame is not None:
        if _is_a_persons(standing.cr_frame) or standing.cr_frame.f_globals["__name__"] in modules:
            own = standing
            break
        standing = standing.cr_await
    frame = getattr(own, "cr_frame", None)
    return _described(frame.f_code, frame.f_lineno, frame.f_globals) if frame else ""


def last_line(error: BaseException) -> str:
    """Return the end of a traceback, such as ``"NameError: name 'price' is not defined"``."""
    try:
        return "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]
    except BaseException:
        return type(error).__name__


def traceback_of(error: BaseException) -> str:
    """Return the traceback as Python prints it. If it cannot be printed: the error's name."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:
        # Printing a library's exception may itself raise. The agent must be stopped all the same.
        return type(error).__name__


def _is_a_persons(frame: FrameType) -> bool:
    module, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
    return module.partition(".")[0] != "kisnb" and not file.startswith(("<frozen", *_LIBRARIES))


def _described(code: CodeType, line: int, namespace: dict[str, Any]) -> str:
    where = f"{code.co_qualname.rpartition('<locals>.')[2]}, line {line}"
    try:
        source = linecache.getline(code.co_filename, line, namespace).strip().removesuffix(":")
    except BaseException:
        # This calls the module's own loader, which may raise anything.
        source = ""
    # Code without a stored source, such as that of exec, is shown without its text.
    return f"{where}: {source}"[:MOST] if source else where
