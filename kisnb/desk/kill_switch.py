"""Pulls a desk's kill switch from outside of any session: the command line, and the server of JupyterLab."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kisnb.desk.address import DeskAddress
from kisnb.desk.client import DeskClient
from kisnb.errors import DeskLost
from kisnb.events import HaltStep
from kisnb.trading.commands import Halt, LiftHalt, TasksNow, Told

SECONDS = 45.0
"""Wall time for all steps: three queries, their pauses, and a desk that is busy."""
ASK_SECONDS = 15.0


def pull(address: DeskAddress, command: Halt) -> Iterator[HaltStep]:
    """The steps as they are taken, the last one included. Raises DeskLost when the desk does not come to an end."""
    client = DeskClient(address)
    try:
        client.attach_blocking()
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
                if isinstance(event, HaltStep) and (begun := begun or event.step == "block"):
                    yield event
                    if event.step == "notify":
                        return
        raise DeskLost(f"the desk (process {address.pid}) did not end the kill switch", "look at it with %kis orders")
    finally:
        client.close()


def lift(address: DeskAddress, reason: str) -> str:
    """Lift the halt; says what was lifted. Raises what the desk answers, and DeskLost."""
    return ask(address, LiftHalt(reason))


def ask(address: DeskAddress, question: LiftHalt | TasksNow) -> str:
    """One question that is answered in words. Raises what the desk answers, and DeskLost."""
    client = DeskClient(address)
    try:
        client.attach_blocking()
        reply = client.ask_blocking(question, ASK_SECONDS)
    except TimeoutError as e:
        raise DeskLost(str(e), f"stop it with: kisnb desk stop --mode {address.mode}") from None
    finally:
        client.close()
    assert isinstance(reply, Told)
    return reply.text
