"""What people are told of the trading state: the present one, in one sentence. Row A07."""

from __future__ import annotations

from kisnb.events import FlattenSet, HaltSet, HaltStep
from kisnb.trading.halt.flatten import CURE
from kisnb.trading.halt.halt_words import trading
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

BLOCK = HaltStep(1, "block", True, "no new order passes: fog", "reducing")
NOTIFY = HaltStep(3, "notify", True, "kill switch: fog; the desk is reducing")


def said(*rows: Row) -> str:
    return trading(State.fold(rows)).text


def test_a07_each_state_says_why_what_passes_and_how_it_ends():
    cure = "%kis halt off REASON (in a terminal: kisnb halt --off REASON) lifts it"
    pulled = [HaltSet(1, "halted", "fog"), BLOCK]
    assert said() == "active: orders pass"
    assert said(*pulled) == "the kill switch is at work because of 'fog': no new order passes"
    assert said(*pulled, NOTIFY) == f"halted because of 'fog': cancels alone pass; {cure}"
    reducing = [*pulled, HaltSet(2, "reducing", "fog"), NOTIFY]
    assert (
        said(*reducing)
        == f"reducing because of 'fog': cancels, and sells up to the position, pass; {cure}"
    )
    assert said(*reducing, HaltSet(4, "active", "it is clear")) == "active: orders pass"


def test_a07_a_flatten_says_what_is_left_why_and_how_to_end_it():
    begun = [HaltSet(1, "halted", "home"), BLOCK, FlattenSet(1, True, "home")]
    assert said(*begun).endswith("no new order passes but the sells of a flatten")
    goes = "a flatten is at work because of 'home': its sells alone pass, until nothing is held"
    ends = (
        "; %kis halt off REASON (in a terminal: kisnb halt --off REASON) ends it, and the desk "
        "stays halted"
    )
    assert said(*begun, NOTIFY) == goes + ends
    left = HaltStep(2, "flatten", False, f"FAILED: left are 5 005930: the market took none; {CURE}")
    assert said(*begun, left, NOTIFY) == f"{goes}{ends}; left are 5 005930: the market took none"
    assert said(*begun, left, NOTIFY, FlattenSet(5, False, "sold")).startswith(
        "halted because of 'home'"
    )


def test_a_desk_that_cannot_be_heard_is_said_to_be_unknown():
    known = trading(State.fold([HaltSet(1, "halted", "fog")])).last_known("09:10:00")
    assert known.text.startswith("not known since 09:10:00; before that: halted because of 'fog'")
    assert not known.known
