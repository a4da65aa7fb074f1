"""Pulls the kill switch without a session: for the command line, and for JupyterLab's server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from kisnb.desk.address import find_or_wait
from kisnb.desk.run.halt_file import halt_file
from kisnb.desk.serve.client import DeskClient
from kisnb.errors import BadInput, DeskLost
from kisnb.events import HaltStep
from kisnb.paths import write_private
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Halt
from kisnb.trading.ports.queries import LiftHalt, Query
from kisnb.trading.ports.replies import TextReply

SECONDS = 45.0
"""The longest wall time for all steps: three queries, their pauses, and a busy desk."""
ASK_SECONDS = 15.0
DYING_SECONDS = 5.0


def pull(mode: Mode, command: Halt) -> Iterator[HaltStep]:
    """Pull the kill switch, and yield each step when the desk takes it, up to the last one.

    Raises BadInput when no desk of this mode runs. Raises DeskBusy or DeskLost when the desk does
    not take the last step.
    """
    client = attached(mode)
    try:
        client.send([command])
        deadline = time.monotonic() + SECONDS
        begun = False
        while time.monotonic() < deadline:
            batch = client.drain()
            if batch is None:
                client.check()
                time.sleep(0.01)
                continue
            for event in batch.events:
                # Another person may have pulled a moment before. The steps before the next
                # ``block`` belong to that pull.
                if isinstance(event, HaltStep) and (begun := begun or event.step == "block"):
                    yield event
                    if event.step == "notify":
                        return
        pid = client.address.pid
        raise DeskLost(
            f"the desk (process {pid}) did not end the kill switch", "look at it with %kis orders"
        )
    finally:
        client.close()


def halt_by_file(reason: str) -> str:
    """Write the HALT file, which halts every desk of this state folder that still runs.

    It is for a desk that does not reply. Return a sentence about the result.
    """
    path = halt_file()
    try:
        write_private(path, reason)
    except OSError as e:
        return f"the file {path} could not be written either ({e}): cancel at KIS what is open"
    return (
        f"the file {path} was written: a desk that lives halts when it sees it, within a second. "
        "Nothing has confirmed it. Remove the file before you lift the halt"
    )


def lift(mode: Mode, reason: str, to: Literal["active", "reducing"] = "active") -> str:
    """Lift the halt of a desk, and return a sentence about what was lifted.

    Raises the error with which the desk answers, and the errors of ``pull``.
    """
    return ask(mode, LiftHalt(reason, to))


def ask(mode: Mode, question: Query[TextReply]) -> str:
    """Ask the desk a question, and return its answer in words.

    Raises the error with which the desk answers, and the errors of ``pull``.
    """
    client = attached(mode)
    try:
        reply = client.ask_blocking(question, ASK_SECONDS)
    # If the desk does not answer, a person gets a sentence and not a Python error. Its cure stops
    # the desk, and the next desk continues from the journal.
    except TimeoutError as e:
        raise DeskLost(str(e), f"stop it with: kisnb desk stop --mode {mode}") from None
    finally:
        client.close()
    return reply.text


def attached(mode: Mode) -> DeskClient:
    """Attach to the desk of a mode and return the client. Wait for a desk that starts again.

    Raises BadInput when no desk runs, DeskBusy and DeskLost when it does not reply.
    """
    deadline = time.monotonic() + DYING_SECONDS
    while True:
        address = find_or_wait(mode)
        if address is None:
            raise BadInput(f"no {mode} desk runs", "open it with %kis open")
        client = DeskClient(address)
        try:
            client.attach_blocking()
        except DeskLost:
            client.close()
            # A desk that was killed a moment ago may still hold its lock.
            if client.dismissed or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return client
