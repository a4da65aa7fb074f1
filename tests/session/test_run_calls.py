"""The calls of one run: lost answers are returned, loops are refused (row O11, letters f, g)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest

from kisnb.orders import Naming, Place, Wish
from kisnb.session.typed_orders import run_calls
from kisnb.session.typed_orders.run_calls import NEWEST_RUNS, Claim, RunCalls
from kisnb.trading.typed_orders.naming_rule import Refuse

DAY = date(2026, 11, 20)


def named(
    run: int = 1,
    code: str = "A",
    ordinal: int = 0,
    name: str = "",
    cell: str = "x",
) -> Naming:
    return Naming(Wish(code), Place("k", run, "n", cell, (f"text of {cell}",)), ordinal, name)


def never(_: str) -> bool:
    return False


def begin(calls: RunCalls, naming: Naming, at: object = "line", token: str = "t") -> Claim | Refuse:
    return calls.begin(naming, at, token, never)


def claim(calls: RunCalls, naming: Naming, at: object = "line", token: str = "t") -> Claim:
    begun = begin(calls, naming, at, token)
    assert isinstance(begun, Claim)
    return begun


def test_o11_an_order_that_somebody_waits_for_has_not_lost_its_caller():
    calls = RunCalls()
    claim(calls, named())
    assert isinstance(begin(calls, named()), Refuse), "it is a loop"
    assert calls.find_claim(named(run=2), "line", never) is None


def test_o11_a_lost_order_is_returned_once_with_its_token_and_key():
    calls = RunCalls()
    lost = claim(calls, named(), token="first")
    calls.answer(lost, "key")
    calls.lose(lost)
    again = claim(calls, named(run=2), token="second")
    assert (again.token, again.naming.token, again.key) == ("first", "first", "key")
    assert calls.answered(2) == ("key",)
    assert claim(calls, named(run=3), token="third").token == "third"


def test_o11_a_lost_order_is_returned_before_the_desk_has_answered():
    """The command is handed over once more under its token: the desk keeps it one order."""
    calls = RunCalls()
    calls.lose(claim(calls, named(), token="first"))
    again = claim(calls, named(), token="second")
    assert (again.token, again.key) == ("first", "")


@pytest.mark.parametrize(
    "other",
    [named(2, code="B"), named(2, ordinal=1), named(2, name="k"), named(2, cell="y")],
    ids=["wish", "number", "name", "cell"],
)
def test_o11_a_lost_order_is_returned_to_an_equal_call_of_its_cell_only(other: Naming):
    calls = RunCalls()
    calls.lose(claim(calls, named()))
    assert calls.find_claim(other, "line", never) is None


def test_o11_a_lost_order_of_its_own_run_is_returned_first():
    calls = RunCalls()
    calls.lose(claim(calls, named(1), token="earlier run"))
    own = claim(calls, named(2, cell="y"), token="own run")
    calls.lose(own)
    assert calls.find_claim(named(2), "line", never) is own


def test_o11_a_lost_order_of_yesterday_is_not_returned_today():
    calls = RunCalls()
    calls.lose(calls.claim(named(), "line", "t", day=date(2026, 11, 19)))
    assert calls.find_claim(named(2), "line", never, day=DAY) is None
    calls.lose(calls.claim(named(2), "line", "t", day=DAY))
    assert calls.find_claim(named(3), "line", never, day=DAY) is not None


def test_o11_an_order_whose_caller_is_being_cancelled_is_returned_in_its_run():
    calls, leaves = RunCalls(), [False]
    first = calls.begin(named(), "task", "first", never, has_left=lambda: leaves[0])
    assert isinstance(first, Claim)
    assert claim(calls, named(), "line", "second").token == "second"
    leaves[0] = True
    assert calls.find_claim(named(run=2), "line", never) is None, "the desk knows it there"
    assert claim(calls, named(), "another line", "third").token == "first"
    calls.lose(first)
    assert first.state == "reached"


def test_o11_a_caller_that_has_its_order_cannot_lose_it_any_more():
    calls = RunCalls()
    mine = claim(calls, named())
    calls.reach(mine)
    calls.lose(mine)
    assert calls.find_claim(named(2), "line", never) is None


def test_o11_a_loop_is_refused_with_the_order_and_the_first_free_ordinal():
    calls = RunCalls()
    calls.answer(claim(calls, named()), "key")
    again = calls.find_claim(named(), "line", never, first_free=lambda _: 3)
    assert again == Refuse("g", "key", 3)
    claim(calls, named(ordinal=3), "other line")
    assert calls.find_claim(named(), "line", never, first_free=lambda _: 3) == Refuse("g", "key", 4)


def test_o11_another_position_of_the_run_is_no_loop_without_an_ordinal():
    calls = RunCalls()
    claim(calls, named(), "first line")
    assert calls.find_claim(named(), "second line", never) is None
    claim(calls, named(ordinal=1), "first line")
    assert isinstance(calls.find_claim(named(ordinal=1), "second line", never), Refuse)


def test_o11_a_loop_goes_on_after_a_dead_order_and_after_a_refused_call():
    calls = RunCalls()
    calls.answer(claim(calls, named()), "dead")
    assert calls.find_claim(named(), "line", lambda key: key == "dead") is None
    other = RunCalls()
    other.drop(claim(other, named()))
    assert other.find_claim(named(), "line", never) is None
    assert other.answered(1) == ()


def test_o11_a_named_call_may_come_again_in_a_loop():
    calls = RunCalls()
    for _ in range(2):
        claim(calls, named(name="k"))


def test_o11_equal_calls_of_two_threads_at_once_claim_one_order():
    for _ in range(50):
        calls, ready = RunCalls(), Barrier(4)

        def order(n: int, calls: RunCalls = calls, ready: Barrier = ready) -> Claim | Refuse:
            ready.wait()
            return begin(calls, named(), "lambda", f"t{n}")

        with ThreadPoolExecutor(4) as pool:
            begun: Sequence[Claim | Refuse] = list(pool.map(order, range(4)))
        assert sum(isinstance(one, Claim) for one in begun) == 1


def test_o11_old_runs_are_forgotten_but_not_what_was_lost_or_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(run_calls, "MOST_CLAIMS", 200)
    calls = RunCalls()
    lost, waits = claim(calls, named(1), "lost"), claim(calls, named(2, "B"), "waits")
    calls.lose(lost)
    for n in range(3, 3_000):
        done = claim(calls, named(n, "C"))
        calls.answer(done, f"key {n}")
        calls.reach(done)
    assert calls.answered(3) == ()
    assert calls.answered(2_999 - NEWEST_RUNS + 1) != ()
    assert calls.find_claim(named(1), "lost", never) is lost
    assert isinstance(calls.find_claim(named(2, "B"), "waits", never), Refuse)
    assert waits.state == "waits"
    kept = sum(run.count for run in calls._runs.values())
    assert kept == calls._count <= 201
