"""What a person sees of the kill switch: the present state, in the same words everywhere.

Rows A07, N04.
"""

from __future__ import annotations

import asyncio
import html
import os
import signal

import pytest

import kisnb
from kisnb.cli import main
from kisnb.desk.address import find_desk
from kisnb.events import Trouble
from kisnb.notebook.panels.desk_head import header
from kisnb.notebook.panels.desk_html import desk_html, desk_text
from kisnb.notebook.rendering.display import LOOKS
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.session.opening import on_simulated_day

FOG = "halted because of 'fog': cancels alone pass; "
ACTIVE = "active: orders pass"


def places(session: Session) -> dict[str, str]:
    """What each place that tells of the trading state says."""
    panel = header(session)
    return {
        "panel": str(panel["trading"]),
        "html": desk_html(session, ()),
        "text": desk_text(session),
        "repr": repr(session),
        "agents": LOOKS["kisnb.session.agents.roster", "Roster"](session.agents, session.mode)[
            "text/plain"
        ],
    }


async def status(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["desk", "status"]) == 0
    return capsys.readouterr().out


@on_simulated_day()
async def test_a07_a_lifted_halt_is_seen_nowhere_and_nothing_of_it_stays_in_the_panel(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await session.buy("005930", 3)
    await session.halt("fog", state="reducing")
    assert "reducing because of 'fog'" in str(header(session)["trading"])
    assert "the desk is reducing" in str(header(session)["notices"])
    await session.resume("it is clear")
    await seen(lambda: session.trading.name == "active")
    assert header(session)["notices"] == []
    for place, text in {**places(session), "status": await status(capsys)}.items():
        assert "fog" not in text, place
        assert "reducing" not in text, place
    assert ACTIVE in str(header(session)["trading"])


@on_simulated_day()
async def test_a07_a_halt_reads_the_same_in_every_notebook_late_or_early_and_after_the_desks_death(
    first: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await first.buy("005930", 3)
    await first.halt("fog")
    async with await kisnb.connect("sim") as late:
        assert header(late)["notices"] == header(first)["notices"]
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        await seen(lambda: first.status.doubt != "" and late.status.doubt != "")
        assert header(first)["trading"] == header(late)["trading"]
        assert "not known since" in str(header(first)["trading"])
        await seen(lambda: first.status.doubt == late.status.doubt == "")
        sentence = first.trading.text
        assert sentence.startswith(FOG)
        for session in (first, late):
            for place, text in places(session).items():
                assert sentence in html.unescape(text) or sentence in text, place
        assert sentence in await status(capsys)


@on_simulated_day()
async def test_a07_a_session_that_is_closed_claims_nothing_about_the_desk(session: Session) -> None:
    await session.halt("fog")
    await session.close()
    assert str(header(session)["trading"]).count("not known since") == 1


@on_simulated_day()
async def test_what_the_desk_told_stands_behind_its_time(session: Session) -> None:
    await session.cancel("all")
    session._parts.state.apply(Trouble(session.now, "a call to KIS failed"))
    session._parts.state.apply(
        Trouble(session.now, f"{session.status.clock_text()} it is asked again")
    )
    assert session.troubles == ["10:00:00 a call to KIS failed", "10:00:00 it is asked again"]
    assert [n["kind"] for n in header(session)["notices"]] == ["past", "past"]


@on_simulated_day()
async def test_a07_a_flatten_with_a_rest_says_what_is_left_everywhere_until_a_person_ends_it(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await session.buy("005930", 3)
    await session.until("20:05")
    await session.halt("home", flatten=True)
    sentence = session.trading.text
    assert sentence.startswith(
        "a flatten is at work because of 'home': its sells alone pass, until nothing is"
    )
    assert (
        "(in a terminal: kisnb halt --off REASON) ends it, and the desk stays halted; left "
        "are 3 005"
    ) in sentence
    async with await kisnb.connect("sim") as late:
        assert late.trading == session.trading
        assert header(late)["notices"] == header(session)["notices"]
        assert "FAILED" not in str(header(late)["notices"])
    assert sentence in await status(capsys)
    assert "flattening" in str(header(session)["kill"])
    said = await session.resume("I keep them")
    assert "left are 3 005930" in said
    assert "is tried again" not in said
    await seen(lambda: session.trading.name != "flattening")
    assert session.trading.text.startswith("halted because of 'home'")
    assert "flatten: ended: I keep them" in str(header(session)["notices"])
    assert "left are" not in str(header(session))
