"""What names a typed order, and how a repetition is answered: the 40 cases of row O11."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kisnb.orders import Intent
from kisnb.terms import OrderKind, Side
from kisnb.trading.ports.queries import OrderRequest
from tests.trading.notebook_model import Buy, DeskModel, Kernel

A, B = Buy("A"), Buy("B")
ALL_SHOWN = "show #1 · show #2 · show #3"
SPELT = Buy("A", source="o = await session.buy('A', 1)")
Steps = Callable[[DeskModel], Iterator[str]]
CASES: dict[int, tuple[str, Steps, str]] = {}
OF_A_KERNEL = {
    19: "a thread without cell code on its stack is refused before it can ask (h)",
    34: "%timeit is refused before it can ask (i)",
}


def case(number: int, title: str, expected: str) -> Callable[[Steps], Steps]:
    def add(steps: Steps) -> Steps:
        CASES[number] = (title, steps, expected)
        return steps

    return add


def ladder(*prices: int) -> list[Buy]:
    return [Buy("A", price=p, source="buy A 1 @{p}", at="loop") for p in prices]


@case(1, "run all twice", "send #1 / send #2 / show #1 / show #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    for _ in range(2):
        yield k.run("x", A)
        yield k.run("y", B)


@case(2, "run all after a restart of the kernel", "send #1 / send #2 / show #1 / show #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    for kernel in (k, k.restarted()):
        yield kernel.run("x", A)
        yield kernel.run("y", B)


@case(3, "new ids in the same kernel", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A)
    yield k.run("z", A)


@case(4, "new ids and a new kernel", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A)
    yield k.restarted().run("z", A)


@case(5, "executed twice without id and notebook", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    for _ in range(2):
        yield Kernel(desk, "").run("", A)


@case(6, "another parameter of papermill", "send #1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    for code in ("A", "B"):
        yield Kernel(desk, "").run("", Buy(code, source="%kis buy {code} 1"))


@case(7, "another line of the cell corrected", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", SPELT, text="o = …\nprint(o.prise)")
    yield k.run("x", SPELT, text="o = …\nprint(o.price)")


@case(8, "the call spelt another way", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", source="session.buy('A', 1)"))
    yield k.run("x", Buy("A", source="session.buy(code='A', qty=1)"))


@case(9, "two equal lines of one cell", "send #1 · send #2 / show #1 · show #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A, A)
    yield k.run("x", A, A)


@case(
    10,
    "two cells of one text, then an ordinal",
    "send #1 / show #1 / send #2 / show #1 / show #2",
)
def _(desk: DeskModel) -> Iterator[str]:
    k, more = Kernel(desk), Buy("A", again=1)
    yield k.run("x", A)
    yield k.run("y", A)
    yield k.run("y", more)
    yield k.run("x", A)
    yield k.run("y", more)


@case(
    11,
    "two cells of another text, asked once",
    "send #1 / refuse b #1 → again 1 / send #2 / show #1 / show #2",
)
def _(desk: DeskModel) -> Iterator[str]:
    k, more = Kernel(desk), Buy("A", again=1, source=SPELT.source)
    yield k.run("x", A)
    yield k.run("y", SPELT)
    yield k.run("y", more)
    k = k.restarted()
    yield k.run("x", A)
    yield k.run("y", more)


@case(
    12,
    "a ladder run twice",
    "send #1 · send #2 · send #3 / " + ALL_SHOWN,
)
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    for _ in range(2):
        yield k.run("x", *ladder(70, 69, 68), text="ladder")


@case(13, "the ladder moved", "send #1 · send #2 · send #3 / refuse c #1 → again 1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", *ladder(70, 69, 68), text="ladder")
    yield k.run("x", *ladder(71, 70, 69), text="ladder")


@case(
    14,
    "equal orders of a loop",
    "send #1 · refuse g #1 → again 1 / show #1 · send #2 · send #3 / " + ALL_SHOWN,
)
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", *(Buy("A", at="loop") for _ in range(3)), text="for _")
    for _ in range(2):
        yield k.run("x", *(Buy("A", again=i, at="loop") for i in range(3)), text="for i")


@case(
    15,
    "a bot in a cell, before and after a restart",
    "send #1 · refuse g #1 → again 1 / show #1 · refuse g #1 → again 1",
)
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    for kernel in (k, k.restarted()):
        yield kernel.run("x", Buy("A", at="loop"), Buy("A", at="loop"), text="while True")


@case(16, "a worker that is fed from another cell", "send #1 / refuse g #1 → again 1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    worker = k.begin("w", "while True: …")
    for _ in range(2):
        k.begin("x", "await q.put('A')")
        yield worker.order(Buy("A", at="loop"))


@case(17, "gather in another order of happening", "send #1 · send #2 / show #2 · show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    a, b = (Buy(code, source="gather(*map(place, codes))", at="place") for code in "AB")
    yield k.run("x", a, b, text="gather")
    yield k.run("x", b, a, text="gather")


@case(18, "a pool of threads", "send #1 · send #2 / show #2 · show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    a, b = (Buy(code, source="pool.map(buy, codes)", at="lambda") for code in "AB")
    yield k.run("x", a, b, text="pool")
    yield k.run("x", b, a, text="pool")


@case(20, "a button clicked twice", "send #1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    for n in range(2):
        (answer,) = desk.ask([ticket(f"ticket:{n}")])
        yield f"send {desk.number(answer.intent.key)}"


@case(21, "a try that timed out", "send #1, not reached · show #1")
def _(desk: DeskModel) -> Iterator[str]:
    first, second = Buy("A", at="try", lost=True), Buy("A", at="try")
    yield Kernel(desk).run("x", first, second, text="for attempt")


@case(
    22,
    "a price that moves twice",
    "send #1 / refuse c #1 → again 1 / send #2 / refuse c #2 → again 2 / send #3",
)
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    for price, again in ((70, 0), (71, 0), (71, 1), (72, 1), (72, 2)):
        yield k.run("x", Buy("A", price=price, again=again, source="buy(A, 1, price)"))


@case(23, "another venue by the router", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A)
    desk.now += 6 * 3_600_000_000_000
    yield k.run("x", A)


@case(24, "a copy of the notebook", "send #1 / refuse b #1 → again 1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    yield Kernel(desk, "one.ipynb").run("x", A)
    copy = Kernel(desk, "two.ipynb")
    yield copy.run("x", A)
    yield copy.run("x", Buy("A", again=1))


@case(25, "two kernels whose notebooks are not known", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    for _ in range(2):
        yield Kernel(desk, "").run("c2", A)


@case(26, "denied and run again in the same kernel", "denied #1 / send #2 / show #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", fate="denied"))
    yield k.run("x", A)
    yield k.run("x", A)


@case(27, "denied and run again after a restart", "denied #1 / refuse d #1 → again 1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", fate="denied"))
    k = k.restarted()
    yield k.run("x", A)
    yield k.run("x", Buy("A", again=1))


@case(28, "a loop until the gate lets it pass", "denied #1 · denied #2 · send #3")
def _(desk: DeskModel) -> Iterator[str]:
    shut = Buy("A", fate="denied", at="loop")
    yield Kernel(desk).run("x", shut, shut, Buy("A", at="loop"), text="while True: try")


@case(29, "an ordinal names one order", "send #1 / send #2 / show #2 / show #2 / send #3")
def _(desk: DeskModel) -> Iterator[str]:
    k, one = Kernel(desk), Buy("A", again=1)
    yield k.run("x", A)
    yield k.run("x", one)
    yield k.run("x", one)
    k = k.restarted()
    yield k.run("x", one)
    yield k.run("x", Buy("A", again=2))


@case(30, "key= is one order of a day", "send #1 / show #1 / refuse key #1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", key="k"))
    yield k.run("y", Buy("A", key="k", source="other"))
    yield k.run("y", Buy("A", 2, key="k"))
    desk.next_day()
    yield k.run("x", Buy("A", key="k"))


@case(31, "a session that lives over midnight", "send #1 / send #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A)
    desk.next_day()
    yield k.run("x", A)


@case(32, "two kernels in one second", "send #1 / refuse b #1 → again 1")
def _(desk: DeskModel) -> Iterator[str]:
    one, two = Kernel(desk, "one.ipynb"), Kernel(desk, "two.ipynb")
    yield one.run("x", A)
    yield two.run("x", A)


@case(33, "%rerun of the cell before", "send #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", A)
    yield k.begin("y", "%rerun", A.text).order(A)


@case(35, "two cells call one function", "send #1 / refuse b #1 → again 1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", source="await enter()", at=("x", "enter")))
    yield k.run("y", Buy("A", source="r = await enter()", at=("y", "enter")))


@case(36, "one line of a batch changed", "send #1 · send #2 / show #1 · send #3")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.begin("x", "batch A1 B1").batch(A, B)
    yield k.begin("x", "batch A1 B2").batch(A, Buy("B", 2))


@case(37, "revise all that is left", "send #1 / send #2 / show #2")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", Buy("A", 10, 70))
    all_left = Buy("A", None, 69, source="revise(order, 69)", revises=desk.sent[0])
    yield k.run("y", all_left)
    yield k.run("y", all_left)


@case(38, "a step that steps again", "send #1 / send #2 / refuse c #2 → again 1")
def _(desk: DeskModel) -> Iterator[str]:
    k, source = Kernel(desk), "order = await revise(order, order.price - 1)"
    yield k.run("x", Buy("A", 10, 70))
    yield k.run("y", Buy("A", None, 69, source=source, revises=desk.sent[0]))
    yield k.run("y", Buy("A", None, 68, source=source, revises=desk.sent[1]))


@case(39, "corrected, run, and opened again", "send #1 / show #1 / show #1")
def _(desk: DeskModel) -> Iterator[str]:
    k = Kernel(desk)
    yield k.run("x", SPELT, text="with a slip")
    yield k.run("x", SPELT, text="corrected")
    yield k.restarted().run("z", SPELT, text="corrected")


@case(40, "an agent beside a cell", "send #1 / send #2 / send #3")
def _(desk: DeskModel) -> Iterator[str]:
    for n in range(2):
        (answer,) = desk.ask([ticket(f"agent:mom:1:{n}", "mom")])
        yield f"send {desk.number(answer.intent.key)}"
    yield Kernel(desk).run("y", A)


def ticket(key: str, agent: str = "") -> OrderRequest:
    return OrderRequest(Intent(key, agent, "A", Side.BUY, 1, OrderKind.MARKET))


@pytest.mark.parametrize("number", sorted(CASES), ids=lambda n: f"{n}: {CASES[n][0]}")
def test_o11_a_repetition_is_answered_as_the_table_of_cases_says(number: int):
    _, steps, expected = CASES[number]
    assert " / ".join(steps(DeskModel())) == expected


@pytest.mark.parametrize("number", sorted(CASES), ids=lambda n: f"{n}: {CASES[n][0]}")
def test_o11_a_desk_that_restarts_between_two_runs_answers_the_same(number: int):
    _, steps, expected = CASES[number]
    desk, told = DeskModel(), []
    for outcome in steps(desk):
        told.append(outcome)
        desk.restart()
    assert " / ".join(told) == expected


def test_o11_the_table_has_every_case_that_a_pure_rule_can_answer():
    assert set(CASES) | set(OF_A_KERNEL) == set(range(1, 41))
