"""N04: the panel's end in the kernel: few messages, whole snapshots, and nothing done in a front
end's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import kisnb
from kisnb import Session
from kisnb.errors import BadInput
from kisnb.notebook.panels import open_panel
from kisnb.notebook.panels.desk_panel import PER_SECOND, DeskPanel

DAY = {"seed": 7, "date": "2026-11-20", "start": "09:00:00"}


class Heard:
    """What a front end would receive, and in which thread it was sent."""

    def __init__(self, panel: DeskPanel) -> None:
        self.messages: list[dict[str, Any]] = []
        self.threads: set[int] = set()
        panel.send = self._take  # type: ignore[method-assign]

    def _take(self, content: dict[str, Any], buffers: object = None) -> None:
        self.messages.append(content)
        self.threads.add(threading.get_ident())

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["kind"] == kind]


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Session, DeskPanel, Heard]]:
    async with await kisnb.connect("sim", **DAY) as session:
        panel = open_panel(session)
        yield session, panel, Heard(panel)


async def drawn(session: Session) -> None:
    session.hooks.changed()
    await asyncio.sleep(2 / PER_SECOND)


def test_n04_a_thousand_changes_are_one_message() -> None:
    async def main() -> None:
        async with opened() as (session, _, heard):
            await drawn(session)
            heard.messages.clear()
            await session.buy("005930", 10)
            for _ in range(1000):
                session.hooks.changed()
            await drawn(session)
            rows = [row for m in heard.of("delta") for row in m["tables"]["orders"].get("add", [])]
            assert len(rows) == 1
            assert len(heard.of("delta")) <= 3

    asyncio.run(main())


def test_n04_a_request_in_a_subshell_thread_is_answered_from_the_notebooks_loop() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            await session.buy("005930", 10)
            await drawn(session)

            async def in_another_loop() -> None:
                panel._from_front_end(panel, {"kind": "ready"}, [])

            await asyncio.to_thread(asyncio.run, in_another_loop())
            await asyncio.sleep(0)
            (snapshot,) = heard.of("snapshot")
            ((_, cells),) = snapshot["tables"]["orders"]["rows"]
            assert "005930" in cells
            assert heard.threads == {threading.get_ident()}

    asyncio.run(main())


def test_n04_the_cancel_button_cancels_and_a_refusal_is_shown() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            quote = await session.quote("005930")
            order = await session.buy("005930", 10, quote.lower)
            panel._from_front_end(panel, {"kind": "cancel", "key": order.key}, [])
            await session.sleep(1)
            assert order.state == "cancelled"
            panel._from_front_end(panel, {"kind": "stop", "key": "nobody"}, [])
            await drawn(session)
            (notice,) = heard.of("delta")[-1]["header"]["notices"]
            assert notice["kind"] == "failed"
            assert notice["text"].startswith(
                f"{session.status.clock_text()} There is no agent 'nobody'"
            )

    asyncio.run(main())


def test_a_panel_is_text_html_and_a_view_and_there_is_one_per_session() -> None:
    async def main() -> None:
        async with opened() as (session, panel, _):
            assert open_panel(session, "desk") is panel
            with pytest.raises(BadInput, match="no panel 'depht'"):
                open_panel(session, "depht")
            data, _ = panel._repr_mimebundle_()
            assert (
                data["text/plain"]
                == "[SIM] desk: sim 2026-11-20 seed 7, 09:00:00, agents 0, orders 0"
            )
            assert "none" in data["text/html"]
            assert "as of 09:00:00 · active: orders pass" in data["text/html"]
            assert "application/vnd.jupyter.widget-view+json" in data

    asyncio.run(main())


def test_a_closed_session_ends_its_panel() -> None:
    async def main() -> None:
        async with opened() as (session, _, heard):
            await session.close()
            await drawn(session)
            assert heard.of("delta")[-1]["header"]["link"] == "closed"
            heard.messages.clear()
            await drawn(session)
            assert heard.messages == []

    asyncio.run(main())
