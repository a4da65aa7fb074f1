"""The watch over holdings: sets exits and price alerts, judges each trade, and decides.

Every trade of a stock, at any venue, is judged by the exits of that stock. The desk goes on
watching while it is halted. Then it only records what it would have sold.
"""

from __future__ import annotations

from typing import Protocol

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import (
    ForecastJudged,
    PriceAlertEnded,
    PriceAlertFired,
    PriceAlertSet,
    ProtectionBlocked,
    ProtectionEnded,
    ProtectionFired,
    ProtectionMoved,
    ProtectionPriced,
    ProtectionRefused,
    ProtectionSet,
    StockDay,
    Tick,
)
from kisnb.exits import ExitReason, ExitStage, PriceAlert, Protection
from kisnb.terms import Venue
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.exit_rules import (
    Facts,
    Judgement,
    Watched,
    judge,
    sell_level,
    stop_price,
    take_price,
)
from kisnb.trading.exits.forecasts import Forecasts
from kisnb.trading.exits.new_base import why_incomparable
from kisnb.trading.exits.owned import Owned, live_orders, owned
from kisnb.trading.gate.risk import No, Rules
from kisnb.trading.order_books.order_book import agent_of_key
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.ports.commands import (
    EndPriceAlert,
    EndProtection,
    ExitCommand,
    Protect,
    PushForecast,
    SetPriceAlert,
)
from kisnb.trading.ports.effects import WakeAt
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

PEAK_ROWS: Ns = SECOND
"""Shortest time between two journal rows about a new peak of an exit.

A row for each new high would sync the disk at each trade of a rising stock.
"""
REPLACED = "another exit took its place"


class ExitSeller(Protocol):
    """The interface to the part that sells for exits. At a desk it is ``ExitSales``."""

    def proceed(self, turn: Turn) -> None:
        """Sell as much as possible now, and end the exits whose shares are all sold."""

    def cancel(self, turn: Turn, protection: Protection) -> None:
        """Cancel the open orders of an exit that a person has ended."""


class ExitWatch:
    """Sets, judges and ends exits and price alerts."""

    def __init__(self, rules: Rules, state: State, sales: ExitSeller, cancels: Cancels) -> None:
        self._rules = rules
        self._state = state
        self._sales = sales
        self._cancels = cancels
        self._forecasts = Forecasts()
        self._prices: dict[str, tuple[int, Venue]] = {}
        """The newest price of each watched stock (won), and its venue."""
        self._peaks: dict[str, int] = {}
        """The highest price of each exit. The journal may have a lower one."""
        self._peak_rows: dict[str, Ns] = {}
        """When the peak of each exit was last journaled."""

    def start(self, turn: Turn) -> None:
        """Continue all exits after a restart of the desk."""
        for watch in self._state.exits.watches.values():
            self._wake_at_end(turn, watch.protection)
        self.proceed(turn)

    def watches(self, code: str) -> bool:
        """Return whether a trade of the stock must be judged."""
        return code in self._state.exits.codes

    def execute(self, turn: Turn, command: ExitCommand) -> None:
        """Carry out a command about an exit, a price alert or a forecast."""
        match command:
            case Protect(protection=protection):
                self._set(turn, protection)
            case EndProtection(key=key, why=why):
                self._end(turn, key, why)
            case SetPriceAlert(alert=alert):
                self._set_alert(turn, alert)
            case EndPriceAlert(key=key):
                if key in self._state.exits.alerts:
                    turn.record(PriceAlertEnded(turn.now, key))
            case PushForecast():
                self._forecasts.push(command)

    def on_tick(self, turn: Turn, tick: Tick) -> None:
        """Judge a trade of a watched stock."""
        # KIS writes 0 for a missing price.
        if tick.price <= 0:
            return
        self._prices[tick.code] = tick.price, tick.venue
        self._forecasts.add(tick)
        for alert in self._state.exits.alerts_of(tick.code):
            if tick.price >= alert.price if alert.above else tick.price <= alert.price:
                text = f"price alert: {alert.text}, traded at {tick.price:,} on {tick.venue}"
                turn.record(PriceAlertFired(turn.now, alert.key, tick.price, tick.venue, text))
                turn.report(text)
        for watch in self._state.exits.of(tick.code):
            if watch.fired is None:
                self._judge(turn, watch, tick.price, tick.venue)

    def on_stated(self, turn: Turn, stated: StockDay | None) -> None:
        """Compare the day's base price with the base price that the exits of the stock have.

        After a split the prices of an exit mean nothing: the first trade would sell everything.
        Such an exit ends, and a person is told. ``stated`` None: KIS stated nothing.
        """
        if stated is None or stated.limits is None or stated.base <= 0:
            return
        for watch in self._state.exits.of(stated.code):
            before, key = watch.priced, watch.protection.key
            if watch.fired is not None:
                continue
            why = why_incomparable(before, stated) if before is not None else None
            if why is not None:
                self._end(turn, key, why)
                turn.report(f"the exit {watch.protection.text} of {stated.code} has ended: {why}")
            elif before is None or (kst_day(before.t), before.base) != (stated.day, stated.base):
                turn.record(ProtectionPriced(turn.now, key, stated.base, *stated.limits))

    def on_agent_lost(self, turn: Turn, agent: str) -> None:
        """Do what an agent has chosen for the loss of its session: hold, cancel or flatten."""
        noted = self._state.agents.get(agent)
        policy = "hold" if noted is None else noted.record.when_lost
        if policy == "hold":
            return
        books = self._state.books
        for order in [o for o in books.live.values() if o.intent.agent == agent]:
            if not order.cancel_asked:
                self._cancels.request(turn, order.key, None, kill_switch=False)
        turn.report(f"the session of agent {agent} is lost, and its orders are cancelled")
        if policy == "flatten" and agent in books.agents:
            for code in books.agents[agent].holds:
                key = f"lost:{turn.now}:{agent}:{code}"
                self._set(turn, Protection(key, agent, code, until=turn.now))
            self.proceed(turn)

    def proceed(self, turn: Turn) -> None:
        """Continue all exits and their sales.

        An exit without shares ends. An exit whose time has come begins to sell.
        """
        for watch in list(self._state.exits.watches.values()):
            if watch.fired is not None:
                continue
            protection = watch.protection
            if not self._is_there(protection.agent, protection.code):
                self._forget(protection.key)
                why = "nothing is held any more"
                turn.record(ProtectionEnded(turn.now, protection.key, why))
            elif protection.until and turn.now >= protection.until:
                price, venue = self._prices.get(protection.code, (0, Venue.KRX))
                self._decide(turn, watch, ExitReason.TIME_STOP, price, venue, "its time has come")
        self._sales.proceed(turn)

    def next_below(self, now: Ns, code: str) -> int | None:
        """Return the first price at which an exit of the stock sells when the price falls, won.

        None when no exit of the stock sells then.
        """
        levels = [
            level
            for watch in self._state.exits.of(code)
            if watch.fired is None and (seen := self._seen(now, watch)) is not None
            if (level := sell_level(watch.protection, *seen)) is not None
        ]
        return max(levels, default=None)

    def next_above(self, now: Ns, code: str) -> int | None:
        """Return the first price at which an exit of the stock sells when the price rises, won.

        None when no exit of the stock sells then.
        """
        levels = [
            level
            for watch in self._state.exits.of(code)
            if watch.fired is None and (seen := self._seen(now, watch)) is not None
            if (level := take_price(watch.protection, seen[1].entry)) is not None
        ]
        return min(levels, default=None)

    # setting

    def _set(self, turn: Turn, protection: Protection) -> None:
        key, exits = protection.key, self._state.exits
        if exits.is_known(key):
            return
        if not self.watches(protection.code):
            # The desk follows the price only while the stock is watched, so the known price may be
            # old.
            self._prices.pop(protection.code, None)
        if (no := self._why_not_set(protection)) is not None:
            turn.publish(ProtectionRefused(turn.now, key, no.reason, no.cure))
            return
        before = exits.of_owner(protection.agent, protection.code)
        if before is not None and _is_by_agent(protection) and _is_same(before, protection):
            # An agent may set the same exit again at each bar. A new exit would begin without the
            # peak and the stage of the existing exit, so a trailing stop would never sell.
            return
        if before is not None:
            self._end(turn, before.protection.key, REPLACED)
        turn.record(ProtectionSet(turn.now, protection))
        if not self._rules.universe.is_complete:
            self.on_stated(turn, self._rules.days.of(turn.now, protection.code))
        self._wake_at_end(turn, protection)

    def _why_not_set(self, protection: Protection) -> No | None:
        agent, code = protection.agent, protection.code
        if self._rules.instrument(code) is None:
            why = f"{code} is not a listed issue"
            return No(why, "look the code up with %kis search NAME")
        if protection.text == "nothing":
            return No("the exit has no condition", "give a stop, a take, a trail or a time")
        if not self._is_there(agent, code):
            whose = f"{agent} holds" if agent else "you hold"
            return No(
                f"{whose} no {code}, and no order of it is under way",
                "protect a stock that is held, or order it first",
            )
        if (before := self._state.exits.of_owner(agent, code)) is not None and before.fired:
            return No(f"{code} is being sold by its exit: {before.text}", "wait until it is sold")
        # A person who types a stop above the price has made a mistake. An agent whose stop was
        # passed while it did not run must not stay without one: the next trade sells.
        return None if _is_by_agent(protection) else self._why_at_once(protection)

    def _why_at_once(self, protection: Protection) -> No | None:
        """Return why an exit would sell at once, at the current price. None when it would not."""
        price, _ = self._prices.get(protection.code, (0, Venue.KRX))
        held = owned(self._state.books, protection.agent, protection.code)
        entry = protection.entry or held.average
        if not price or entry is None:
            return None
        stop, take = stop_price(protection, entry), take_price(protection, entry)
        if stop is not None and price <= stop:
            why = f"the price {price:,} is at or below the stop {stop:,}"
            return No(f"{why}: it would sell at once", "give a lower stop, or sell")
        if take is not None and price >= take:
            why = f"the price {price:,} is at or above the target {take:,}"
            return No(f"{why}: it would sell at once", "give a higher target, or sell")
        return None

    def _set_alert(self, turn: Turn, alert: PriceAlert) -> None:
        if self._state.exits.is_known(alert.key):
            return
        no = self._why_no_alert(alert)
        if no is None:
            turn.record(PriceAlertSet(turn.now, alert))
        else:
            turn.publish(ProtectionRefused(turn.now, alert.key, no.reason, no.cure))

    def _why_no_alert(self, alert: PriceAlert) -> No | None:
        if self._rules.instrument(alert.code) is None:
            return No(f"{alert.code} is not a listed issue", "look it up with %kis search NAME")
        if alert.price <= 0:
            return No(f"{alert.price:,} is not a price", "give won above 0")
        return None

    def _end(self, turn: Turn, key: str, why: str) -> None:
        watch = self._state.exits.watches.get(key)
        if watch is None:
            return
        self._forget(key)
        turn.record(ProtectionEnded(turn.now, key, why))
        if watch.fired is not None:
            self._sales.cancel(turn, watch.protection)

    # judging

    def _judge(self, turn: Turn, watch: Watch, price: int, venue: Venue) -> None:
        protection, seen = watch.protection, self._seen(turn.now, watch)
        if seen is None or self._awaits_base(turn.now, watch):
            return
        self._note_model(turn, watch)
        judgement = judge(protection, seen[0], price, seen[1])
        self._peaks[protection.key] = judgement.after.peak
        if judgement.reason is not None:
            self._decide(turn, watch, judgement.reason, price, venue, judgement.text)
        else:
            self._note(turn, watch, judgement)

    def _seen(self, now: Ns, watch: Watch) -> tuple[Watched, Facts] | None:
        """Return the state of an exit before the next price, and the facts to judge that price.

        None while the exit cannot be judged.
        """
        protection = watch.protection
        held = owned(self._state.books, protection.agent, protection.code)
        entry = protection.entry or held.average
        # The buy has not filled yet, or the cost of the shares is not known yet.
        if held.qty <= 0 or not entry:
            return None
        peak = max(watch.peak, self._peaks.get(protection.key, 0), entry)
        return Watched(watch.stage, peak), self._facts(now, protection, held, entry)

    def _awaits_base(self, now: Ns, watch: Watch) -> bool:
        """Return whether KIS has not stated the base price of the new day yet.

        The exit must be compared with it first. If KIS states no base price, the exit judges trades
        all the same.
        """
        days, code = self._rules.days, watch.protection.code
        return watch.priced is not None and days.of(now, code) is None and not days.why_not(code)

    def _facts(self, now: Ns, protection: Protection, held: Owned, entry: int) -> Facts:
        if protection.staged is None:
            return Facts(now, entry, 0)
        code = protection.code
        model = self._forecasts.view(now, code)
        return Facts(
            now,
            entry,
            held.break_even(self._rules, now, code),
            model.falling,
            model.source,
            self._forecasts.is_quiet(now, code),
        )

    def _note_model(self, turn: Turn, watch: Watch) -> None:
        """Journal whether a model's forecast counts for a staged exit, when that has changed."""
        staged = watch.protection.staged
        if staged is None or staged.assist is None or watch.stage is not ExitStage.HOLDING:
            return
        text = self._forecasts.view(turn.now, watch.protection.code).text
        if text != watch.model:
            turn.record(ForecastJudged(turn.now, watch.protection.key, text))

    def _note(self, turn: Turn, watch: Watch, judgement: Judgement) -> None:
        """Journal a new stage at once, and a new peak at most once a second."""
        key, (stage, peak) = watch.protection.key, judgement.after
        follows = watch.protection.trail is not None or watch.protection.staged is not None
        is_due = turn.now >= self._peak_rows.get(key, 0) + PEAK_ROWS
        if stage is not watch.stage or (follows and peak > watch.peak and is_due):
            self._peak_rows[key] = turn.now
            turn.record(ProtectionMoved(turn.now, key, stage, peak, judgement.text))

    def _decide(
        self, turn: Turn, watch: Watch, reason: ExitReason, price: int, venue: Venue, why: str
    ) -> None:
        """Start the sale of an exit. While the desk is halted, only record what it would sell."""
        protection, state = watch.protection, self._state
        qty = owned(state.books, protection.agent, protection.code).qty
        owner = f" of {protection.agent}" if protection.agent else ""
        text = f"{reason}: {why}; {qty:,} {protection.code}{owner}"
        if state.coming_halt == "halted" or state.flatten_reason is not None:
            # This is recorded once for each reason, because a price below a stop trades again and
            # again.
            if watch.blocked is None or watch.blocked.reason is not reason:
                blocked = f"{text} would be sold, but the desk is halted"
                key = protection.key
                turn.record(ProtectionBlocked(turn.now, key, reason, price, qty, blocked))
                turn.report(blocked)
            return
        key = protection.key
        turn.record(ProtectionFired(turn.now, key, reason, price, venue, qty, f"{text} to sell"))
        self._forget(key)
        self._sales.proceed(turn)
        # This comes after the order. An event that is published before the order would cost another
        # sync of the disk, and the order would be sent later.
        turn.report(f"exit {text} are sold")

    def _is_there(self, agent: str, code: str) -> bool:
        """Return whether the owner holds the stock, or has an order of it that has not ended."""
        books = self._state.books
        return owned(books, agent, code).qty > 0 or bool(live_orders(books, agent, code))

    def _forget(self, key: str) -> None:
        self._peaks.pop(key, None)
        self._peak_rows.pop(key, None)

    def _wake_at_end(self, turn: Turn, protection: Protection) -> None:
        if protection.until > turn.now:
            turn.emit(WakeAt(protection.until))


def _is_by_agent(protection: Protection) -> bool:
    """Return whether the agent itself set the exit, and not a person for it."""
    return bool(protection.agent) and agent_of_key(protection.key) == protection.agent


def _is_same(watch: Watch, protection: Protection) -> bool:
    """Return whether a protection has the same conditions as an exit that is already set."""
    same = watch.protection
    return (same.text, same.entry) == (protection.text, protection.entry)
