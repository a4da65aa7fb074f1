"""K17: an order that KIS turns away for its speed or its token goes back into its lane.

Nothing of it was placed. Every POST has a row of its own, and a desk that dies in between neither
sends the order twice nor leaves its fate open.
"""

from __future__ import annotations

import pytest

from kisnb.clock import SECOND
from kisnb.events import CancelRefused, CancelStarted, Denied, OrderHeld, SendStarted, Sent
from kisnb.orders import OrderState, SendReply
from kisnb.terms import Side
from kisnb.trading.orders.cancels import TRIED
from kisnb.trading.ports.commands import CancelOrder, Halt, ReviseOrder
from kisnb.trading.ports.effects import Cancel, CancelReply, Persist, Revise, Send, Woke
from kisnb.trading.ports.limits import Limits
from tests.trading.desk import Desk, intent, notice, price_of
from tests.trading.test_reconciliation import accepted, account, open_desk
from tests.trading.test_resolver import answer, row

WORDS = "More calls in a second than the appkey may make [EGW00201]"


def turned_away(desk: Desk, key: str = "k") -> list:
    return desk.say(SendReply(key, "again", msg_cd="EGW00201", text=WORDS))


def submitted(**limits: object) -> Desk:
    desk = Desk(limits=Limits(**limits))  # type: ignore[arg-type]
    desk.submit()
    return desk


def kinds(rows: list, *of: type) -> list[type]:
    return [type(row) for row in rows if isinstance(row, of)]


def test_k17_an_order_that_was_turned_away_is_sent_again_and_each_post_has_its_row() -> None:
    desk = submitted()
    effects = turned_away(desk)
    assert kinds(desk.rows, SendStarted, OrderHeld) == [SendStarted, OrderHeld, SendStarted]
    assert [type(e) for e in effects if isinstance(e, Persist | Send)][-2:] == [Persist, Send]
    assert len(desk.sends) == 2
    desk.sent()
    desk.say(notice("filled"))
    assert desk.order().state is OrderState.FILLED
    assert kinds(desk.rows, Sent) == [Sent]


def test_k17_it_keeps_its_turn_before_the_orders_behind_it() -> None:
    desk = submitted()
    desk.submit("second")
    turned_away(desk)
    assert [send.intent.key for send in desk.sends] == ["k", "k"]
    desk.sent()
    assert [send.intent.key for send in desk.sends] == ["k", "k", "second"]


def test_k17_it_passes_the_gate_again_which_may_deny_it() -> None:
    desk = submitted()
    desk.set_halt("halted", "stop")
    turned_away(desk)
    assert desk.order().state is OrderState.DENIED
    assert "halted" in desk.order().text
    assert len(desk.sends) == 1


def test_k17_a_kill_switch_that_was_pulled_meanwhile_keeps_it_from_going_out() -> None:
    desk = submitted()
    desk.say(Halt("stop"))
    turned_away(desk)
    assert desk.order().state is OrderState.DENIED
    assert len(desk.sends) == 1


def test_k17_a_cancel_that_came_meanwhile_denies_it() -> None:
    desk = submitted()
    desk.say(CancelOrder("k"))
    turned_away(desk)
    assert desk.order().state is OrderState.DENIED
    assert "cancelled before it was sent" in desk.order().text
    assert not any(isinstance(e, Cancel) for e in desk.effects)


def test_k17_it_waits_for_the_end_of_a_blackout_that_has_begun_meanwhile() -> None:
    desk = submitted(windows=((12 * 3600 + 60, 12 * 3600 + 120),))
    desk.say(Woke(), desk.now + 70 * SECOND)
    turned_away(desk)
    assert desk.order().state is OrderState.NEW
    assert "blackout" in desk.order().text
    assert len(desk.sends) == 1


def test_k17_the_time_of_a_blackout_does_not_count_as_being_turned_away() -> None:
    desk = submitted(windows=((12 * 3600 + 60, 12 * 3600 + 120),))
    turned_away(desk)
    desk.say(Woke(), desk.now + 70 * SECOND)
    turned_away(desk)
    assert desk.order().state is OrderState.NEW, "it waits for the end of the blackout"
    desk.say(Woke(), desk.now + 60 * SECOND)
    answer(desk, [], account=account())
    assert desk.order().state is OrderState.SENDING
    turned_away(desk)
    assert desk.order().state is OrderState.SENDING, "it was turned away for a second, not for 130"
    assert desk.sends[-1].intent.key == "k"


def test_k17_it_is_denied_with_kis_s_words_when_it_was_turned_away_for_too_long() -> None:
    desk = submitted()
    tries = 0
    while desk.order().state is OrderState.SENDING:
        turned_away(desk)
        tries += 1
    assert tries == TRIED // SECOND + 1
    assert "EGW00201" in desk.order().text
    assert "for 30 s" in desk.order().text
    assert kinds(desk.rows, Denied) == [Denied]
    assert len(desk.sends) == kinds(desk.rows, SendStarted).count(SendStarted) == tries


@pytest.mark.parametrize("kept", ["until the row of the refusal", "until the second start"])
def test_k17_a_desk_that_dies_in_between_sends_nothing_twice(kept: str) -> None:
    desk = submitted()
    turned_away(desk)
    held = next(n for n, row in enumerate(desk.rows) if isinstance(row, OrderHeld))
    rows = desk.rows[: held + 1] if kept.endswith("refusal") else desk.rows
    reborn = Desk(rows)
    reborn.keep(reborn.core.start(reborn.now))
    assert not reborn.sends
    # Before its second start nothing was sent. After it nobody knows.
    ends = OrderState.DENIED if kept.endswith("refusal") else OrderState.UNKNOWN
    assert reborn.order().state is ends
    if ends is OrderState.DENIED:
        assert "before the order was sent" in reborn.order().text


def test_k17_a_revise_is_sent_again_to_the_order_that_it_moves() -> None:
    desk = accepted()
    better = price_of() + 100
    desk.say(ReviseOrder(intent("r", price=better, supersedes="k")))
    turned_away(desk, "r")
    revises = [e for e in desk.effects if isinstance(e, Revise)]
    assert [e.ref.number for e in revises] == [7, 7]
    assert desk.order("r").state is OrderState.SENDING


def test_k17_a_revise_is_denied_when_its_order_has_ended_meanwhile() -> None:
    desk = accepted()
    desk.say(ReviseOrder(intent("r", price=price_of() + 100, supersedes="k")))
    desk.say(notice("filled"))
    turned_away(desk, "r")
    assert desk.order("r").state is OrderState.DENIED
    assert "nothing to revise" in desk.order("r").text


# cancels


def cancel_turned_away(desk: Desk) -> None:
    desk.say(CancelReply(SendReply("k", "again", msg_cd="EGW00201", text=WORDS)))


def test_k17_a_cancel_is_sent_again_with_its_own_row_and_quantity() -> None:
    desk = accepted()
    desk.say(CancelOrder("k", 4))
    cancel_turned_away(desk)
    cancels = [e for e in desk.effects if isinstance(e, Cancel)]
    assert [e.qty for e in cancels] == [4, 4]
    assert kinds(desk.rows, CancelStarted, CancelRefused) == [CancelStarted, CancelStarted]
    assert desk.order().cancel_asked


def test_k17_a_cancel_is_refused_with_kis_s_words_when_it_was_turned_away_for_too_long() -> None:
    desk = accepted()
    desk.say(CancelOrder("k"))
    while desk.order().cancel_asked:
        cancel_turned_away(desk)
    assert "EGW00201" in desk.order().text
    assert kinds(desk.rows, CancelRefused) == [CancelRefused]
    # The next one has all its time again.
    desk.say(CancelOrder("k"))
    cancel_turned_away(desk)
    assert desk.order().cancel_asked


def test_k17_a_cancel_of_an_order_that_has_ended_is_not_sent_again() -> None:
    desk = accepted()
    desk.say(CancelOrder("k"))
    desk.say(notice("filled"))
    cancel_turned_away(desk)
    assert len([e for e in desk.effects if isinstance(e, Cancel)]) == 1


def test_k17_a_sell_goes_back_as_a_buy_does() -> None:
    desk = accepted()
    desk.say(notice("filled"))
    desk.submit("s", side=Side.SELL)
    turned_away(desk, "s")
    assert [send.intent.key for send in desk.sends] == ["k", "s", "s"]


def test_k17_the_cancel_of_an_external_order_is_not_repeated_after_the_kill_switch() -> None:
    desk = open_desk()
    answer(desk, [row(number=99, qty=3, leaves=3)])
    (key,) = desk.core.state.books.live
    desk.say(Halt("stop"))
    assert [e.key for e in desk.effects if isinstance(e, Cancel)] == [key]
    turned = CancelReply(SendReply(key, "again", msg_cd="EGW00201", text=WORDS))
    desk.say(turned)
    assert [e.key for e in desk.effects if isinstance(e, Cancel)] == [key, key]
    desk.core.state.halting = ""
    desk.say(turned)
    assert [e.key for e in desk.effects if isinstance(e, Cancel)] == [key, key]
    assert not desk.order(key).cancel_asked
