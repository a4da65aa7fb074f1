"""The texts of the panel's HALT button, and of the form that lifts a halt.

``kill_button.js`` and ``lift_form.js`` draw them and have no texts of their own.
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


class Lift(msgspec.Struct, frozen=True):
    """The button that opens the form, and the form, in one trading state."""

    open: str
    tip: str
    go: str
    """The label of the button that lifts or ends."""
    lead: str = "reason"
    reasons: tuple[str, ...] = (
        "pressed by mistake",
        "the cause is found and ended",
        "orders and positions are checked",
    )
    """Reasons that a press writes into the field. A person may type another one."""
    back: str = "back"


_LIFTED = Lift(
    "lift …", "Let orders pass again, with a reason for the journal", "lift: all orders pass again"
)
_LIFTS: dict[Name, Lift] = {
    "reducing": _LIFTED,
    "halted": _LIFTED,
    "flattening": Lift(
        "end the flatten …",
        "Let the desk sell no more by itself. The halt stays.",
        "end the flatten: the rest is not sold",
    ),
}
"""While the kill switch is at work nothing can be lifted."""


def lift(session: Session) -> dict[str, object] | None:
    """Return the texts of the form that lifts the halt, or ends the flatten. None without one.

    ``of`` names the state that the person sees: the page sends it back with the reason.
    """
    trading = session.trading
    found = _LIFTS.get(trading.name) if trading.known else None
    if found is None:
        return None
    return {**msgspec.to_builtins(found), "of": seen_state(session)}


def seen_state(session: Session) -> str:
    """Return the trading state with its reason, as a text that changes when another halt comes."""
    trading = session.trading
    # The text of a flatten changes with every share that is sold.
    return "flattening" if trading.name == "flattening" else trading.text


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
