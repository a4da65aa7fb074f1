"""The order ticket of a session: its fields, their meaning, and the two steps to an order.

    fields ── every key ──► the order in words, its cost, its venue, and what forbids it
      │
      │  review
      ▼
    question, with an id ── confirm (this id, once) ──► the order is sent as the question says it
      │
      └─ any change of a field, another review, or QUESTION_SECONDS remove the question

Each confirmed question is one order: a click that arrives twice finds no question the second time.
No cell has to wait meanwhile. All panels of a session show the same ticket.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kisnb.clock import clock_text
from kisnb.columns import number
from kisnb.errors import BadInput, KisnbError
from kisnb.exits import ExitOptions, read_protection
from kisnb.market.routing.costs import WhatIf
from kisnb.market.routing.evidence import Evidence
from kisnb.notebook.panels.depth_view import base_and_last, price_line
from kisnb.notebook.panels.ticket_fields import (
    NAMES,
    TicketFields,
    chosen,
    read_exit,
    read_ticket,
)
from kisnb.notebook.panels.typed_values import (
    FIRST_EXITS,
    minutes_of,
    stepped_percent,
    stepped_price,
    stepped_shares,
    stepped_won,
    won_of,
)
from kisnb.session.typed_orders.typed_order import TypedOrder
from kisnb.terms import Mode, OrderKind, Side
from kisnb.trading.order_books.order_words import order_line
from kisnb.values import WON, whole_text

if TYPE_CHECKING:
    from kisnb.orders import Order
    from kisnb.session.session import Session

QUESTION_SECONDS = 30.0
"""Wall time after which a question is removed, because the price may have changed."""
ASK_AFTER = 0.3
"""Seconds without a change of a field after which the desk is asked for the venues."""
FOUND = 8
"""Number of stocks that a search shows."""
_USUAL_KINDS = (OrderKind.LIMIT, OrderKind.MARKET)


class Question(NamedTuple):
    """An order that waits for its confirmation."""

    id: str
    order: TypedOrder
    exit: ExitOptions | None
    """The exit to set once the order is sent. None: no exit."""
    text: str


class OrderTicket:
    """The ticket of one session. Used in the notebook's loop only."""

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        """Begin with empty fields. ``changed`` redraws the panels that show the ticket."""
        self.fields = TicketFields()
        self._session = session
        self._changed = changed
        self._revision = 0
        """Number of changes of fields that did not come from a page.

        Pages write these into their fields.
        """
        self._question: Question | None = None
        self._result: list[str] = ["", ""]
        self._evidence: Evidence | None = None
        self._asked: TypedOrder | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def code(self) -> str:
        """The code of the chosen stock. Empty: none is chosen."""
        return self.fields.code

    # what a page sends

    def receive(self, content: dict[str, Any]) -> None:
        """Carry out a page's message. A message of another form does nothing."""
        match content:
            case {"set": dict(typed)}:
                self._set(typed)
            case {"choose": str(code)}:
                self.choose(code)
            case {"step": int(n), "of": str(name)} if abs(n) == 1:
                self._step(name, n)
            case {"most": True}:
                self._most()
            case {"review": True}:
                self._review()
            case {"back": True}:
                self._drop_question()
            case {"confirm": str(identity)}:
                self._confirm(identity)
            case {"arm": dict(typed)}:
                self._start(self._arm(typed))
        self._changed()

    def choose(self, code: str) -> None:
        """Choose a stock, and let the price field begin at its newest price or its base price."""
        spelt = chosen(self._session, code)
        if not spelt or spelt == self.code:
            if spelt:
                self._write(search="")
            return
        self._session.hooks.look_at("ticket", spelt)
        last = self._start_price(spelt)
        self._write(
            code=spelt, search="", quantity="", price=number(last), stop="", take="", trail=""
        )

    def _start_price(self, code: str) -> int | None:
        """Return the newest price of a stock, before the first trade its base price, won.

        None when neither is known.
        """
        base, last = base_and_last(self._session, code)
        return last or base

    def take_price(self, code: str, price: str) -> None:
        """Write the price that a person clicked in the depth into the price field."""
        self.choose(code)
        kind = self.fields.kind if OrderKind(self.fields.kind).priced else str(OrderKind.LIMIT)
        self._write(price=price, kind=kind)
        self._changed()

    def _set(self, typed: dict[str, Any]) -> None:
        known = {name: str(text)[:60] for name, text in typed.items() if name in NAMES}
        allowed = {
            "side": tuple(Side),
            "unit": ("shares", "won"),
            "kind": tuple(OrderKind),
            "venue": ("", *self._session.estimates.venues(self.code)),
        }
        for name, values in allowed.items():
            if name in known and known[name] not in values:
                del known[name]
        self._change(msgspec.structs.replace(self.fields, **known))

    def _write(self, **texts: str) -> None:
        """Change fields, and let the pages write the new texts too."""
        self._revision += 1
        self._change(msgspec.structs.replace(self.fields, **texts))

    def _change(self, fields: TicketFields) -> None:
        # A question is about the fields as they were when it was asked. Changed fields mean another
        # order.
        if fields != self.fields:
            self._drop_question()
        self.fields = fields
        if self._rest is not None:
            self._rest.cancel()
        self._rest = asyncio.get_running_loop().call_later(ASK_AFTER, self._ask_venues)

    def _step(self, name: str, n: int) -> None:
        """Do what the arrow up (``n`` 1) or down (-1) beside a field does."""
        fields, session = self.fields, self._session
        if name == "quantity":
            stepped = stepped_won if fields.unit == "won" else stepped_shares
            self._write(quantity=stepped(fields.quantity, n))
        elif name == "price" or (name in FIRST_EXITS and whole_text(getattr(fields, name), WON)):
            last = self._start_price(self.code)
            text = stepped_price(session.estimates, self.code, getattr(fields, name), n, last)
            self._write(**{name: text})
        elif name in FIRST_EXITS:
            self._write(**{name: stepped_percent(getattr(fields, name), n, FIRST_EXITS[name])})

    def _most(self) -> None:
        most = self._possible()
        if most:
            self._write(quantity=number(most), unit="shares")

    # the meaning of the fields

    def _possible(self) -> int | None:
        """Return the most shares that can be ordered at the price in the field.

        None when this is not known.
        """
        fields, estimates = self.fields, self._session.estimates
        if not fields.code:
            return None
        if fields.side == Side.SELL:
            return estimates.sellable(fields.code)
        text = fields.price.replace(",", "")
        price = int(text) if text.isdecimal() and OrderKind(fields.kind).priced else None
        return estimates.buyable(fields.code, price)

    def _ask_venues(self) -> None:
        self._rest = None
        try:
            order = read_ticket(self._session, self.fields)
        except KisnbError:
            return
        # The reply that stands here is about another order.
        self._asked, self._evidence = order, None
        self._start(self._compare(order))

    async def _compare(self, order: TypedOrder) -> None:
        evidence = await self._session.preview(order)
        # A late reply about an earlier order would show the wrong costs, so it is dropped.
        if self._asked == order:
            self._evidence = evidence

    # the two steps

    def _review(self) -> None:
        self._drop_question()
        try:
            order = read_ticket(self._session, self.fields)
            exit_ = read_exit(self.fields) if self.fields.has_exit else None
        except KisnbError as error:
            self._result = ["bad", str(error)]
            return
        self._result = ["", ""]
        self._question = Question(uuid.uuid4().hex, order, exit_, self._text(order, exit_))
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(QUESTION_SECONDS, self._expire)

    def _expire(self) -> None:
        self._drop_question()
        self._result = ["", "Not sent: the question stood too long. Review the order again."]
        self._changed()

    def _drop_question(self) -> None:
        self._question = None
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _text(self, order: TypedOrder, exit_: ExitOptions | None) -> str:
        name = self._session.universe.name(order.code)
        price = f"at {order.price:,}" if order.price is not None else f"as a {order.kind} order"
        kind = "" if order.kind is OrderKind.LIMIT or order.price is None else f", {order.kind}"
        where = f"at {order.venue}" if order.venue else "where the router sends it"
        text = f"{order.side} {order.qty:,} {order.code} {name} {price}{kind}, {where}"
        if exit_ is None:
            return text
        condition = read_protection("ticket", "", order.code, exit_).text
        standing = self._standing_exit(order.code)
        return f"{text}; then the exit of all that is held: {condition}" + (
            f" in place of {standing}" if standing else ""
        )

    def _standing_exit(self, code: str) -> str:
        """Return the conditions of the exit that is set for a stock. Empty when there is none."""
        views = self._session.exits.views()
        return next((v.conditions for v in views if v.code == code and not v.agent), "")

    def _confirm(self, identity: str) -> None:
        question = self._question
        # The question is removed first, so that a second click, or a click in another browser,
        # finds none.
        if question is None or question.id != identity:
            return
        self._drop_question()
        self._result = ["", f"on its way: {question.text}"]
        self._start(self._send(question))

    async def _send(self, question: Question) -> None:
        before = self.fields
        order = await self._session.place(question.order)
        self._result = ["", ""]
        self._watch = order
        # The order is sent. Its quantity in the field would be the next order, for which nobody
        # asked. What a person has typed meanwhile stays.
        if self.fields == before:
            self._write(quantity="", stop="", take="", trail="")
        if question.exit is not None:
            try:
                await self._session.protect(question.order.code, **question.exit)
            except KisnbError as error:
                self._result = ["bad", f"The order is sent, but its exit is not set: {error}"]

    _watch: Order | None = None
    """The order that was sent last. The ticket shows its outcome."""

    async def _arm(self, typed: dict[str, Any]) -> None:
        minutes = minutes_of(typed.get("minutes"), "minutes")
        # 0 minutes disarm, and need no budget.
        budget = won_of(typed.get("budget"), "the budget") if minutes else 0
        text = await self._session.arm(str(typed.get("tail", "")), minutes, budget)
        self._result = ["", text]

    def _start(self, action: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(action), name="ticket")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _carry_out(self, action: Any) -> None:
        try:
            await action
        # An error of a click appears below no cell, so the ticket shows it.
        except KisnbError as error:
            self._watch = None
            self._result = ["bad", f"{self._session.status.clock_text()} {error}"]
        self._changed()

    # what the pages draw

    def view(self) -> dict[str, object]:
        """Return the ticket as values for the pages."""
        session, fields = self._session, self.fields
        order, problem = self._order()
        question = self._question
        result = self._result
        if not result[1] and self._watch is not None:
            result = ["", order_line(self._watch)]
        return {
            "revision": self._revision,
            "fields": msgspec.to_builtins(fields),
            "found": self._found(),
            "suggested": self._suggested(),
            "stock": self._stock(),
            "kinds": self._kinds(),
            "venues": ["", *map(str, session.estimates.venues(fields.code))],
            "priced": OrderKind(fields.kind).priced,
            "can": self._can(),
            "sum": "" if order is None else self._sum(order),
            "route": self._route(order),
            "what_if": self._what_if(order),
            "warnings": [] if order is None else self._warnings(order),
            "problem": problem,
            "question": None if question is None else [question.id, question.text],
            "result": result,
            "live": session.mode is Mode.LIVE,
            "armed": self._armed(),
        }

    def _order(self) -> tuple[TypedOrder | None, str]:
        """Return the order that the fields mean, or what is missing.

        An empty ticket has no problem.
        """
        try:
            return read_ticket(self._session, self.fields), ""
        except BadInput as error:
            started = self.fields.code and self.fields.quantity
            return None, str(error) if started else ""

    def _found(self) -> list[list[str]]:
        text = self.fields.search.strip()
        if not text:
            return []
        found = self._session.universe.search(text)[:FOUND]
        return [[item.code, item.name, str(item.board)] for item in found]

    def _suggested(self) -> list[list[str]]:
        """Return what a person may choose before anything is typed: stocks that are held or
        watched, then the first ones of the list."""
        session = self._session
        held = [code for code, position in session.book.positions.items() if position.qty]
        known = (
            session.universe.get(c) for c in (*held, *session.watched) if c in session.universe
        )
        # The list has thousands of stocks, and only a few are looked at here.
        codes = {item.code: item for item in islice(chain(known, session.universe), 4 * FOUND)}
        return [[i.code, i.name, str(i.board)] for i in islice(codes.values(), FOUND)]

    def _stock(self) -> list[str]:
        """Return code and name, the price with its change, and the tone of the change."""
        if not self.code:
            return ["", "", ""]
        last, change, tone = price_line(self._session, self.code)
        name = self._session.universe.name(self.code)
        return [f"{self.code} {name}", f"{last} {change}", tone]

    def _kinds(self) -> list[str]:
        now = self._session.estimates.kinds(self.code) if self.code else ()
        # A stop-limit order has a field of its own in %kis buy.
        kinds = [kind for kind in now or _USUAL_KINDS if kind is not OrderKind.STOP_LIMIT]
        current = OrderKind(self.fields.kind)
        return [str(kind) for kind in dict.fromkeys((*kinds, current))]

    def _can(self) -> str:
        if not self.code:
            return ""
        most = self._possible()
        if self.fields.side == Side.SELL:
            return f"{most or 0:,} shares can be sold"
        if most is None:
            return "what can be bought is not known: KIS has not stated the cash or the price"
        counted = "" if OrderKind(self.fields.kind).priced else ", counted at the upper limit"
        return f"cash buys at most {most:,} shares{counted}"

    def _sum(self, order: TypedOrder) -> str:
        price = order.price or self._session.data.prices.get(order.code)
        if price is None:
            return f"{order.qty:,} shares; no price is known"
        costs = self._session.estimates.costs(order, price)
        tax = f", tax {costs.tax:,}" if costs.tax else ""
        about = "" if order.price else "about "
        return f"{order.qty:,} × {price:,} = {about}{costs.value:,} won; fee {costs.fee:,}{tax}"

    def _route(self, order: TypedOrder | None) -> str:
        evidence = self._evidence
        if order is None or evidence is None or self._asked != order:
            return ""
        cure = f"; {evidence.cure}" if evidence.cure else ""
        # The lines below it have the costs.
        return f"{evidence.decision}{cure}"

    def _what_if(self, order: TypedOrder | None) -> list[list[object]]:
        evidence = self._evidence
        if order is None or evidence is None or self._asked != order:
            return []
        able = self._session.estimates.venues(order.code)
        return [
            [str(row.venue), venue_sentence(row), row.venue is evidence.venue]
            for row in evidence.alternatives
            if row.venue in able
        ]

    def _warnings(self, order: TypedOrder) -> list[str]:
        session, warnings = self._session, []
        if (no := session.estimates.why_not(order)) is not None:
            warnings.append(f"The desk would refuse it: {no.reason}. {no.cure}".strip())
        last = session.data.prices.get(order.code)
        if order.price is not None and last:
            off = (order.price - last) * 100 / last * (1 if order.side is Side.BUY else -1)
            if off > 1:
                worse = "above" if order.side is Side.BUY else "below"
                warnings.append(f"The price is {off:.1f} % {worse} the last price {last:,}.")
        if alike := session.estimates.alike(order):
            times = "order" if alike == 1 else "orders"
            warnings.append(f"{alike} {times} of today with the same shares and price.")
        return warnings

    def _armed(self) -> str:
        if self._session.mode is not Mode.LIVE:
            return ""
        armed = self._session.status.armed
        if armed is None or self._session.now >= armed.until:
            return "Live is not armed: buys are blocked; sells and cancels are allowed."
        until = clock_text(armed.until)
        return f"Live is armed until {until} for buys of {armed.budget:,} won."


def venue_sentence(row: WhatIf) -> str:
    """Return in words the cost of an order at one venue. Won and shares."""
    if row.why_not:
        return row.why_not
    if row.cost is None:
        return f"the cost is not known ({row.phase})"
    parts = [f"slippage {row.slippage:,}", f"fee {row.fee:,}"]
    if row.tax:
        parts.append(f"tax {row.tax:,}")
    waits = f"; {row.waiting:,} wait" if row.waiting else ""
    # Without a word all shares match at once, or all wait: a line of the ticket has little room.
    at_once = f"; {row.at_once:,} at once" if row.at_once and row.waiting else ""
    return f"{row.cost:,} won ({', '.join(parts)}){at_once}{waits}"
