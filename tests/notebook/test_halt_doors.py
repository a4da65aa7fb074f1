"""The kill switch from outside the kernel, while nothing in the kernel turns. Rows A07, A04."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kisnb.cli import main
from kisnb.desk.address import desk_folder, find_desk
from kisnb.desk.run.halt_file import halt_file
from kisnb.errors import BadInput, ConfigError, OrderDenied
from kisnb.notebook.panels.libraries import LIBRARIES, library
from kisnb.orders import OrderState
from kisnb.paths import write_private
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.desk.served import seen
from tests.desk.test_full_disk import full_disk
from tests.session.opening import desk_log, on_simulated_day, posts, traded
from tests.waiting import wait_until

CODE = "005930"
THIN = "0004V0"
TOKEN = "made-up-for-this-test"


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Jupyter's server with the route; gives its address."""
    number = port()
    settings = {
        "ServerApp.token": TOKEN,
        "ServerApp.port": number,
        "ServerApp.root_dir": tmp_path,
        "ServerApp.jpserver_extensions": '{"kisnb.notebook.server_extension": True}',
    }
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    folders = {
        f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    process = subprocess.Popen(command, env={**os.environ, **folders}, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{number}"
    wait_until(lambda: answers(address), 60)
    yield address
    process.terminate()
    process.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api", timeout=5):
            return True
    except OSError:
        return False


def post(address: str, body: object, token: str = TOKEN) -> tuple[int, dict]:
    request = urllib.request.Request(
        f"{address}/kisnb/halt", json.dumps(body).encode(), method="POST"
    )
    request.add_header("Authorization", f"token {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


async def resting(session: Session) -> None:
    """A buy that stays open: far below the market."""
    base = session.universe.get(CODE).base
    await session.buy(CODE, 1, base * 8 // 10 // 100 * 100)


def test_a07_the_browsers_route_cancels_all_while_the_kernel_spins(server: str):
    async def work(session: Session) -> None:
        await resting(session)
        # From here to the answer the loop of the notebook does not turn.
        status, said = post(server, {"mode": "sim", "reason": "from the browser"})
        assert status == 200
        assert [s["step"] for s in said["steps"]][-3:] == ["state", "snapshot", "notify"]
        assert all(s["done"] for s in said["steps"])
        (notice,) = said["notices"]
        assert notice["kind"] == "past"
        assert (
            "10:00:00 notify: kill switch: from the browser; the desk is halted" in notice["text"]
        )
        await session.sleep(1)
        assert [o.state for o in session.book.orders.values()] == [OrderState.CANCELLED]
        with pytest.raises(OrderDenied, match="The desk is halted: from the browser"):
            await session.buy(CODE, 1)
        assert "halted because of 'from the browser'" in await session.resume("tried")

    traded(work)
    assert "kill switch: notify done" in desk_log()


def test_a07_the_route_is_closed_to_strangers_and_names_what_is_wrong(server: str):
    assert post(server, {"mode": "sim"}, token="wrong")[0] == 403
    assert post(server, {"mode": "sim"}) == (
        400,
        {"message": "No sim desk runs. Open it with %kis open."},
    )
    assert post(server, ["sim"])[0] == 400


def test_n04_the_server_gives_the_libraries_of_the_panels_once_and_nothing_else(server: str):
    for file in LIBRARIES.values():
        with urllib.request.urlopen(f"{server}/kisnb/vendor/{file}", timeout=20) as reply:
            assert reply.read() == library(file)
            assert "immutable" in reply.headers["Cache-Control"]
            kind = "text/css" if file.endswith(".css") else "text/javascript"
            assert reply.headers["Content-Type"].startswith(kind)
    for other in ("README.md", "../libraries.py", "tabulator-1.0.0.min.mjs"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server}/kisnb/vendor/{other}", timeout=20)
        assert refused.value.code in (403, 404)
        assert library(other) is None


def test_a07_the_halt_file_halts_and_keeps_from_lifting():
    async def work(session: Session) -> None:
        await resting(session)
        halt_file().write_text("fire drill", "utf-8")
        wait_until(lambda: "kill switch: notify" in desk_log())
        await session.sleep(1)
        assert session.halt_state == "halted"
        with pytest.raises(ConfigError, match="Remove it first"):
            await session.resume("over")
        halt_file().unlink()
        with pytest.raises(BadInput, match="reason to lift the halt"):
            await session.resume("")
        assert "fire drill" in await session.resume("over")
        await session.buy(CODE, 1)

    traded(work)
    assert len(posts()) == 2


def test_a07_the_command_line_flattens_and_prints_each_step(capsys: pytest.CaptureFixture[str]):
    async def work(session: Session) -> None:
        await session.buy(CODE, 3)
        await session.sleep(1)
        assert main(["halt", "--flatten", "going", "home"]) == 0
        await session.sleep(1)
        assert session.book.position(CODE).qty == 0
        assert session.halt_state == "halted"

    traded(work)
    printed = capsys.readouterr().out
    assert "block: no new order passes: going home" in printed
    assert f"flatten: sell 3 {CODE} market is on its way" in printed
    assert "flatten: nothing is held, as KIS confirms" in printed


@on_simulated_day(start="09:00")
async def test_a07_a_thin_stock_is_sold_again_until_nothing_is_left(session: Session) -> None:
    for _ in range(5):
        await session.buy(THIN, 2000, again=_)
    held = session.book.position(THIN).qty
    assert held > 5000
    steps = await session.halt("going home", flatten=True)
    said = [step for step in steps if step.step == "flatten"][-1]
    if not said.done:
        assert f"{THIN}: " in said.text
    while session._parts.state.desk.flatten_reason is not None:
        await session.sleep(5)
    assert session.book.position(THIN).qty == 0
    assert (await session.balance()).holdings == ()
    assert any(
        "nothing is held, as KIS confirms" in step.text for step in session.status.halt_steps
    )


def test_a07_a_halt_pulled_on_a_full_disk_is_carried_out_when_there_is_room(
    capsys: pytest.CaptureFixture[str],
):
    async def work(session: Session) -> None:
        await resting(session)
        with full_disk():
            assert await asyncio.to_thread(main, ["halt", "smoke"]) == 1
            steps = await session.halt("smoke in the room")
            assert [s.done for s in steps if s.step == "cancel"] == [False]
        await seen(lambda: session.status.link != "up")
        await session.sleep(1)
        assert session.halt_state == "halted"
        with pytest.raises(OrderDenied, match="The desk is halted"):
            await session.buy(CODE, 1, key="k")
        assert [o.state for o in session.book.orders.values() if o.number] == [OrderState.CANCELLED]

    traded(work)
    printed = capsys.readouterr().out
    assert "sim cancel: FAILED: nothing can be cancelled" in printed
    assert len(posts()) == 1


def test_a07_a_desk_that_does_not_answer_is_halted_by_the_file(capsys: pytest.CaptureFixture[str]):
    async def work(session: Session) -> None:
        address = desk_folder(Mode.SIM) / "address.json"
        known = json.loads(await asyncio.to_thread(address.read_text))
        # As when another desk had written its own address over this one's.
        write_private(address, json.dumps({**known, "secret": "of another desk"}))
        assert await asyncio.to_thread(main, ["halt", "the door is gone"]) == 1
        await seen(lambda: session.halt_state == "halted")
        assert halt_file().read_text("utf-8") == "the door is gone"

    traded(work)
    said = capsys.readouterr().err
    assert "a desk that lives halts when it sees it" in said


def test_a07_a_desk_that_has_just_died_is_halted_when_it_is_back(
    capsys: pytest.CaptureFixture[str],
):
    async def work(session: Session) -> None:
        await resting(session)
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGKILL)
        assert await asyncio.to_thread(main, ["halt"]) == 0
        await session.sleep(1)
        assert session.halt_state == "halted"
        assert [o.state for o in session.book.orders.values()] == [OrderState.CANCELLED]

    traded(work)
    assert "sim notify: " in capsys.readouterr().out
    main(["desk", "stop"])
    assert main(["halt"]) == 1
    assert "no desk runs" in capsys.readouterr().err


@on_simulated_day()
async def test_a04_the_tasks_of_desk_and_session_have_owners(session: Session) -> None:
    tree = await session.tasks()
    assert tree.splitlines()[0] == "desk"
    assert "    HALT file" in tree
    assert "    conductor" in tree
    assert "  DeskServer" in tree
    assert not [line for line in tree.splitlines() if "Task-" in line]
