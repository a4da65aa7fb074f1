"""Panels of a session, live in the notebook: the whole desk, or one part of it.

The session publishes a change up to a thousand times a second. The panel collects at most
``PER_SECOND`` times, and sends only the cells that differ. A front end that opens, reopens or
missed a message asks for a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets
from anywidget import AnyWidget

from kisnb.errors import KisnbError
from kisnb.notebook.panels import PANELS, WHOLE_HEAD
from kisnb.notebook.panels.desk_head import header
from kisnb.notebook.panels.desk_html import desk_html, desk_text
from kisnb.notebook.panels.desk_rows import panel_tables
from kisnb.notebook.panels.kill_button import WORDS, face
from kisnb.notebook.panels.row_deltas import TableFeed

if TYPE_CHECKING:
    from kisnb.session.session import Session

_HERE = Path(__file__).parent
PER_SECOND = 10
NOTE_SECONDS = 60.0
"""Wall time for which the panel shows that one of its buttons was refused."""
BEAT = 1.0
"""Seconds of wall time between signs of life.

A view that misses a few shows that the kernel is blocked or dead.
"""


class DeskPanel(AnyWidget):
    """A live view of a session. It is made in the notebook's loop.

    Showing it twice shows the same panel twice.
    """

    # The ESM of a widget is one text, and cannot import another file of ours.
    _esm = "".join(
        (_HERE / name).read_text("utf-8")
        for name in ("panel_keys.js", "panel_table.js", "kill_button.js", "desk_panel.js")
    )
    _css = _HERE / "desk_panel.css"
    kill = traitlets.Dict().tag(sync=True)
    """The words and the mode that HALT needs while no message of the kernel arrives."""
    shown = traitlets.Dict().tag(sync=True)
    """The head, and the tables in their order."""

    def __init__(self, session: Session, name: str = "desk") -> None:
        every = panel_tables(session)
        self._tables = {table: every[table] for table in PANELS[name]}
        # Traits and not messages: the front end has them before the first message, also when the
        # kernel is busy at that moment.
        super().__init__(
            kill={"mode": str(session.mode), "words": WORDS, "face": face(session)},
            shown={
                "head": "whole" if name in WHOLE_HEAD else "slim",
                "tables": [
                    {"name": key, "title": table.title, "empty": table.empty}
                    for key, table in self._tables.items()
                ],
            },
        )
        self._session = session
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._feed = TableFeed({key: table.panel_columns for key, table in self._tables.items()})
        self._pending: asyncio.TimerHandle | None = None
        self._note = ""
        # asyncio keeps only a weak reference to a task. Without this set, the action of a button
        # could vanish half done.
        self._work: set[asyncio.Task[None]] = set()
        self._beat = self._loop.call_later(BEAT, self._sign_of_life)
        self._forget: asyncio.TimerHandle | None = None
        self._unsubscribe = session.hooks.on_change(self._changed)
        self.on_msg(self._from_front_end)
        self._refresh()

    # What the page gets, and when:
    #     it opens, or missed a number     it sends "ready" and gets a snapshot
    #     the session changes              a delta with the next number, at most PER_SECOND times
    #     every BEAT seconds               a beat, so that it knows that the kernel lives
    #     a cell blocks the loop           "blocked", from the thread that watches the loop
    def _changed(self) -> None:
        # A timer that is set already will see this change too. So a thousand changes make one
        # message.
        if self._pending is None:
            self._pending = self._loop.call_later(1 / PER_SECOND, self._refresh)

    def _refresh(self) -> None:
        # First of all: a change that happens during the collection sets a new timer.
        self._pending = None
        tables = {key: table.rows() for key, table in self._tables.items()}
        message = self._feed.changes(header(self._session, self._note), tables)
        if message is not None:
            self.send(message)
        if self._session.closed:
            self._stop_following()

    def _stop_following(self) -> None:
        """End the updates of a closed session. A page that opens later gets what was shown."""
        _following.pop((self._session, self._name), None)
        self._unsubscribe()
        self._beat.cancel()
        if self._forget is not None:
            self._forget.cancel()

    def _sign_of_life(self) -> None:
        self._beat = self._loop.call_later(BEAT, self._sign_of_life)
        # The page measures the time since the last message. Without beats a quiet market would look
        # like a blocked kernel.
        self.send({"kind": "beat"})
        self._refresh()

    def _from_front_end(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        # This may run in a thread of a subshell, beside another running loop, so it hands over.
        self._loop.call_soon_threadsafe(self._asked, content)

    def _asked(self, content: dict[str, Any]) -> None:
        # The page is not trusted with more than this: a message of another form does nothing.
        match content:
            case {"kind": "ready"}:
                self.send(self._feed.snapshot())
            case {"kind": "halt"}:
                # The page's own HALT goes to Jupyter's server. It asks the kernel as well, for a
                # server that runs without our route.
                self._start(self._session.halt("the panel's button"))
            case {"kind": "press", "table": str(table), "action": str(action), "key": str(key)}:
                self._pressed(table, action, key)

    def _pressed(self, table: str, action: str, key: str) -> None:
        session = self._session
        match table, action:
            case "orders", "cancel":
                self._start(session.cancel(key))
            case "agents", "stop":
                self._start(session.agents.stop(key))
            case "exits", "off":
                self._start(session.exits.end_by_key(key))
            case "alerts", "off":
                self._start(session.exits.end_alert(key))

    def _start(self, action: Coroutine[Any, Any, object]) -> None:
        task = self._loop.create_task(self._carry_out(action), name="desk panel")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _carry_out(self, action: Coroutine[Any, Any, object]) -> None:
        try:
            await action
            self._set_note("")
        # No cell shows an error of a button, so the panel has to.
        except KisnbError as error:
            self._set_note(f"{self._session.status.clock_text()} {error}")

    def _set_note(self, note: str) -> None:
        if self._forget is not None:
            self._forget.cancel()
        self._note = note
        self._forget = self._loop.call_later(NOTE_SECONDS, self._set_note, "") if note else None
        self._changed()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # The live view does not draw in exported pages, and a terminal shows text. The tables as
        # they stand now go along for both.
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle or ({}, {})
        return data | {
            "text/plain": desk_text(self._session),
            "text/html": desk_html(self._session, self._tables.values()),
        }, metadata


_following: dict[tuple[Session, str], DeskPanel] = {}
"""The panels that follow an open session, by their session and name."""


def tell_blocked(session: Session, where: str) -> None:
    """Show in the session's panels, while the loop is blocked, which line blocks it.

    It may be called from any thread.
    """
    # This runs in the watch's thread, and only reads: a panel is made in the loop alone.
    text = (
        f"the notebook is blocked by {where}; the desk goes on; "
        f"the figures are as of {session.status.clock_text()}"
    )
    for name in PANELS:
        if (panel := _following.get((session, name))) is not None:
            panel.send({"kind": "blocked", "text": text})


def desk_panel(session: Session, name: str = "desk") -> DeskPanel:
    """Return a panel of a session, made when first asked for."""
    panel = _following.get((session, name))
    if panel is None:
        panel = _following[session, name] = DeskPanel(session, name)
    return panel
