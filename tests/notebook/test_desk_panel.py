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
from kisnb import Agent, Session
from kisnb.errors import BadInput
from kisnb.notebook.panels import PANELS, open_panel
from kisnb.notebook.panels.desk_panel import PER_SECOND, DeskPanel, ticket_of
from kisnb.notebook.panels.libraries import LIBRARIES, VENDOR
from kisnb.strategies import NAMES as STRATEGIES
from tests.waiting import carried_out

DAY = {"seed": 7, "date": "2026-11-20", "start": "09:00:00"}


class Heard:
    """What a front end would receive, and in which thread it was sent."""

    def __init__(self, panel: DeskPanel) -> None:
        self.messages: list[dict[str, Any]] = []
        self.threads: set[int] = set()
        self.buffers: list[list[bytes]] = []
        panel.send = self._take  # type: ignore[method-assign]

    def _take(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.messages.append(content)
        self.threads.add(threading.get_ident())
        self.buffers += [buffers] if buffers else []

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["kind"] == kind]


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Session, DeskPanel, Heard]]:
    async with await kisnb.connect("sim", **DAY) as session:
        panel = open_panel(session)
        yield session, panel, Heard(panel)


def press(table: str, action: str, key: str) -> dict[str, str]:
    return {"kind": "press", "table": table, "action": action, "key": key}


def shown(heard: Heard, table: str) -> list[list[str]]:
    """The texts of a table's rows in the newest snapshot."""
    rows = heard.of("snapshot")[-1]["tables"][table]["rows"]
    return [[c if isinstance(c, str) else c[0] for c in cells] for _, cells in rows]


def keys(heard: Heard, table: str) -> list[str]:
    return [key for key, _ in heard.of("snapshot")[-1]["tables"][table]["rows"]]


async def drawn(session: Session) -> None:
    session.hooks.changed()
    await asyncio.sleep(2 / PER_SECOND)


def test_n04_a_beat_has_the_number_of_the_newest_message() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            await session.buy("005930", 10)
            await drawn(session)
            panel._asked({"kind": "ready"})
            panel._sign_of_life()
            assert heard.of("beat")[-1]["seq"] == heard.of("snapshot")[-1]["seq"] > 0

    asyncio.run(main())


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
            assert "005930 삼성전자" in cells
            assert heard.threads == {threading.get_ident()}

    asyncio.run(main())


def test_n04_a_page_without_a_server_gets_the_libraries_from_the_kernel() -> None:
    async def main() -> None:
        async with opened() as (_, panel, heard):
            for file in LIBRARIES.values():
                panel._asked({"kind": "library", "file": file})
                assert heard.of("library")[-1] == {"kind": "library", "file": file}
                assert heard.buffers[-1] == [(VENDOR / file).read_bytes()]
            panel._asked({"kind": "library", "file": "../desk_panel.py"})
            assert len(heard.of("library")) == len(LIBRARIES)

    asyncio.run(main())


def test_n04_the_revise_button_moves_an_order_and_names_what_is_wrong() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            quote = await session.quote("005930")
            order = await session.buy("005930", 10, quote.lower)
            typed = {"price": "7만", "quantity": "10"}
            panel._asked(press("orders", "revise", order.key) | {"typed": typed})
            await drawn(session)
            (notice,) = heard.of("delta")[-1]["header"]["notices"]
            assert "The new price '7만' is not a whole number. Type it in won" in notice["text"]
            price = quote.lower + quote.tick
            typed = {"price": f"{price:,}", "quantity": "10"}
            panel._asked(press("orders", "revise", order.key) | {"typed": typed})
            await carried_out(panel._work)
            await session.sleep(1)
            (moved,) = session.book.open_orders
            assert (moved.intent.price, moved.leaves) == (price, 10)

    asyncio.run(main())


def test_n04_the_arrows_of_a_rows_form_step_by_a_tick_and_by_shares() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            quote = await session.quote("005930")
            order = await session.buy("005930", 10, quote.lower)
            asked = {"kind": "step", "table": "orders", "key": order.key, "page": 0.5}
            for name, text, n, stepped in (
                ("price", "70,000", 1, "70,100"),
                ("price", f"{quote.lower:,}", -1, f"{quote.lower:,}"),
                ("price", "", 1, f"{session.estimates.step('005930', quote.lower, 1):,}"),
                ("quantity", "10", -1, "9"),
                ("quantity", "10", 5, "10"),
            ):
                panel._asked(asked | {"name": name, "text": text, "n": n})
                answer = heard.of("stepped")[-1]
                assert (answer["text"], answer["page"]) == (stepped, 0.5)

    asyncio.run(main())


def test_n04_the_cancel_button_cancels_and_a_refusal_is_shown() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            quote = await session.quote("005930")
            order = await session.buy("005930", 10, quote.lower)
            panel._from_front_end(panel, press("orders", "cancel", order.key), [])
            await carried_out(panel._work)
            await session.sleep(1)
            assert order.state == "cancelled"
            panel._from_front_end(panel, press("agents", "stop", "nobody"), [])
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


def test_a20_exits_and_price_alerts_are_shown_and_ended_in_the_panel() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            order = await session.buy("005930", 10)
            at = order.fills[0].price
            await session.protect("005930", stop="3%", take=at + 1_000)
            await session.alert("005930", above=at + 2_000)
            await session.alert("005930", above=at + 3_000)
            await drawn(session)
            panel._asked({"kind": "ready"})
            ((stock, owner, quantity, entry, conditions, *_),) = shown(heard, "exits")
            assert (stock, owner, quantity) == ("005930 삼성전자", "by hand", "10")
            assert (entry, conditions) == (f"{at:,}", f"stop -3 %, take {at + 1_000:,}")
            assert [row[1:3] for row in shown(heard, "alerts")] == [
                ["above", f"{at + 2_000:,}"],
                ["above", f"{at + 3_000:,}"],
            ]
            panel._from_front_end(panel, press("exits", "off", keys(heard, "exits")[0]), [])
            panel._from_front_end(panel, press("alerts", "off", keys(heard, "alerts")[0]), [])
            await carried_out(panel._work)
            await session.sleep(1)
            await drawn(session)
            panel._asked({"kind": "ready"})
            assert shown(heard, "exits") == []
            assert [row[2] for row in shown(heard, "alerts")] == [f"{at + 3_000:,}"]
            assert session.book.position("005930").qty == 10

    asyncio.run(main())


def test_n04_the_account_line_adds_up_to_what_the_broker_states() -> None:
    async def main() -> None:
        async with opened() as (session, _, _heard):
            before = session.status.figures
            assert (before.result, before.costs) == (0, 0)
            await session.buy("005930", 100)
            await session.sleep(60)
            figures, balance = session.status.figures, await session.balance()
            assert figures.equity is not None
            assert figures.cash == balance.cash_d2
            held = session.book.position("005930").qty * session.data.prices["005930"]
            assert figures.equity == balance.cash_d2 + held
            base = session.universe.get("005930").base
            assert figures.result == figures.equity - (before.equity or 0)
            assert figures.before_cost == figures.result + session.book.position("005930").costs
            assert figures.costs > 0
            assert base > 0

    asyncio.run(main())


def test_n04_each_part_of_the_desk_is_a_panel_of_its_own() -> None:
    async def main() -> None:
        async with opened() as (session, desk, _):
            for name, tables in PANELS.items():
                panel = open_panel(session, name)
                assert [part["name"] for part in panel.shown["parts"]] == list(tables)
                assert open_panel(session, name) is panel
            assert open_panel(session, "orders") is not desk
            assert open_panel(session, "orders").shown["head"] == "slim"
            assert desk.shown["head"] == "whole"

    asyncio.run(main())


class Broken(Agent):
    async def on_start(self) -> None:
        raise ValueError("<b>no price</b>")


def test_a19_a_failed_agent_is_red_with_its_line_and_what_to_do() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            await session.agents.start(Broken(code="005930"))
            await session.sleep(1)
            await drawn(session)
            panel._asked({"kind": "ready"})
            ((_, cells),) = heard.of("snapshot")[-1]["tables"]["agents"]["rows"]
            assert ("failed", "bad") in [tuple(c) for c in cells]
            text, tone = next(c for c in cells if len(c) == 2 and "Broken" in c[0])
            assert tone == "bad"
            assert text.startswith("Broken.on_start, line")
            assert "ValueError: <b>no price</b>. Correct it and start it again." in text
            assert "session.agents.error('Broken-005930')" in text
            assert "<b>" not in panel._repr_mimebundle_()[0]["text/html"].replace(
                "<div><b>", ""
            ).replace("</b></div>", "").replace("</b>:", "")

    asyncio.run(main())


def test_a19_a_page_asks_for_one_agent_and_gets_its_snapshot_in_lines() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            view = await session.agents.start(Broken(code="005930"))
            await session.sleep(1)
            panel._asked({"kind": "agent", "id": view.id})
            panel._asked({"kind": "agent", "id": "nobody"})
            panel._asked({"kind": "agent", "id": 7})
            told, unknown = heard.of("agent")
            assert told == {
                "kind": "agent", "id": view.id, "text": session.agents.snapshot(view.id).text,
            }  # fmt: skip
            assert "why it does nothing:\n  it is failed" in told["text"]
            assert unknown["text"].startswith("There is no agent 'nobody'")

    asyncio.run(main())


def test_n04_a_page_that_looks_whether_its_kernel_lives_changes_nothing() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            await drawn(session)
            heard.messages.clear()
            panel._asked({"kind": "probe"})
            await asyncio.sleep(0)
            assert heard.messages == []
            assert set(panel.shown["ended"]) == {"link", "kernel", "session"}

    asyncio.run(main())


def notes(heard: Heard) -> list[str]:
    """The lines above the tables, as the page has them now."""
    for message in reversed(heard.of("delta")):
        if "notices" in message["header"]:
            return [str(notice["text"]) for notice in message["header"]["notices"]]
    return []


def test_a07_n04_a_halt_is_lifted_with_a_reason_only_in_the_state_that_was_seen() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):

            def lift() -> dict[str, Any] | None:
                panel._asked({"kind": "ready"})
                found: dict[str, Any] | None = heard.of("snapshot")[-1]["header"]["lift"]
                return found

            await drawn(session)
            assert lift() is None
            await session.halt("first look")
            await drawn(session)
            seen = lift()
            assert seen is not None
            assert seen["go"] == "lift: all orders pass again"
            await session.resume("elsewhere")
            await session.halt("another reason")
            # The person saw the halt of the first reason, and knows nothing of the second one.
            panel._asked({"kind": "lift", "of": seen["of"], "reason": "pressed by mistake"})
            await carried_out(panel._work)
            await session.sleep(1)
            await drawn(session)
            assert (
                "The trading state has changed meanwhile. Read it, and press again"
                in notes(heard)[0]
            )
            assert session.halt_state == "halted"
            again = lift()
            assert again is not None
            panel._asked({"kind": "lift", "of": again["of"], "reason": " "})
            await carried_out(panel._work)
            await session.sleep(1)
            assert session.halt_state == "halted"
            panel._asked({"kind": "lift", "of": again["of"], "reason": "pressed by mistake"})
            await carried_out(panel._work)
            await session.sleep(1)
            await drawn(session)
            assert session.halt_state == "active"
            assert lift() is None
            journal = await session.journal()
            assert "pressed by mistake" in str(journal.to_dicts())

    asyncio.run(main())


class Quiet(Agent):
    """Waits.

    It never trades ``qty`` shares.
    """

    qty: int = 3
    share: float = 0.05


def test_a19_n04_an_agent_is_started_from_the_form_with_what_was_typed() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            session.hooks.variables = {"Quiet": Quiet, "Again": Quiet, "x": 1}
            ticket_of(session).choose("005930")
            panel._asked({"kind": "classes", "page": 0.5})
            (answer,) = heard.of("classes")
            first, *others = answer["classes"]
            assert (answer["page"], first["name"]) == (0.5, "Quiet")
            assert first["about"] == "Waits.\n\nIt never trades qty shares."
            assert [(p["name"], p["text"], p["kind"]) for p in first["parameters"]] == [
                ("code", "005930", "text"),
                ("qty", "3", "number"),
                ("share", "0.05", "number"),
            ]
            assert [known["name"] for known in others] == list(STRATEGIES)
            for text, n, stepped in (
                ("3", 1, "4"),
                ("0.05", -1, "0.04"),
                ("0", -1, "0"),
                ("x", 1, "x"),
            ):
                field = {"table": "agents", "key": "", "name": "qty", "text": text, "page": 0.5}
                panel._asked({"kind": "step", "n": n} | field)
                assert heard.of("stepped")[-1]["text"] == stepped

            async def start(name: str, **typed: str) -> str:
                panel._asked({"kind": "start", "name": name, "typed": typed, "page": 0.5})
                await carried_out(panel._work)
                return str(heard.of("started")[-1]["error"])

            assert "There is no agent class 'Gone' any more" in await start("Gone")
            assert "Qty of Quiet is missing" in await start("Quiet", code="005930", qty="")
            assert "share='much' is not of type float" in await start("Quiet", share="much")
            assert "not a listed code" in await start("Quiet", code="005931")
            assert await start("Quiet", code="005930", qty="7", share="0.1") == ""
            assert "runs already, with qty=7, not 8" in await start(
                "Quiet", code="005930", qty="8", share="0.1"
            )
            (agent,) = session.agents
            assert (agent.id, agent.state) == ("Quiet-005930", "running")
            quiet = session.agents["Quiet-005930"]
            assert isinstance(quiet, Quiet)
            assert (quiet.qty, quiet.share) == (7, 0.1)
            assert await start("volume_trigger", code="000660") == ""
            assert session.agents.running == ("Quiet-005930", "VolumeTrigger-000660")

    asyncio.run(main())


def test_a02_n04_an_agent_that_ended_with_its_session_goes_on_by_its_button() -> None:
    async def main() -> None:
        async with opened() as (session, _, _):
            ended = await session.agents.start(Quiet(code="005930", qty=9))
        async with opened() as (session, panel, heard):
            # The next kernel defines the class anew, in a cell.
            anew = type("Quiet", (Quiet,), {"__module__": "__main__", "__qualname__": "Quiet"})
            session.hooks.variables = {"Quiet": anew}
            panel._asked({"kind": "ready"})
            (row,) = shown(heard, "agents")
            assert (row[0], row[1], row[-1]) == (ended.id, "lost", "show restore")
            panel._asked(press("agents", "restore", ended.id))
            await carried_out(panel._work)
            await session.sleep(1)
            (agent,) = session.agents
            assert (agent.id, agent.state) == (ended.id, "running")
            quiet = session.agents[ended.id]
            assert isinstance(quiet, anew)
            assert quiet.qty == 9

    asyncio.run(main())


def test_a20_n04_a_price_alert_is_set_in_the_row_of_a_stock() -> None:
    async def main() -> None:
        async with opened() as (session, panel, heard):
            ticket_of(session).choose("005930")
            quote = await session.quote("005930")
            stepped = {
                "kind": "step",
                "table": "stocks",
                "key": "005930",
                "name": "price",
                "page": 0,
            }
            panel._asked(stepped | {"text": "71,000", "n": 1})
            assert heard.of("stepped")[-1]["text"] == "71,100"
            for side, price in (("above", quote.upper), ("below", quote.lower)):
                typed = {"typed": {"price": f"{price:,}"}}
                panel._asked(press("stocks", side, "005930") | typed)
            panel._asked(press("stocks", "above", "005930") | {"typed": {"price": "–"}})
            await carried_out(panel._work)
            await session.sleep(1)
            await drawn(session)
            assert [(a.above, a.price) for a in session.exits.price_alerts()] == [
                (True, quote.upper),
                (False, quote.lower),
            ]
            assert "The price '–' is not a whole number" in notes(heard)[0]
            panel._asked({"kind": "ready"})
            (row,) = shown(heard, "stocks")
            assert row[-1] == "show alert"

    asyncio.run(main())
