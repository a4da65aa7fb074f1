"""The sentences of the desk panel: the trading state, present problems, and past events.

Those above the tables are few. The list of notices has all of them, newest first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal

import msgspec

from kisnb.clock import DAY, MINUTE, Ns, clock_text, kst, kst_day
from kisnb.columns import Tone, text_column
from kisnb.notebook.panels.panel_table import PanelTable, Shown
from kisnb.trading.halt.halt_words import Name, step_text

if TYPE_CHECKING:
    from kisnb.events import HaltStep
    from kisnb.orders import Order
    from kisnb.session.session import Session

TROUBLES_SHOWN = 3
"""The number of newest troubles above the tables."""
LISTED = 100
"""The number of newest notices in the list."""
ORDERS_ASKED = 500
"""Number of newest orders that are searched for refused ones. A busy day has thousands."""
_LATE: Ns = 60 * MINUTE
"""A trouble may be older than the one before it by at most this. An older one is of another day."""
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


class ListedNotice(msgspec.Struct, frozen=True):
    """One line of the list of notices."""

    key: str
    t: Ns
    """The moment of the event. For a trouble without a time: the moment of the next one."""
    time: str
    """The time of day, KST. Empty: not known."""
    kind: Literal["alert", "denied", "rejected", "kill switch", "trouble"]
    text: str


def listed_notices(session: Session) -> list[ListedNotice]:
    """Return troubles, price alerts, refused orders and failed steps of the kill switch.

    The newest one is first. At most ``LISTED`` are returned.
    """
    newest_orders = islice(reversed(session.book.orders.values()), ORDERS_ASKED)
    found = [
        *_of_troubles(session.troubles, session.now),
        *(_of_order(order) for order in newest_orders if order.is_dead),
        *(
            ListedNotice(f"h{i}", step.t, clock_text(step.t), "kill switch", step.text)
            for i, step in enumerate(session.status.halt_steps)
            if not step.done
        ),
    ]
    return sorted(found, key=lambda notice: -notice.t)[:LISTED]


def _of_order(order: Order) -> ListedNotice:
    kind: Literal["denied", "rejected"] = "denied" if order.state == "denied" else "rejected"
    text = f"{order.intent.text}: {order.text}"
    return ListedNotice(f"o{order.key}", order.since, clock_text(order.since), kind, text)


def _of_troubles(troubles: Sequence[str], now: Ns) -> Iterable[ListedNotice]:
    """Return the troubles newest first. ``troubles`` has them oldest first."""
    last = now
    for i in range(len(troubles) - 1, max(len(troubles) - LISTED, 0) - 1, -1):
        time, text = _split(troubles[i])
        if time:
            last = min(_moment(time, last), last)
        is_alert = text.startswith("price alert:")
        yield ListedNotice(f"t{i}", last, time, "alert" if is_alert else "trouble", text)


def _split(trouble: str) -> tuple[str, str]:
    """Return the time of day at the start of a trouble, and its sentence. Empty: it has no time."""
    found = re.match(r"(\d\d:\d\d:\d\d) (.*)", trouble, re.DOTALL)
    return (found[1], found[2]) if found else ("", trouble)


def _moment(time: str, before: Ns) -> Ns:
    """Return the last moment at this time of day that is not clearly after ``before``."""
    hours, minutes, seconds = map(int, time.split(":"))
    moment = kst(kst_day(before), hours * 3600 + minutes * 60 + seconds)
    return moment if moment <= before + _LATE else moment - DAY


def notice_table(notices_: Callable[[], Iterable[ListedNotice]]) -> PanelTable[ListedNotice]:
    """Return the table of notices. ``notices_`` gives them newest first."""
    return PanelTable(
        title="Notices",
        empty="none: no trouble, no price alert, no refused order",
        shown=[
            Shown(text_column("time", lambda n: n.time), 8),
            Shown(text_column("what", lambda n: n.kind, kind="state", tone=_tone), 11),
            Shown(text_column("text", lambda n: n.text, kind="note")),
        ],
        key=lambda n: n.key,
        actions=lambda _: "",
        tips={},
        widest="",
        subjects=notices_,
        height=4,
        version=lambda n: n,
    )


def _tone(notice: ListedNotice) -> Tone:
    return "" if notice.kind in ("alert", "trouble") else "bad"
