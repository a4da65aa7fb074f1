"""A difference between KIS's cash and the fills is shown with its reason. Row O08."""

from __future__ import annotations

import pytest

from kisnb.clock import DAY as ONE_DAY
from kisnb.events import LinkUp, Trouble
from kisnb.orders import Account, Holding
from kisnb.trading.orders.account_reconciliation import STANDS
from kisnb.trading.orders.cash_words import gap_text
from kisnb.trading.state import State
from tests.trading.desk import CODE, Desk, notice, price_of
from tests.trading.test_resolver import answer, row

P, CASH = price_of(), 10**8


def filled() -> Desk:
    """A desk that has bought 10 shares, with the account known before."""
    desk = Desk()
    desk.say(LinkUp(desk.now))
    answer(desk, [], account=Account(CASH, CASH, CASH, CASH, (), complete=True))
    desk.submit()
    desk.sent()
    desk.say(notice("accepted"))
    desk.say(notice("filled"))
    return desk


def states(desk: Desk, more: int, costs: int | None) -> None:
    """KIS states ``more`` won than the fills explain, in a reading after the next minute."""
    holding = Holding(CODE, "", 10, 10, 10 * P, P)
    ours = CASH + desk.core.state.flow
    account = Account(CASH, CASH, ours + more, ours, (holding,), complete=True, costs=costs)
    listed = [row(filled=10, leaves=0, value=10 * P)]
    answer(desk, listed, desk.now + STANDS, account=account)


def troubles(desk: Desk) -> list[str]:
    return [e.text for e in desk.published if isinstance(e, Trouble)]


def fees(desk: Desk) -> int:
    return sum(f.fee + f.tax for f in desk.order().fills)


def test_o08_a_higher_fee_than_the_plan_s_is_named_as_the_reason_when_it_is_booked():
    desk = filled()
    booked = fees(desk)
    for _ in range(2):
        states(desk, -958, booked + 958)
    (text,) = troubles(desk)
    assert "KIS's cash is 958 won lower than the fills explain" in text
    assert (
        f"KIS booked {booked + 958:,} won of fees and taxes today, the desk {booked:,} won" in text
    )
    assert "that is the reason" in text
    assert "%kis config fees" in text
    state = desk.core.state
    assert state.cash == CASH + state.flow - 958
    assert state.unexplained(desk.now) == -958
    assert State.fold(desk.rows).unexplained(desk.now) == -958, "over a restart too"
    assert state.unexplained(desk.now + ONE_DAY) == 0, "of its day"


@pytest.mark.parametrize(
    ("costs", "said"), [(0, "so fees are not the whole reason"), (None, "or another fee plan?")]
)
def test_o08_a_difference_that_kiss_own_costs_do_not_explain_says_so(costs: int | None, said: str):
    desk = filled()
    for _ in range(2):
        states(desk, 7, costs)
    (text,) = troubles(desk)
    assert "7 won higher" in text
    assert said in text


def test_o08_the_line_clears_when_kiss_cash_comes_back():
    desk = filled()
    for more in (-958, -958, 0, 0):
        states(desk, more, None)
    assert desk.core.state.unexplained(desk.now) == 0
    assert gap_text(958) in troubles(desk)[-1]


def test_o08_a_difference_of_less_than_a_minute_is_no_trouble():
    desk = filled()
    states(desk, -958, None)
    states(desk, 0, None)
    assert troubles(desk) == []
