"""The text of ``kisnb desk status``: the state of a desk, or why it is not known."""

from __future__ import annotations

from kisnb.desk.address import (
    DeskAddress,
    find_desk,
    is_up,
    kill_command,
    supervisor_lock,
    wait_for_socket,
)
from kisnb.desk.life.supervisor import farewell_path
from kisnb.desk.locks import holder
from kisnb.desk.serve.client import ATTACH_SECONDS, DeskClient
from kisnb.errors import DeskError
from kisnb.terms import Mode
from kisnb.trading.ports.queries import StatusNow
from kisnb.trading.ports.replies import StatusReply


def status(mode: Mode) -> tuple[list[str], bool]:
    """Return two values: lines for a person, and whether a desk runs and answers."""
    running = find_desk(mode)
    if running is None:
        return _absent(mode), False
    # A desk can outlive its supervisor. Then a person must know that after its death no other desk
    # starts.
    supervisor = holder(supervisor_lock(mode))
    care = (
        f"process {supervisor} starts it again if it dies"
        if supervisor
        else "nothing starts it again if it dies"
    )
    head = f"{running.label}: runs as process {running.pid}; {care}"
    try:
        stands = stands_of(running)
    except DeskError as e:
        unknown = "whether it is halted or armed, and which orders are open, is not known"
        return [
            head,
            f"it does not answer: {unknown}",
            f"{e}",
            f"if it stays silent, {kill_command(mode)}",
        ], False
    attached = "; ".join(stands.sessions) or "nobody"
    return [head, *stands.lines, f"attached: {attached}"], True


def stands_of(desk: DeskAddress) -> StatusReply:
    """Ask a desk for its status, for people. Raises DeskError when the desk does not reply."""
    client = DeskClient(wait_for_socket(desk))
    try:
        client.attach_blocking()
        reply = client.ask_blocking(StatusNow(), ATTACH_SECONDS)
    except TimeoutError as e:
        raise DeskError(str(e)) from None
    finally:
        client.close()
    return reply


def _absent(mode: Mode) -> list[str]:
    if is_up(mode):
        return [f"the {mode} desk is being started; it does not answer yet"]
    farewell = farewell_path(mode)
    if not farewell.exists():
        return [f"no {mode} desk runs"]
    return [
        f"no {mode} desk runs: it was given up",
        farewell.read_text("utf-8").strip(),
        (
            "its orders may still be in the market: look at them at KIS, "
            "then open the desk again with %kis open"
        ),
    ]
