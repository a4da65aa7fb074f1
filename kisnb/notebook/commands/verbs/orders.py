"""Verbs of orders and of the account: buy, sell, route, revise, resolve, cancel, orders …

This module turns the words of a line into a ``TypedOrder``. The grammar has read the numbers and
names.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.notebook.commands.grammar import Typed, usage
from kisnb.notebook.commands.verbs.context import Context
from kisnb.notebook.commands.verbs.verb import Verb
from kisnb.requotes import read_requote
from kisnb.session.typed_orders.typed_order import TypedOrder, TypedRevise, plain_kind
from kisnb.terms import OrderKind, Side, Venue
from kisnb.values import order_number, ordinal

if TYPE_CHECKING:
    import polars as pl

    from kisnb.market.routing.evidence import Evidence
    from kisnb.orders import Account, Order, Orders
    from kisnb.trading.order_books.order_book import OrderBook


def typed_order(side: Side, code: str, typed: Typed) -> TypedOrder:
    """Return the typed order of the words ``CODE QTY [PRICE]`` and their options.

    ``code`` is the stock's code, which the caller has read from the first word.
    """
    price, stop = typed.word(2, int), typed.option("stop", int)
    kind = typed.option("kind", OrderKind) or plain_kind(price, stop)
    return TypedOrder(
        side=side,
        code=code,
        qty=typed.number(1),
        price=price,
        kind=kind,
        venue=typed.option("venue", Venue),
        stop=stop,
        name=typed.option("key", str) or "",
        ordinal=ordinal(typed.option("again", int)),
        requote=read_requote(typed.option("requote", bool), kind),
    )


def _buy(context: Context, typed: Typed) -> Order | Awaitable[Order]:
    return _order(context, Side.BUY, typed)


def _sell(context: Context, typed: Typed) -> Order | Awaitable[Order]:
    return _order(context, Side.SELL, typed)


def _reserve(context: Context, typed: Typed) -> Awaitable[Order]:
    side, code = Side(typed.text(0)), context.code(typed.text(1))
    price = typed.word(3, int)
    order = TypedOrder(
        side=side,
        code=code,
        qty=typed.number(2),
        price=price,
        kind=typed.option("kind", OrderKind) or plain_kind(price, None),
        name=typed.option("key", str) or "",
        ordinal=ordinal(typed.option("again", int)),
    )
    return context.session.place_reserved(order)


def _reserved(context: Context, _typed: Typed) -> Awaitable[pl.DataFrame]:
    return context.session.reserved()


def _order(context: Context, side: Side, typed: Typed) -> Order | Awaitable[Order]:
    text, qty = typed.text(0), typed.number(1)
    code = context.code(text)
    name = context.session.universe.name(code)
    if f"{text} {qty}".casefold() in name.casefold():
        # In "KODEX 200 10" the 200 belongs to the name, so 10 is the quantity and not the price.
        raise BadInput(
            f"{text} {qty} may be the stock {name}, or {qty:,} shares of it",
            f"Write {code}",
        )
    return context.calls.place(typed_order(side, code, typed))


def _route(context: Context, typed: Typed) -> Evidence | Awaitable[Evidence]:
    what = typed.text(0)
    if typed.word(1, int) is None:
        # With a code alone the verb needs a quantity, because the best venue depends on it.
        if what in context.session.universe:
            raise BadInput(f"How many shares of {what}?", f"Write for example %kis route {what} 10")
        return context.calls.route(what)
    side = Side.SELL if typed.option("sell", bool) else Side.BUY
    return context.calls.preview(typed_order(side, context.code(what), typed))


def _revise(context: Context, typed: Typed) -> Awaitable[Order]:
    revise = TypedRevise(
        what=typed.text(0),
        price=typed.number(1),
        qty=typed.word(2, int),
        name=typed.option("key", str) or "",
        ordinal=ordinal(typed.option("again", int)),
    )
    return context.session.place(revise)


def _resolve(context: Context, typed: Typed) -> Awaitable[Order]:
    text = typed.text(0)
    # Only "never" and a number answer the question what became of the order. Another word could
    # resolve the wrong order.
    number = None if text == "never" else order_number(text)
    if number is None and text != "never":
        raise BadInput(
            f"{text!r} is not an order number", "Write the number that KIS's app shows, or never"
        )
    return context.session.resolve(number, typed.word(1, str))


async def _accept(context: Context, typed: Typed) -> None:
    subject = typed.text(0)
    subject = subject if subject == "cash" else context.code(subject)
    context.say(await context.session.accept(subject))


def _cancel(context: Context, typed: Typed) -> Orders | Awaitable[Orders]:
    text = typed.text(0)
    number = order_number(text)
    # It is passed as a number, so that it cannot mean an order with these digits as its name.
    return context.calls.cancel(text.removeprefix("#") if number is None else number)


def _orders(context: Context, _typed: Typed) -> OrderBook:
    return context.calls.orders()


def _positions(context: Context, _typed: Typed) -> pl.DataFrame:
    import polars as pl

    session = context.session
    # The types are stated, because a DataFrame without rows has none.
    schema = {
        "code": pl.String,
        "name": pl.String,
        "quantity": pl.Int64,
        "unassigned": pl.Int64,
        "average": pl.Float64,
        "cost": pl.Int64,
        "realised": pl.Int64,
        "realised_net": pl.Int64,
    }
    unassigned = session.books.unassigned
    rows = [
        (
            p.code,
            session.universe.name(p.code),
            p.qty,
            unassigned.get(p.code, 0),
            p.average,
            p.cost,
            p.realised,
            p.realised_net,
        )
        for p in session.book.positions.values()
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _balance(context: Context, _typed: Typed) -> Account | Awaitable[Account]:
    return context.calls.balance()


_TERMS = (
    "CODE QTY [PRICE] [--venue V] [--kind K] [--stop PRICE] [--requote] [--key KEY] [--again [N]]"
)

ORDERS = (
    Verb(
        "buy",
        usage(_TERMS),
        "buy shares; no price is a market order, --again N means one order more and names it",
        _buy,
        blocking=True,
    ),
    Verb("sell", usage(_TERMS), "sell shares, as buy", _sell, blocking=True),
    Verb(
        "reserve",
        usage("buy|sell CODE QTY [PRICE] [--kind K] [--key KEY] [--again [N]]"),
        "let KIS keep an order until the next trading day; 15:40 to 7:30, live and sim",
        _reserve,
    ),
    Verb("reserved", usage(""), "the orders that KIS keeps, as a polars DataFrame", _reserved),
    Verb(
        "route",
        usage("ID|CODE [QTY] [PRICE] [--sell] [--venue V] [--kind K] [--stop PRICE]"),
        "why an order went where it went (by its number), or where one would go and what it may "
        "cost",
        _route,
        blocking=True,
    ),
    Verb(
        "revise",
        usage("ID PRICE [QTY] [--key KEY] [--again [N]]"),
        "move an open order, or some shares of it, to another price; it goes to the end of the "
        "queue",
        _revise,
    ),
    Verb(
        "resolve",
        usage("NUMBER|never [ID]"),
        "say what became of an order with unknown outcome: KIS's number for it, or that it was "
        "never sent",
        _resolve,
    ),
    Verb(
        "accept",
        usage("CODE|cash"),
        "book a holding or the cash as KIS states it, when it differs and no order explains why",
        _accept,
    ),
    Verb(
        "cancel",
        usage("ID|all"),
        "cancel an order by its number (R3: a reserved one), or all of them",
        _cancel,
        blocking=True,
    ),
    Verb("orders", usage(""), "the orders of the day", _orders, blocking=True),
    Verb(
        "positions",
        usage(""),
        "what was traded here, and its PnL, as a polars DataFrame",
        _positions,
        blocking=True,
    ),
    Verb(
        "balance",
        usage(""),
        "cash and holdings as the broker states them",
        _balance,
        blocking=True,
    ),
)
"""The verbs of this file, as rows of the table of verbs."""
