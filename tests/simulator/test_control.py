"""The control URL: state, step, speed, trading by hand, the true ledger. Row H05."""

import json
from typing import Any

import pytest

from kisnb.clock import DAY, SimulatedClock
from kisnb.market.universe import Universe
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.simulator.serve.control import ControlRefused, Day, SimulatorControl
from kisnb.terms import Board, Venue

from .customer import KEYS, SAMSUNG, Customer, at, trader

PORT = 40_001
"""The port of the customer's first socket."""


class Controlled:
    """A customer and the control of its host; frames go to the customer."""

    def __init__(self, start: str = "09:00:30", speed: float = 0.0) -> None:
        self.customer: Customer = trader(start)
        self.clock = SimulatedClock(self.customer.core.now, speed)
        self.stopped = 0
        day = Day("run", 1, "2026-11-20", "09:00:30")
        self.control = SimulatorControl(
            self.customer.core, self.clock, day, self._receive, self._stop
        )

    def ask(self, method: str, verb: str, **body: Any) -> dict[str, Any]:
        return self.control.answer(method, verb, json.dumps(body).encode())

    @property
    def frames(self) -> int:
        return self.ask("GET", "state")["sockets"][0]["frames"]

    def _receive(self, frames: list[Outgoing]) -> None:
        self.customer.receive(frames)

    def _stop(self) -> None:
        self.stopped += 1


def test_the_state_says_where_the_clock_stands_and_what_was_sent() -> None:
    assert Controlled().ask("GET", "state") == {
        "now": at("09:00:30"),
        "speed": "step",
        "date": "2026-11-20",
        "run": "run",
        "seed": 1,
        "sockets": [{"port": PORT, "frames": 3}],
        "closed": False,
    }


def test_a_step_does_not_move_while_frames_are_on_their_way() -> None:
    one = Controlled()
    said = one.ask("POST", "step", until=at("10:00"), port=PORT, frames=2)
    assert said == {"moved": False, "now": at("09:00:30"), "frames": 3}
    assert one.customer.inbox == []


def test_a_step_moves_to_the_next_event_that_sends_and_says_how_many_frames() -> None:
    one = Controlled()
    said = one.ask("POST", "step", until=at("10:00"), port=PORT, frames=3)
    assert said == {"moved": True, "now": at("09:01"), "frames": 5}
    assert one.customer.kinds() == ["H0STCNT0", "H0STASP0"]
    assert one.clock.now() == at("09:01")


def test_a_step_ends_at_the_wanted_moment_when_nothing_happens_before() -> None:
    one = Controlled()
    said = one.ask("POST", "step", until=at("09:00:45"), port=PORT, frames=3)
    assert said == {"moved": True, "now": at("09:00:45"), "frames": 3}


def test_a_step_into_the_past_moves_nothing() -> None:
    one = Controlled()
    assert one.ask("POST", "step", until=at("09:00"), port=PORT, frames=3)["now"] == at("09:00:30")


def test_without_a_port_nothing_is_counted() -> None:
    one = Controlled()
    assert one.ask("POST", "step", until=at("10:00"))["moved"]
    assert not one.ask("POST", "step", until=at("10:00"), port=1, frames=7)["moved"]


def test_a_whole_day_in_steps_is_the_same_day_as_in_one_go() -> None:
    one, other = Controlled("08:59:59"), Controlled("08:59:59")
    while not one.ask("GET", "state")["closed"]:
        assert one.ask("POST", "step", until=at("20:31"), port=PORT, frames=one.frames)["moved"]
    other.customer.advance("20:31")
    assert one.customer.inbox == other.customer.inbox


def test_a_free_running_clock_is_not_stepped_and_keeps_its_time_when_it_stops() -> None:
    one = Controlled()
    assert one.ask("POST", "speed", speed=2)["now"] == at("09:00:30")
    assert one.customer.core.free_running
    with pytest.raises(ControlRefused, match="runs free"):
        one.ask("POST", "step", until=at("10:00"))
    stopped = one.ask("POST", "speed", speed="step")["now"]
    assert stopped >= at("09:00:30")
    assert (one.clock.now(), one.customer.core.now, one.customer.core.free_running) == (
        stopped,
        stopped,
        False,
    )


def test_trading_by_hand_moves_the_true_ledger() -> None:
    one = Controlled()
    assert one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=10, price=None) == {"number": 1}
    assert one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=5, price=70_000) == {"number": 2}
    assert one.ask("POST", "cancel", number=2, qty=2) == {"number": 3}
    ledger = one.ask("GET", "ledger")
    assert ledger["holdings"] == [{"code": SAMSUNG, "qty": 10, "sellable": 10, "cost": 710_000}]
    assert [(o["number"], o["state"], o["leaves"]) for o in ledger["orders"]] == [
        (1, "filled", 0),
        (2, "accepted", 3),
        (3, "confirmed", 0),
    ]
    assert ledger["settled_d2"] == ledger["cash"] - ledger["buys"] - ledger["fees"]


def test_a_stock_is_halted_and_trades_again_after_a_call_auction() -> None:
    one = Controlled()
    assert one.ask("POST", "halt", code=SAMSUNG) == {"halted": SAMSUNG}
    with pytest.raises(ControlRefused):
        one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=1)
    assert one.ask("POST", "resume", code=SAMSUNG) == {"resumed": SAMSUNG}
    one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=1, price=71_000)
    assert one.ask("GET", "ledger")["orders"][0]["state"] == "accepted"
    while one.customer.core.now < at("09:50"):
        one.ask("POST", "step", until=at("09:50"))
    assert one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=1)["number"] == 2


def test_a_circuit_breaker_stops_a_board_and_no_other() -> None:
    one = Controlled()
    assert one.ask("POST", "break", board="KOSPI", level=1) == {"board": "KOSPI", "level": 1}
    kosdaq = next(item.code for item in Universe.packaged() if item.board is Board.KOSDAQ)
    with pytest.raises(ControlRefused, match="거래정지"):
        one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=1, price=71_000)
    one.ask("POST", "trade", code=kosdaq, side="buy", qty=1)
    assert [order["state"] for order in one.ask("GET", "ledger")["orders"]] == ["filled"]


def test_a_person_may_trade_on_nextrade_too() -> None:
    one = Controlled()
    one.ask("POST", "trade", code=SAMSUNG, side="buy", qty=1, price=60_000, venue="NXT")
    (order,) = one.customer.core.account.orders.values()
    assert (order.venue, order.state) == (Venue.NXT, "accepted")


def test_sessions_and_tokens_are_listed_masked() -> None:
    one = Controlled()
    said = one.ask("GET", "sessions")
    assert said["sockets"] == [
        {
            "port": PORT,
            "frames": 3,
            "subscriptions": [["H0STASP0", SAMSUNG], ["H0STCNI0", "***"], ["H0STCNT0", SAMSUNG]],
        }
    ]
    (token,) = said["tokens"]
    assert token["ends"] == at("09:00:30") + DAY
    assert one.customer.token.endswith(token["token"].removeprefix("…"))
    assert len(token["token"]) == 5
    assert KEYS.hts_id.reveal() not in json.dumps(said)


BAD = [
    ("POST", "halt", {"code": "999999"}, 409, "999999"),
    ("POST", "break", {"board": "KOSPI", "level": 4}, 400, "break"),
    ("POST", "trade", {"code": SAMSUNG, "side": "sell", "qty": 1}, 409, "수량을 초과"),
    ("POST", "cancel", {"number": 9}, 409, "원주문"),
    ("POST", "trade", {"code": SAMSUNG, "side": "hold", "qty": 1}, 400, "trade"),
    ("POST", "step", {}, 400, "until"),
    ("POST", "speed", {"speed": 0}, 400, "not a valid speed"),
    ("GET", "step", {}, 404, "unknown"),
    ("POST", "anything", {}, 404, "unknown"),
]


@pytest.mark.parametrize(("method", "verb", "body", "status", "words"), BAD)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    method: str, verb: str, body: dict[str, Any], status: int, words: str
) -> None:
    one = Controlled()
    with pytest.raises(ControlRefused, match=words) as refused:
        one.ask(method, verb, **body)
    assert refused.value.status == status
    assert "\n" not in refused.value.text


def test_the_call_stop_stops_the_simulator() -> None:
    one = Controlled()
    assert one.ask("POST", "stop") == {"stopping": True}
    assert one.stopped == 1


def test_a_halt_and_a_circuit_breaker_are_set_off_from_outside() -> None:
    """H03."""
    one = Controlled()
    assert one.ask("POST", "halt", code=SAMSUNG) == {"halted": SAMSUNG}
    assert one.customer.order("buy", 1, 71_000)["msg_cd"] == "APBK0918"
    assert one.ask("POST", "resume", code=SAMSUNG) == {"resumed": SAMSUNG}
    assert one.ask("POST", "break", board="KOSPI", level=3) == {"board": "KOSPI", "level": 3}
    assert one.customer.order("buy", 1, 71_000)["msg_cd"] == "APBK0918"
    with pytest.raises(ControlRefused, match="not a listed code"):
        one.ask("POST", "halt", code="nonsense")
    with pytest.raises(ControlRefused):
        one.ask("POST", "break", board="KOSPI", level=4)
