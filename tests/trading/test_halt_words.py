"""What people are told of the trading state: the present one, in one sentence. Row A07."""

from __future__ import annotations

from kisnb.events import HaltSet, HaltStep
from kisnb.trading.halt_words import trading
from kisnb.trading.journal_rows import Row
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
    assert said(*reducing) == f"reducing because of 'fog': cancels, and sells up to the position, pass; {cure}"
    assert said(*reducing, HaltSet(4, "active", "it is clear")) == "active: orders pass"


def test_a_desk_that_cannot_be_heard_is_said_to_be_unknown():
    known = trading(State.fold([HaltSet(1, "halted", "fog")])).last_known("09:10:00")
    assert known.text.startswith("not known since 09:10:00; before that: halted because of 'fog'")
    assert not known.known
