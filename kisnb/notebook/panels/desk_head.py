"""The lines above a panel's tables: mode, clock, link, the account line, notices, HALT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kisnb.columns import Tone, number, signed, tone_of
from kisnb.drawing.tables import badge_html
from kisnb.notebook.panels.desk_notices import banner, notices
from kisnb.notebook.panels.kill_button import face, lift, other_ways

if TYPE_CHECKING:
    from kisnb.session.session import Session
    from kisnb.trading.order_books.account_figures import AccountFigures

UNKNOWN = "–"
"""The text for a figure that is not known. A 0 would look like a known figure."""


class Figure(msgspec.Struct, frozen=True):
    """One figure of the account line."""

    name: str
    text: str
    tone: Tone
    tip: str
    """The meaning of the figure, or the reason why it is not known."""


def header(session: Session, note: str = "") -> dict[str, object]:
    """Return the lines above the tables.

    ``note`` says what became of the last button that a person pressed. The badge is HTML that kisnb
    made.
    """
    clock = session.status.clock_text()
    link = "closed" if session.closed else session.status.link
    return {
        "mode": str(session.mode),
        "badge": str(badge_html(session.mode)),
        "label": session.label,
        "clock": clock,
        "link": link,
        "link_tone": "" if link == "up" else "bad",
        "closed": session.closed,
        "account": msgspec.to_builtins(account_line(session.status.figures)),
        "trading": banner(session),
        "notices": [{"kind": n.kind, "text": n.text} for n in notices(session, note)],
        "kill": face(session),
        "ways": other_ways(),
        "lift": lift(session),
        "silent": f"no news for {{n}} s: the kernel is busy or gone; the figures are as of {clock}",
    }


def account_line(figures: AccountFigures) -> list[Figure]:
    """Return equity, the result of the day, and cash, in words. Won."""
    without = ", ".join(sorted(figures.missing))
    no_price = f"Not known: no price of today for {without}."
    no_cash = "Not known: KIS has not stated the cash yet."
    percent = UNKNOWN if figures.percent is None else f"{signed(figures.percent, 2)} %"
    equity_tip = "Cash (D+2) and the value of all holdings at their newest prices, won"
    if figures.equity is None:
        equity_tip = no_cash if figures.cash is None else no_price
    after, before = figures.result, figures.before_cost
    return [
        Figure("equity", number(figures.equity) or UNKNOWN, "", equity_tip),
        Figure(
            "today after cost",
            UNKNOWN if after is None else f"{signed(after)} ({percent})",
            tone_of(after),
            no_price
            if after is None
            else "Realised and unrealised since the previous close, after fees and tax, won; "
            "in percent of the equity at the opening",
        ),
        Figure(
            "before cost",
            UNKNOWN if before is None else signed(before),
            tone_of(before),
            no_price
            if before is None
            else f"The same before fees and tax of today, {figures.costs:,} won",
        ),
        Figure(
            "cash D+2",
            number(figures.cash) or UNKNOWN,
            "",
            no_cash if figures.cash is None else "Cash once the trades of today are settled, won",
        ),
    ]
