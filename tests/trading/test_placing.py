"""What a person reads of a typed order that is shown or refused, and details of row O11."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kisnb.errors import OrderDenied
from kisnb.orders import Naming, Place
from kisnb.trading.ports.commands import ShowOrder
from kisnb.trading.ports.queries import OrderRequest
from kisnb.trading.ports.replies import PlaceAnswer
from kisnb.trading.typed_orders.naming_rule import NamingRule, Refuse, SendNew, ShowKnown
from kisnb.trading.typed_orders.order_names import same_cell
from kisnb.trading.typed_orders.placing import commands, naming_rule, place, refusal
from tests.trading.notebook_model import SCOPE, Buy, DeskModel, Fate, Kernel

ONE = "cell [1] of one.ipynb (kernel 1)"
SENT = "#1 buy 5 005930 @ 69,000 (accepted)"
CURE = "to send one more: --again 1 (again=1); for what you mean every day: --key NAME (key='NAME')"


def naming(
    call: Buy,
    run: int = 1,
    kernel: str = "kernel 1",
    cell: str = "x",
    token: str = "",
) -> Naming:
    where = f"cell [{run}] of one.ipynb ({kernel})"
    at = Place(kernel, run, "one.ipynb", cell, (cell,), call.call, where)
    return Naming(call.wish, at, call.again, call.key, token)


def ask(desk: DeskModel, *asked: tuple[Buy, Naming]) -> tuple[PlaceAnswer, ...]:
    return desk.ask([OrderRequest(call.intent, named) for call, named in asked])


def send(desk: DeskModel, call: Buy, fate: Fate = "accepted", **where: object) -> str:
    """Send an order; gives its key."""
    (answer,) = ask(desk, (call, naming(call, **where)))  # type: ignore[arg-type]
    assert answer.outcome == "sent", answer.text
    desk.befall(answer.intent.key, fate)
    return answer.intent.key


def answer(desk: DeskModel, call: Buy, **where: object) -> object:
    """Letter, ordinal that is printed, or the key."""
    verdict = desk.rule().answer(naming(call, **where))  # type: ignore[arg-type]
    return (verdict.letter, verdict.again) if isinstance(verdict, Refuse) else verdict


def read(desk: DeskModel, call: Buy, **where: object) -> str:
    """What a person reads of a call that sends nothing."""
    (told,) = ask(desk, (call, naming(call, **where)))  # type: ignore[arg-type]
    assert told.outcome != "sent"
    return str(OrderDenied(told.text, told.cure)) if told.outcome == "refused" else told.text


A70 = Buy("005930", 5, 69_000, source="buy(code, 5, price)")
A71 = Buy("005930", 5, 69_500, source="buy(code, 5, price)")


@pytest.fixture
def desk() -> DeskModel:
    return DeskModel()


# words


def test_o11_an_order_that_is_shown_says_from_where_and_when_and_how_to_send_another(
    desk: DeskModel,
):
    send(desk, A70)
    assert read(desk, A70, run=2).split("; ") == [
        f"sent before, at 12:00:01 from {ONE}",
        "nothing new was sent",
        "--again 1 (again=1) sends another",
    ]


def test_o11_a_refusal_names_the_order_of_the_other_cell_and_both_cures(desk: DeskModel):
    send(desk, A70)
    assert read(desk, A70, run=2, cell="y") == (
        f"Another cell already sent {SENT}, at 12:00:01 from {ONE}. T{CURE[1:]}."
    )


def test_o11_a_moved_price_shows_both_orders(desk: DeskModel):
    send(desk, A70, "filled")
    assert read(desk, A71, run=2) == (
        "This call already sent #1 buy 5 005930 @ 69,000 (filled), at 12:00:01 from "
        f"{ONE}; now it asks for buy 5 005930 @ 69,500. T{CURE[1:]}."
    )


def test_o11_an_order_that_was_denied_before_the_restart_says_why(desk: DeskModel):
    send(desk, A70, "denied")
    assert read(desk, A70, kernel="kernel 2") == (
        "An earlier kernel already tried buy 5 005930 @ 69,000 (denied: the gate is shut), "
        f"at 12:00:01 from {ONE}. T{CURE[1:]}."
    )


def test_o11_a_name_that_belongs_to_another_order_shows_both(desk: DeskModel):
    send(desk, Buy("A", 1, key="k"))
    assert read(desk, Buy("A", 2, key="k")) == (
        "The name 'k' belongs to #1 buy 1 A market (accepted), at 12:00:01 from "
        f"{ONE}; this call asks for buy 2 A market. Choose another name."
    )


def test_o11_a_loop_is_told_how_to_number_its_orders(desk: DeskModel):
    key = send(desk, A70)
    refused = Refuse("g", key, 1)
    text, cure = refusal(desk.state, desk.rule(), A70.intent.text, naming(A70), refused)
    assert text == (f"this run of the cell already asked for {SENT}, at 12:00:01 from {ONE}")
    assert "again=i: 0 is the order that was sent, --again 1 (again=1) the next" in cure
    assert "key=" in cure
    assert "Agent" in cure
    # The desk has not answered the first one yet.
    text, _ = refusal(desk.state, desk.rule(), A70.intent.text, naming(A70), Refuse("g", "", 1))
    assert text == "this run of the cell already asked for buy 5 005930 @ 69,000"


# claims


def test_o11_what_a_run_was_answered_with_is_known_from_the_journal_and_from_the_kernel(
    desk: DeskModel,
):
    key = send(desk, A70)
    here, later = naming(A70), naming(A70, run=2)
    assert isinstance(desk.rule().answer(here), SendNew), "its own run sent it"
    assert desk.rule().answer(later) == ShowKnown(key)
    assert isinstance(desk.rule().answer(later, (key,)), SendNew)
    ask(desk, (A70, later))
    assert isinstance(desk.rule().answer(later), SendNew), "its own run was shown it"


def test_o11_a_call_is_answered_with_its_own_order_first_and_with_one_of_an_ordinal_last(
    desk: DeskModel,
):
    other, mine = Buy("A", source="other"), Buy("A", source="mine")
    numbered = send(desk, Buy("A", again=1, source="mine"))
    first, second = send(desk, other), send(desk, mine)
    rule = desk.rule()
    expected = [second, first, numbered]
    assert [rule.answer(naming(mine, run=2)) for _ in range(3)] == [ShowKnown(k) for k in expected]


# dead orders


def test_o11_a_refusal_of_an_earlier_kernel_is_over_when_a_later_order_was_good(desk: DeskModel):
    send(desk, A70, "denied")
    assert answer(desk, A70, kernel="kernel 2") == ("d", 1)
    assert isinstance(answer(desk, A70, kernel="kernel 2", cell="y"), SendNew)
    send(desk, A70, cell="y", run=2)
    assert answer(desk, A70, kernel="kernel 2") == ("b", 1)


@pytest.mark.parametrize("fate", ["denied", "rejected", "never"])
def test_o11_a_dead_order_is_tried_again_in_its_kernel_under_another_key(
    desk: DeskModel,
    fate: Fate,
):
    dead = send(desk, A70, fate)
    again = send(desk, A70, run=2)
    assert dead.removesuffix(":1") == again.removesuffix(":2")
    assert again != dead


@pytest.mark.parametrize("fate", ["cancelled", "expired", "unknown", "filled"])
def test_o11_an_order_that_lived_is_shown_in_whatever_state(desk: DeskModel, fate: Fate):
    key = send(desk, A70, fate)
    assert answer(desk, A70, run=2) == ShowKnown(key)


# moved prices


def test_o11_a_revise_is_compared_with_revises_of_its_order_and_of_what_that_became(
    desk: DeskModel,
):
    def step(old: str, price: int) -> Buy:
        return Buy("A", None, price, source="revise(order, price)", revises=old)

    one, two = send(desk, Buy("A", 10, 70)), send(desk, Buy("A", 20, 70), run=2)
    became = send(desk, step(one, 69), run=3)
    assert answer(desk, step(became, 68), run=4) == ("c", 1)
    assert answer(desk, step(one, 68), run=4) == ("c", 1)
    assert isinstance(answer(desk, step(two, 68), run=4), SendNew)


def test_o11_an_adoption_is_compared_with_adoptions_of_its_agent(desk: DeskModel):
    def take(qty: int, agent: str) -> Buy:
        return Buy("A", qty, agent=agent, source="adopt(code)")

    send(desk, take(5, "mom"))
    assert answer(desk, take(6, "mom"), run=2) == ("c", 1)
    assert isinstance(answer(desk, take(6, "dad"), run=2), SendNew)
    assert isinstance(answer(desk, Buy("A", 6, source="adopt(code)"), run=2), SendNew)


def test_o11_a_dead_order_and_a_named_one_are_no_price_that_moved(desk: DeskModel):
    send(desk, A70, "rejected")
    send(desk, Buy("005930", 5, 69_100, key="k", source=A70.source), run=2)
    assert isinstance(answer(desk, A71, run=3), SendNew)


def test_o11_the_printed_ordinal_is_free_for_the_wish_and_for_the_call(desk: DeskModel):
    send(desk, A70)
    send(desk, Buy("005930", 5, 69_500, again=1, source="other call"), run=2, cell="y")
    send(desk, Buy("005930", 5, 69_700, again=2, source=A70.source), run=3)
    send(desk, Buy("005930", 5, 69_500, again=3, source="third call"), "denied", run=4, cell="z")
    assert answer(desk, A71, run=5) == ("b", 4)


# names and keys


def test_o11_a_name_is_tried_again_in_its_kernel_and_refused_in_a_later_one(desk: DeskModel):
    named = Buy("A", key="k")
    assert send(desk, named, "denied") == "k@20261120"
    assert answer(desk, named, kernel="kernel 2") == ("key", 0)
    assert "Choose another name" in read(desk, named, kernel="kernel 2")
    assert send(desk, named, run=2) == "k@20261120~2"
    assert answer(desk, named, kernel="kernel 2") == ShowKnown("k@20261120~2")
    desk.next_day()
    assert send(desk, named, run=3) == "k@20261121"


def test_o11_named_orders_are_never_compared_with_others(desk: DeskModel):
    send(desk, Buy("A", key="k"))
    assert isinstance(answer(desk, Buy("A"), run=2), SendNew)
    send(desk, Buy("A"), run=2)
    assert isinstance(answer(desk, Buy("A", key="l"), run=3), SendNew)


def test_o11_a_key_is_made_of_run_day_wish_and_ordinal(desk: DeskModel):
    def key(call: Buy, scope: str = SCOPE) -> str:
        verdict = naming_rule(desk.now, desk.state, scope).answer(naming(call))
        assert isinstance(verdict, SendNew)
        return verdict.key

    keys = {key(Buy("A")), key(Buy("A", 2)), key(Buy("A"), "another account")}
    desk.next_day()
    keys.add(key(Buy("A")))
    assert len(keys) == 4
    assert all(k.startswith("typed:") and k.endswith(":1") and len(k) == 28 for k in keys)


# tokens and batches


def test_o11_a_command_that_is_handed_over_twice_is_answered_with_its_order(desk: DeskModel):
    sent, shown = naming(A70, token="t1"), naming(A70, run=2, token="t2")
    ask(desk, (A70, sent))
    ask(desk, (A70, shown))
    rows = len(desk.rows)
    desk.restart()
    for asked in (sent, shown):
        (told,) = ask(desk, (A70, asked))
        assert (told.outcome, told.intent.key) == ("shown", desk.sent[0])
    assert len(desk.rows) == rows
    assert len(desk.sent) == 1


def test_o11_a_lost_order_that_another_run_returns_belongs_to_that_run_too(desk: DeskModel):
    """The kernel hands the command over once more, from its new place."""
    k = Kernel(desk)
    k.run("x", Buy("A", lost=True), text="before")
    assert k.run("x", Buy("A"), text="corrected") == "show #1"
    assert k.restarted().run("new", Buy("A"), text="corrected") == "show #1"


def test_o11_two_equal_lines_of_a_batch_are_two_orders(desk: DeskModel):
    first, second = ask(desk, (A70, naming(A70)), (A70, naming(A70)))
    assert (first.outcome, second.outcome) == ("sent", "sent")
    assert first.intent.key != second.intent.key
    shown = ask(desk, (A70, naming(A70, run=2)), (A70, naming(A70, run=2)))
    assert [a.intent.key for a in shown] == [first.intent.key, second.intent.key]


def test_o11_one_ordinal_in_two_lines_of_a_batch_is_refused(desk: DeskModel):
    one = Buy("A", again=1)
    answers = ask(desk, (one, naming(one)), (one, naming(one)))
    assert [a.outcome for a in answers] == ["refused", "refused"]
    assert answers[1].text.startswith("this run of the cell already asked for buy 1 A market")
    assert desk.sent == []


def test_o11_one_name_in_two_lines_of_a_batch_is_one_order(desk: DeskModel):
    one, two = Buy("A", key="k"), Buy("A", 2, key="k")
    answers = ask(desk, (one, naming(one)), (one, naming(one)))
    assert [a.outcome for a in answers] == ["sent", "shown"]
    assert desk.sent == ["k@20261120"]
    other = DeskModel()
    answers = ask(other, (one, naming(one)), (two, naming(two)))
    assert [a.outcome for a in answers] == ["refused"] * 2
    assert other.sent == []


def test_o11_a_refused_line_refuses_the_whole_batch_and_nothing_is_journaled(desk: DeskModel):
    send(desk, A70)
    rows = len(desk.rows)
    shown, moved, new = naming(A70, run=2), naming(A71, run=2), Buy("B")
    asked = ((A70, shown), (A71, moved), (new, naming(new, run=2)))
    # The first line shows the order, so that the second one is not a price that moved.
    assert [a.outcome for a in ask(desk, *asked)] == ["shown", "sent", "sent"]
    again = DeskModel()
    send(again, A70)
    answers = ask(again, (A71, moved), (A70, shown), (new, naming(new, run=2)))
    assert [a.outcome for a in answers] == ["refused"] * 3
    assert [a.cure != "" for a in answers] == [True, False, False]
    assert len(again.rows) == rows


def test_o11_a_place_that_the_journal_has_is_not_journaled_again(desk: DeskModel):
    one = Buy("A", key="k")
    send(desk, one)
    ask(desk, (one, naming(one, run=2)))
    requests: Sequence[OrderRequest] = [OrderRequest(one.intent, naming(one, run=2))]
    assert commands(desk.state, requests, place(desk.now, desk.state, SCOPE, requests)) == []
    requests = [OrderRequest(one.intent, naming(one, run=3))]
    (shown,) = commands(desk.state, requests, place(desk.now, desk.state, SCOPE, requests))
    assert isinstance(shown, ShowOrder)


# cells


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Place(notebook="n", cell="x"), Place(notebook="n", cell="x"), True),
        (Place(notebook="n", cell="x"), Place(notebook="m", cell="x"), False),
        (Place(notebook="n", cell="x"), Place(cell="x"), True),
        (Place(cell="", texts=("s",)), Place(cell="", texts=("t",)), False),
        (Place(cell="x", texts=("s",)), Place(cell="y", texts=("r", "s")), True),
        (Place(), Place(), False),
    ],
)
def test_o11_a_cell_is_the_same_by_id_or_text_in_one_notebook(a: Place, b: Place, same: bool):
    assert same_cell(a, b) is same_cell(b, a) is same


def test_o11_a_rule_answers_by_its_own_day(desk: DeskModel):
    key = send(desk, A70)
    rule: NamingRule = desk.rule()
    assert rule.answer(naming(A70, run=2)) == ShowKnown(key)
    desk.next_day()
    assert isinstance(desk.rule().answer(naming(A70, run=2)), SendNew)
