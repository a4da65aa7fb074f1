"""Who acts in a run: a strategy, a person at the notebook and on the phone, and what happens to
their machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from kisnb.clock import SECOND, Ns
from kisnb.orders import Intent, Order, OrderState
from kisnb.requotes import Requote
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.order_books.order_book import BY_HAND, EXTERNAL
from kisnb.trading.ports.commands import CancelOrder, Halt, ResolveOrder, ReviseOrder, Submit
from kisnb.trading.ports.queries import AdoptHolding, ArmDesk, LiftHalt

from .schedule import Do, Fault

if TYPE_CHECKING:
    from .campaign import Run


class People:
    """Carries out the steps of a schedule.

    A step ``phone cancel`` is the method ``_phone_cancel``.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._keys = 0
        self._intents: list[Intent] = []
        self._adoptions: list[AdoptHolding] = []

    def do(self, do: Do) -> None:
        self._run.note(do.step, do.code, do.side, do.qty, do.price)
        getattr(self, f"_{do.step.replace(' ', '_')}")(do)

    def decide(self) -> None:
        """A person looks at every order of unknown fate and says what they see at KIS."""
        run = self._run
        if run.desk is None:
            return
        truth = {key: number for number, key in run.watch.placed.items()}
        for order in list(run.desk.state.books.live.values()):
            if order.state is OrderState.UNKNOWN:
                number = truth.get(order.key)
                # Somebody said before that it is another order, and the desk believed it: the twins
                # differ in nothing.
                other = (
                    None
                    if number is None
                    else run.desk.state.books.by_number(run.watch.day, number)
                )
                taken = other is not None and other.intent.agent != EXTERNAL
                run.say(ResolveOrder(order.key, None if taken else number))

    def _tell(self, say: Callable[[], None]) -> None:
        """A session that finds its desk dead says it again when the desk is back."""
        if self._run.desk is None:
            self._run.after(SECOND, lambda: self._tell(say))
        else:
            say()

    # orders

    def _submit(self, do: Do) -> None:
        self._keys += 1
        owner = ("a0", "a1", BY_HAND)[do.which % 3]
        kind = do.kind or (OrderKind.MARKET if do.price is None else OrderKind.LIMIT)
        protective = do.side == "sell" and do.which % 2 == 0
        key, side = f"agent:{owner}:run:{self._keys}", Side(do.side)
        self._fall_ill(key, do)
        # One of two resting orders has a budget. Its steps are short, so that they strike often.
        may_rest = kind is OrderKind.LIMIT and not protective and self._keys % 2 == 0
        self._want(
            Intent(
                key, owner, do.code, side, do.qty, kind, do.price, do.venue, protective=protective,
                requote=Requote(after=1, gap=1000, cooldown=5) if may_rest else None,
            )
        )  # fmt: skip

    def _fall_ill(self, key: str, do: Do) -> None:
        if do.ill is not None:
            self._run.ills[key] = Fault("post", -1, do.ill, do.amount)

    def _want(self, intent: Intent) -> None:
        self._intents.append(intent)
        self._tell(lambda: self._send(intent))

    def _send(self, intent: Intent) -> None:
        self._run.say(ReviseOrder(intent) if intent.supersedes else Submit(intent))

    def _rerun(self, _do: Do) -> None:
        for intent in list(self._intents):
            self._tell(lambda intent=intent: self._send(intent))  # type: ignore[misc]
        for wish in list(self._adoptions):
            self._tell(lambda wish=wish: self._run.say(wish))  # type: ignore[misc]

    def _cancel(self, do: Do) -> None:
        qty = do.qty if do.which % 2 == 0 else None
        self._tell(
            lambda: self._change(
                do, lambda o: self._run.say(CancelOrder(o.key, qty)), lambda _: True
            )
        )

    def _revise(self, do: Do) -> None:
        def fits(order: Order) -> bool:
            return order.intent.price is not None and order.intent.agent != EXTERNAL

        self._tell(lambda: self._change(do, lambda order: self._move(do, order), fits))

    def _move(self, do: Do, order: Order) -> None:
        self._keys += 1
        old = order.intent
        key, price = f"{old.key}/r{self._keys}", do.price or old.price
        qty = order.leaves if do.which % 3 else min(order.leaves, do.qty)
        self._fall_ill(key, do)
        self._want(
            Intent(
                key, old.agent, old.code, old.side, qty, OrderKind.LIMIT, price, supersedes=old.key
            )
        )

    def _adopt(self, do: Do) -> None:
        newest = max(self._run.host.core.account.orders, default=1)
        self._resolve(do, newest)

    def _disown(self, do: Do) -> None:
        self._resolve(do, None)

    def _resolve(self, do: Do, number: int | None) -> None:
        def say(order: Order) -> None:
            self._run.say(ResolveOrder(order.key, number))

        self._tell(lambda: self._change(do, say, lambda order: order.state is OrderState.UNKNOWN))

    def _change(
        self, do: Do, change: Callable[[Order], None], fits: Callable[[Order], bool]
    ) -> None:
        """Change one of the open orders that fit."""
        assert self._run.desk is not None
        orders = [o for o in self._run.desk.state.books.orders.values() if o.is_open and fits(o)]
        if orders:
            change(orders[do.which % len(orders)])

    def _take_over(self, do: Do) -> None:
        self._keys += 1
        wish = AdoptHolding(
            f"adopt:{self._keys}", f"a{do.which % 2}", do.code, do.qty if do.which % 3 else None
        )
        self._adoptions.append(wish)
        self._tell(lambda: self._run.say(wish))

    # halts

    def _halt(self, do: Do) -> None:
        wishes = (Halt("campaign", "reducing"), Halt("campaign"), LiftHalt("campaign"))
        self._tell(lambda: self._run.say(wishes[do.which % 3]))
        self._run.after(20 * SECOND, self._lift)

    def _switch(self, do: Do) -> None:
        to: Literal["reducing", "halted"] = "reducing" if do.which % 3 else "halted"
        self._tell(lambda: self._run.say(Halt("campaign", to, flatten=do.which % 2 == 0)))
        self._run.after(20 * SECOND, self._lift)

    def _pull(self, do: Do) -> None:
        """Pull the kill switch and leave it so: 0 reducing, 1 halted, and with a flatten 2
        and 3."""
        to: Literal["reducing", "halted"] = "halted" if do.which % 2 else "reducing"
        self._tell(lambda: self._run.say(Halt("pulled", to, flatten=do.which >= 2)))

    def _lift(self, _do: Do | None = None) -> None:
        """A person lifts the halt, when the kill switch has come to its end."""
        if self._run.desk is None or self._run.desk.state.halting:
            self._run.after(5 * SECOND, self._lift)
        elif self._run.desk.state.flatten_reason is not None:
            self._run.say(LiftHalt("campaign"))
            self._run.after(5 * SECOND, self._lift)
        else:
            self._run.say(LiftHalt("campaign"))

    def arm(self, until: Ns) -> None:
        self._tell(lambda: self._run.say(ArmDesk("", 0, self._run.budget, until)))

    # the phone

    def _phone(self, do: Do) -> None:
        core = self._run.host.core
        try:
            number, out = core.by_hand.trade(do.code, Side(do.side), do.qty, do.price)
        except AccountRejected:
            return
        self._run.note("phone:", f"#{number}")
        self._run.deliver(out)

    def _phone_cancel(self, do: Do) -> None:
        core = self._run.host.core
        live = [o.number for o in core.account.orders.values() if o.leaves and not o.original]
        if not live:
            return
        try:
            _, out = core.by_hand.cancel(live[do.which % len(live)])
        except AccountRejected:
            return
        self._run.deliver(out)

    def _twin(self, do: Do) -> None:
        """The phone orders just what the strategy ordered last."""
        last = next((intent for intent in reversed(self._intents) if not intent.supersedes), None)
        if last is not None:
            self._phone(
                Do(
                    do.t,
                    "phone",
                    last.code,
                    "buy" if last.side is Side.BUY else "sell",
                    last.qty,
                    last.price,
                )
            )

    def _near_twin(self, do: Do) -> None:
        """The phone orders at a venue and as a kind of its own."""
        run, kind = (
            self._run,
            do.kind or (OrderKind.MARKET if do.price is None else OrderKind.LIMIT),
        )
        try:
            number, out = run.host.phone(
                do.code, Side(do.side), kind, do.qty, do.price or 0, do.venue or Venue.KRX
            )
        except AccountRejected:
            return
        run.note("phone:", f"#{number}")
        run.deliver(out)

    # machines

    def _kill(self, _do: Do) -> None:
        if self._run.desk is not None:
            self._run.die("killed")

    def _cut(self, do: Do) -> None:
        self._run.cut(do.amount)

    def _deaf(self, do: Do) -> None:
        self._run.deaf_until = self._run.host.core.now + do.amount

    def _jump(self, do: Do) -> None:
        self._run.jump = max(-20 * SECOND, min(20 * SECOND, self._run.jump + do.amount))

    def _full_disk(self, do: Do) -> None:
        self._run.full_until = self._run.host.core.now + do.amount

    def _kernel(self, do: Do) -> None:
        """The kernel dies; its notebook is opened again and run from the top."""
        self._run.notebooks.die()
        self._rerun(do)

    def _link(self, do: Do) -> None:
        """The session's socket breaks."""
        self._run.notebooks.cut(do.amount)
