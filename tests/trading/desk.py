"""A desk core on a packaged universe, and the words that tests say to it."""

from __future__ import annotations

from datetime import date, time

from kisnb.clock import SECOND, Ns, kst
from kisnb.events import HaltSet, Notice
from kisnb.market.universe import Universe
from kisnb.orders import Capabilities, Intent, OrderRef, SendReply
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Submit
from kisnb.trading.ports.effects import Effect, Persist, Publish, Send
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

DAY = date(2026, 11, 20)
NOON = kst(DAY, time(12))
CODE = "005930"
CAN = Capabilities((Venue.KRX,), (OrderKind.LIMIT, OrderKind.MARKET), can_order=True)


class Desk:
    """A core whose effects are kept: what was persisted, sent and published."""

    def __init__(
        self,
        rows: list[Row] | None = None,
        limits: Limits | None = None,
        can: Capabilities = CAN,
        universe: Universe | None = None,
    ) -> None:
        self.rows: list[Row] = list(rows or [])
        self.effects: list[Effect] = []
        self.now = NOON
        rules = Rules(universe or Universe.packaged(), can)
        self.core = DeskCore(rules, limits or Limits(), State.fold(self.rows))

    def say(self, said: object, at: Ns | None = None) -> list[Effect]:
        self.now = at or self.now + SECOND
        return self.keep(self.core.step(self.now, said))  # type: ignore[arg-type]

    def keep(self, effects: list[Effect]) -> list[Effect]:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Persist):
                self.rows += effect.rows  # type: ignore[arg-type]
        return effects

    def set_halt(self, state: str, reason: str) -> None:
        """Bring the desk into a trading state, as a kill switch that has ended leaves it."""
        row = HaltSet(self.now, state, reason)  # type: ignore[arg-type]
        self.core.state.apply(row)
        self.rows.append(row)

    def submit(self, key: str = "k", **changes: object) -> list[Effect]:
        return self.say(Submit(intent(key, **changes)))

    def sent(self, key: str = "k", number: int = 7) -> list[Effect]:
        return self.say(SendReply(key, "sent", ref(number)))

    def order(self, key: str = "k"):
        return self.core.state.books.orders[key]

    @property
    def sends(self) -> list[Send]:
        return [e for e in self.effects if isinstance(e, Send)]

    @property
    def published(self) -> list[object]:
        return [e.event for e in self.effects if isinstance(e, Publish)]


def price_of(code: str = CODE) -> int:
    return Universe.packaged().get(code).base


def intent(key: str = "k", **changes: object) -> Intent:
    wanted: dict[str, object] = {
        "agent": "",
        "code": CODE,
        "side": Side.BUY,
        "qty": 10,
        "kind": OrderKind.LIMIT,
        "price": price_of(),
        **changes,
    }
    return Intent(key, **wanted)  # type: ignore[arg-type]


def ref(number: int = 7) -> OrderRef:
    return OrderRef(20261120, "06010", number)


def notice(
    kind: str,
    number: int = 7,
    qty: int = 10,
    price: int = 0,
    original: int = 0,
    side: Side = Side.BUY,
) -> Notice:
    return Notice(
        NOON, kind, number, original, CODE, side, qty, price or price_of(), "06010", Venue.KRX
    )  # type: ignore[arg-type]
