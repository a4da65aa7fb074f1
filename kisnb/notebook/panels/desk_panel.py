"""Panels of a session, live in the notebook: the whole desk, or one part of it.

The session may change a thousand times a second. A panel reads the session at most ``PER_SECOND``
times a second, and sends only the differences to its pages. A page that opens, reopens or missed a
message asks for a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import traitlets
from anywidget import AnyWidget

from kisnb.config import price_colours
from kisnb.errors import KisnbError
from kisnb.notebook.agent_classes import startable
from kisnb.notebook.panels import PANELS, WHOLE_HEAD
from kisnb.notebook.panels.depth_view import depth_view, read_depths
from kisnb.notebook.panels.desk_actions import (
    lift_halt,
    row_action,
    start_agent,
    stepped_field,
)
from kisnb.notebook.panels.desk_head import header
from kisnb.notebook.panels.desk_html import desk_html, desk_text
from kisnb.notebook.panels.desk_rows import panel_tables
from kisnb.notebook.panels.kill_button import WORDS, face
from kisnb.notebook.panels.libraries import LIBRARIES, library
from kisnb.notebook.panels.live_chart import LiveChart
from kisnb.notebook.panels.part_words import ASLEEP, ENDED, part_words
from kisnb.notebook.panels.row_deltas import PanelFeed
from kisnb.notebook.panels.tape_view import tape_view
from kisnb.notebook.panels.ticket import OrderTicket

if TYPE_CHECKING:
    from kisnb.session.session import Session

_PAGE = Path(__file__).parent / "page"
SCRIPTS = (
    "panel_keys.js", "elements.js", "library.js", "agent_box.js", "start_form.js", "aim.js",
    "panel_table.js", "depth.js", "ticket.js", "live_chart.js", "kill_button.js", "lift_form.js",
    "desk_panel.js",
)  # fmt: skip
"""The scripts of a panel. Each script uses only those before it."""
STYLES = ("desk_panel.css", "panel_table.css", "parts.css")
PER_SECOND = 10
NOTE_SECONDS = 60.0
"""Wall time for which the panel shows that a button was refused."""
BEAT = 1.0
"""Seconds of wall time between the messages that show that the kernel runs.

A page that misses a few of them shows that the kernel is blocked or dead.
"""
_VIEWS = {"depth": depth_view, "tape": tape_view}
"""The functions that make the values of the parts that show one stock, by part."""


class DeskPanel(AnyWidget):
    """A live view of a session. Make it in the notebook's loop.

    Two cells that show the same panel show one object.
    """

    # A widget's JavaScript is one text and cannot import another file of ours. So the scripts are
    # joined.
    _esm = "".join((_PAGE / name).read_text("utf-8") for name in SCRIPTS)
    _css = "".join((_PAGE / name).read_text("utf-8") for name in STYLES)
    kill = traitlets.Dict().tag(sync=True)
    """The texts and the mode that HALT needs while the kernel sends no message."""
    shown = traitlets.Dict().tag(sync=True)
    """The head, the layout, the parts in their order, and the files of the libraries."""

    def __init__(self, session: Session, name: str = "desk", code: str = "") -> None:
        """Make the panel ``name`` of a session, and begin to follow the session.

        ``code`` is the one stock that it shows. Empty: the stock of the session's ticket.
        """
        every = panel_tables(session)
        self._tables = {part: every[part] for part in PANELS[name] if part in every}
        self._views = [part for part in PANELS[name] if part in _VIEWS or part == "ticket"]
        # These are traits, not messages, so that the front end has them before the first message,
        # even while the kernel is busy.
        super().__init__(
            kill={"mode": str(session.mode), "words": WORDS, "face": face(session)},
            shown={
                "head": "whole" if name in WHOLE_HEAD else "slim",
                "layout": "desk" if name == "desk" else "alone",
                "parts": [part_words(part, every, fixed=name == "desk") for part in PANELS[name]],
                "files": LIBRARIES,
                "asleep": ASLEEP,
                "ended": ENDED,
                "colours": price_colours(),
            },
        )
        self._session = session
        self._name = name
        self._code = code
        self._loop = asyncio.get_running_loop()
        self._ticket = ticket_of(session)
        self._chart = LiveChart(session, self.send) if "chart" in PANELS[name] else None
        columns = {part: table.panel_columns for part, table in self._tables.items()}
        self._feed = PanelFeed(columns, self._views)
        self._pending: asyncio.TimerHandle | None = None
        self._note = ""
        # asyncio keeps only a weak reference to a task. Without this set, Python could delete the
        # task of a button before its end.
        self._work: set[asyncio.Task[None]] = set()
        self._read = ""
        """The stock for whose depths KIS was asked last."""
        self._beat = self._loop.call_later(BEAT, self._sign_of_life)
        self._forget: asyncio.TimerHandle | None = None
        if code and "ticket" not in self._views:
            session.hooks.look_at((name, code), code)
        self._unsubscribe = session.hooks.on_change(self._changed)
        self.on_msg(self._from_front_end)
        self._refresh()

    @property
    def stock(self) -> str:
        """The code of the stock that it shows now. Empty for none."""
        return self._code or self._ticket.code

    # What the page gets, and when:
    #     it opens, or missed a number     it sends "ready" and gets a snapshot
    #     the session changes              a delta with the next number, at most PER_SECOND times
    #     every BEAT seconds               a beat with the newest number, so that it knows that
    #                                      the kernel lives and that it missed nothing
    #     a cell blocks the loop           "blocked", from the thread that watches the loop
    #     the chart's stock trades         the newest candles, with a number of their own
    def _changed(self) -> None:
        # A timer that runs already will include this change. So a thousand changes make one
        # message.
        if self._pending is None:
            self._pending = self._loop.call_later(1 / PER_SECOND, self._refresh)

    def _refresh(self) -> None:
        # This comes first, so that a change during the collection sets a new timer.
        self._pending = None
        tables = {part: table.rows() for part, table in self._tables.items()}
        views = {part: self._view(part) for part in self._views}
        message = self._feed.changes(header(self._session, self._note), tables, views)
        if message is not None:
            self.send(message)
        if self.stock != self._read and "depth" in self._views:
            self._read = self.stock
            self._start(read_depths(self._session, self.stock), pressed=False)
        if self._chart is not None:
            self._chart.show(self.stock)
            self._chart.refresh()
        if self._session.closed:
            self._stop_following()

    def _view(self, part: str) -> Mapping[str, object]:
        return self._ticket.view() if part == "ticket" else _VIEWS[part](self._session, self.stock)

    def _stop_following(self) -> None:
        """End the updates of a closed session. A page that opens later gets the last state."""
        _following.pop((self._session, self._name, self._code), None)
        _tickets.pop(self._session, None)
        self._unsubscribe()
        self._beat.cancel()
        if self._chart is not None:
            self._chart.close()
        if self._forget is not None:
            self._forget.cancel()

    def _sign_of_life(self) -> None:
        self._beat = self._loop.call_later(BEAT, self._sign_of_life)
        # The page measures the time since the last message. Without these messages a quiet market
        # would look like a blocked kernel.
        self.send({"kind": "beat", "seq": self._feed.seq, "colours": price_colours()})
        self._refresh()

    def _from_front_end(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        # This may run in a thread of a subshell with another event loop, so the message goes to the
        # panel's own loop.
        self._loop.call_soon_threadsafe(self._asked, content)

    def _asked(self, content: dict[str, Any]) -> None:
        # Only these messages are accepted from a page. A message of another form does nothing.
        match content:
            case {"kind": "ready" | "library" | "agent" | "step" | "classes"}:
                self._answer(content)
            case {"kind": "candles" | "chart"} if self._chart is not None:
                self._chart.receive(content, self.stock)
            case {"kind": "price", "code": str(code), "price": str(price)}:
                self._ticket.take_price(code, price)
            case {"kind": "ticket"}:
                self._ticket.receive(content)
            case {"kind": "halt"}:
                # The page's HALT goes to Jupyter's server. It also asks the kernel, in case the
                # server lacks our route.
                self._start(self._session.halt("the panel's button"))
            case {"kind": "lift", "of": str(seen), "reason": str(reason)}:
                self._start(lift_halt(self._session, seen, reason))
            case {"kind": "start", "name": str(name), "typed": dict(fields), "page": page}:
                self._start(self._start_agent(name, fields, page))
            case {"kind": "press", "table": "stocks", "action": "show", "key": str(code)}:
                self._ticket.choose(code)
                self._changed()
            case {"kind": "press", "table": str(table), "action": str(action), "key": str(key)}:
                typed = content.get("typed")
                fields = typed if isinstance(typed, dict) else {}
                work = row_action(self._session, table, action, key, fields)
                if work is not None:
                    self._start(work)

    def _answer(self, content: dict[str, Any]) -> None:
        """Send the answer to a question of a page."""
        match content:
            case {"kind": "ready"}:
                self.send(self._feed.snapshot())
            case {"kind": "library", "file": str(file)}:
                if (found := library(file)) is not None:
                    self.send({"kind": "library", "file": file}, [found])
            case {"kind": "agent", "id": str(agent)}:
                self.send({"kind": "agent", "id": agent, "text": self._agent_text(agent)})
            case {"kind": "classes"}:
                known = startable(self._session.hooks.variables, self.stock)
                self.send({**content, "classes": msgspec.to_builtins(known)})
            case {"kind": "step", "table": str(table), "key": str(key), "n": int(n)}:
                text = stepped_field(self._session, table, key, n, content)
                self.send({**content, "kind": "stepped", "text": text})

    def _agent_text(self, agent: str) -> str:
        """Return one agent in lines, or the sentence that there is none of this id."""
        try:
            return self._session.agents.snapshot(agent).text
        except KisnbError as error:
            return str(error)

    async def _start_agent(self, name: str, typed: dict[str, Any], page: object) -> None:
        """Start an agent, and send its form the outcome: an empty text, or the error."""
        error = ""
        try:
            await start_agent(self._session, name, typed)
        except KisnbError as problem:
            error = str(problem)
        self.send({"kind": "started", "page": page, "error": error})

    def _start(self, action: Coroutine[Any, Any, object], *, pressed: bool = True) -> None:
        """Carry out an action. ``pressed`` False: no person pressed a button for it."""
        task = self._loop.create_task(self._carry_out(action, pressed), name="desk panel")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _carry_out(self, action: Coroutine[Any, Any, object], pressed: bool) -> None:
        before = self._note
        try:
            await action
            # What another button was refused meanwhile stays.
            if pressed and self._note == before:
                self._set_note("")
        # An error of a button appears below no cell, so the panel shows it.
        except KisnbError as error:
            self._set_note(f"{self._session.status.clock_text()} {error}")

    def _set_note(self, note: str) -> None:
        if self._forget is not None:
            self._forget.cancel()
        self._note = note
        self._forget = self._loop.call_later(NOTE_SECONDS, self._set_note, "") if note else None
        self._changed()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # Exported pages do not run the live view, and a terminal shows text. So the output also has
        # the parts as they are now, as HTML and as text.
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle or ({}, {})
        return data | {
            "text/plain": desk_text(self._session),
            "text/html": desk_html(
                self._session, self._tables.values(), PANELS[self._name], self.stock
            ),
        }, metadata


_following: dict[tuple[Session, str, str], DeskPanel] = {}
"""The panels that follow an open session, by session, panel name and stock."""
_tickets: dict[Session, OrderTicket] = {}
"""The ticket of each open session that has a panel."""


def ticket_of(session: Session) -> OrderTicket:
    """Return the ticket that all panels of a session share. The first call makes it."""
    if session not in _tickets:
        ticket = _tickets[session] = OrderTicket(session, session.hooks.changed)
        # The ticket begins with the stock that the person most likely wants: the one of the newest
        # order.
        orders = list(session.book.orders.values())
        codes = [orders[-1].code] if orders else session.watched[-1:]
        for code in codes:
            ticket.choose(code)
    return _tickets[session]


def tell_blocked(session: Session, where: str) -> None:
    """Show in the session's panels which line of a cell blocks the loop.

    It may be called from any thread.
    """
    # This runs in the watch's thread, so it only reads. Panels are made in the loop alone.
    text = (
        f"the notebook is blocked by {where}; the desk goes on; "
        f"the figures are as of {session.status.clock_text()}"
    )
    for (of, *_), panel in list(_following.items()):
        if of is session:
            panel.send({"kind": "blocked", "text": text})


def desk_panel(session: Session, name: str = "desk", code: str = "") -> DeskPanel:
    """Return a panel of a session. The first call makes it."""
    if code and name in ("desk", "ticket"):
        # These panels show the stock of the ticket, which a person may change there.
        ticket_of(session).choose(code)
        code = ""
    panel = _following.get((session, name, code))
    if panel is None:
        panel = _following[session, name, code] = DeskPanel(session, name, code)
    return panel
