"""Where an order call is typed, in a real kernel. (Row O11)"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ipykernel
import pytest

from kisnb.session.typed_orders.call_text import cell_digest, digest
from tests.notebook.real_kernels import Kernel, kernel

# In a module, so that none of it is code of a cell.
DESK = '''
"""Stands for a session: keeps where each of its calls was typed."""

import threading

# Frames of kisnb are told by the name of their module.
__name__ = "kisnb.session.pretended"

from kisnb.errors import BadInput
from kisnb.session.typed_orders.cells import Cells, Ticket

seen = []


def note(name=""):
    try:
        found = Cells.here().origin()
    except BadInput as error:
        seen.append({"name": name, "error": str(error)})
        return
    if isinstance(found, Ticket):
        seen.append({"name": name, "ticket": found.where})
        return
    place = {field: getattr(found.place, field) for field in found.place.__struct_fields__}
    position = repr(found.position)
    seen.append({"name": name, **place, "position": position, "shown": found.shown})


def buy(name=""):
    note(name)
    return len(seen)


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def taken():
    taken, seen[:] = list(seen), []
    return taken
'''
NOTEBOOK = "/home/u/04_orders.ipynb"


@dataclass
class Front:
    """A front end of one kernel: runs cells, clicks buttons."""

    kernel: Kernel
    first: dict[str, Any]
    """Where the call was typed in the cell that acquired the hooks."""

    def __call__(self, text: str, cell_id: str | None = "x") -> list[dict[str, Any]]:
        """Run a cell; gives what its calls, and calls since the last cell, said."""
        self.kernel.ok(text, cell_id)
        return self.taken()

    def taken(self) -> list[dict[str, Any]]:
        output = self.kernel.ok("import json, desk_of_o11; print(json.dumps(desk_of_o11.taken()))")
        found: list[dict[str, Any]] = json.loads(output.text)
        return found

    def button(self, handler: str) -> str:
        """Make a button with this handler; gives the id of its comm."""
        output = self.kernel.ok(
            f"""
import ipywidgets
button = ipywidgets.Button()
button.on_click({handler})
print(button.comm.comm_id)"""
        )
        return output.text.strip()

    def send_click(self, comm: str) -> str:
        return self.kernel.send_click(comm)

    def click(self, comm: str) -> None:
        self.kernel.click(comm)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "desk_of_o11.py").write_text(DESK)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with kernel(folder / "state", PYTHONPATH=path, JPY_SESSION_NAME=NOTEBOOK) as started:
        made = Front(started, {})
        (made.first,) = made(OPENING, "opens")
        yield made


# Before, clicks waited for the end of the cell, and there were no subshells.
is_old = ipykernel.version_info[0] < 7
needs_ipykernel_7 = pytest.mark.skipif(is_old, reason="ipykernel 6 runs one thing at a time")

OPENING = """\
import asyncio, threading
import desk_of_o11 as desk
from kisnb.session.typed_orders.cells import Cells
Cells.of(get_ipython()).acquire()
desk.buy()"""


def test_o11_the_cell_that_opens_the_session_is_known(front):
    assert front.first["cell"] == "opens"
    assert front.first["texts"] == [cell_digest(OPENING)]
    assert front.first["run"] == 1
    assert front.first["call"] == digest("desk.buy()")
    assert front.first["shown"]


def test_o11_cell_notebook_and_count_are_as_the_front_end_shows_them(front):
    for text in ("desk.buy()", "await asyncio.sleep(0)\ndesk.buy()"):
        request = front.kernel.start(text, "c7")
        count = 0
        while not count:
            message = front.kernel.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == request:
                count = message["content"].get("execution_count", 0)
        front.kernel.finish(request)
        (place,) = front.taken()
        assert place["cell"] == "c7"
        assert place["notebook"] == NOTEBOOK
        assert place["where"].startswith(f"cell [{count}] of 04_orders.ipynb (process ")
    (nameless,) = front("desk.buy()", None)
    assert nameless["cell"] == ""


def test_o11_each_execution_is_a_run_also_of_cells_that_await(front):
    a, b = front("desk.buy()\nawait asyncio.sleep(0)\ndesk.buy()")
    (c,) = front("desk.buy()\nawait asyncio.sleep(0)")
    (d,) = front("desk.buy()")
    assert a["run"] == b["run"] < c["run"] < d["run"]
    assert len({place["kernel"] for place in (a, b, c, d)}) == 1
    assert a["position"] != b["position"]


def test_o11_a_loop_that_awaits_is_one_position(front):
    a, b, c = front("for _ in range(3):\n    desk.buy()\n    await asyncio.sleep(0)")
    assert a["position"] == b["position"] == c["position"]


def test_o11_a_task_that_outlives_its_cell_keeps_its_run(front):
    front(
        """
bells = asyncio.Queue()
async def bot():
    while True:
        await bells.get()
        desk.buy()
        bells.task_done()
task = asyncio.create_task(bot())""",
        "bot",
    )
    ring = "bells.put_nowait(1)\nawait bells.join()\n"
    (a,), (b,) = front(ring, "y"), front(f"{ring}1", "z")
    assert a["cell"] == b["cell"] == "bot"
    assert (a["run"], a["position"], a["call"]) == (b["run"], b["position"], digest("desk.buy()"))
    front("task.cancel()")


def test_o11_a_task_that_runs_alone_keeps_its_run_and_its_position(front):
    """Between cells, and while another cell runs."""
    first = front(
        """
told = asyncio.Event()
async def bot():
    for _ in range(2):
        await asyncio.sleep(0)
        desk.buy()
    told.set()
task = asyncio.create_task(bot())""",
        "alone",
    )
    a, b = first + front("await told.wait()", "y")
    assert a["cell"] == b["cell"] == "alone"
    assert (a["run"], a["position"]) == (b["run"], b["position"])


def test_o11_to_thread_keeps_its_run_and_other_threads_take_the_cell_that_runs_now(front):
    front(
        """
go, over = threading.Event(), threading.Event()
def late():
    go.wait()
    desk.buy("late")
    over.set()
task = asyncio.create_task(asyncio.to_thread(late))
def other():
    go.wait()
    desk.buy("other")
thread = threading.Thread(target=other)
thread.start()""",
        "starts",
    )
    found = {f["name"]: f for f in front("go.set()\nthread.join()\nawait task", "now")}
    assert found["late"]["cell"] == "starts"
    assert found["other"]["cell"] == "now"
    assert found["other"]["call"] == digest("desk.buy('other')")


def test_o11_each_click_is_a_ticket(front):
    comm = front.button("lambda _: desk.buy()")
    front.click(comm)
    front.click(comm)
    (a, b) = front.taken()
    assert "a click (process " in a["ticket"]
    assert a == b
    (typed,) = front("button.click()", "typed")
    assert typed["cell"] == "typed"


@needs_ipykernel_7
def test_o11_a_click_while_a_cell_awaits_is_a_ticket(front):
    comm = front.button("lambda _: (desk.buy('click'), clicked.set())")
    request = front.kernel.start(
        "clicked = asyncio.Event()\ndesk.buy('before')\nprint('ready', flush=True)\n"
        "await clicked.wait()\ndesk.buy('after')",
        "awaits",
    )
    front.kernel.wait_until_shown(request, "ready")
    front.send_click(comm)
    front.kernel.finish(request)
    before, click, after = front.taken()
    assert "ticket" in click
    assert before["run"] == after["run"]
    assert before["cell"] == after["cell"] == "awaits"


def test_o11_tasks_and_to_thread_of_a_click_are_tickets_also_later(front):
    comm = front.button(
        """lambda _: (
        globals().update(bell=asyncio.Event()),
        globals().update(task=asyncio.ensure_future(later()))
        )"""
    )
    front(
        """
async def later():
    await bell.wait()
    desk.buy()
    await asyncio.to_thread(desk.buy)"""
    )
    front.click(comm)
    a, b = front("bell.set()\nawait task", "y")
    assert "ticket" in a
    assert "ticket" in b


def test_o11_a_cell_after_a_click_that_failed_is_no_ticket(front):
    output = front.kernel.ok(
        """
import ipywidgets
slider = ipywidgets.IntSlider()
def moved(_):
    desk.buy()
    raise ValueError
slider.observe(moved, "value")
print(slider.comm.comm_id)"""
    )
    session = front.kernel.client.session
    data = {"method": "update", "state": {"value": 3}, "buffer_paths": []}
    message = session.msg("comm_msg", {"comm_id": output.text.strip(), "data": data})
    front.kernel.client.shell_channel.send(message)
    front.kernel.finish(message["header"]["msg_id"])
    moved, typed = front("desk.buy()", "next")
    assert "ticket" in moved
    assert typed["cell"] == "next"


def test_o11_h_a_thread_of_a_click_is_refused_while_no_cell_runs(front):
    comm = front.button("lambda _: desk.in_thread(lambda: desk.buy())")
    front.click(comm)
    (refused,) = front.taken()
    assert "while no cell runs" in refused["error"]


def test_o11_h_a_timer_of_a_thread_is_refused_while_no_cell_runs(front):
    front(
        """
loop = asyncio.get_running_loop()
def soon():
    loop.call_soon_threadsafe(lambda: desk.buy())"""
    )
    comm = front.button("lambda _: desk.in_thread(soon)")
    front.click(comm)
    (found,) = front.taken()
    # The loop calls back at once, or while the cell runs that asks what happened.
    assert "while no cell runs" in found.get("error", "") or found["cell"] == ""


def test_o11_h_a_thread_without_cell_code_is_refused(front):
    a, b = front("desk.in_thread(desk.buy)\nawait asyncio.to_thread(desk.buy)")
    assert "no code of a cell" in a["error"]
    assert "no code of a cell" in b["error"]


def test_o11_an_interrupted_cell_runs_no_more(front):
    endless = "print('ready', flush=True)\nwhile True: await asyncio.sleep(0)"
    request = front.kernel.start(endless, "stop")
    front.kernel.wait_until_shown(request, "ready")
    front.kernel.interrupt()
    assert front.kernel.finish(request).error
    comm = front.button("lambda _: desk.in_thread(lambda: desk.buy())")
    front.click(comm)
    (refused,) = front.taken()
    assert "while no cell runs" in refused["error"]


@needs_ipykernel_7
def test_o11_cells_and_clicks_in_a_subshell(front):
    client = front.kernel.client
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    reply = client.get_control_msg(timeout=60)
    subshell = reply["content"]["subshell_id"]

    def aside(text: str) -> str:
        """Start a cell in the subshell."""
        content = {"code": text, "silent": False, "store_history": True}
        message = client.session.msg("execute_request", content, metadata={"cellId": "aside"})
        message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    # The front end's answers go to the shell that made the widget.
    button = aside(
        "import ipywidgets\nbutton = ipywidgets.Button()\nprint(button.comm.comm_id)\n"
        "button.on_click(lambda _: (desk.buy('click'), clicked.set()))"
    )
    comm = front.kernel.finish(button).text.strip()
    request = front.kernel.start(
        "clicked = threading.Event()\nprint('ready', flush=True)\nclicked.wait()\ndesk.buy('main')",
        "main",
    )
    front.kernel.wait_until_shown(request, "ready")
    front.kernel.finish(aside("desk.buy('aside')"))
    front.send_click(comm)
    front.kernel.finish(request)
    found = {f["name"]: f for f in front.taken()}
    assert found["main"]["cell"] == "main"
    assert found["aside"]["cell"] == "aside"
    assert found["aside"]["run"] > found["main"]["run"]
    assert "ticket" in found["click"]
