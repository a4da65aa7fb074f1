"""The sentences of the desk panel: the trading state, what is wrong now, what happened before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from kisnb.trading.halt.halt_words import Name, step_text

if TYPE_CHECKING:
    from kisnb.events import HaltStep
    from kisnb.session.session import Session

TROUBLES_SHOWN = 3
"""The panel shows this number of newest troubles."""
_TONES: dict[Name, Literal["calm", "warn", "stop"]] = {
    "active": "calm",
    "halting": "warn",
    "flattening": "warn",
    "reducing": "warn",
    "halted": "stop",
}


class PanelNotice(msgspec.Struct, frozen=True):
    """One line for a person, with its kind.

    ``now``: true while it is shown. ``past``: the line names the time at which it was true.
    ``failed``: something failed, and the line is drawn in a loud colour.
    """

    kind: Literal["now", "past", "failed"]
    text: str


def banner(session: Session) -> dict[str, str]:
    """Return the trading state in a sentence, with the tone in which the panel draws it."""
    trading = session.trading
    return {"tone": _TONES[trading.name], "text": trading.text}


def notices(session: Session, note: str = "") -> list[PanelNotice]:
    """Return the lines that a person should read, the most urgent first.

    ``note`` says what became of the last button that a person pressed.
    """
    run = session.status.halt_run
    if session.trading.name == "flattening":
        # The banner already says what is not sold yet, so the flatten's steps are left out.
        run = [step for step in run if step.done or step.step != "flatten"]
    standing = (session.status.doubt, session.status.cash_gap)
    doubt = [PanelNotice("now", text) for text in standing if text]
    noted = [PanelNotice("failed", note)] if note else []
    # The newest trouble comes first. `session.troubles` has all of them.
    newest = session.troubles[: -TROUBLES_SHOWN - 1 : -1]
    return [*doubt, *noted, *run_notices(run), *(PanelNotice("past", text) for text in newest)]


def run_notices(steps: list[HaltStep]) -> list[PanelNotice]:
    """Return a line for each failed step of a kill switch run, and one for all other steps."""
    failed = [
        PanelNotice("failed", f"kill switch, {step_text(step)}") for step in steps if not step.done
    ]
    done = " · ".join(step_text(step) for step in steps if step.done)
    return [*failed, *([PanelNotice("past", f"kill switch: {done}")] if done else [])]
