"""A02–A04, N03, O11: what people do in cells and handlers, in real kernels while the simulated
clock runs freely, with no harm to the rest."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.waiting import wait_until

from .real_kernels import Kernel, kernel, stop_desk

OPEN = "%kis open sim --seed 1 --date 2026-11-20 --start 09:00"
AGENTS = """
import asyncio, sys, kisnb
class Count(kisnb.Agent):
    code = "005930"
    seen = 0
    def on_tick(self, tick): self.seen += 1
class Loop(kisnb.Agent):
    code = "005930"
    def on_tick(self, tick):
        print("stuck", flush=True, file=sys.__stdout__)
        stuck.touch()
        while True: pass
class Exits(kisnb.Agent):
    code = "005930"
    async def on_tick(self, tick):
        await asyncio.sleep(0.01)
        sys.exit()
class Typo(kisnb.Agent):
    code = "005930"
    def on_tick(self, tick):
        if tick.prise > 0:
            self.buy(1)
"""
HEARD = "before = count.seen\nwhile count.seen == before: await asyncio.sleep(0.01)"


@pytest.fixture(scope="module")
def k(tmp_path_factory):
    """One kernel for the tests that need no others, with an agent that counts trades.

    The clock is fast, because the tests wait for trades again and again.
    """
    state = tmp_path_factory.mktemp("edges") / "state"
    with kernel(state, KISNB_SIM_SPEED="20") as started:
        started.ok("%load_ext kisnb")
        started.ok(OPEN)
        started.ok(f"import pathlib\nstuck = pathlib.Path({str(state)!r}) / 'stuck'\n{AGENTS}")
        started.ok("count = Count()\nawait session.agents.start(count)")
        started.state = state
        yield started
    stop_desk(state)


def orders_of(k: Kernel) -> int:
    return int(k.ok("print(len(session.book.orders))").text)


# handlers


def test_a04_a_handler_that_exits_after_an_await_stops_its_agent_alone(k):
    k.ok("await session.agents.start(Exits())")
    k.ok("while session.agents['Exits-005930'].host.state == 'running': await asyncio.sleep(0.01)")
    assert (
        k.ok("print(session.agents.error('Exits-005930').strip().splitlines()[-1])").text
        == "SystemExit\n"
    )
    k.ok(HEARD)


@pytest.mark.parametrize(
    "does",
    [
        "raise asyncio.CancelledError",
        "raise GeneratorExit",
        "asyncio.current_task().x",
        "self.sell('many')",
        "sys.exit()",
    ],
)
def test_a03_whatever_a_handler_raises_in_a_sweep_the_order_books_are_the_brokers(k, does):
    """A market order that walks up a thin stock's depth is mostly filled in several parts."""
    k.ok(f"""
class Sweeps(kisnb.Agent):
    code = "0004V0"
    def on_start(self): self.buy(1500)
    def on_fill(self, order, fill): {does}
view = await session.agents.start(Sweeps())
order = session.agents["Sweeps-0004V0"].book.last
while not order.is_ended: await asyncio.sleep(0.01)
""")
    told = (
        "print(session.agents['Sweeps-0004V0'].host.state, session.book.position('0004V0').qty "
        "== held)"
    )
    truth = (
        "ledger = await session.simulator.ledger()\n"
        "held = {h['code']: h['qty'] for h in ledger['holdings']}.get('0004V0', 0)"
    )
    assert k.ok(f"{truth}\n{told}").text == "failed True\n"
    assert int(k.ok("print(len(session.agents['Sweeps-0004V0'].book.last.fills))").text) >= 1
    k.ok(HEARD)


def test_a03_a_failed_agent_turns_the_output_of_its_start_cell_red_with_the_line(k):
    request = k.start("await session.agents.start(Typo())")
    # What is printed on stderr has a red ground in a notebook; it comes when the first trade does.
    k.wait_until_shown(request, "agent Typo-005930 failed: Typo.on_tick, line")
    assert (
        "AttributeError: 'Tick' object has no attribute 'prise'"
        in k.ok("print(session.agents.error('Typo-005930'))").text
    )
    k.ok(HEARD)


def test_a04_the_interrupt_stops_a_handler_that_loops_while_no_cell_runs(k):
    # Its outcome is not waited for: the first trade may come before the cell has ended.
    k.start("await session.agents.start(Loop())")
    wait_until((k.state / "stuck").exists)
    # A cell that is sent now waits behind the handler.
    request = k.start("print(session.agents['Loop-005930'].note)")
    assert "while True: pass" in k.interrupt_until_idle(request).text
    assert k.ok("print(session.agents['Loop-005930'].host.state)").text == "paused\n"
    k.ok(HEARD)
    k.ok("await session.agents.stop('Loop-005930')")


def test_an_order_typed_on_an_agent_outside_its_handlers_is_refused(k):
    before = orders_of(k)
    assert "An agent orders in its handlers" in k.run("count.buy(1)").error
    assert orders_of(k) == before


def test_a_typed_order_in_a_handler_is_refused_also_while_a_cell_runs(k):
    before = orders_of(k)
    typed = """
class Types(kisnb.Agent):
    code = "005930"
    async def on_tick(self, tick): await session.buy("005930", 4)
await session.agents.start(Types())
while session.agents["Types-005930"].host.state == "running": await asyncio.sleep(0.01)
print(session.agents.error("Types-005930"))
"""
    text = k.ok(typed).text
    assert "A handler of agent Types-005930 ordered through the session; nothing was sent." in text
    assert "self.buy(...)" in text
    assert orders_of(k) == before


def test_a02_two_starts_at_once_run_an_agent_once(k):
    twice = """
class Once(kisnb.Agent):
    code = "000660"
    started = 0
    def on_start(self): Once.started += 1
print([type(e).__name__ for e in
       await asyncio.gather(session.agents.start(Once()), session.agents.start(Once()),
           return_exceptions=True)])
print(Once.started)
await session.agents.stop("Once-000660");
"""
    assert k.ok(twice).text.splitlines()[:2] == ["['AgentView', 'DeskBusy']", "1"]


# loops, threads, processes


def test_a_call_in_another_loop_says_so_at_once_and_nothing_is_sent(k):
    before = orders_of(k)
    elsewhere = """
import threading
said = []
def other():
    try:
        asyncio.run(session.buy("005930", 1))
    except Exception as e:
        said.append(f"{type(e).__name__}: {e}")
thread = threading.Thread(target=other)
thread.start()
thread.join()
print(said[0])
"""
    assert k.ok(elsewhere).text.startswith(
        "BadInput: This session lives in another event loop; nothing was sent."
    )
    assert orders_of(k) == before


def test_a_session_does_not_cross_a_process(k):
    forked = """
import os
read, write = os.pipe()
if (child := os.fork()) == 0:
    try:
        session.blocking.buy("005930", 1)
    except BaseException as e:
        os.write(write, f"{type(e).__name__}: {e}".encode())
    os._exit(0)
os.waitpid(child, 0)
print(os.read(read, 1000).decode())
"""
    assert (
        "BadInput: A session cannot be used in another process; nothing was sent."
        in k.ok(forked).text
    )
    for copy in ("import pickle; pickle.dumps(session)", "import copy; copy.deepcopy(session)"):
        assert k.run(copy).error.startswith(
            "BadInput: A session cannot be copied or used in another process"
        )
    assert k.ok("print(type(copy.deepcopy(count)).__name__)").text == "Count\n"


# one session for each mode


def test_one_kernel_has_one_session_for_each_mode(k):
    assert k.ok("print((await kisnb.connect('sim')) is session)").text == "True\n"
    assert k.ok("print((await kisnb.connect('sim', seed=1)) is session)").text == "True\n"
    again = f"x = {OPEN}\nprint(x is session)"
    assert k.ok(again).text == "True\n"
    both = (
        "a, b = await asyncio.gather(kisnb.connect('sim'), kisnb.connect('sim'))\n"
        "print(a is b is session)"
    )
    assert k.ok(both).text == "True\n"
    refused = k.run("await kisnb.connect('sim', seed=2)").error
    assert refused.startswith("ConfigError: ")
    assert "fresh" in refused
    assert k.ok("print(session.closed, len(session.agents) > 0)").text == "False True\n"


# interrupts and errors


def test_a_broad_except_does_not_swallow_the_interrupt(k):
    cell = """
import asyncio
asyncio.get_running_loop().call_soon(print, 'go')
for n in range(500):
    try:
        %kis quote 005930
    except Exception as e:
        print(e)
"""
    request = k.start(cell)
    k.wait_until_shown(request, "go")
    k.interrupt()
    assert re.search("Interrupted|KeyboardInterrupt", k.finish(request).error)


@pytest.mark.parametrize("call", ["session.sleep(100)", "session.until('15:00')"])
def test_an_interrupted_wait_is_one_line(k, call):
    request = k.start(f"asyncio.get_running_loop().call_soon(print, 'go')\nawait {call}")
    k.wait_until_shown(request, "go")
    k.interrupt()
    error = k.finish(request).error
    assert error.startswith("Interrupted: The cell was interrupted.")
    assert len(error.splitlines()) == 1


def test_an_interrupted_order_of_a_desk_that_stands_still_is_one_line_and_one_order(k):
    before = orders_of(k)
    cell = "asyncio.get_running_loop().call_soon(print, 'go')\nawait session.buy('005930', 3)"
    desk = int(k.ok("print(session._parts.link.state.desk.process)").text)
    os.kill(desk, signal.SIGSTOP)
    try:
        request = k.start(cell, "interrupted")
        k.wait_until_shown(request, "go")
        k.interrupt()
        error = k.finish(request).error
    finally:
        os.kill(desk, signal.SIGCONT)
    assert error.startswith("Interrupted: The cell was interrupted.")
    assert len(error.splitlines()) == 1
    k.ok(cell, "interrupted")
    assert orders_of(k) == before + 1


def test_a_call_that_is_not_awaited_says_that_nothing_was_sent(k):
    before = orders_of(k)
    assert (
        "<not sent: buy 3 005930 @ 60,000. Write await"
        in k.ok("session.buy('005930', 3, 60000)").text
    )
    dropped = k.ok("session.buy('005930', 3, 60000)\nprint('on')").text
    assert "buy 3 005930 @ 60,000 was not awaited: nothing was sent." in dropped
    assert orders_of(k) == before


def test_errors_of_a_task_group_are_a_line_each_and_name_the_orders_that_live(k):
    group = """
low = (await session.quote("005930")).lower
async with asyncio.TaskGroup() as g:
    for code, qty, price in [("005930", 1, low), ("000660", 1_000_000, None),
        ("035420", 1, 199_001)]:
        g.create_task(session.buy(code, qty, price))
"""
    error = k.run(group).error
    lines = error.splitlines()
    assert lines[0].startswith("OrderDenied: ")
    assert "Traceback" not in error
    assert "Orders of this cell that live on:" in lines
    assert "buy 1 005930" in lines[-1]
    k.ok("await session.cancel('all');")
    bug = "async def bug(): 1 / 0\nasync with asyncio.TaskGroup() as g:\n    g.create_task(bug())"
    shown = k.run(bug)
    assert "Traceback" in shown.text + shown.error
    assert "ZeroDivisionError" in shown.text + shown.error


# without the extension


def test_o11_without_the_extension_a_cell_is_the_same_order(tmp_path):
    state = tmp_path / "state"
    cell = """
import kisnb
session = await kisnb.connect("sim", seed=7)
order = await session.buy("005930", 10)
print(order.number, len(session.book.orders))
"""
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        first = k.ok(cell, "a").text.splitlines()
        again = [k.ok(cell, "a").text.splitlines() for _ in range(2)]
        assert first[-1].split()[1] == "1"
        assert [lines[-1] for lines in again] == [first[-1]] * 2
        assert "sent before, at 09:00:0" in again[0][0]
        k.kill()
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        assert k.ok(cell, "another id").text.splitlines()[-1] == first[-1]
        assert "OrderDenied" in k.run('x = await session.buy("005930", 10)', "elsewhere").error
    stop_desk(state)


def test_closing_ends_the_session_for_all_who_use_it_and_names_the_agents(tmp_path):
    state = tmp_path / "state"
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        k.ok("import kisnb\nclass Count(kisnb.Agent):\n    code = '005930'")
        k.ok("session = await kisnb.connect('sim')\nawait session.agents.start(Count());")
        said = k.ok(
            "async with await kisnb.connect('sim') as other: pass\nprint(session.closed)"
        ).text
        assert (
            "[SIM] Stopped with the session: Count-005930. Their orders stay in the market." in said
        )
        assert said.endswith("True\n")
        assert k.ok("print((await kisnb.connect('sim')) is session)").text == "False\n"
    stop_desk(state)
