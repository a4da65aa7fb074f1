"""N02, N03, O11, N11: a day at the desk in a real kernel, on the real desk and simulator, in
lockstep."""

import re
import subprocess
import sys

import pytest

from .real_kernels import kernel, stop_desk

OPEN = "%kis open sim --seed 1 --date 2026-11-20 --start 09:00"
SAY_GO = "import asyncio; asyncio.get_running_loop().call_soon(print, 'go')"
HEARD = "before = agent.seen\nwhile agent.seen == before: await session.sleep(0.1)\n"


@pytest.fixture(scope="module")
def k(tmp_path_factory):
    """One kernel and one desk for the tests that need no others."""
    state = tmp_path_factory.mktemp("shared") / "state"
    with kernel(state, KISNB_SIM_SPEED="step") as started:
        started.ok("%load_ext kisnb")
        started.ok(OPEN)
        started.state = state
        yield started
    stop_desk(state)


@pytest.fixture(scope="module")
def free_running(tmp_path_factory):
    """One kernel whose simulated clock goes on by itself, for the tests that interrupt cells."""
    state = tmp_path_factory.mktemp("free") / "state"
    with kernel(state, KISNB_SIM_SPEED="20") as started:
        started.ok("%load_ext kisnb")
        started.ok(OPEN)
        yield started
    stop_desk(state)


@pytest.fixture
def sent(k):
    """How many orders came into the book since the last call."""

    def since() -> int:
        nonlocal before
        count, before = orders_of(k) - before, orders_of(k)
        return count

    before = orders_of(k)
    return since


def orders_of(k) -> int:
    return int(k.ok("print(len(session.book.orders))").text)


def test_n02_awaitable_assignable_in_loops_with_names_and_in_korean(k):
    assert "005930" in k.ok("%kis quote 005930").text
    assert k.ok("q = %kis quote 삼성전자\nprint(q.code, type(q).__name__)").text == "005930 Quote\n"
    loop = k.ok(
        "for 종목 in ['005930', '000660']:\n    x = %kis quote {종목}\n    print('가격', x.code)"
    )
    assert loop.text == "가격 005930\n가격 000660\n"
    inside = (
        "async def look(code):\n    d = %kis depth {code}\n    return d\n"
        "d = await look('005930')\nprint(d.code)"
    )
    assert k.ok(inside).text == "005930\n"
    many = k.ok("%%kis\nquote 005930\n# the other one\nquote 000660;\ndepth 000660")
    assert [b["text/plain"].split()[1] for b in many.bundles] == ["005930", "000660"]


def test_n02_a_closing_semicolon_is_silence(k):
    assert k.ok("%kis quote 005930;").text == ""
    assert k.ok("q = %kis quote 005930;\nprint(q.code)").text == "005930\n"


def test_n02_where_await_cannot_be_the_answer_comes_through_the_io_thread(k, sent):
    assert (
        k.ok("def f(code):\n    q = %kis quote {code}\n    return q\nprint(f('005930').code)").text
        == "005930\n"
    )
    timed = k.ok("%time %kis quote 005930").text
    assert "Wall time" in timed
    assert "005930" in timed
    captured = "%%capture seen\nget_ipython().run_line_magic('kis', 'quote 005930')"
    assert k.ok(captured).text == ""
    assert "005930" in k.ok("print(seen.outputs[0].data['text/plain'])").text
    ordered = k.ok(
        "def order(n):\n    o = %kis buy 005930 {n}\n    return o\nprint(order(3).quantity)", "sync"
    )
    assert ordered.text.startswith("[SIM] #")
    assert ordered.text.endswith("\n3\n")
    assert sent() == 1


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%kis quote 삼성전쟈", "삼성전자"),
        ("%kis buy 00593 1", "005930"),
        ("%kis buy 005930 0", "at least 1 share"),
        ("%kis buy 005930 1 1", "."),
        ("%kis cancel 999999", "999999"),
        ("%kis until 25:00", "HH:MM"),
        ("%kis agents stop nobody", "nobody"),
        ("%kis agents start volume_triger --code 005930", "Did you mean volume_trigger?"),
        ("%kis agents start volume_trigger --code 005930 --qtty 1", "qty"),
        ("%kis panel nothing", "nothing"),
        ("await session.buy('005930', 1, 71_001.5)", "whole"),
    ],
)
def test_n03_a_mistake_is_one_line_and_stops_run_all(k, cell, said):
    shown = k.run(cell).error
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert re.match(r"[A-Z]\w+: ", shown)


def test_n02_a_search_that_finds_nothing_says_so_with_the_cure(k):
    found = k.ok("found = %kis search zzz\nprint(found.height)").text
    assert found.startswith("[SIM] None of the ")
    assert "'zzz'" in found
    assert "initial consonants" in found
    assert found.endswith("\n0\n")
    assert "Did you mean 삼성전자?" in k.ok("%kis search 삼성전쟈").text
    assert "None of" not in k.ok("%kis search 삼성").text


def test_o11_a_wish_of_a_cell_is_one_order_until_again_says_otherwise(k, sent):
    first = k.ok("%kis buy 005930 10", "a").text
    assert "buy 10 005930 market" in first
    number = re.search(r"#\d+ ", first)[0]
    shown = k.ok("%kis buy 005930 10", "a").text
    assert number in shown
    assert re.search(
        r"sent before, at 09:\d\d:\d\d from cell \[\d+\] \(process \d+\); nothing new was sent",
        shown,
    )
    assert "--again 1 (again=1) sends another" in shown
    assert sent() == 1
    # The text of a cell is not part of the order: an edited line and a comment change nothing.
    assert number in k.ok("x = 1\n%kis buy 005930 10  # edited", "a").text
    assert sent() == 0
    elsewhere = k.run("o = await session.buy('005930', 10)", "b").error
    assert elsewhere.startswith(
        f"OrderDenied: Another cell already sent {number}buy 10 005930 market"
    )
    assert "--again 1 (again=1)" in elsewhere
    assert "key='NAME'" in elsewhere
    k.ok("o = await session.buy('005930', 10, again=1)", "b")
    k.ok("o = await session.buy('005930', 10, again=1)", "b")
    assert sent() == 1
    k.ok(
        (
            "%kis buy 005930 1\n%kis buy 005930 1\nfor n in range(2):\n"
            "    await session.buy('005930', 2, again=n)"
        ),
        "d",
    )
    assert sent() == 4


def test_o11_an_order_in_a_loop_is_numbered(k, sent):
    loop = "for _ in range(3):\n    await session.buy('005930', 6)"
    assert "Number the orders of a loop from 0 with again=i" in k.run(loop, "loop").error
    assert sent() == 1
    numbered = "for i in range(3):\n    %kis buy 005930 6 --again {i}"
    k.ok(numbered, "loop")
    k.ok(numbered, "loop")
    assert sent() == 2


def test_every_order_leaves_a_line_and_none_is_shown_twice(k):
    in_loop = k.ok("for code in ('005930', '000660'):\n    %kis buy {code} 7").text
    assert [line[:8] for line in in_loop.splitlines()] == ["[SIM] #1", "[SIM] #1"] or in_loop.count(
        "[SIM] #"
    ) == 2
    two = k.ok("%kis sell 005930 7\n%kis sell 000660 7")
    assert two.text.count("sell 7 005930") == two.text.count("sell 7 000660") == 1
    assert k.ok("%kis buy 005930 8;").text == ""
    assert k.ok("await session.sell('005930', 8)").text.count("sell 8") == 1


def test_o11_other_values_under_the_same_key_are_refused_with_both_shown(k, sent):
    k.ok("qty = 13")
    k.ok("%kis buy 005930 {qty}", "values")
    k.ok("qty = 14")
    shown = k.run("%kis buy 005930 {qty}", "values").error
    assert shown.startswith("OrderDenied: This call already sent #")
    assert "buy 13 005930" in shown
    assert "buy 14 005930" in shown
    assert sent() == 1


CELLS = {
    "load": "%load_ext kisnb",
    "open": OPEN,
    "magic": "%kis buy 005930 10",
    "python": (
        "price = (await session.quote('005930')).lower\no = await session.buy('005930', 5, price)"
    ),
    "twice": "await session.buy('000660', 1); await session.buy('000660', 1)",
    "sell": "%kis sell 005930 4",
}


@pytest.mark.parametrize(
    "with_ids", [True, False], ids=["JupyterLab sends ids", "nbclient sends none"]
)
def test_o11_killing_the_kernel_and_run_all_sends_each_order_once(state, with_ids):
    for _ in range(2):
        with kernel(state) as k:
            for cell_id, text in CELLS.items():
                k.ok(text, cell_id if with_ids else None)
            assert orders_of(k) == 5
            keys = k.ok("print(sorted(session.book.orders))").text
            k.kill()
        if _ == 0:
            first = keys
    assert keys == first


def test_open_again_is_the_same_session_and_another_target_closes_it(state):
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok(OPEN)
        same = k.ok(f"before = session\nafter = {OPEN}\nprint(after is before, session is before)")
        assert same.text == "True True\n"
        assert k.ok("again = %kis open sim\nprint(again is before)").text == "True\n"
        fresh = k.ok(
            "new = %kis open sim --seed 2 --date 2026-11-20 --fresh\n"
            "print(new is before, before.closed)"
        )
        assert fresh.text == "False True\n"


def test_a_variable_called_session_is_left_alone(state):
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok("session = 'mine'")
        assert "of yours" in k.ok(OPEN).text
        assert k.ok("print(session)").text == "mine\n"
        assert "005930" in k.ok("%kis quote 005930").text


def test_o11_a_session_of_kisnb_connect_has_keys_of_cells_too(state):
    with kernel(state) as k:
        k.ok("%load_ext kisnb\nimport kisnb")
        k.ok("session = await kisnb.connect('sim', seed=1, date='2026-11-20', start='09:00')")
        for _ in range(2):
            k.ok("await session.buy('005930', 1)", "a")
        assert orders_of(k) == 1
        assert "005930" in k.ok("%kis quote 005930").text


def test_agents_are_started_by_name_and_steered(k):
    started = k.ok("%kis agents start volume_trigger --code 삼성전자 --qty 2")
    assert "005930" in started.text
    ids = k.ok("print(*[a.id for a in session.agents])").text.split()
    assert len(ids) == 1
    assert k.ok(f"print(session.agents['{ids[0]}'].qty)").text == "2\n"
    assert "running" in k.ok("%kis agents").text
    k.ok(f"%kis agents pause {ids[0]}")
    assert "paused" in k.ok("%kis agents").text
    k.ok(f"%kis agents stop {ids[0]}")
    assert "stopped" in k.ok("%kis agents").text


def test_time_stands_between_cells_and_goes_where_it_is_asked_to(k):
    k.ok("%kis until 09:10")
    assert k.ok("print(session.status.clock_text())").text == "09:10:00\n"
    assert k.ok("print(session.status.clock_text())").text == "09:10:00\n"


def test_n06_what_every_command_shows_names_the_mode(k):
    k.ok("low = (await session.quote('005930')).lower")
    for cell in (
        OPEN, "%kis quote 005930", "%kis depth 005930", "%kis bars 005930", "%kis chart 005930",
        "%kis buy 005930 1 {low}", "session.book.open_orders", "%kis cancel all",
        "await session.cancel('all')",
        "%kis orders", "%kis positions", "%kis balance", "%kis agents", "%kis route 005930 1",
        "%kis search 삼성",
        "%kis until 08:30", "%kis panel", "%kis report -o /dev/null/no.html", "%kis arm",
        "%kis tasks",
        "%kis halt a drill", "%kis halt off the drill is over",
        "%kis agents start volume_trigger --code 000660",
        "%kis close", OPEN,
    ):  # fmt: skip
        shown = k.run(cell)
        if "report" in cell:
            continue
        assert not shown.error, cell
        assert all(line.startswith("[SIM] ") for line in shown.text.splitlines()[:1]), cell
        assert shown.text, cell
        assert all(
            "kisnb-mode" in b["text/html"] or "[SIM]" in b["text/html"] for b in shown.bundles
        ), cell
    k.ok("import polars as pl")
    assert "[SIM]" not in k.ok("pl.DataFrame({'mine': [1]})").text


def test_n04_the_panels_are_loaded_once_a_desk_is_open_before_one_is_shown(tmp_path):
    loaded = "'kisnb.notebook.panels.desk_panel' in sys.modules"
    with kernel(tmp_path / "state", KISNB_SIM_SPEED="step") as k:
        k.ok(f"%load_ext kisnb\nimport asyncio, sys\nassert not {loaded}")
        k.ok(OPEN)
        k.ok(f"while not {loaded}: await asyncio.sleep(0.01)")


def test_a04_the_watch_outlives_a_block_by_the_import_of_the_panel(free_running):
    k = free_running
    k.ok("import sys, time, types\n%kis panel")
    panel = "sys.modules['kisnb.notebook.panels.desk_panel']"
    blocks = "while not session.hooks.blocked_by: time.sleep(0.01)"
    k.ok(
        f"imported = {panel}\n{panel} = types.ModuleType('half imported')\n{blocks}\n"
        f"{panel} = imported"
    )
    k.ok(blocks)
    assert "line 1: while not session.hooks.blocked_by" in k.ok("print(session.troubles[-1])").text


def test_a04_in_lockstep_the_market_waits_so_a_slow_cell_is_no_trouble(k):
    k.ok("import time\n%kis panel")
    before = k.ok("print(list(session.troubles))").text
    # Three times the time after which the watch names a cell whose clock runs free.
    k.ok("from kisnb.notebook.kernel.loop_lag import LAG_SECONDS\ntime.sleep(3 * LAG_SECONDS)")
    k.ok("import asyncio\nawait asyncio.sleep(0.2)")
    assert k.ok("print(list(session.troubles))").text == before


def test_a04_unload_names_the_agents_leaves_the_desk_up_and_takes_the_session_away(k):
    k.ok("%kis agents start volume_trigger --code 005930")
    said = k.ok("desk = session\n%unload_ext kisnb").text
    assert said == (
        "[SIM] Stopped with the session: VolumeTrigger-005930. Their orders stay in the market.\n"
    )
    k.ok("import asyncio\nwhile not desk.closed: await asyncio.sleep(0.01)")
    assert k.ok("print(desk.closed, 'session' in globals())").text == "True False\n"
    k.ok("%load_ext kisnb")
    assert "005930" in k.ok(f"{OPEN}\n%kis quote 005930").text


def test_close_and_then_a_cure(k):
    k.ok("%kis agents start volume_trigger --code 005930")
    assert "VolumeTrigger-005930. Their orders stay" in k.ok("%kis close").text
    assert (
        k.run("%kis quote 005930").error
        == "NotOpen: No desk is open in this notebook. Open one with %kis open sim."
    )
    k.ok(OPEN)
    k.ok("await session.close()")
    assert k.run("%kis quote 005930").error.startswith("NotOpen")
    k.ok(OPEN)
    k.ok("%kis quote 005930")


def test_a_shutdown_closes_the_session_before_the_kernel_is_gone(state, tmp_path):
    seen = tmp_path / "seen"
    with kernel(state) as k:
        k.ok(f"import atexit, pathlib\nseen = pathlib.Path({str(seen)!r})")
        k.ok("atexit.register(lambda: seen.write_text(str(desk.closed)))")
        k.ok("%load_ext kisnb")
        k.ok(OPEN)
        k.ok("desk = session\ndel session")
        k.shutdown()
    assert seen.read_text() == "True"


def test_a_waiting_command_is_interrupted_readably(free_running):
    k = free_running
    k.ok("await session.watch('005930', '000660')")
    request = k.start(
        "import asyncio\nasyncio.get_running_loop().call_soon(print, 'go')\n%kis until close"
    )
    k.wait_until_shown(request, "go")
    k.interrupt()
    assert k.finish(request).error.startswith("Interrupted: The cell was interrupted.")
    assert "005930" in k.ok("%kis quote 005930").text


def test_a04_a_cell_that_catches_every_exception_is_interrupted_at_the_first_press(free_running):
    k = free_running
    # The command waits nearly all the time. A press while it computes is a KeyboardInterrupt.
    body = "while True:\n    try:\n        %kis until close\n    except Exception as e: print(e)"
    request = k.start(f"import asyncio\nasyncio.get_running_loop().call_soon(print, 'go')\n{body}")
    k.wait_until_shown(request, "go")
    k.interrupt()
    assert k.finish(request).error.startswith("Interrupted: The cell was interrupted.")


def test_a04_an_interrupt_stops_the_cell_and_no_agent(free_running):
    k = free_running
    k.ok(
        "from kisnb import Agent\nclass Count(Agent):\n    seen = 0\n"
        "    def on_tick(self, tick): self.seen += 1"
    )
    k.ok("agent = Count(code='005930')\n%kis agents start agent")
    for body in ("print('go', flush=True)\nwhile True: pass", f"{SAY_GO}\n%kis until close"):
        request = k.start(HEARD + body)
        k.wait_until_shown(request, "go")
        k.interrupt()
        assert re.match("KeyboardInterrupt|Interrupted", k.finish(request).error.splitlines()[-1])
        k.ok(HEARD)
    assert "running" in k.ok("%kis agents").text
    k.ok("await session.agents.stop(agent.id)")


def test_n11_no_output_shows_a_key_or_an_account(k):
    shown = ""
    for cell in (
        OPEN, "session", "repr(session), str(vars(session))", "%kis balance", "%kis buy 005930 1",
        "%kis orders",
        "%kis agents", "%kis help", "%kis buy 1 1", "%kis cancel 77",
    ):  # fmt: skip
        output = k.run(cell)
        shown += output.text + output.html + output.error
    files = [p.read_text(errors="ignore") for p in k.state.rglob("kis_devlp.yaml")]
    secrets = {
        w
        for text in files
        for w in re.findall(r'["\']?([A-Za-z0-9+/=_-]{8,})["\']?\s*$', text, re.MULTILINE)
    }
    assert secrets
    assert not [s for s in secrets if s in shown]


def test_terminal_ipython_awaits_too(state, tmp_path):
    cells = [
        "%load_ext kisnb", OPEN, "%kis quote 005930", "x = %kis quote 005930",
        "print('price of', x.code)",
        "%kis qoute 1",
    ]  # fmt: skip
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "IPython",
            "--simple-prompt",
            "--no-banner",
            "--no-confirm-exit",
            "--colors=NoColor",
        ],
        input="\n".join([*cells, "exit"]) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert "[SIM] 005930" in done.stdout
    assert "price of 005930" in done.stdout
    assert "Did you mean quote?" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_halt_lets_no_new_order_pass(k, sent):
    """Last here: the desk stays halted."""
    k.ok("%kis halt a test")
    assert k.run("%kis buy 005930 31", "halted").error.startswith("OrderDenied: The desk is halted")
    assert sent() == 1


def test_a07_a_halt_is_lifted_with_a_reason_and_says_what_it_cannot_do(k):
    """After the last: the desk is halted."""
    assert "a pull never lowers the state" in k.ok("%kis halt --reduce still careful").text
    assert "reason to lift the halt" in k.run("%kis halt off").error
    assert "leave --flatten out" in k.run("%kis halt off x --flatten").error.lower()
    assert "up to the position" in k.ok("%kis halt off --reduce the feed is back").text
    said = k.ok("%kis halt --flatten the day is over").text
    assert "nothing is held, as KIS confirms" in said
    assert said.index("flatten:") < said.index("snapshot:") < said.index("notify:")
    assert "new orders pass again" in k.ok("%kis halt off tomorrow is another day").text
