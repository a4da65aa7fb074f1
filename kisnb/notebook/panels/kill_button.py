"""The texts of the panel's HALT button.

``kill_button.js`` draws them and has no texts of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kisnb.desk.run.halt_file import halt_file
from kisnb.trading.halt.halt_words import LIFT, Name

if TYPE_CHECKING:
    from kisnb.session.session import Session

PATIENCE = "press again within 4 seconds"
_PRESSED = "HALT was pressed at {time} by this browser's clock."
# The page gets these texts when it opens, because the kernel may not answer when they are needed.
WORDS = {
    "press_again": "Halt? Press again",
    "press_again_why": "HALT asks once while the page is new or has just moved. "
    f"To halt, {PATIENCE}.",
    "sending": "halting …",
    "no_answer": f"{_PRESSED} JupyterLab's server has not answered for {{n}} s.",
    "gone": f"{_PRESSED} JupyterLab's server could not be reached.",
    "refused": f"{_PRESSED} JupyterLab's server refused it (status {{n}}).",
    "missing": f"{_PRESSED} This JupyterLab runs without kisnb's route.",
    "failed": f"{_PRESSED} The desk was not halted: {{message}}",
    "kernel": "The kernel was asked to halt too; it cannot while a cell keeps it.",
    "else": "What else works: type kisnb halt in a terminal of the desk's machine.",
}
"""The texts that the button shows while the kernel cannot send any.

The browser fills in ``{…}``.
"""


class Face(msgspec.Struct, frozen=True):
    """The look of the button in one trading state."""

    label: str
    tip: str
    asks: str = ""
    """The question after a first press, when only a second press halts. Empty: one press halts."""


_PULL = "Kill switch: no new order passes, and every open order is cancelled."
_FACES: dict[Name, Face] = {
    "active": Face("HALT", _PULL),
    "reducing": Face("HALT", f"{_PULL} Sells that now pass will not."),
    # In these three states a press would repeat a halt that is under way or done. The question
    # keeps a second, nervous press from cancelling everything again.
    "halting": Face(
        "halting …",
        "The kill switch is at work.",
        f"The kill switch is running; its steps are shown below. To start it again, {PATIENCE}.",
    ),
    "flattening": Face(
        "flattening …",
        f"A flatten is at work. {LIFT} ends it.",
        "A flatten is at work: the desk sells all that is held, and HALT does not stop that. "
        f"{LIFT} ends it. To halt and cancel all other open orders, {PATIENCE}.",
    ),
    "halted": Face(
        "halted",
        f"The desk is halted. {LIFT} lifts it.",
        f"The desk is halted already. {LIFT} lifts it. "
        f"To cancel all open orders once more, {PATIENCE}.",
    ),
}


def face(session: Session) -> dict[str, str]:
    """Return the label and the texts of the button in the current trading state."""
    trading = session.trading
    # While the desk is out of reach, its state is not known. So one press must halt.
    return dict(msgspec.to_builtins(_FACES[trading.name if trading.known else "active"]))


def other_ways() -> str:
    """Return a sentence about the other ways to halt the desk."""
    return (
        "What else works: type kisnb halt in a terminal of the desk's machine, "
        f"or create the file {halt_file()}."
    )
