"""What holds for every sequence of runs, restarts, moved prices and lost answers (row O11)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import kst_day
from kisnb.events import Cancelled, IntentTaken, Resolved
from kisnb.orders import OrderState
from kisnb.trading.ports.queries import OrderRequest
from kisnb.trading.state import State
from kisnb.trading.typed_orders.naming_rule import SendNew
from kisnb.trading.typed_orders.placing import naming_rule
from tests.trading.notebook_model import SCOPE, Asked, Buy, DeskModel, Kernel, Run

Step = tuple[str, int, int]
FATES = ("denied", "rejected", "unknown", "never", "cancelled", "expired", "filled")
NOTEBOOKS = 2
CELLS = 3


@dataclass
class Cell:
    """A cell as its author sees it: it stays the same cell under new ids."""

    name: str
    calls: tuple[Buy, ...]
    id: str
    version: int = 0
    """Of another line of its text."""
    last: Run | None = None

    @property
    def text(self) -> str:
        lines = "\n".join(call.text for call in self.calls)
        return f"{lines}\n# {self.version}" if self.version else lines


@dataclass
class World:
    """Two notebooks and a desk; each step is three small numbers."""

    programs: Sequence[Sequence[Buy]]
    names: Sequence[str]
    desk: DeskModel = field(default_factory=DeskModel)
    price: int = 70
    fates: list[str] = field(default_factory=list)
    lost: bool = False
    ids: int = 0

    def __post_init__(self) -> None:
        self.kernels = [Kernel(self.desk, name) for name in self.names]
        self.cells = [[self._cell(nb, n) for n in range(CELLS)] for nb in range(NOTEBOOKS)]
        self.home: dict[tuple[str, int], str] = {}
        """Kernel and run → the author's cell."""

    def _cell(self, notebook: int, n: int) -> Cell:
        calls = tuple(self.programs[(notebook * CELLS + n) % len(self.programs)])
        return Cell(f"{notebook}/{n}", calls, f"id{n}")

    def go(self, steps: Sequence[Step]) -> World:
        for what, a, b in steps:
            getattr(self, f"do_{what}")(a % NOTEBOOKS, b)
        return self

    # steps

    def do_run(self, nb: int, n: int) -> bool:
        """Run a cell; whether it ran through."""
        cell, kernel = self.cells[nb][n % CELLS], self.kernels[nb]
        run = cell.last = kernel.begin(cell.id, cell.text)
        self.home[kernel.name, run.number] = cell.name
        return all(self._order(run, call, n) for n, call in enumerate(cell.calls))

    def _order(self, run: Run, call: Buy, n: int) -> bool:
        price = None if call.price is None else self.price + call.price
        fate = self.fates.pop() if self.fates else "accepted"
        lost, self.lost = self.lost, False
        at = n if call.at is None else call.at
        now = replace(call, price=price, at=at, fate=fate, lost=lost)  # type: ignore[arg-type]
        return not run.order(now).startswith(("refuse", "denied", "rejected"))

    def do_all(self, nb: int, _: int) -> bool:
        """Run All: up to the first cell that fails."""
        return all(self.do_run(nb, n) for n in range(CELLS))

    def do_restart(self, nb: int, ids: int) -> None:
        """A new kernel; ids stay, are new, or are missing."""
        self.kernels[nb] = self.kernels[nb].restarted()
        self.do_ids(nb, ids)

    def do_ids(self, nb: int, ids: int) -> None:
        for cell in self.cells[nb]:
            self.ids += 1
            cell.last = None
            cell.id = (cell.id, f"new{self.ids}", "")[ids % 3]

    def do_edit(self, nb: int, n: int) -> None:
        """Another line of a cell is changed."""
        self.cells[nb][n % CELLS].version += 1

    def do_price(self, _: int, b: int) -> None:
        self.price = 70 + b % 3

    def do_fate(self, _: int, b: int) -> None:
        self.fates = [FATES[b % len(FATES)]]

    def do_later(self, _: int, b: int) -> None:
        """An order of unknown fate is declared never sent; one in the market is cancelled."""
        live = list(self.desk.state.books.live.values())
        if live:
            order = live[b % len(live)]
            if order.state is OrderState.UNKNOWN:
                self.desk.keep(Resolved(self.desk.now, order.key, None, "never sent"))
            elif order.state is OrderState.ACCEPTED:
                self.desk.keep(Cancelled(self.desk.now, order.key, order.leaves))

    def do_lost(self, _: int, __: int) -> None:
        self.lost = True

    def do_task(self, nb: int, n: int) -> None:
        """A task of the last run of a cell makes its last call once more."""
        cell = self.cells[nb][n % CELLS]
        if cell.last is not None:
            self._order(cell.last, cell.calls[-1], len(cell.calls) - 1)

    def do_day(self, _: int, b: int) -> None:
        if not b % 3:
            self.desk.next_day()

    def do_desk(self, _: int, __: int) -> None:
        self.desk.restart()

    # what came of it

    def taken(self) -> list[IntentTaken]:
        return [row for row in self.desk.rows if isinstance(row, IntentTaken)]

    def live(self, key: str) -> bool:
        return not self.desk.is_dead(key)


STEPS = ("run", "run", "run", "all", "all", "restart", "ids", "edit", "price", "fate")
STEPS += ("later", "lost", "task", "day", "desk")
one_step = st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, 6))
steps = st.lists(one_step, max_size=14)
plain = st.builds(
    Buy,
    code=st.sampled_from("AB"),
    qty=st.integers(1, 2),
    price=st.sampled_from([None, 0, 1]),
    source=st.sampled_from(["", "buy(code, n, p)", "enter()"]),
    at=st.sampled_from([None, None, "loop"]),
)
ordinals = st.sampled_from([0, 0, 0, 1, 2])
any_call = st.builds(replace, plain, again=ordinals, key=st.sampled_from(["", "", "", "k"]))
names = st.sampled_from([("one", "two"), ("one", ""), ("", ""), ("one", "one")])


def worlds(call: st.SearchStrategy[Buy]) -> st.SearchStrategy[World]:
    cells = st.lists(st.lists(call, min_size=1, max_size=3), min_size=2, max_size=2 * CELLS)
    return st.builds(lambda p, n, s: World(p, n).go(s), cells, names, steps)


some = settings(max_examples=80, deadline=None)


@some
@given(worlds(plain))
def test_o11_a_cell_has_no_more_live_orders_of_a_wish_than_one_run_of_it_made_calls(world: World):
    made: dict[object, Counter[object]] = defaultdict(Counter)
    for asked in world.desk.log:
        cell = world.home[asked.run.kernel.name, asked.run.number]
        made[cell, asked.call.wish][asked.run.kernel.name, asked.run.number] += 1
    sent: Counter[object] = Counter()
    for row in world.taken():
        assert row.naming is not None
        if world.live(row.intent.key):
            place = row.naming.place
            sent[kst_day(row.t), world.home[place.kernel, place.run], row.naming.wish] += 1
    for (_, cell, wish), count in sent.items():  # type: ignore[misc]
        assert count <= max(made[cell, wish].values())


@some
@given(worlds(any_call))
def test_o11_one_position_of_one_run_sends_a_wish_and_ordinal_once(world: World):
    for n in range(CELLS):
        # A task of the cell makes the last call once more.
        world.do_run(0, n)
        world.do_task(0, n)
    sent: Counter[object] = Counter()
    for asked in world.desk.log:
        if asked.word == "send" and world.live(asked.key) and not asked.call.key:
            run = asked.run
            sent[run.kernel.name, run.number, asked.call.at, asked.call.wish, asked.call.again] += 1
    assert all(count == 1 for count in sent.values())


@some
@given(worlds(any_call))
def test_o11_keys_are_unique_and_an_ordinal_names_one_live_order_of_a_wish(world: World):
    taken = world.taken()
    assert len({row.intent.key for row in taken}) == len(taken)
    ordinals: Counter[object] = Counter()
    for row in taken:
        assert row.naming is not None
        if not world.live(row.intent.key):
            continue
        if row.naming.name:
            ordinals[kst_day(row.t), row.naming.name] += 1
        elif row.naming.ordinal:
            ordinals[kst_day(row.t), row.naming.wish, row.naming.ordinal] += 1
    assert all(count == 1 for count in ordinals.values())


@some
@given(worlds(any_call))
def test_o11_an_order_answers_one_call_without_an_ordinal_in_each_run(world: World):
    answered: Counter[object] = Counter()
    for asked in world.desk.log:
        call = asked.call
        # A call that was lost has no answer yet.
        if asked.word in ("send", "show") and not call.again and not call.key and not call.lost:
            answered[asked.run.kernel.name, asked.run.number, asked.key] += 1
    assert all(count == 1 for count in answered.values())


@some
@given(worlds(any_call), st.integers(0, 1))
def test_o11_the_ordinal_that_a_refusal_prints_sends_one_order_and_names_it_from_then_on(
    world: World,
    ids: int,
):
    asked = next((a for a in reversed(world.desk.log) if a.again), None)
    if asked is None or kst_day(world.desk.now) != day_of(world, asked):
        return
    kernel = next((k for k in world.kernels if k is asked.run.kernel), None)
    if kernel is None:
        return
    # Another order may have taken the ordinal meanwhile.
    again = world.desk.rule().first_free(asked.run.naming(asked.call))
    if world.desk.log[-1] is asked:
        assert again == asked.again
    one = replace(asked.call, again=again, fate="accepted", lost=False)
    new = f"#{len(world.desk.sent) + 1}"
    assert kernel.run("probe", one) == f"send {new}"
    assert kernel.run("probe", one) == f"show {new}"
    later = kernel.restarted()
    assert later.run(("probe", "")[ids], one) == f"show {new}"
    moved = replace(one, price=(one.price or 0) + 10, source=one.call)
    assert later.run("probe", moved).startswith(f"refuse c {new} ")


def day_of(world: World, asked: Asked) -> object:
    named = world.desk.state.names.get(asked.key)
    return named.day if named is not None else None


@some
@given(worlds(any_call), st.integers(0, 2))
def test_o11_a_run_all_that_ran_through_runs_through_after_a_restart_and_sends_nothing(
    world: World,
    ids: int,
):
    world.fates, world.lost = [], False
    world.do_all(0, 0)
    # Other lines of the cells are corrected before the Run All that counts.
    for cell in world.cells[0]:
        cell.version += 1
    if not world.do_all(0, 0):
        return
    before = len(world.desk.sent)
    world.do_restart(0, ids)
    assert world.do_all(0, 0)
    assert len(world.desk.sent) == before


@some
@given(worlds(any_call), any_call, any_call)
def test_o11_two_kernels_in_one_second_get_what_they_would_get_one_after_the_other(
    world: World, first: Buy, second: Buy
):
    desk = world.desk
    one, two = (k.begin("probe", "one text") for k in (*world.kernels,))
    naming, old_view = two.naming(second), State.fold(desk.rows)
    seen_before = naming_rule(desk.now, old_view, SCOPE).answer(naming)
    one.order(first)
    later = naming_rule(desk.now, State.fold(desk.rows), SCOPE).answer(naming)
    (answer,) = desk.ask([OrderRequest(second.intent, naming)])
    if isinstance(later, SendNew):
        assert (answer.outcome, answer.intent.key) == ("sent", later.key)
    else:
        assert answer.outcome != "sent"
    plain = not first.key and not second.key and first.wish == second.wish
    if plain and isinstance(seen_before, SendNew) and desk.log[-1].word == "send":
        # The old view would have sent the same order once more.
        numbered = second.again and first.again != second.again
        assert numbered or answer.outcome != "sent"
