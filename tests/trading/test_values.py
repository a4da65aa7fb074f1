"""Values that people and agents give: converted where they are meant, refused in one line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from kisnb import values
from kisnb.errors import BadInput
from kisnb.market.universe import Universe
from kisnb.session.typed_orders.typed_order import read_order
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent, Wait
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import CancelOrder, Submit
from tests.trading.desk import CAN, CODE, NOON


class Strange:
    """Breaks whatever asks it."""

    def __index__(self) -> int:
        raise OSError("no index")

    def __repr__(self) -> str:
        raise OSError("no words")


MEANT = [
    *((3, 3), (3.0, 3), (-5, -5), (np.int64(3), 3), (np.uint8(3), 3), (np.float32(3), 3)),
    *((pl.Series([3])[0], 3), ("7", 7), (" 7 ", 7), ("1,000", 1_000), ("1_000", 1_000)),
    *(("@70,000", 70_000), ("-12", -12)),
]
NOT_MEANT = [
    *(True, np.True_, None, 3.5, float("nan"), float("inf"), np.float64(3.5), 1e300),
    *(np.timedelta64(3, "ns"), 10**15, -(10**15), 10**5_000, "", "three", "3.0", "1,0", "2,5"),
    *("1,000_000", "9" * 16, b"3", [3], pl.Series([3]), pl.DataFrame({"a": [3]}), Strange()),
]


@pytest.mark.parametrize(("given", "meant"), MEANT, ids=str)
def test_n03_a_whole_number_in_any_of_its_forms_is_an_int(given: object, meant: int):
    read = values.whole(given, "the quantity")
    assert (type(read), read) == (int, meant)


@pytest.mark.parametrize("given", NOT_MEANT, ids=lambda v: type(v).__name__)
def test_n03_what_is_no_whole_number_is_refused_in_one_line_with_the_cure(given: object):
    with pytest.raises(BadInput, match=r"^The quantity .*\. Give a .*number") as caught:
        values.whole(given, "the quantity")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("given", [0, -1, "0", 0.0])
def test_n03_a_number_of_shares_is_at_least_one(given: object):
    with pytest.raises(BadInput, match="Give at least 1 share"):
        values.shares(given)


@pytest.mark.parametrize("given", [0, 5, 0.5, np.float32(0.5), np.int64(5)])
def test_n03_seconds_are_a_number(given: float):
    read = values.seconds(given, "sleep")
    assert (type(read), read) == (float, float(given))


NO_WAIT = ["5", "x", None, True, -1, float("nan"), float("inf"), 1e12, Strange()]


@pytest.mark.parametrize("given", NO_WAIT, ids=lambda v: type(v).__name__)
def test_n03_a_text_is_no_number_of_seconds_and_no_wait_is_endless(given: object):
    with pytest.raises(BadInput, match=r"Give (seconds as a number, such as 5|a number from 0)"):
        values.seconds(given, "sleep")


def test_n03_a_term_is_known_in_capitals_or_not():
    assert values.member(Venue, "nxt", "venue") is Venue.NXT
    assert values.member(OrderKind, OrderKind.LIMIT, "kind") is OrderKind.LIMIT
    assert values.one_of("Halted", ("reducing", "halted"), "state of a halt") == "halted"


@pytest.mark.parametrize("given", ["Mars", None, 3, "", ["KRX"]])
def test_n03_an_unknown_term_is_refused_with_those_that_there_are(given: object):
    with pytest.raises(BadInput, match=r"is not a valid venue\. Choose KRX or NXT or SOR\."):
        values.member(Venue, given, "venue")


@pytest.mark.parametrize("given", [None, 5, b"x", "half of a \ud800 pair"])
def test_n03_what_cannot_be_written_is_no_text(given: object):
    with pytest.raises(BadInput, match="The key"):
        values.text(given, "the key")


def test_n03_a_key_of_another_type_is_refused_before_it_reaches_the_desk():
    with pytest.raises(BadInput, match="The key 5 is not text"):
        read_order(Universe.packaged(), Side.BUY, CODE, 1, key=5)  # type: ignore[arg-type]


def test_reading_values_imports_no_library_of_data():
    asked = "import sys, kisnb.values; print('numpy' in sys.modules or 'polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    assert done.stdout == b"False\n"


class Doer(Agent):
    """Does one thing on its start."""

    code = CODE

    def __init__(self, deed: object) -> None:
        super().__init__()
        self.deed = deed
        self.made: object = None

    def on_start(self) -> None:
        self.made = self.deed(self)  # type: ignore[operator]


def started(deed: object) -> tuple[AgentRunner, list[object]]:
    runner = AgentRunner(Doer(deed), "a", "run", OrderBooks(), Rules(Universe.packaged(), CAN))
    return runner, list(runner.start(NOON))


@pytest.mark.parametrize(
    ("deed", "qty", "price"),
    [
        (lambda a: a.buy(3.0), 3, None),
        (lambda a: a.sell(np.int64(3), np.float64(70_000)), 3, 70_000),
        (lambda a: a.buy("1,000", "@70,000"), 1_000, 70_000),
    ],
)
def test_a03_an_agents_numbers_are_taken_as_they_are_meant(
    deed: object, qty: int, price: int | None
):
    _, (submit,) = started(deed)
    assert isinstance(submit, Submit)
    intent = submit.intent
    assert (type(intent.qty), intent.qty, intent.price) == (int, qty, price)
    assert type(intent.price) in (int, type(None))


def test_a03_an_agents_venue_may_be_a_text():
    _, (submit,) = started(lambda a: a.buy(1, venue="nxt"))
    assert isinstance(submit, Submit)
    assert submit.intent.venue is Venue.NXT


@pytest.mark.parametrize(
    "deed",
    [
        lambda a: a.buy(0),
        lambda a: a.buy(None),
        lambda a: a.buy(2.5),
        lambda a: a.buy(1, 70_000.5),
        lambda a: a.buy(1, venue="Mars"),
        lambda a: a.buy(1, code=5930),
        lambda a: a.buy(1, code=b"005930"),
        lambda a: a.cancel(None),
        lambda a: a.cancel("005930"),
        lambda a: a.cancel(a.buy(1), 0.5),
        lambda a: a.done("order 1"),
        lambda a: a.sleep("5"),
        lambda a: a.sleep(None),
        lambda a: a.bars("1m", 2.5),
        lambda a: a.bars(60, 1),
        lambda a: a.bars("1m", 1, code=5930),
    ],
)
def test_a03_a_value_that_cannot_be_meant_is_refused_in_the_agents_own_handler(deed: object):
    runner, commands = started(deed)
    assert runner.state is AgentState.FAILED
    assert "kisnb.errors.BadInput: " in runner.error.splitlines()[-1]
    assert [type(c) for c in commands if not isinstance(c, Submit)] == []


def test_a03_what_an_agent_cancels_and_waits_for_is_read_too():
    def deed(a: Agent) -> object:
        return a.cancel(a.buy(5), np.int64(2)), a.sleep(np.float32(0.5)), a.bars("1m", 3.0)

    runner, commands = started(deed)
    assert runner.state is AgentState.RUNNING
    agent = runner.agent
    assert isinstance(agent, Doer)
    assert isinstance(agent.made, tuple)
    assert agent.made[1:] == (Wait(until=NOON + 500_000_000), [])
    assert [(type(c.qty), c.qty) for c in commands if isinstance(c, CancelOrder)] == [(int, 2)]


def test_an_agent_that_has_not_been_started_says_so():
    with pytest.raises(BadInput, match="has not been started"):
        Doer(None).buy(1)
