"""The control API of a simulator: its clock, trading by hand, the true ledger, and faults.

    GET  state     {"now", "speed": "step" | number, "date", "run", "seed",
                    "sockets": [{"port", "frames"}], "closed"}
    GET  ledger    {"cash", "orderable", "settled_d2", "buys", "sells", "fees", "taxes",
                    "holdings": […], "orders": […]}
    GET  sessions  {"sockets": [{"port", "frames", "subscriptions"}],
                    "tokens": [{"token", "ends"}]}    masked
    GET  faults    {"armed": […], "struck": [{"t", "tr_id", "code", "fault"}]}
    POST step      {"until": ns, "port": n | null, "frames": n}
                                     → {"moved", "now", "frames"}    in lockstep only
    POST speed     {"speed": "step" | number}              → {"now", "speed"}
    POST trade     {"code", "side", "qty", "price": won | null, "venue"}
                                                           → {"number"}
    POST cancel    {"number", "qty": shares | null}        → {"number"}
    POST halt      {"code"}                                → {"halted": code}    on both venues
    POST resume    {"code"}                                → {"resumed": code}   by a call auction
    POST break     {"board": "KOSPI" | "KOSDAQ", "level": 1…3}
                                     → {"board", "level"}    the circuit breaker
    POST fault     {"on", "what", …} as in a fault file    → {"armed": n}
    POST calm      {}                                      → {"disarmed": n}     no more faults
    POST cut       {"port": n | null}                      → {"cut": n}          no handshake
    POST expire    {}                                      → {"expired": n}      access tokens
    POST revoke    {}                                      → {"revoked": n}      access tokens
    POST stop      {}                                      → {"stopping": true}

A refusal has status 4xx and {"error": a sentence}. GET line opens a WebSocket for many calls: each
message is [method, verb, body], and its reply is [status, reply].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from kisnb.clock import SimulatedClock
from kisnb.errors import UnknownInstrument
from kisnb.kis.feed.notices import NOTICE_TRS
from kisnb.kis.masking import HIDDEN
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.faults import Fault
from kisnb.simulator.host.record import order_line
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.simulator.serve.control_bodies import (
    Break,
    CancelWanted,
    Cut,
    Interrupt,
    SpeedWanted,
    StepWanted,
    TradeWanted,
)

FASTEST = 100_000.0
"""Highest speed of the clock, in simulated seconds per second."""
FAULT_VERBS = ("fault", "calm", "cut", "expire", "revoke")
"""Verbs that cause or stop faults."""


class ControlRefused(Exception):
    """A request that the simulator refuses, with the reason in one sentence and an HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Day(NamedTuple):
    """The names and numbers that identify a simulated day.

    ``run`` identifies the process. ``start`` is a time in KST.
    """

    run: str
    seed: int
    date: str
    start: str


class SimulatorControl:
    """Answers the control requests on one core and its clock.

    ``send`` receives the frames that follow from a request; ``stop`` ends the process.
    """

    def __init__(
        self,
        core: Core,
        clock: SimulatedClock,
        day: Day,
        send: Callable[[Sequence[Outgoing]], None],
        stop: Callable[[], None],
    ) -> None:
        self._core = core
        self._clock = clock
        self._day = day
        self._send = send
        self._stop = stop

        self._verbs: dict[tuple[str, str], Callable[[bytes], dict[str, Any]]] = {
            ("GET", "state"): lambda _: self._state(),
            ("GET", "ledger"): lambda _: self._ledger(),
            ("GET", "sessions"): lambda _: self._sessions(),
            ("GET", "faults"): lambda _: self._faults(),
            ("POST", "step"): lambda body: self._step(msgspec.json.decode(body, type=StepWanted)),
            ("POST", "speed"): lambda body: self._speed(
                msgspec.json.decode(body, type=SpeedWanted).speed
            ),
            ("POST", "trade"): lambda body: self._trade(
                msgspec.json.decode(body, type=TradeWanted)
            ),
            ("POST", "cancel"): lambda body: self._cancel(
                msgspec.json.decode(body, type=CancelWanted)
            ),
            ("POST", "stop"): lambda _: self._stop_process(),
        }
        self._verbs |= {
            ("POST", verb): partial(self._interrupt, verb) for verb in ("halt", "resume", "break")
        }
        self._verbs |= {("POST", verb): partial(self._fail, verb) for verb in FAULT_VERBS}

    def answer(self, method: str, verb: str, body: bytes) -> dict[str, Any]:
        """Return the reply to one request. Raises ControlRefused."""
        act = self._verbs.get((method, verb))
        if act is None:
            known = ", ".join(" ".join(call) for call in self._verbs)
            raise ControlRefused(f"{method} {verb} is unknown; there are {known}.", 404)
        try:
            return act(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as e:
            raise ControlRefused(f"the body of {verb} is wrong: {e}.", 400) from None

    def _stop_process(self) -> dict[str, Any]:
        self._stop()
        return {"stopping": True}

    def _state(self) -> dict[str, Any]:
        day = self._day
        return {
            "now": self._clock.now(),
            "speed": self._clock.speed or "step",
            "date": day.date,
            "run": day.run,
            "seed": day.seed,
            "sockets": [{"port": s.port, "frames": s.frames} for s in self._core.sockets],
            "closed": self._core.closed,
        }

    def _step(self, step: StepWanted) -> dict[str, Any]:
        if self._clock.speed:
            raise ControlRefused('the clock runs free; POST speed {"speed": "step"} first.', 409)
        # The client has not read all frames yet. If the clock moved on, the client would act on an
        # old state.
        if step.port is not None and step.frames != self._frames(step.port):
            return {"moved": False, "now": self._core.now, "frames": self._frames(step.port)}
        self._send(self._core.step(step.until))
        self._clock.set(self._core.now)
        return {"moved": True, "now": self._core.now, "frames": self._frames(step.port)}

    def _speed(self, speed: Literal["step"] | float) -> dict[str, Any]:
        if speed != "step" and not 0 < speed <= FASTEST:
            raise ControlRefused(
                f"{speed} is not a valid speed; "
                f"give a number above 0 and up to {FASTEST:,.0f}, or step.",
                400,
            )
        self._send(self._core.advance(self._clock.now()))
        self._clock.set(self._core.now, 0.0 if speed == "step" else float(speed))
        self._core.free_running = bool(self._clock.speed)
        # Nothing is sent, but the timer of the next event is set for the new speed.
        self._send([])
        return {"now": self._core.now, "speed": speed}

    def _trade(self, wanted: TradeWanted) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        try:
            # The market is at the clock's time before the order comes, so the order meets the depth
            # of this moment.
            number, frames = self._core.by_hand.trade(
                wanted.code, wanted.side, wanted.qty, wanted.price, wanted.venue
            )
        except AccountRejected as e:
            raise ControlRefused(
                f"the order is refused: {self._core.by_hand.refusal_text(e)}", 409
            ) from None
        self._send(frames)
        return {"number": number}

    def _cancel(self, wanted: CancelWanted) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        try:
            number, frames = self._core.by_hand.cancel(wanted.number, wanted.qty)
        except AccountRejected as e:
            raise ControlRefused(
                f"the cancel is refused: {self._core.by_hand.refusal_text(e)}", 409
            ) from None
        self._send(frames)
        return {"number": number}

    def _interrupt(self, verb: str, body: bytes) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        if verb == "break":
            wanted = msgspec.json.decode(body, type=Break)
            self._send(self._core.by_hand.break_circuit(wanted.board, wanted.level))
            return {"board": wanted.board, "level": wanted.level}
        code = msgspec.json.decode(body, type=Interrupt).code
        try:
            self._send(
                self._core.by_hand.halt(code) if verb == "halt" else self._core.by_hand.resume(code)
            )
        except UnknownInstrument as e:
            raise ControlRefused(str(e), 409) from None
        return {"halted" if verb == "halt" else "resumed": code}

    def _fail(self, verb: str, body: bytes) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        faults = self._core.faults
        match verb:
            case "fault":
                faults.add(msgspec.json.decode(body, type=Fault))
                self._send([])
                return {"armed": len(faults.armed)}
            case "calm":
                return {"disarmed": faults.clear()}
            case "cut":
                cut = self._core.by_hand.cut(msgspec.json.decode(body, type=Cut).port)
                self._send(cut)
                return {"cut": sum(frame.text is None for frame in cut)}
            case "expire":
                return {"expired": self._core.by_hand.expire_tokens()}
        return {"revoked": self._core.by_hand.revoke_tokens()}

    def _sessions(self) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        sockets = [
            {
                "port": s.port,
                "frames": s.frames,
                "subscriptions": [
                    [tr, HIDDEN if tr in NOTICE_TRS else key] for tr, key in sorted(s.subscriptions)
                ],
            }
            for s in self._core.sockets
        ]
        tokens = [
            {"token": f"…{token[-4:]}", "ends": ends} for token, ends in self._core.tokens.items()
        ]
        return {"sockets": sockets, "tokens": tokens}

    def _faults(self) -> dict[str, Any]:
        faults = self._core.faults
        return {"armed": faults.armed, "struck": [one._asdict() for one in faults.struck]}

    def _ledger(self) -> dict[str, Any]:
        self._send(self._core.advance(self._clock.now()))
        account = self._core.account
        return {
            "cash": account.deposit,
            "settled_d2": account.settled_d2,
            "orderable": account.orderable,
            "buys": account.buy_value,
            "sells": account.sell_value,
            "fees": account.fees,
            "taxes": account.taxes,
            "holdings": [
                {"code": code, "qty": p.qty, "sellable": account.sellable(code), "cost": p.cost}
                for code, p in account.positions.items()
            ],
            "orders": [order_line(order) for order in account.orders.values()],
        }

    def _frames(self, port: int | None) -> int:
        return next((s.frames for s in self._core.sockets if s.port == port), 0)
