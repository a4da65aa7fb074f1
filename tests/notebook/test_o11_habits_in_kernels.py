"""O11: what people do with cells that order, in real kernels. No order too many, none too few."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest

from kisnb.desk.address import holder
from kisnb.kis.catalogue import APIS
from kisnb.terms import Mode
from tests.notebook.watched_notebooks import Notebooks, Story, notebooks

OPEN = "%kis open sim --seed 1 --date 2026-11-24 --start 10:00"
HELPERS = '''
"""A module of the notebook: none of this is code of a cell."""

import asyncio


async def enter(session, code, shares):
    return await session.buy(code, shares)


async def patiently(call, tries=5):
    for _ in range(tries):
        try:
            return await asyncio.wait_for(call(), 0.3)
        except TimeoutError:
            print("once more")
'''
numbers = count()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebooks]:
    folder = tmp_path_factory.mktemp("habits")
    (folder / "helpers_of_o11.py").write_text(HELPERS)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with notebooks(folder / "state", OPEN, PYTHONPATH=path) as running:
        running.kernel().ok("import helpers_of_o11 as helpers")
        yield running


@pytest.fixture
def story(desk: Notebooks) -> Story:
    n = next(numbers)
    return Story(desk, f"story {n}", n)


def told(story: Story) -> str:
    return " / ".join(story.answers)


# batches and loops


def test_o11_a_batch_in_a_loop_is_refused_in_the_second_round(story):
    lines = f"[('buy', '{story.a}', {story.shares}), ('buy', '{story.b}', {story.shares})]"
    cell = f"""
for _ in range(2):
    made = await session.batch({lines});
    print(*made.orders.values(), sep='\\n')"""
    story.run(cell)
    story.run(cell)
    refused = "refuse g #1 → again 1"
    assert told(story) == f"send #1 · send #2 · {refused} / show #1 · show #2 · {refused}"


def test_o11_equal_lines_of_a_batch_are_as_many_orders(story):
    line = f"('buy', '{story.a}', {story.shares})"
    cell = f"made = await session.batch([{line}, {line}]);\nprint(*made.orders.values(), sep='\\n')"
    story.run(cell)
    story.run(cell)
    assert told(story) == "send #1 · send #2 / show #1 · show #2"


def test_o11_two_lines_of_a_loop_that_order_the_same_are_refused_in_the_second_round(story):
    buy = f"    await session.buy('{story.a}', {story.shares})\n"
    story.run(f"for _ in range(2):\n{buy}{buy}")
    assert told(story) == "send #1 · send #2 · refuse g #1 → again 1"


GATHER = """
made = await asyncio.gather({calls}, return_exceptions=True)
for error in made:
    if isinstance(error, Exception): print("OrderDenied:", error)"""


def test_o11_gather_of_equal_calls_on_one_position_sends_one(story):
    calls = f"*[session.buy('{story.a}', {story.shares}) for _ in range(3)]"
    for _ in range(2):
        story.run(GATHER.format(calls=calls))
    refused = "refuse g #1 → again 1 · refuse g #1 → again 1"
    assert told(story) == f"send #1 · {refused} / show #1 · {refused}"


def test_o11_gather_of_equal_calls_as_written_sends_both(story):
    buy = f"session.buy('{story.a}', {story.shares})"
    for _ in range(2):
        story.run(GATHER.format(calls=f"{buy}, {buy}"))
    assert told(story) == "send #1 · send #2 / show #1 · show #2"


def test_o11_many_threads_of_one_pool_that_order_the_same_send_one(story):
    cell = f"""
from concurrent.futures import ThreadPoolExecutor
def place(_):
    try:
        session.blocking.buy('{story.a}', {story.shares})
    except Exception as error:
        return type(error).__name__
with ThreadPoolExecutor(8) as pool:
    refused = sorted(map(str, pool.map(place, range(8))))
refused"""
    for word in ("send", "show"):
        output = story.run(cell)
        assert output.text.count("OrderDenied") == 7
        assert story.answers[-1] == f"{word} #1"


def test_o11_a_loop_that_opens_its_session_anew_is_one_order(story):
    """A person's retry: each round has a session of its own."""
    cell = f"""
for _ in range(2):
    async with await kisnb.connect("sim") as own:
        await own.buy('{story.a}', {story.shares})"""
    story.run(cell)
    story.quiet(OPEN)
    assert told(story) == "send #1 · refuse g #1 → again 1"


# modules, magics, cells that run cells


def test_o11_a_helper_of_a_module_is_told_by_the_line_that_calls_it(story):
    enter = f"o = await helpers.enter(session, '{story.a}', {story.shares})"
    for _ in range(2):
        story.run(f"{enter}\n{enter}", "x")
    story.run(f"for _ in range(2):\n    {enter}", "y")
    # The loop asks for both orders, and for a third, from another cell.
    assert told(story) == "send #1 · send #2 / show #1 · show #2 / refuse b #1 → again 1"


def test_o11_a_helper_that_tries_again_after_a_timeout_buys_once(story):
    story.ok("await session.simulator.fault('order', 'slow', seconds=0.8)")
    call = f"lambda: session.buy('{story.a}', {story.shares})"
    output = story.quiet(f"o = await helpers.patiently({call})")
    assert output.text.startswith("once more\n")
    assert "sent before" in output.text
    assert story.notebooks.recording.since()[0] == 1


def test_o11_lines_of_a_kis_body_are_told_apart_by_place_and_text(story):
    a, b, n = story.a, story.b, story.shares
    body = f"%%kis\nbuy {a} {n}\nbuy {a} {n}\nbuy {b} {n}"
    for _ in range(2):
        story.run(body)
    story.run(f"%%kis\nbuy {b} {n}\n# the first is gone\nbuy {a} {n}")
    runs = "send #1 · send #2 · send #3", "show #1 · show #2 · show #3", "show #3 · show #1"
    assert tuple(story.answers) == runs


def test_o11_a_notebook_that_percent_run_runs_is_the_same_text_in_every_cell(story, tmp_path):
    import nbformat

    plan = tmp_path / "plan.ipynb"
    cell = nbformat.v4.new_code_cell(f"%kis buy {story.a} {story.shares}")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), plan)
    story.run(f"%run {plan}", "x")
    story.run(f"%run {plan}", "x")
    story.run(f"print('again')\n%run {plan}", "y")
    story.run(cell.source, "z")
    assert told(story) == "send #1 / show #1 / show #1 / show #1"


def test_o11_a_script_that_percent_run_runs_orders_as_its_cell_does(story, tmp_path):
    plan = tmp_path / "plan.py"
    plan.write_text(f"session.blocking.buy('{story.a}', {story.shares})\n")
    for _ in range(2):
        story.run(f"%run -i {plan}", "x")
    assert told(story) == "send #1 / show #1"


def test_o11_capture_and_time_belong_to_the_text_of_their_cell(story):
    buy = f"%kis buy {story.a} {story.shares}"
    story.run(buy, "x")
    story.quiet(f"%%capture seen\n{buy}", "y")
    story.run("print(seen.stdout)\nfor o in seen.outputs: print(o.data['text/plain'])", "z")
    story.run(f"%time {buy}", "x")
    assert told(story) == "send #1 / show #1 / show #1"


def test_o11_code_in_a_string_is_one_position_in_a_loop(story):
    text = f"session.blocking.buy('{story.a}', {story.shares})"
    story.run(f"for _ in range(2):\n    exec({text!r})")
    assert told(story) == "send #1 · refuse g #1 → again 1"


# edits


def test_o11_a_later_error_and_its_cure_send_nothing_again(story):
    lines = [f"o = await session.buy('{code}', {story.shares})" for code in (story.a, story.b)]
    story.run("\n".join([*lines, "1 / 0"]))
    story.run("\n".join([*lines, "1 / 1"]))
    assert told(story) == "send #1 · send #2 / show #1 · show #2"


def test_o11_lines_that_change_places_or_come_back_are_the_same_orders(story):
    a, b = (f"%kis buy {code} {story.shares}" for code in (story.a, story.b))
    for lines in ([a, b], [b, a], [a], [a, b]):
        story.run("\n".join(lines))
    assert told(story) == "send #1 · send #2 / show #2 · show #1 / show #1 / show #1 · show #2"


def test_o11_a_name_a_code_and_numbers_of_other_types_are_one_wish(story):
    story.ok("import numpy")
    for code, shares in (
        (repr(story.a), story.shares),
        (repr(story.a), f"{story.shares}.0"),
        (repr(story.a), f"numpy.int64({story.shares})"),
    ):
        story.run(f"o = await session.buy({code}, {shares})")
    story.run(f"%kis buy {story.notebooks.names[story.a]} {story.shares}")
    assert told(story) == "send #1 / show #1 / show #1 / show #1"


def test_o11_again_true_is_again_1(story):
    story.run(f"%kis buy {story.a} {story.shares}")
    for number in ("--again", "--again 1"):
        story.run(f"%kis buy {story.a} {story.shares} {number}")
    story.run(f"o = await session.buy('{story.a}', {story.shares}, again=True)")
    assert told(story) == "send #1 / send #2 / show #2 / show #2"


# revise and cancel


def test_o11_a_chain_of_revises_is_run_again_as_a_whole_also_in_a_later_kernel(story):
    buy = f"await session.buy('{story.a}', {story.shares}, {story.price(1)})"
    for which in ("main", "main", "later"):
        story.run(f"order = {buy}", "x", which)
        story.run(f"moved = await session.revise(order, {story.price(2)})", "y", which)
        story.run(f"moved = %kis revise {{moved.number}} {story.price(3)}", "z", which)
    again = "show #1 / show #2 / show #3"
    assert told(story) == f"send #1 / send #2 / send #3 / {again} / {again}"


def test_o11_a_cancelled_order_is_shown_until_again_says_otherwise(story):
    buy = f"o = await session.buy('{story.a}', {story.shares}, {story.price()}"
    story.run(f"{buy})")
    story.ok("await session.cancel(o);")
    output = story.run(f"{buy})")
    assert "cancelled" in output.text
    story.run(f"{buy})", "x", "later")
    story.run(f"{buy}, again=1)", "x", "later")
    story.run(f"{buy}, again=1)")
    assert told(story) == "send #1 / show #1 / show #1 / send #2 / show #2"


# rejected, unknown, interrupted, cancelled


def test_o11_a_rejected_order_is_tried_again_here_and_refused_in_a_later_kernel(story):
    buy = f"o = await session.buy('{story.a}', {story.shares})"
    for _ in range(2):
        story.quiet("await session.simulator.fault('order', 'reject')")
        assert "OrderRejected" in story.quiet(buy).error
    posts, rejected = story.notebooks.recording.since()
    assert posts == 2
    story.orders[:] = rejected
    assert "an earlier kernel already tried" in story.quiet(buy, "x", "later").error.lower()
    story.run(buy)
    # A later order of the same number was good.
    story.run(buy, "x", "later")
    assert told(story) == "send #3 / show #3"


ORDER_LIST = APIS["inquire_daily_ccld"].tr_live
"""The TR of KIS's list of the day's orders."""
HIDE_ORDERS = f"await session.simulator.fault('read', 'cut', tr_id='{ORDER_LIST}', times=1000)"
"""KIS's list would settle an order at once. While it cannot be read, the order stays unknown."""


def test_o11_an_order_of_unknown_fate_is_shown_and_never_sent_again(story):
    buy = f"o = await session.buy('{story.a}', {story.shares}, {story.price()})"
    story.ok("await session.simulator.fault('order', 'cut', done=True)")
    story.ok(HIDE_ORDERS)
    assert "OrderUnknown" in story.quiet(buy).error
    assert story.notebooks.recording.since()[0] == 1
    for which in ("main", "later"):
        assert "OrderUnknown" in story.quiet(buy, "x", which).error
    story.quiet("await session.simulator.calm()\nawait session.sleep(90)")
    assert "sent before" in story.quiet(buy).text
    assert "sent before" in story.quiet(buy, "new id", "later").text
    assert story.notebooks.recording.since()[0] == 0


def test_o11_an_order_that_was_cut_before_kis_had_it_is_not_sent_again_by_itself(story):
    buy = f"o = await session.buy('{story.a}', {story.shares}, {story.price()})"
    story.ok("await session.simulator.fault('order', 'cut')")
    assert "OrderUnknown" in story.quiet(buy).error
    story.notebooks.recording.since()
    assert "OrderUnknown" in story.quiet(buy).error
    story.quiet("await session.sleep(150)\nawait session.resolve(None)")
    assert story.notebooks.recording.since()[0] == 0
    # Declared never sent: dead, so this kernel tries it again.
    story.run(buy)
    story.run(buy, "x", "later")
    assert told(story) == "send #1 / show #1"


SAY_GO = "asyncio.get_running_loop().call_later(0.3, print, 'go')\n"


THREAD_SAYS_GO = "import threading; threading.Timer(0.3, print, ['go']).start()\n"


def interrupt(story: Story, cell: str) -> None:
    """Run a cell and press the interrupt button while its order waits for KIS."""
    story.ok("await session.simulator.fault('order', 'slow', seconds=1.5)")
    kernel = story.notebooks.kernel()
    request = kernel.start(cell, story.id("x"))
    kernel.wait_until_shown(request, "go")
    kernel.interrupt()
    assert "nterrupt" in kernel.finish(request).error


@pytest.mark.parametrize("form", ["await session", "session.blocking", "%kis"])
@pytest.mark.parametrize("cell", ["the same cell", "the same cell edited", "another cell"])
def test_o11_an_order_that_was_interrupted_while_it_waits_is_not_sent_again(story, form, cell):
    buy = f"o = {form}.buy('{story.a}', {story.shares})"
    if form == "%kis":
        buy = f"o = %kis buy {story.a} {story.shares}"
    go = THREAD_SAYS_GO if form == "session.blocking" else SAY_GO
    interrupt(story, go + buy)
    if cell == "the same cell":
        assert "sent before" in story.quiet(go + buy).text
    elif cell == "the same cell edited":
        assert "sent before" in story.quiet(buy).text
    else:
        assert "another cell already sent" in story.quiet(buy + "  # y", "y").error.lower()
    story.quiet("await session.settle()")
    assert story.notebooks.recording.since()[0] == 1


def test_o11_a_batch_that_was_interrupted_while_it_waits_is_not_sent_again(story):
    lines = [("buy", code, story.shares) for code in (story.a, story.b, story.a)]
    cell = f"{SAY_GO}made = await session.batch({lines});\nprint(*made.orders.values(), sep='\\n')"
    interrupt(story, cell)
    for _ in range(2):
        assert story.quiet(cell).text.count("sent before") == 3
    story.quiet("await session.settle()")
    assert story.notebooks.recording.since()[0] == 3


def test_o11_gathered_orders_that_were_interrupted_are_not_sent_again(story):
    calls = [f"session.buy('{code}', {story.shares})" for code in (story.a, story.b)]
    cell = f"{SAY_GO}made = await asyncio.gather({', '.join(calls)})\nprint(*made, sep='\\n')"
    interrupt(story, cell)
    for _ in range(2):
        output = story.quiet(cell)
        assert not output.error
        assert output.text.count("<Order") == output.text.count("[SIM] #") == 2
    assert story.notebooks.recording.since()[0] == 2


def test_o11_an_order_of_unknown_fate_ends_a_loop_that_tries_again(story):
    cell = f"""
for _ in range(3):
    try:
        await session.buy('{story.a}', {story.shares}, {story.price()})
        break
    except kisnb.errors.OrderUnknown:
        print("unknown")"""
    story.ok("await session.simulator.fault('order', 'cut', done=True)")
    story.ok(HIDE_ORDERS)
    output = story.quiet(cell)
    assert output.text.splitlines()[-1] == "unknown"
    assert "this run of the cell already asked" in output.error.lower()
    story.quiet("await session.simulator.calm()\nawait session.sleep(90)")
    assert story.notebooks.recording.since()[0] == 1


def test_o11_a_task_that_is_cancelled_before_it_begins_sends_nothing(story):
    buy = f"session.buy('{story.a}', {story.shares})"
    story.run(f"task = asyncio.create_task({buy})\ntask.cancel();")
    story.run(f"await {buy}")
    assert told(story) == " / send #1"


@pytest.mark.parametrize("turns", [1, 2, 3, 5])
def test_o11_a_task_that_is_cancelled_after_some_turns_sends_one_order_at_most(story, turns):
    cell = f"""
async def place():
    await session.buy('{story.a}', {story.shares})
task = asyncio.create_task(place())
for _ in range({turns}): await asyncio.sleep(0)
task.cancel()
await place()
await session.settle()"""
    story.quiet(cell)
    assert story.notebooks.recording.since()[0] == 1
    assert "sent before" in story.quiet(cell).text
    assert story.notebooks.recording.since()[0] == 0


# sessions, desks, kernels


def test_o11_a_session_that_is_closed_and_opened_again_shows_what_it_sent(story):
    buy = f"%kis buy {story.a} {story.shares}"
    story.run(buy)
    story.quiet("%kis close")
    story.quiet(OPEN)
    story.run(buy)
    story.quiet("await session.close()")
    assert "NotOpen" in story.quiet(buy).error
    story.quiet("%kis open sim")
    story.run(buy)
    story.run(f"%kis close\n{OPEN}\n{buy}", "y")
    assert told(story) == "send #1 / show #1 / show #1 / refuse b #1 → again 1"


def test_o11_a_session_that_is_closed_while_an_order_waits_does_not_send_it_again(story):
    cell = f"""
async def place():
    await session.buy('{story.a}', {story.shares})
task = asyncio.create_task(place())
await asyncio.sleep(0.1)
await session.close()
await asyncio.wait([task])
print(type(task.exception()).__name__)
%kis open sim
await place()
await session.settle()"""
    story.ok("await session.simulator.fault('order', 'slow', seconds=0.7)")
    output = story.quiet(cell)
    assert output.text.splitlines()[0] in ("NotOpen", "DeskLost")
    assert "sent before" in output.text
    assert story.notebooks.recording.since()[0] == 1


def kill_desk(story: Story) -> None:
    """As ``kill -9``; the supervisor starts the next desk."""
    pid = holder(story.notebooks.state / f"desk-{Mode.SIM}" / "lock")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_o11_a_desk_that_was_killed_between_two_runs_sends_nothing_again(story):
    buys = f"%kis buy {story.a} {story.shares}\n%kis buy {story.b} {story.shares}"
    story.run(buys)
    kill_desk(story)
    story.run(buys)
    story.run(buys, "new id", "later")
    assert told(story) == "send #1 · send #2 / show #1 · show #2 / show #1 · show #2"


def test_o11_a_desk_that_is_killed_while_an_order_waits_sends_it_once(story):
    buy = f"o = await session.buy('{story.a}', {story.shares}, {story.price()})"
    story.ok("await session.simulator.fault('order', 'slow', seconds=1)")
    kernel = story.notebooks.kernel()
    request = kernel.start(SAY_GO + buy, story.id("x"))
    kernel.wait_until_shown(request, "go")
    kill_desk(story)
    assert not kernel.finish(request).error.startswith("OrderDenied")
    for _ in range(2):
        assert "sent before" in story.quiet(SAY_GO + buy).text
    story.quiet("await session.settle()")
    assert story.notebooks.recording.since()[0] == 1


def test_o11_a_key_in_two_kernels_at_once_is_one_order(story):
    buy = f"o = await session.buy('{story.a}', {story.shares}, key='{story.name}')"
    kernels = [story.notebooks.kernel(which) for which in ("main", "copy")]
    requests = [kernel.start(buy, story.id("x")) for kernel in kernels]
    texts = sorted(k.finish(r).text for k, r in zip(kernels, requests, strict=True))
    assert sum("sent before" in text for text in texts) == 1
    assert story.notebooks.recording.since()[0] == 1


def test_o11_an_adoption_is_made_once_and_asked_about_in_another_cell(story):
    story.run(f"%kis buy {story.a} {story.shares}")
    story.ok(f"class Keeper(kisnb.Agent):\n    code = '{story.a}'\nkeeper = Keeper()")
    adopt = f"await session.agents.adopt(keeper, '{story.a}', {story.shares});"
    held = f"print(session.books.unassigned.get('{story.a}', 0))"
    before = int(story.ok(held).text)
    for _ in range(2):
        story.ok(adopt, "x")
    assert int(story.ok(held).text) == before - story.shares
    refused = story.quiet(f"v = {adopt}", "y").error
    assert "another cell already sent the adoption" in refused.lower()
    story.ok(f"v = {adopt}", "x", "main")
    assert int(story.ok(held).text) == before - story.shares
