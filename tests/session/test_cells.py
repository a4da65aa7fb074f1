"""Where an order call is typed, in a plain IPython shell. (Row O11)"""

from __future__ import annotations

import asyncio
import atexit
import subprocess
import sys
from collections.abc import Iterator
from types import FunctionType

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.magic import no_var_expand
from traitlets.config import Config

from kisnb.errors import BadInput
from kisnb.session.typed_orders.call_text import cell_digest, command_text, digest
from kisnb.session.typed_orders.cells import Cells, Origin


class Desk:
    """Stands for a session: keeps where each of its calls was typed."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.origins: list[Origin] = []

    def buy(self, *_: object, **__: object) -> int:
        found = self.cells.origin()
        assert isinstance(found, Origin)
        self.origins.append(found)
        return len(self.origins)

    def enter(self, *_: object, **__: object) -> object:
        """As ``session.buy``: asks where it is at once, and can be awaited."""
        number = self.buy()

        async def reached() -> int:
            await asyncio.sleep(0)
            return number

        return reached()

    def kis(self, words: str) -> int:
        for index, line in enumerate(words.splitlines()):
            found = self.cells.origin(line, index)
            assert isinstance(found, Origin)
            self.origins.append(found)
        return len(self.origins)


def as_kisnb(function: FunctionType) -> FunctionType:
    """The function, as if it stood in a module of kisnb."""
    names = {**function.__globals__, "__name__": "kisnb.session.pretended"}
    return FunctionType(function.__code__, names, function.__name__, None, function.__closure__)


class _Pretended(Desk):
    buy = as_kisnb(Desk.buy)  # type: ignore[arg-type]
    enter = as_kisnb(Desk.enter)  # type: ignore[arg-type]
    kis = as_kisnb(Desk.kis)  # type: ignore[arg-type]


class Notebook:
    """Runs cells, and gives the origins of the calls that a cell made."""

    def __init__(self, ip: InteractiveShell, desk: Desk) -> None:
        self.ip = ip
        self.desk = desk

    def __call__(self, text: str, cell_id: str | None = "x") -> list[Origin]:
        before = len(self.desk.origins)
        self.result(text, cell_id).raise_error()
        return self.desk.origins[before:]

    def result(self, text: str, cell_id: str | None = "x") -> ExecutionResult:
        return self.ip.run_cell(text, store_history=True, cell_id=cell_id)

    def refusal(self, text: str) -> str:
        error = self.result(text).error_in_exec
        assert isinstance(error, BadInput)
        return str(error)

    def calls(self, text: str) -> list[str]:
        """The calls of a cell as digests."""
        return [origin.place.call for origin in self(text)]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        InteractiveShell.clear_instance()
        config = Config()
        config.HistoryManager.enabled = False
        made = InteractiveShell.instance(config=config)
        yield made
        atexit.unregister(made.atexit_operations)
        made.atexit_operations()
        InteractiveShell.clear_instance()


@pytest.fixture
def ip(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell that counts its cells from 1. It keeps the names of earlier tests."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    shell.execution_count = 1
    return shell


@pytest.fixture
def desk(ip: InteractiveShell) -> Iterator[Desk]:
    cells = Cells(ip)
    cells.acquire()
    made = _Pretended(cells)
    ip.push({"session": made, "buy": made.buy, "enter": made.enter})

    def kis(line: str, *body: str) -> int:
        return made.kis(*(body or (line,)))

    kis = no_var_expand(as_kisnb(kis))
    ip.register_magic_function(kis, "line_cell", "kis")
    yield made
    cells.release()


@pytest.fixture
def run(ip: InteractiveShell, desk: Desk) -> Notebook:
    return Notebook(ip, desk)


def test_o11_a_call_knows_its_kernel_run_cell_and_text(run):
    (first,), (again,) = run("buy('005930', 1)"), run("buy('005930', 1)")
    assert first.place.kernel == again.place.kernel
    assert (first.place.run, again.place.run) == (1, 2)
    assert first.place.cell == "x"
    assert first.place.texts == again.place.texts == (cell_digest("buy('005930', 1)"),)
    assert first.place.call == again.place.call == digest("buy('005930', 1)")
    assert first.place.where.startswith("cell [1] (process ")
    assert again.place.where.startswith("cell [2] (process ")


def test_o11_a_front_end_that_sends_no_cell_id_leaves_it_empty(run):
    (origin,) = run("buy('005930', 1)", None)
    assert origin.place.cell == ""


def test_o11_two_rounds_of_a_loop_are_one_position(run):
    a, b, c = run("for _ in range(3):\n    buy('005930', 1)")
    assert a.position == b.position == c.position


def test_o11_two_calls_on_one_line_are_two_positions(run):
    for cell in (
        "buy('005930', 1); buy('005930', 1)",
        "buy('005930', 1) + buy('005930', 1)",
        "buy('005930', 1)\nbuy('005930', 1)",
        "(lambda: buy())(); (lambda: buy())()",
        "def two(): buy(); buy()\ntwo()",
    ):
        a, b = run(cell)
        assert a.position != b.position, cell


# ── the call as written ─────────────────────────────────────────────────────────────────────────


def test_o11_the_call_is_the_outermost_one_in_cell_code_as_written(run):
    run("def place(code, **options):\n    return buy(code, 1, **options)")
    assert run.calls("place( '005930' )") == [digest("place('005930')")]
    assert run.calls("n = 1\nprint(place('005930'), buy('000660', n))") == [
        digest("place('005930')"),
        digest("buy('000660', n)"),
    ]
    assert run.calls(
        '이름 = "삼성전자"; 주문 = place("삼성전자"); 둘 = place(\n  "하이닉스"\n)'
    ) == [
        digest("place('삼성전자')"),
        digest("place('하이닉스')"),
    ]


def test_o11_ordinal_name_and_await_are_no_part_of_the_call(run):
    one, two, three = run.calls(
        "await enter('005930', 1)\n"
        "order = await enter('005930', 1, again=2, key=f'{1}')\n"
        "await (enter)('005930', 1, key='x')"
    )
    assert one == two == three == digest("enter('005930', 1)")
    run("def place(order): return order")
    assert run.calls("place(buy('005930', 1, again=1))") == [digest("buy('005930', 1)")]


@pytest.mark.parametrize(
    ("plain", "numbered"),
    [
        ("%time buy('A')", "%time buy('A', again=2)"),
        ("%%time\nbuy('A')\nbuy('B')", "%%time\nbuy('A', key='k')\nbuy('B', again=1)"),
        ("%%capture\n%kis buy A 1\nbuy()", "%%capture\n%kis buy A 1 --again 2\nbuy()"),
        ("%%capture\nbuy()\n%kis buy A 1\n1", "%%capture\nbuy()\n%kis buy A 1 --key x\n1"),
        ("exec('buy(\"A\")')", "exec('buy(\"A\", again=2)')"),
        ("for i in (1,): exec(f'buy({i})')", "for i in (1,): exec(f'buy({i}, again={i})')"),
    ],
)
def test_o11_ordinal_and_name_are_no_part_of_a_call_in_a_string(run, plain, numbered):
    assert run.calls(plain) == run.calls(numbered)


def test_o11_a_call_over_several_lines_is_the_whole_call(run):
    run("class Bot:\n    def entered(self, **_): return self\n    def enter(self): return buy()")
    (call,) = run.calls("bot = (Bot()\n  .entered(again=1)\n  .enter())")
    assert call == digest("Bot().entered().enter()")


def test_o11_a_comprehension_or_a_lambda_counts_as_the_code_around_it(run):
    for cell in (
        "place(*[buy(c) for c in codes])",
        "place(*(buy(c) for c in codes))",
        "place(*[[buy(c) for c in codes] for _ in (1,)])",
        "place(*map(lambda c: buy(c), codes))",
        "place(*{c: buy(c) for c in codes})",
    ):
        calls = run.calls(f"codes = 'A', 'B'\ndef place(*_): ...\n{cell}")
        assert calls == [digest(cell)] * 2, cell
    calls = run.calls("x = [buy(c, again=1) for c in 'AB']")
    assert calls == [digest("[buy(c) for c in 'AB']")] * 2
    assert run.calls("[await enter(c) for c in 'A']") == [digest("[await enter(c) for c in 'A']")]


def test_o11_two_places_in_one_comprehension_are_two_positions(run):
    a, b, c, d = run("[(buy(c), buy(c)) for c in 'AB']")
    assert (a.position, b.position) == (c.position, d.position)
    assert a.position != b.position


def test_o11_statements_that_call_without_a_call(run):
    run("class Scale:\n    def __iadd__(self, n):\n        buy(); return self\nscale = Scale()")
    assert run.calls("scale += 1") == [digest("scale += 1")]
    run("class Gate:\n    def __enter__(self): buy()\n    def __exit__(self, *_): ...")
    assert run.calls("with Gate():\n    pass") == [digest("Gate()")]
    assert run.calls("@buy\ndef f(): ...") == [digest("buy")]


def test_o11_code_that_is_made_from_text_counts_as_the_call_that_runs_it(run):
    (a,), (b,) = run("exec(\"buy('A')\")"), run("exec(\"buy('A')\")")
    assert a.place.call == b.place.call == digest("exec(\"buy('A')\")")
    c, d = run("for _ in range(2): exec(\"buy('A')\")")
    assert c.position == d.position
    e, f = run("exec('buy(); buy()')")
    assert e.position != f.position


# ── %kis ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        "buy A 1  @{p}",
        "buy A 1 @{p} --again",
        "buy A 1 @{p} --again 2",
        "buy A 1 --again={n} @{p}",
        "buy --again {n + 1} A 1 @{p}",
        "buy --again $n A 1 @{p}",
        "buy A --key k 1 @{p};",
        "buy A --key 'my name' 1 @{p}",
        'buy A --key="my name" 1 @{p} --again',
    ],
)
def test_o11_a_command_is_its_words_without_ordinal_and_name(words):
    assert command_text(words) == "%kis buy A 1 @{p}"


def test_o11_a_command_keeps_its_other_options():
    assert command_text("buy A 1 --kind 'limit-ioc' --again") == "%kis buy A 1 --kind 'limit-ioc'"


@pytest.mark.parametrize(
    "cell",
    [
        "%kis buy A 1 --again 2",
        "order = %kis buy A 1",
        "%time %kis buy A 1 --again",
        "%%capture\n%kis buy A 1 --again 3",
        "%%kis\nbuy A 1 --key x",
        "for _ in (1,):\n    %kis buy A  1",
    ],
)
def test_o11_a_command_is_as_typed_also_under_another_magic(run, cell):
    assert run.calls(cell) == [digest("%kis buy A 1")]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("(await get_ipython().kis.line('buy A 1 --again'))", True),
        ("order = (await get_ipython().kis.line('buy A 1'))", False),
        ("if True:\n    (await get_ipython().kis.line('buy A 1'))", False),
    ],
)
def test_o11_a_command_that_is_awaited_is_the_same_call(run, monkeypatch, cell, shown):
    """As the extension rewrites ``%kis``."""

    class Magics:
        async def line(self, words: str) -> object:
            await asyncio.sleep(0)
            return run.desk.kis(words)

    monkeypatch.setattr(Magics, "line", as_kisnb(Magics.line))
    monkeypatch.setattr(run.ip, "kis", Magics(), raising=False)
    (origin,) = run(cell)
    assert (origin.place.call, origin.shown) == (digest("%kis buy A 1"), shown)


def test_o11_a_command_in_a_function_counts_as_the_call_of_the_function(run):
    assert run.calls("def place(n):\n    %kis buy A 1\nplace(1)") == [digest("place(1)")]


def test_o11_lines_of_a_body_are_positions(run):
    a, b = run("%%kis\nbuy A 1\nbuy A 1")
    assert a.position != b.position


# ── cells that run cells ────────────────────────────────────────────────────────────────────────


def test_o11_a_cell_that_is_run_from_inside_adds_its_text(run, tmp_path):
    outer = "buy()\nget_ipython().run_cell('buy( )')\nbuy()"
    before, inside, after = run(outer)
    assert before.place.texts == after.place.texts == (cell_digest(outer),)
    assert inside.place.texts == (cell_digest(outer), cell_digest("buy( )"))
    assert before.place.run == inside.place.run == after.place.run
    assert inside.place.call == digest("get_ipython().run_cell('buy( )')")
    capture = "%%capture\nbuy()\nbuy()"
    a, b = run(capture)
    assert a.place.texts == b.place.texts == (cell_digest(capture), cell_digest("buy()\nbuy()"))
    assert a.position != b.position
    script = tmp_path / "more.ipy"
    script.write_text("buy()\n")
    (c,) = run(f"%run {script}")
    assert c.place.texts == (cell_digest(f"%run {script}"), cell_digest("buy()"))


def test_o11_rerun_adds_the_text_that_it_runs(run, monkeypatch):
    run("buy('005930', 1)")
    monkeypatch.setattr(run.ip.history_manager, "get_tail", lambda _: [(0, 1, "buy('005930', 1)")])
    (again,) = run("%rerun", "y")
    assert again.place.texts == (cell_digest("%rerun"), cell_digest("buy('005930', 1)"))
    assert again.place.run == 2


def test_o11_a_nested_loop_over_cells_is_one_position(run):
    a, b = run("for _ in range(2): get_ipython().run_cell('buy()', store_history=True)")
    assert a.position == b.position


def test_o11_a_script_counts_as_the_line_that_runs_it(run, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("get_ipython().user_ns['buy']()\nget_ipython().user_ns['buy']()\n")
    a, b = run(f"%run {script}")
    expected = digest(f"get_ipython().run_line_magic('run', {str(script)!r})")
    assert a.place.call == b.place.call == expected
    assert a.position != b.position


def test_o11_an_error_in_a_nested_cell_ends_only_that_cell(run):
    outer = "get_ipython().run_cell('1 / 0')\nget_ipython().run_cell('')\nbuy()"
    (origin,) = run(outer)
    assert origin.place.texts == (cell_digest(outer),)
    (later,) = run("buy()")
    assert later.place.run == origin.place.run + 1


# ── tasks and threads ───────────────────────────────────────────────────────────────────────────


def test_o11_a_task_keeps_the_run_of_its_cell(run):
    run(
        "import asyncio\ngo = None\n"
        "async def bot():\n    global go\n    go = asyncio.Event()\n"
        "    while True:\n        await go.wait()\n        go.clear()\n        buy('A')\n"
        "task = asyncio.ensure_future(bot())\nawait asyncio.sleep(0)",
        "bot",
    )
    (a,) = run("go.set()\nfor _ in range(3): await asyncio.sleep(0)\n1", "y")
    (b,) = run("go.set()\nfor _ in range(3): await asyncio.sleep(0)\n2", "z")
    assert (a.place.run, a.place.cell) == (b.place.run, b.place.cell) == (1, "bot")
    assert a.position == b.position
    assert a.place.call == digest("buy('A')")
    run("task.cancel()\nawait asyncio.sleep(0)")


def test_o11_coroutines_are_one_chain(run):
    run("async def place(): return await enter()")
    a, b = run("await place()\nawait place()")
    c, d = run("for _ in range(2): await place()")
    assert a.position != b.position
    assert c.position == d.position
    assert a.place.call == digest("place()")


def test_o11_a_coroutine_that_waited_first_is_at_the_same_place(run):
    run(
        """
import asyncio
async def place(wait):
    if wait:
        await asyncio.sleep(0)
    return await enter()
"""
    )
    a, b, c = run("for wait in (False, True, False): await place(wait)")
    assert a.position == b.position == c.position


def test_o11_gather_and_task_groups_start_tasks_of_the_run(run):
    run("import asyncio\nasync def place(c):\n    await asyncio.sleep(0)\n    return buy(c)")
    a, b = run("await asyncio.gather(*map(place, 'AB'))")
    assert a.place.run == b.place.run == 2
    c, d = run(
        """
async with asyncio.TaskGroup() as group:
    group.create_task(place('A'))
    group.create_task(place('B'))
"""
    )
    assert c.place.run == d.place.run == 3
    assert {o.place.call for o in (a, b, c, d)} == {digest("buy(c)")}


def test_o11_later_callbacks_keep_their_run_and_count_as_their_lambda_stands(run):
    (origin,) = run(
        "import asyncio\ndone = asyncio.Event()\n"
        "asyncio.get_running_loop().call_later(0, lambda: (buy(), done.set()))\nawait done.wait()"
    )
    call = "asyncio.get_running_loop().call_later(0, lambda: (buy(), done.set()))"
    assert origin.place.call == digest(call)


def test_o11_a_module_s_coroutine_counts_as_itself(run, tmp_path, monkeypatch):
    (tmp_path / "bots_of_o11.py").write_text(
        """
async def bot(session):
    for _ in range(2):
        await session.enter('A', again=1)
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    a, b = run("import asyncio, bots_of_o11\nawait asyncio.create_task(bots_of_o11.bot(session))")
    assert a.place.call == b.place.call == digest("session.enter('A')")
    assert a.position == b.position
    c, d = run("await bots_of_o11.bot(session)")
    assert c.place.call == d.place.call == digest("bots_of_o11.bot(session)")


def test_o11_a_loop_in_a_cell_that_does_not_await(run):
    """As in a script: the cell's line that runs the loop is the call."""
    run("import asyncio\nasync def main():\n    return await enter()")
    a, b = run("asyncio.run(main())\nasyncio.run(main())")
    assert a.place.call == b.place.call == digest("asyncio.run(main())")
    assert a.position != b.position


def test_o11_a_task_that_another_cell_lets_go_on_stays_at_its_place(run):
    run(
        """
import asyncio
from IPython.core.async_helpers import get_asyncio_loop
async def bot():
    while True:
        await asyncio.sleep(0)
        buy()
async def some_time():
    for _ in range(3):
        await asyncio.sleep(0)
await asyncio.sleep(0)
task = asyncio.ensure_future(bot())
""",
        "bot",
    )
    found = run("loop = get_asyncio_loop()\nloop.run_until_complete(some_time())", "y")
    found += run("1\nloop.run_until_complete(some_time())", "z")
    assert len(found) > 2
    assert {(o.place.cell, o.place.call) for o in found} == {("bot", digest("buy()"))}
    assert len({o.position for o in found}) == 1
    run("task.cancel()\nawait asyncio.sleep(0)")


def test_o11_threads_belong_to_the_cell_that_runs_now(run):
    a, b = run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool: list(pool.map(lambda c: buy(c), 'AB'))"
    )
    assert a.place.run == b.place.run == 1
    assert a.position == b.position
    assert a.place.call == digest("pool.map(lambda c: buy(c), 'AB')")
    c, d = run(
        "import asyncio\nawait asyncio.to_thread(lambda: buy())\n"
        "await asyncio.get_running_loop().run_in_executor(None, lambda: buy())"
    )
    assert c.place.run == d.place.run == 2
    assert c.position != d.position


def test_o11_lambdas_for_threads_on_one_line_are_two_positions(run):
    a, b = run(
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\n"
        "pool.submit(lambda: buy()).result(); pool.submit(lambda: buy()).result()\npool.shutdown()"
    )
    assert a.position != b.position


def test_o11_h_a_thread_without_cell_code_is_refused(run):
    run("import asyncio\nfrom concurrent.futures import ThreadPoolExecutor")
    for cell in (
        "with ThreadPoolExecutor(1) as pool: list(pool.map(buy, 'AB'))",
        "await asyncio.to_thread(buy, 'A')",
    ):
        refusal = run.refusal(cell)
        assert "no code of a cell" in refusal
        assert "key='NAME'" in refusal
        assert "--key NAME" in refusal


def test_o11_h_a_thread_that_outlives_its_cell_is_refused_while_no_cell_runs(run):
    run(
        "import threading\ngo, errors = threading.Event(), []\n"
        "def work():\n    go.wait()\n    try:\n        buy()\n    except Exception as e:\n"
        "        errors.append(e)\n"
        "thread = threading.Thread(target=work)\nthread.start()"
    )
    run.ip.user_ns["go"].set()
    run.ip.user_ns["thread"].join()
    (error,) = run.ip.user_ns["errors"]
    assert isinstance(error, BadInput)
    assert "while no cell runs" in str(error)
    (origin,) = run("thread = threading.Thread(target=work)\nthread.start()\nthread.join()", "y")
    assert origin.place.cell == "y"


def test_o11_h_outside_cells_nobody_knows(desk):
    with pytest.raises(BadInput, match="while no cell runs"):
        desk.buy()


def test_o11_i_timeit_is_refused(run):
    for cell in (
        "%timeit -n1 -r1 buy()",
        "%timeit -n1 -r1 %kis buy A 1",
        "%%timeit -n1 -r1\nbuy()",
        "import timeit\ntimeit.timeit(lambda: buy(), number=1)",
        "import timeit\ntimeit.timeit('buy()', number=1, globals=globals())",
    ):
        assert "%timeit would buy many times" in run.refusal(cell)
    assert len(run("%time buy()")) == 1
    assert len(run("%%time\nbuy()")) == 1


# ── what the cell shows ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cell", "shown", "silent"),
    [
        ("buy()", True, False),
        ("1\n(await (enter()))", True, False),
        ("%kis buy A 1", True, False),
        ("%%kis\nbuy A 1", True, False),
        ("buy();", False, True),
        ("buy(); # ours", False, True),
        ("buy()  # ours;", True, False),
        ("order = buy();", False, True),
        ("%kis buy A 1;", False, True),
        ("buy(); 1", False, False),
        ("buy(); 1;", False, True),
        ("buy()\n1;", False, False),
        ("order = buy()", False, False),
        ("order = %kis buy A 1", False, False),
        ("buy()\n1", False, False),
        ("buy(), 1", False, False),
        ("print(buy())", False, False),
        ("if True:\n    buy()", False, False),
        ("for _ in (1,):\n    buy()", False, False),
        ("with open('/dev/null'):\n    buy()", False, False),
        ("[buy() for _ in (1,)]", False, False),
        ("def f(): return buy()\nf()", False, False),
        ("(lambda: buy())()", False, False),
        ("exec('buy()')", False, False),
        ("%time buy()", False, False),
        ("%%capture\nbuy()", False, False),
        ("get_ipython().run_cell('buy()')", False, False),
        ("import asyncio\nawait asyncio.wait_for(enter(), 9)", False, False),
    ],
)
def test_an_origin_knows_whether_the_cell_displays_the_order(run, cell, shown, silent):
    (origin,) = run(cell)
    assert (origin.shown, origin.silent) == (shown, silent)


@pytest.mark.parametrize(
    ("interactivity", "cell", "shown"),
    [
        ("all", "buy()\n1", True),
        ("none", "buy()", False),
        ("last", "buy()", True),
        ("last_expr", "order = buy()", False),
        ("last_expr_or_assign", "order = buy()", True),
    ],
)
def test_an_origin_knows_how_much_ipython_displays(run, monkeypatch, interactivity, cell, shown):
    monkeypatch.setattr(run.ip, "ast_node_interactivity", interactivity)
    (origin,) = run(cell)
    assert origin.shown is shown


# ── loading, unloading, notebooks ───────────────────────────────────────────────────────────────


def test_the_hooks_are_there_while_somebody_holds_them(ip):
    before = {event: list(calls) for event, calls in ip.events.callbacks.items()}
    cells = Cells.of(ip)
    assert Cells.of(ip) is cells
    assert Cells.here() is cells
    cells.acquire()
    cells.acquire()
    cells.release()
    assert ip.events.callbacks != before
    cells.release()
    assert ip.events.callbacks == before


def test_outside_ipython_it_is_not_imported():
    code = (
        "import sys; from kisnb.session.typed_orders.cells import Cells\n"
        "assert Cells.here() is None and 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_o11_the_cell_that_opens_the_session_is_known_too(ip):
    cells = Cells(ip)
    notebook = Notebook(ip, _Pretended(cells))
    ip.push({"cells": cells, "buy": notebook.desk.buy, "enter": notebook.desk.enter})
    text = "cells.acquire()\nbuy()\ncells.release()\ncells.acquire()\nbuy()"
    a, b = notebook(text, "opens")
    assert a.place == b.place
    assert a.place.cell == "opens"
    assert a.place.texts == (cell_digest(text),)
    assert a.place.where.startswith("cell [1] (")
    (c,) = notebook("buy()", "y")
    assert (c.place.run, c.place.cell) == (a.place.run + 1, "y")
    notebook("cells.release()")
    (d,) = notebook("cells.acquire()\nawait enter()\ncells.release()", "z")
    assert d.place.cell == "z"


def test_o11_a_task_of_the_cell_may_open_the_session(ip):
    cells = Cells(ip)
    notebook = Notebook(ip, _Pretended(cells))
    ip.push({"cells": cells, "buy": notebook.desk.buy})
    text = (
        "import asyncio\nasync def connect():\n    cells.acquire()\n    buy()\n"
        "await asyncio.create_task(connect())\nbuy()"
    )
    a, b = notebook(text)
    assert a.place.run == b.place.run == 1
    assert a.place.texts == b.place.texts == (cell_digest(text),)
    cells.release()


def test_o11_a_nested_cell_may_open_the_session(ip):
    cells = Cells(ip)
    notebook = Notebook(ip, _Pretended(cells))
    ip.push({"cells": cells, "buy": notebook.desk.buy})
    text = "get_ipython().run_cell('cells.acquire()\\nbuy()')\nbuy()"
    a, b = notebook(text)
    assert a.place.run == b.place.run
    assert a.place.texts == (cell_digest(text), cell_digest("cells.acquire()\nbuy()"))
    assert b.place.texts == (cell_digest(text),)
    cells.release()


@pytest.mark.parametrize(
    ("variable", "environment", "notebook", "of"),
    [
        (None, "/home/u/04_orders.ipynb", "/home/u/04_orders.ipynb", " of 04_orders.ipynb"),
        (None, "/home/u/04_orders.py", "/home/u/04_orders.py", " of 04_orders.py"),
        (None, "/home/u/Console 1", "", ""),
        (None, "/home/u/Python 3.11", "", ""),
        (None, "", "", ""),
        ("/v/a.ipynb", "/home/u/b.ipynb", "/v/a.ipynb", " of a.ipynb"),
    ],
)
def test_o11_vs_code_or_jupyter_name_the_notebook(
    run: Notebook,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
    environment: str,
    notebook: str,
    of: str,
):
    monkeypatch.setenv("JPY_SESSION_NAME", environment)
    if variable:
        monkeypatch.setitem(run.ip.user_ns, "__vsc_ipynb_file__", variable)
    (origin,) = run("buy()")
    assert origin.place.notebook == notebook
    assert origin.place.where.startswith(f"cell [1]{of} (process ")


def test_o11_blanks_at_line_ends_are_no_part_of_a_text():
    assert cell_digest("buy()\n\nbuy() \r\n\n") == cell_digest("buy()  \n\nbuy()")
    assert cell_digest("buy()\n  buy()") != cell_digest("buy()\nbuy()")
