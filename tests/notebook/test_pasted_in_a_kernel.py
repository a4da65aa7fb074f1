"""N02: pasted commands in a real kernel, and a shell whose settings differ from Jupyter's own."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from tests.notebook.real_kernels import Kernel, kernel, stop_desk

NOT_AWAITED = "BadInput: %kis until has to be awaited, and here it cannot be."


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that has not loaded kisnb."""
    state = tmp_path_factory.mktemp("pasted") / "state"
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        yield k
    stop_desk(state)


@pytest.fixture(scope="module")
def k(fresh: Kernel) -> Kernel:
    fresh.ok("%load_ext kisnb")
    fresh.ok("%kis open sim --seed 7")
    return fresh


def test_n02_the_cell_that_loads_kisnb_says_to_run_it_once_more(fresh: Kernel):
    cell = "%load_ext kisnb\n%kis open"
    cure = "This cell loads kisnb: run it once more, or give %load_ext kisnb a cell of its own"
    assert cure in fresh.run(cell).error
    assert fresh.run(cell).error.startswith("BadInput: Which desk? Write %kis open sim, %kis open")


def nfd(korean: str) -> str:
    return unicodedata.normalize("NFD", korean)


@pytest.mark.parametrize(
    "cell",
    [
        "%kis quote 005930 #price now",
        "%kis\u00a0quote\u00a0005930",
        "\u00a0%kis\u3000quote\u3000００５９３０",
        "\ufeff%%kis\nquote 005930\u200b",
        "％kis quote 005930",
        "%kis %kis quote 005930",
        "%%kis\n\tquote \\\n\t005930\n",
        "%kis quote \\\n005930",
        "for _ in range(1):\n\u00a0\u00a0\u00a0 x = %kis quote “005930”\nprint(x.code, x.name)",
        f"%kis quote {nfd('삼성전자')}",
        f"name = '{nfd('삼성전자')}'\n%kis quote {{name}}",
        "await session.quote('００５９３０')",
        f"%kis search {nfd('삼성전자')}",
    ],
)
def test_n02_a_pasted_cell_is_read(k: Kernel, cell: str):
    shown = k.ok(cell).text
    assert "005930" in shown
    assert "삼성전자" in shown


def test_n02_a_name_taken_apart_gets_the_same_hint_as_one_that_is_whole(k: Kernel):
    cells = [f"await session.quote({name!r})" for name in ("삼성전자", nfd("삼성전자"))]
    errors = [k.run(cell).error for cell in cells]
    assert errors[0] == errors[1]
    assert "Did you mean 005930 삼성전자" in errors[0]


def test_o11_an_order_pasted_in_another_form_is_the_same_order(k: Kernel):
    first = k.ok("%kis buy 005930 1 60,000 # first", "order").text
    assert "#1 buy 1 005930 @ 60,000" in first
    for cell in (
        "%kis buy 삼성전자 1주 60,000원 # first",
        "%kis\u00a0buy\u00a0005930\u30001 \\\n60000 #first",
    ):
        assert "sent before" in k.ok(cell, "order").text
        assert "Another cell already sent #1" in k.run(f"pass\n{cell}", "elsewhere").error
    assert k.ok("print(len(session.book.orders))").text == "1\n"


def test_n03_a_number_that_may_belong_to_the_name_is_in_doubt(k: Kernel):
    error = k.run("%kis buy KODEX 200 30,000").error
    assert (
        error
        == "BadInput: KODEX 200 may be the stock KODEX 200, or 200 shares of it. Write 069500."
    )


def test_n02_capitals_are_read_as_small_letters(k: Kernel):
    assert "005930" in k.ok("%kis Quote 005930").text
    assert k.ok("x = %kis cancel ALL").error == ""


def test_n02_an_alias_of_the_magic_is_awaited_like_the_magic(k: Kernel):
    k.ok("%alias_magic k kis\n%alias_magic -p 'until' wait kis")
    assert "005930" in k.ok("%k quote 005930").text
    assert "is past" in k.ok("%k until 00:01").text
    assert "is past" in k.ok("%%k\nuntil 00:01").text
    assert "is past" in k.ok("%wait 00:01").text


def test_n02_without_autoawait_a_command_works_or_names_the_setting(k: Kernel):
    try:
        for setting in ("off", "trio"):
            k.ok(f"%autoawait {setting}")
            assert "005930" in k.ok("%kis quote 005930").text
            error = k.run("%kis until 00:01").error
            assert error.startswith(NOT_AWAITED)
            assert setting in error
            assert error.endswith("type %autoawait asyncio first.")
    finally:
        k.ok("%autoawait asyncio")
    assert "is past" in k.ok("%kis until 00:01").text


def test_n02_in_a_function_a_command_that_must_be_awaited_says_where_to_write_it(k: Kernel):
    error = k.run("def f():\n    %kis until 00:01\nf()").error.splitlines()[-1]
    assert error.startswith(NOT_AWAITED)
    assert "top level of a cell" in error


def test_n02_orders_of_a_loop_leave_a_line_each(k: Kernel):
    looped = (
        "for price in (60_100, 60_200):\n    %kis buy 000660 1 {price}\n    %kis sell 005930 1;"
    )
    k.run(looped)
    assert (
        k.ok(
            "for code in ('000660', '035420'):\n    %kis buy {code} 1 @150,000", "loop"
        ).text.count("accepted")
        == 2
    )


def test_n02_in_jupyter_nothing_is_said_of_a_prompt(k: Kernel):
    said = k.ok("%kis agents").text + k.ok("%kis open sim --seed 7").text
    assert "stand still" not in said


CALLS = [
    "session.quote('005930')",
    "session.depth('005930')",
    "session.balance()",
    "session.watch('005930')",
    "session.cancel('all')",
    "session.sleep(5)",
    "session.until('15:00')",
    "session.halt('stop')",
    "session.agents.start('x')",
    "session.agents.stop('x')",
    "session.simulator.ledger()",
    "session.close()",
    "kisnb.connect('sim', seed=7)",
]


def test_n03_a_call_that_is_not_awaited_says_that_nothing_was_done(k: Kernel):
    k.ok("import kisnb")
    for call in CALLS:
        short = call.rpartition("session.")[2].rpartition("agents.")[2]
        short = short.removeprefix("simulator.").removeprefix("kisnb.")
        assert (
            f"<not done: {short}. Write await before the call, and it is done.>" in k.ok(call).text
        )
    dropped = k.ok("session.sleep(5)\nprint('on')").text
    assert "sleep(5) was not awaited: nothing was done. Write await before the call." in dropped
    assert k.ok("print(session.closed, session.halt_state)").text == "False active\n"


def test_n03_a_call_with_a_wrong_argument_says_so_without_being_awaited(k: Kernel):
    assert "TypeError" in k.run("session.sleep()").error


def test_n02_calls_are_awaited_in_every_way_that_a_coroutine_is(k: Kernel):
    ways = """
import asyncio
quotes = await asyncio.gather(session.quote('005930'), session.quote('000660'))
task = asyncio.create_task(session.quote('005930'))
async with asyncio.TaskGroup() as group:
    other = group.create_task(session.depth('005930'))
third = await asyncio.wait_for(session.balance(), 30)
print(len(quotes), (await task).code, other.result().code, third.complete)
"""
    assert k.ok(ways).text == "2 005930 005930 True\n"


def test_n03_the_hint_to_open_the_desk_again_can_be_typed_as_it_stands(k: Kernel):
    """Messages say ``open it again with %kis open``, because they do not know how it was opened."""
    k.ok("%kis close")
    assert k.run("%kis quote 005930").error.startswith("NotOpen")
    assert "seed 7" in k.ok("%kis open").text
    assert "005930" in k.ok("%kis quote 005930").text
