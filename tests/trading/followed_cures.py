"""A person who does what a refusal says: each cure becomes the commands that it may mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from kisnb.clock import Ns, kst, kst_day, parse_time
from kisnb.market.routing.router import NotRouted
from kisnb.notebook.commands.grammar import parse
from kisnb.notebook.commands.verbs.orders import typed_order
from kisnb.notebook.commands.verbs.table import find
from kisnb.notebook.commands.words import split
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.gate.risk import Gate
from kisnb.trading.state import State


class Order(msgspec.Struct, frozen=True):
    """What stands in the cell. Shares and won."""

    code: str
    side: Side = Side.BUY
    price: int | None = None
    venue: str = ""
    kind: str = ""
    stop: int | None = None

    @property
    def line(self) -> str:
        price = "" if self.price is None else f" {self.price:,}"
        venue = f" --venue {self.venue}" if self.venue else ""
        kind = f" --kind {self.kind}" if self.kind else ""
        stop = "" if self.stop is None else f" --stop {self.stop}"
        return f"{self.side} {self.code} 10{price}{venue}{kind}{stop}"

    @property
    def intent(self) -> Intent:
        """The line as the product reads it. Raises BadInput."""
        name, *words = split(self.line)
        verb = find(name)
        typed = parse(verb.name, verb.usage, words, self.line)
        return typed_order(Side(name), self.code, typed).intent("typed")


class Refusal(NamedTuple):
    """Why an order is not sent, and the cure."""

    why: str
    cure: str


def refused(gate: Gate, now: Ns, order: Order) -> Refusal | None:
    """How the desk refuses an order now; None when it would send it."""
    intent = order.intent
    if (no := gate.check(now, intent, State())) is not None:
        return Refusal(no.reason, no.cure)
    routed = gate.rules.preview(now, intent, ())
    return Refusal(routed.reason, routed.cure) if isinstance(routed, NotRouted) else None


def chance(now: Ns, order: Order, cure: str) -> tuple[Ns, Order] | None:
    """The moment to wait for that a cure names, and the order at its venue.

    None when it names none.
    """
    found = re.fullmatch(r"(\w+) takes it from (\d\d:\d\d:\d\d)", cure)
    if found is None:
        return None
    return kst(kst_day(now), parse_time(found[2])), msgspec.structs.replace(order, venue=found[1])


def followed(order: Order, refusal: Refusal) -> list[Order]:
    """The orders that a cure may mean; none when it says to wait, or to look for something else."""
    found = [order]
    for part in refusal.cure.split(", and "):
        found = [better for one in found for better in _followed(one, part)]
    return found


def _followed(order: Order, cure: str) -> Iterator[Order]:
    change = msgspec.structs.replace
    if found := re.fullmatch(r"(?:stay|give a price) within ([\d,]+) to ([\d,]+)", cure):
        lower, upper = map(_won, found.groups())
        for good in (lower, upper):
            yield _inside(order, lower, upper, good)
    elif found := re.fullmatch(r"use ([\d,]+)( as the stop)?", cure):
        good = _won(found[1])
        yield change(order, stop=good) if found[2] else change(order, price=good)
    elif cure.startswith("give it with --stop PRICE"):
        yield change(order, stop=order.price or 70_000)
    elif cure == "leave the price out":
        yield change(order, price=None)
    elif found := re.fullmatch(r"(name the kind stop-limit, or )?leave the stop out", cure):
        yield change(order, stop=None)
        yield from [change(order, kind=OrderKind.STOP_LIMIT)] if found[1] else []
    else:
        yield from _elsewhere(order, cure)


def _elsewhere(order: Order, cure: str) -> Iterator[Order]:
    """The orders of a cure that names venues or kinds."""
    change = msgspec.structs.replace
    if found := re.fullmatch(r"leave the venue out(?:, or name (.+))?", cure):
        for venue in ("", *_named(found[1] or "")):
            yield change(order, venue=venue)
    elif found := re.fullmatch(r"send the order to KRX(?:, as (.+))?", cure):
        for kind in _named(found[1] or "") or [order.kind]:
            yield change(order, venue=Venue.KRX, kind=kind)
    elif found := re.fullmatch(r"(?:choose|use) ([a-z, -]+)", cure):
        for kind in _named(found[1]):
            yield change(order, kind=OrderKind(kind))


def waits(cure: str) -> bool:
    """Whether a cure says to wait, or that nothing of this kind will do."""
    return (
        cure == "order on the next trading day"
        or cure.startswith("choose another kind: ")
        or " takes it from " in cure
    )


def _named(words: str) -> list[str]:
    return re.split(", | or ", words) if words else []


def _won(text: str) -> int:
    return int(text.replace(",", ""))


def _inside(order: Order, lower: int, upper: int, good: int) -> Order:
    """The order with each price within the limits of the day."""
    price, stop = order.price or 0, order.stop
    price = price if lower <= price <= upper else good
    stop = stop if stop is None or lower <= stop <= upper else good
    return msgspec.structs.replace(order, price=price, stop=stop)
