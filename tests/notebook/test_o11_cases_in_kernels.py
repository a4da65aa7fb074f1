"""The 40 cases of row O11, played in real kernels on the real desk and judged from outside.

A case is written once and played twice: with the magic and in Python. ``yield`` waits until the
notebook has come to a phase, so that all cases share one desk and few restarts. What is expected
stands in ``tests/trading/test_order_names.py``, where the pure rule answers the same cases.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pytest

from tests.notebook.real_kernels import Output
from tests.notebook.watched_notebooks import MANY, Notebooks, Story, notebooks
from tests.trading.test_order_names import CASES as OF_THE_RULE

OPEN = "%kis open sim --seed 1 --date 2026-11-24 --start 15:00"
HELPERS = '''
"""A module of the notebook: none of this is code of a cell."""

import threading


def in_thread(function, *arguments):
    """Call a function in a thread; return what it returned, or its error as text."""
    done = []

    def run():
        try:
            done.append(function(*arguments))
        except Exception as error:
            done.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return done[0]
'''
Phase: TypeAlias = Literal["restarted", "16:00", "the next day"]
PHASES: tuple[Phase, ...] = "restarted", "16:00", "the next day"
"""What the notebook comes to while cases wait, in this order."""
Form: TypeAlias = Literal["magic", "python"]
APART = {23, 30, 31, 37}
"""Cases on another desk: time passes faster where few stocks are watched, and 37 needs its cash."""
EXPECTED = {n: expected for n, (_, _, expected) in OF_THE_RULE.items()}
EXPECTED |= {19: "refuse h", 34: "refuse i"}
TITLES = {n: title for n, (title, _, _) in OF_THE_RULE.items()}
TITLES |= {19: "a thread without code of a cell", 34: "%timeit"}


class Variable(str):
    """The name of a variable, where a value may stand."""

    __slots__ = ()


@dataclass
class Case(Story):
    """A story that is told with the magic or in Python, of stocks that no other story trades."""

    form: Form = "magic"
    waits_for: Phase | None = None
    failed: str = ""
    """The traceback, when it broke off."""

    def buy(
        self,
        code: str = "",
        shares: int | Variable = 0,
        price: int | Variable | None = None,
        **named: Any,
    ) -> str:
        """An order as this form writes it; it may stand behind ``o =``."""
        words = [code or self.a, shares or self.shares, *([] if price is None else [price])]
        if self.form == "magic":
            options = [f" --{name} {_in_magic(value)}" for name, value in named.items()]
            return f"%kis buy {' '.join(map(_in_magic, words))}{''.join(options)}"
        options = [f", {name}={_in_python(value)}" for name, value in named.items()]
        return f"await session.buy({', '.join(map(_in_python, words))}{''.join(options)})"


def _in_magic(value: object) -> str:
    return f"{{{value}}}" if isinstance(value, Variable) else str(value)


def _in_python(value: object) -> str:
    return str(value) if isinstance(value, Variable) else repr(value)


Steps: TypeAlias = Callable[[Case], Iterator[Phase] | None]
CASES: dict[int, tuple[Steps, tuple[Form, ...]]] = {}


def case(number: int, *forms: Form) -> Callable[[Steps], Steps]:
    """Add a case; without a form it is played in both."""

    def add(steps: Steps) -> Steps:
        CASES[number] = steps, forms or ("magic", "python")
        return steps

    return add


# Run All, restarts and ids


@case(1)
def _(case: Case) -> None:
    for _ in range(2):
        case.run(case.buy(), "x")
        case.run(case.buy(case.b), "y")


@case(2)
def _(case: Case) -> Iterator[Phase]:
    case.run(case.buy(), "x")
    case.run(case.buy(case.b), "y")
    yield "restarted"
    case.run(case.buy(), "x")
    case.run(case.buy(case.b), "y")


@case(3)
def _(case: Case) -> None:
    case.run(case.buy(), "x")
    case.run(case.buy(), "z")


@case(4)
def _(case: Case) -> Iterator[Phase]:
    case.run(case.buy(), "x")
    yield "restarted"
    case.run(case.buy(), "z")


@case(5)
def _(case: Case) -> None:
    case.run(case.buy(), None, "nameless")
    case.run(case.buy(), None, "another nameless")


@case(6)
def _(case: Case) -> None:
    for code, kernel in ((case.a, "nameless"), (case.b, "another nameless")):
        case.ok(f"code = '{code}'", None, kernel)
        case.run(case.buy(Variable("code")), None, kernel)


# one cell


@case(7)
def _(case: Case) -> None:
    assert "AttributeError" in case.run(f"o = {case.buy()}\nprint(o.prise)").error
    case.run(f"o = {case.buy()}\nprint(o.quantity)")


@case(8, "python")
def _(case: Case) -> None:
    case.run(case.buy())
    case.run(f"await session.buy(code='{case.a}', qty={case.shares})")


@case(9)
def _(case: Case) -> None:
    for _ in range(2):
        case.run(f"{case.buy()}\n{case.buy()}")


# two cells


@case(10)
def _(case: Case) -> None:
    case.run(case.buy(), "x")
    case.run(case.buy(), "y")
    case.run(case.buy(again=1), "y")
    case.run(case.buy(), "x")
    case.run(case.buy(again=1), "y")


@case(11)
def _(case: Case) -> Iterator[Phase]:
    case.run(case.buy(), "x")
    case.run(f"o = await session.buy('{case.a}', {case.shares})", "y")
    case.run(f"o = await session.buy('{case.a}', {case.shares}, again=1)", "y")
    yield "restarted"
    case.run(case.buy(), "x")
    case.run(f"o = await session.buy('{case.a}', {case.shares}, again=1)", "y")


# loops


def ladder(case: Case, *steps: int) -> str:
    prices = tuple(case.price(step) for step in steps)
    return f"for p in {prices}:\n    {case.buy(price=Variable('p'))}"


@case(12)
def _(case: Case) -> None:
    for _ in range(2):
        case.run(ladder(case, 2, 1, 0))


@case(13)
def _(case: Case) -> None:
    case.run(ladder(case, 2, 1, 0))
    case.run(ladder(case, 3, 2, 1))


@case(14)
def _(case: Case) -> None:
    case.run(f"for _ in range(3):\n    {case.buy()}")
    for _ in range(2):
        case.run(f"for i in range(3):\n    {case.buy(again=Variable('i'))}")


BOT = """
async def bot():
    while True:
        {buy}
task = asyncio.create_task(bot())
await asyncio.wait([task])
await task"""


@case(15)
def _(case: Case) -> Iterator[Phase]:
    case.run(BOT.format(buy=case.buy()))
    yield "restarted"
    case.run(BOT.format(buy=case.buy()))


WORKER = """
heard, orders = [], asyncio.Queue()
async def work():
    while True:
        code = await orders.get()
        try:
            o = {buy}
            heard.append(str(o))
        except Exception as error:
            heard.append(f"{{type(error).__name__}}: {{error}}")
        orders.task_done()
worker = asyncio.create_task(work())"""


@case(16)
def _(case: Case) -> None:
    case.ok(WORKER.format(buy=case.buy(Variable("code"))), "w")
    for _ in range(2):
        case.run(f"await orders.put('{case.a}')\nawait orders.join()\nprint(heard[-1])", "x")
    case.ok("worker.cancel();")


# tasks, threads, clicks

GATHER = """
async def place(code):
    await asyncio.sleep(delays[code])
    {buy}
await asyncio.gather(*map(place, delays));"""


@case(17)
def _(case: Case) -> None:
    for a, b in ((0.0, 0.2), (0.2, 0.0)):
        case.ok(f"delays = {{'{case.a}': {a}, '{case.b}': {b}}}")
        case.run(GATHER.format(buy=case.buy(Variable("code"))))


POOL = {
    "magic": """
def place(code):
    o = %kis buy {{code}} {shares}
    return o
with ThreadPoolExecutor(1) as pool:
    made = list(pool.map(place, codes))""",
    "python": """
with ThreadPoolExecutor(1) as pool:
    made = list(pool.map(lambda code: session.blocking.buy(code, {shares}), codes))""",
}


@case(18)
def _(case: Case) -> None:
    case.ok("from concurrent.futures import ThreadPoolExecutor")
    for codes in ([case.a, case.b], [case.b, case.a]):
        case.ok(f"codes = {codes}")
        case.run(POOL[case.form].format(shares=case.shares))


@case(19, "python")
def _(case: Case) -> None:
    case.ok("import helpers_of_o11 as helpers")
    case.run(f"print(helpers.in_thread(session.blocking.buy, '{case.a}', {case.shares}))")


BUTTON = """
import ipywidgets
button, clicks = ipywidgets.Button(), []
{clicked}
button.on_click(clicked)
print(button.comm.comm_id)"""
CLICKED = {
    "magic": "def clicked(_):\n    o = {buy}\n    clicks.append(o)",
    "python": """
async def place():
    clicks.append({buy})
def clicked(_):
    asyncio.ensure_future(place())""",
}


@case(20)
def _(case: Case) -> None:
    clicked = CLICKED[case.form].format(buy=case.buy())
    comm = case.ok(BUTTON.format(clicked=clicked), "x").text.strip()
    for n in (1, 2):
        case.notebooks.kernel().click(comm)
        case.run(f"while len(clicks) < {n}: await asyncio.sleep(0.01)\nprint(clicks[-1])", "y")


TRIES = """
async def place():
    o = {buy}
    return o
for attempt in range(9):
    try:
        await asyncio.wait_for(place(), 0.3)
        break
    except TimeoutError:
        print("timed out")"""


@case(21)
def _(case: Case) -> None:
    case.ok("await session.simulator.fault('order', 'slow', seconds=0.7)")
    output = case.quiet(TRIES.format(buy=case.buy()))
    posts, case.orders[:] = case.notebooks.recording.since()
    assert posts == 1
    assert output.text.startswith("timed out\n")
    assert case.judge(output) == "show #1"
    case.answers[:] = ["send #1, not reached · show #1"]


# moved prices and numbers


@case(22)
def _(case: Case) -> None:
    for step, named in ((0, {}), (1, {}), (1, {"again": 1}), (2, {"again": 1}), (2, {"again": 2})):
        case.ok(f"price = {case.price(step)}")
        case.run(case.buy(price=Variable("price"), **named))


@case(23)
def _(case: Case) -> Iterator[Phase]:
    order, route = case.buy(price=case.price()), f"%kis route {case.a} 1 {case.price()}"
    assert "KRX" in case.ok(route).text
    case.run(order)
    yield "16:00"
    assert "NXT" in case.ok(route).text
    case.run(order)


@case(29)
def _(case: Case) -> Iterator[Phase]:
    case.run(case.buy())
    case.run(case.buy(again=1))
    case.run(case.buy(again=1))
    yield "restarted"
    case.run(case.buy(again=1))
    case.run(case.buy(again=2))


@case(30)
def _(case: Case) -> Iterator[Phase]:
    key = f"k{case.form}"
    case.run(case.buy(key=key), "x")
    case.run(case.buy(key=key) + "  # elsewhere", "y")
    case.run(case.buy(shares=case.shares + 50, key=key), "y")
    yield "the next day"
    case.run(case.buy(key=key), "x")


@case(31)
def _(case: Case) -> Iterator[Phase]:
    case.run(case.buy())
    yield "the next day"
    case.run(case.buy())


# two notebooks


@case(24)
def _(case: Case) -> None:
    case.run(case.buy(), "x")
    case.run(case.buy(), "x", "copy")
    case.run(case.buy(again=1), "x", "copy")


@case(25)
def _(case: Case) -> None:
    case.run(case.buy(), "c2", "nameless")
    case.run(case.buy(), "c2", "another nameless")


@case(32)
def _(case: Case) -> None:
    kernels = [case.notebooks.kernel(which) for which in ("main", "copy")]
    requests = [kernel.start(case.buy(), case.id("x")) for kernel in kernels]
    outputs = [kernel.finish(request) for kernel, request in zip(kernels, requests, strict=True)]
    sent_first = sorted(outputs, key=lambda output: bool(output.error))
    both = Output("".join(o.text for o in sent_first), "", sent_first[-1].error)
    case.answers[:] = case.judge(both).split(" · ")


# denied

SHUT = "await session.halt('a drill', state='reducing');"
LIFT = "await session.resume('the drill is over');"
UNTIL_IT_PASSES = """
from kisnb.errors import OrderDenied
denied = 0
while True:
    try:
        o = {buy}
        break
    except OrderDenied as error:
        print("OrderDenied:", error)
        denied += 1
        if denied == 2:
            {lift}"""


@case(26)
def _(case: Case) -> None:
    case.ok(SHUT)
    case.run(case.buy())
    case.ok(LIFT)
    case.run(case.buy())
    case.run(case.buy())


@case(27)
def _(case: Case) -> Iterator[Phase]:
    case.ok(SHUT)
    case.run(case.buy())
    case.ok(LIFT)
    yield "restarted"
    case.run(case.buy())
    case.run(case.buy(again=1))


@case(28)
def _(case: Case) -> None:
    case.ok(SHUT)
    case.run(UNTIL_IT_PASSES.format(buy=case.buy(), lift=LIFT))


# cells that run cells, functions, batches


@case(33)
def _(case: Case) -> None:
    # IPython cannot run a cell with ``await`` anew.
    plain = f"session.blocking.buy('{case.a}', {case.shares})"
    case.run(plain if case.form == "python" else case.buy(), "x")
    case.run("%rerun", "y")


@case(34)
def _(case: Case) -> None:
    call = {"magic": case.buy(), "python": f"session.blocking.buy('{case.a}', {case.shares})"}
    case.run(f"%timeit -n 2 -r 2 {call[case.form]}")


ENTER = {
    "magic": "async def enter():\n    o = {buy}\n    return o",
    "python": "def go_in():\n    return session.buy({stock!r}, {shares})",
}


@case(35)
def _(case: Case) -> None:
    enter = ENTER[case.form]
    case.ok(enter.format(buy=case.buy(), stock=case.a, shares=case.shares))
    name = "enter" if case.form == "magic" else "go_in"
    case.run(f"await {name}()", "x")
    case.run(f"r = await {name}()", "y")


def batch(case: Case, *lines: tuple[str, int]) -> str:
    if case.form == "magic":
        return "\n".join(["%%kis", *(f"buy {code} {shares}" for code, shares in lines)])
    orders = [("buy", *line) for line in lines]
    return f"made = await session.batch({orders});\nfor o in made.orders.values(): print(o)"


@case(36)
def _(case: Case) -> None:
    a, b, n = case.a, case.b, case.shares
    case.run(batch(case, (a, n), (b, n)))
    case.run(batch(case, (a, n), (b, n + 10)))


# revises


def revise(case: Case, price: str) -> str:
    """The order of the variable ``order`` moved to a price."""
    if case.form == "magic":
        return f"%kis revise {{order.number}} {{{price}}}"
    return f"await session.revise(order, {price})"


@case(37)
def _(case: Case) -> None:
    """What is left changes between the runs: most of the revised order is filled."""
    # Thin, so that all that is offered at one price can be bought.
    case.a = {"magic": "058470", "python": "293490"}[case.form]
    case.ok(f"price, shares = (await session.depth('{case.a}')).asks[0]\nshares += {case.shares}")
    order = case.buy(shares=Variable("shares"), price=case.price())
    case.run(f"order = {order}", "x")
    case.run(f"moved = {revise(case, 'price')}", "y")
    assert case.ok("print(moved.filled > 0, moved.leaves > 0)").text == "True True\n"
    case.run(f"moved = {revise(case, 'price')}", "y")


@case(38)
def _(case: Case) -> None:
    case.run(f"order = {case.buy(price=case.price())}", "x")
    for _ in range(2):
        case.run(f"order = {revise(case, 'order.intent.price - 1000')}", "y")


@case(39)
def _(case: Case) -> Iterator[Phase]:
    case.run(f"o = {case.buy()}\nprint(o.prise)", "x")
    case.run(f"o = {case.buy()}\nprint(o.quantity)", "x")
    yield "restarted"
    case.run(f"o = {case.buy()}\nprint(o.quantity)", "z")


AGENT = """
import kisnb
class Twice(kisnb.Agent):
    code = {code!r}
    left = 2
    def on_tick(self, tick):
        if self.left:
            self.left -= 1
            self.buy({shares})
agent = Twice()
await session.agents.start(agent);
while agent.left: await session.sleep(1)
await session.settle()
await session.agents.stop(agent.id);
for o in session.book.orders.values():
    if o.intent.agent == agent.id and o.quantity == {shares}: print(o)"""


@case(40)
def _(case: Case) -> None:
    case.run(AGENT.format(code=case.a, shares=case.shares), "x")
    case.answers[:] = case.answers[0].split(" · ")
    case.run(case.buy(), "y")


# how they are played


def come_to(desk: Notebooks, phase: Phase) -> None:
    """Bring the notebook ``main`` to a phase."""
    if phase == "restarted":
        desk.restart()
        return
    if phase == "16:00":
        desk.kernel().ok("await session.until('16:00')")
        return
    desk.kernel().ok("await session.until('23:59')\nawait session.sleep(36_060)")
    assert desk.kernel().ok("print(session.status.clock_text())").text == "10:00:00\n"


def case_of(desk: Notebooks, number: int, form: Form) -> Case:
    shares = 2 * (number // MANY) + (1 if form == "magic" else 2)
    return Case(desk, f"{number} {form}", number, shares, form=form)


def steps_of(case: Case) -> Iterator[Phase]:
    steps, _ = CASES[case.number]
    yield from steps(case) or ()


def play(desk: Notebooks, cases: Sequence[Case]) -> None:
    """Play the cases to their ends, each phase for all of them at once."""
    waiting = {case.name: (case, steps_of(case)) for case in cases}
    for phase in (None, *PHASES):
        ready = [(case, steps) for case, steps in waiting.values() if case.waits_for == phase]
        if phase is not None and ready:
            come_to(desk, phase)
        for case, steps in ready:
            try:
                case.waits_for = next(steps, None)
            except Exception:
                case.failed, case.waits_for = traceback.format_exc(), None
            if case.waits_for is None:
                del waiting[case.name]


ALL = [(number, form) for number in sorted(CASES) for form in CASES[number][1]]


@pytest.fixture(scope="module")
def played(request, tmp_path_factory) -> dict[tuple[int, Form], Case]:
    """The cases that are to be tested, all told."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "helpers_of_o11.py").write_text(HELPERS)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    items = [item for item in request.session.items if item.path == request.path]
    chosen = [i.callspec.params["chosen"] for i in items if "played" in i.fixturenames]
    cases = {}
    for apart in (False, True):
        with notebooks(folder / f"state{apart:d}", OPEN, PYTHONPATH=path) as desk:
            for n, form in chosen:
                if (n in APART) is apart:
                    cases[n, form] = case_of(desk, n, form)
            play(desk, [case for case in cases.values() if case.notebooks is desk])
    return cases


@pytest.mark.parametrize("chosen", ALL, ids=lambda c: f"{c[0]} {c[1]}: {TITLES[c[0]]}")
def test_o11_real_kernels_answer_as_the_table_of_cases_says(played, chosen):
    case = played[chosen]
    assert not case.failed, f"{case.answers}\n{case.failed}"
    assert " / ".join(case.answers) == EXPECTED[case.number]


def test_o11_every_case_of_the_table_is_played_in_real_kernels():
    assert set(CASES) == set(EXPECTED) == set(range(1, 41))
