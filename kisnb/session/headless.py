"""``kisnb agent FILE``: runs one agent of a file in a process of its own, without a notebook.

The agent outlives every kernel. A notebook that attaches to the same desk sees it in ``%kis
agents``, as an agent that runs elsewhere.
"""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kisnb.errors import BadInput, KisnbError
from kisnb.session.agents.agent_view import LIVE
from kisnb.session.connect import connect
from kisnb.session.session import Session
from kisnb.terms import Mode
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_state import AgentState


def agent_class(file: Path, name: str = "") -> type[Agent]:
    """Return the agent class that a file defines. Raises BadInput."""
    if not file.is_file():
        raise BadInput(f"{file} is not a file", "give a Python file that defines an Agent")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise BadInput(f"{file} is not a Python file", "give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # The file may import modules from its own folder. Its module is registered, because Python
    # looks up the names of a class in its module.
    sys.path.insert(0, str(file.resolve().parent))
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise BadInput(
            f"{file} cannot be imported: {e!r}", "run it with python to see where"
        ) from e
    found = {
        n: v
        for n, v in vars(module).items()
        if isinstance(v, type) and issubclass(v, Agent) and v.__module__ == file.stem
    }
    if name and name in found:
        return found[name]
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise BadInput(f"{file} defines no Agent", "derive a class from kisnb.Agent in it")
    raise BadInput(f"{file} defines {', '.join(found)}", f"name one: --class {next(iter(found))}")


def run(
    file: Path, name: str, mode: Mode, parameters: Mapping[str, str], until: str | None = None,
    at: str = "", days: int | None = None,
) -> int:  # fmt: skip
    """Run an agent until it ends, until a moment, or until a signal. Return the exit status.

    With ``at`` it runs by a schedule, as ``session.agents.start`` describes. Status 0: the agent,
    or a signal, ended the run. Status 1: the agent failed. Raises KisnbError.
    """
    made = agent_class(file, name)(**parameters)
    return asyncio.run(_run(made, mode, until, at, days))


async def _run(agent: Agent, mode: Mode, until: str | None, at: str, days: int | None) -> int:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with await connect(mode) as session:
        # Days without a begin are refused there. An end alone is awaited below.
        has_schedule = bool(at) or days is not None
        scheduled = {"at": at, "until": until or "", "days": days} if has_schedule else {}
        view = await session.agents.start(agent, **scheduled)  # type: ignore[arg-type]
        waits = f"; {view.note}" if view.state is AgentState.WAITING else ""
        print(f"{view.line}{waits} ({session.label}); Ctrl-C ends it", flush=True)
        waiting = loop.create_task(over.wait(), name="the end of the agent")
        watching = loop.create_task(_watch(session, view.id), name="the agent's state")
        tasks = {waiting, watching}
        if until is not None and not at:
            tasks.add(loop.create_task(_until(session, until), name="the moment of its end"))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                # An error of one of these tasks is the command's error.
                if task.done() and not task.cancelled() and (error := task.exception()):
                    raise error
        finally:
            for task in tasks:
                task.cancel("the agent ends")
        failed = next(v for v in session.agents if v.id == view.id).state is AgentState.FAILED
        if failed:
            print(session.agents.error(view.id), file=sys.stderr)
            return 1
        with suppress(KisnbError):
            print((await session.agents.stop(view.id)).line, flush=True)
        return 0


async def _until(session: Session, until: str) -> None:
    await session.until(until)


async def _watch(session: Session, agent_id: str) -> None:
    """Print the desk's troubles as they come, until the agent no longer runs."""
    shown = 0
    while True:
        for text in session.troubles[shown:]:
            print(text, flush=True)
        shown = len(session.troubles)
        view = next((v for v in session.agents if v.id == agent_id), None)
        if view is None or view.state not in LIVE:
            return
        # The wait is on the session's clock, so that a simulated day in lockstep goes on.
        await session.sleep(1)
