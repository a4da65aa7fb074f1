"""``%kis arm``: lets buys pass at live.

Only a person at the keyboard can do that. The command asks for the last digits of the account, so a
notebook that runs unattended cannot arm the desk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.clock import clock_text
from kisnb.errors import BadInput
from kisnb.terms import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.session.session import Session

QUESTION = "Last four digits of the account: "
USAGE = "%kis arm --minutes 60 --budget 5_000_000"


async def arm(
    session: Session, shell: InteractiveShell, minutes: int | None, budget: int | None, *, off: bool
) -> str:
    """Arm or disarm the desk, and return the line to print.

    ``off`` True: disarm. Without ``minutes`` and ``budget`` nothing changes, and the line says
    whether the desk is armed. Raises BadInput.
    """
    # This is no error, because the same notebook may run at sim and at live, and an error would
    # stop Run All.
    if session.mode is not Mode.LIVE:
        return f"a {session.mode} desk trades without being armed"
    if off:
        return await session.arm("", 0, 0)
    if minutes is None and budget is None:
        return standing(session)
    # There is no default for either. A person decides how long and how much real money may be
    # spent.
    if minutes is None or budget is None:
        raise BadInput("arming needs a time and a budget", f"write for example {USAGE}")
    return await session.arm(typed_tail(shell), minutes, budget)


def standing(session: Session) -> str:
    """Return a line that says whether the desk is armed, and how to arm it."""
    armed = session.status.armed
    # The desk sends no message when an arming ends, so its end is compared with the desk's clock.
    if armed is None or session.now >= armed.until:
        passes = "buys are blocked; sells and cancels are allowed"
        return f"live is not armed: {passes}; arm it with {USAGE}"
    return f"live is armed until {clock_text(armed.until)} KST for buys of {armed.budget:,} won"


def typed_tail(shell: InteractiveShell) -> str:
    """Ask a person for the last digits of the account, and return them. They are not shown.

    Raises BadInput when the front end cannot ask for input.
    """
    # The kernel's getpass asks in the front end, below the cell. Python's getpass would wait for a
    # terminal, which a kernel does not have. A shell in a terminal has no kernel.
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        from getpass import getpass as ask
    else:
        ask = kernel.getpass
    try:
        return str(ask(QUESTION)).strip()
    except Exception as error:
        # A front end that cannot ask raises an error of its own.
        raise BadInput(
            f"this front end cannot ask for input ({error})", "run %kis arm in a notebook cell"
        ) from error
