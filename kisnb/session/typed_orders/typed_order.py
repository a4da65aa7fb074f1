"""An order as a person asks for it, with every value read. (Rows O10, N03)

Two ways lead to it. ``%kis`` reads its words by its grammar and makes a ``TypedOrder`` of them.
Python calls use ``read_order``, ``read_batch`` and ``read_revise``. Both read each value with
``kisnb.values``. Later code parses no text and checks no type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar, Unpack

import msgspec

from kisnb import values
from kisnb.clock import Ns, day_number
from kisnb.errors import BadInput
from kisnb.market.reserved_orders import reserved_for, why_not_taken
from kisnb.orders import Intent, Order, Wish
from kisnb.requotes import Requote, read_requote
from kisnb.terms import OrderKind, Side, Venue

if TYPE_CHECKING:
    from kisnb.market.universe import Universe

_Call = TypeVar("_Call", bound=Callable[..., object])

Line: TypeAlias = tuple[Side | str, str, int] | tuple[Side | str, str, int, int | None]
"""One order of a batch: side, code, shares, price in won. Without a price: a market order."""


class TypedOrder(msgspec.Struct, frozen=True, gc=False):
    """A buy or a sell that a person asks for. Shares and won."""

    side: Side
    code: str
    """The code of a listed stock."""
    qty: int
    price: int | None
    """Won. None: a market order."""
    kind: OrderKind
    venue: Venue | None = None
    """The venue to which it goes. None: the router chooses when the order is sent."""
    stop: int | None = None
    """The stop price of a stop-limit order."""
    name: str = ""
    """The value of ``key=``. Empty: the cell and the call name the order."""
    ordinal: int = 0
    """The value of ``again=``; 0 without it."""
    day: int = 0
    """The trading day for which KIS reserves it, YYYYMMDD. 0: it is sent now."""
    requote: Requote | None = None
    """What the desk does when nobody fills it. None: nothing."""

    @property
    def wish(self) -> Wish:
        """The values that row O11 compares to find a repetition. The requote is not one of them.

        So a line that is typed again with another requote sends no second order.
        """
        return Wish(
            self.code, self.side, self.qty, self.kind, self.price, self.venue, self.stop,
            day=self.day,
        )  # fmt: skip

    def intent(self, key: str) -> Intent:
        """Return the order as an intent with the key ``key``."""
        return Intent(
            key=key,
            agent="",
            code=self.code,
            side=self.side,
            qty=self.qty,
            kind=self.kind,
            price=self.price,
            venue=self.venue,
            stop=self.stop,
            day=self.day,
            requote=self.requote,
        )


class TypedRevise(msgspec.Struct, frozen=True):
    """A revise that a person asks for. Shares and won."""

    what: Order | int | str
    """The order to revise: the order itself, its number, its name or its key."""
    price: int
    qty: int | None
    """Shares to move to the new price. None: all leaves of the order."""
    name: str = ""
    """The value of ``key=``; empty without it."""
    ordinal: int = 0
    """The value of ``again=``; 0 without it."""


class OrderOptions(TypedDict, total=False):
    """The further arguments of an order call, beside stock, quantity and price."""

    venue: Venue | str | None
    """KRX, NXT or SOR. None: the router chooses."""
    kind: OrderKind | str | None
    """The kind of the order. None: it follows from ``price`` and ``stop``."""
    stop: int | None
    """Stop price in won, of a stop-limit order."""
    requote: Requote | bool | None
    """What the desk does with a limit order that nobody fills. True: ``kisnb.Requote()``."""
    key: str | None
    """A name of your own for the order. None: the cell and the call name it."""
    again: int | bool
    """The ordinal N of one more order of this wish. True is 1. False is no ordinal."""


def plain_kind(price: int | None, stop: int | None) -> OrderKind:
    """Return the kind of an order without a stated kind: limit, market or stop-limit."""
    if stop is not None:
        return OrderKind.STOP_LIMIT
    return OrderKind.MARKET if price is None else OrderKind.LIMIT


def read_code(universe: Universe, code: object) -> str:
    """Return the code of the stock that a call names. Raises BadInput, also for an integer."""
    # An integer may be a quantity or a price in the wrong place, and an order must not be a guess.
    numbered = values.numbered_code(code)
    if numbered is not None:
        raise BadInput(
            f"the code {values.shown(code)} is a number", f"write it as text: {numbered!r}"
        )
    return universe.spell(code)


def read_order(
    universe: Universe,
    side: Side,
    code: str,
    qty: object,
    price: object = None,
    **options: Unpack[OrderOptions],
) -> TypedOrder:
    """Return the typed order that a call's arguments describe. Raises BadInput with the cure."""
    venue, kind, stop = options.get("venue"), options.get("kind"), options.get("stop")
    # The values are read in the order of the call, so that the error names the first wrong one.
    listed = read_code(universe, code)
    shares = values.shares(qty)
    won = None if price is None else values.price(price)
    trigger = None if stop is None else values.price(stop, "the stop price")
    named = values.member(OrderKind, kind, "kind") if kind else plain_kind(won, trigger)
    return TypedOrder(
        side=side,
        code=listed,
        qty=shares,
        price=won,
        kind=named,
        venue=values.member(Venue, venue, "venue") if venue else None,
        stop=trigger,
        ordinal=values.ordinal(options.get("again")),
        name=read_name(options.get("key")),
        requote=read_requote(options.get("requote"), named),
    )


def for_next_day(order: TypedOrder, now: Ns) -> TypedOrder:
    """Return the order as one that KIS reserves for the next trading day. Raises BadInput.

    KIS accepts such orders from 15:40 to 7:30 KST (workbook: order-resv).
    """
    if (no := why_not_taken(now)) is not None:
        raise BadInput(*no)
    day = reserved_for(now)
    assert day is not None
    return msgspec.structs.replace(order, day=day_number(day))


def read_batch(
    universe: Universe, lines: Sequence[Line], key: str | None, again: int | bool
) -> list[TypedOrder]:
    """Return the typed orders of a batch. Raises BadInput.

    With ``key``, the first order is named ``key:1``, the second one ``key:2``, and so on.
    """
    names = [None if key is None else f"{key}:{n}" for n in range(1, len(lines) + 1)]
    return [
        _read_line(universe, line, name, again) for line, name in zip(lines, names, strict=True)
    ]


def read_revise(
    what: Order | int | str, price: object, qty: object, key: str | None, again: int | bool
) -> TypedRevise:
    """Return the typed revise that a call's arguments describe. Raises BadInput."""
    return TypedRevise(
        what=what,
        price=values.price(price),
        qty=None if qty is None else values.shares(qty),
        ordinal=values.ordinal(again),
        name=read_name(key),
    )


def read_name(key: str | None) -> str:
    """Return the name in ``key=``. Empty when it was left out. Raises BadInput."""
    return "" if key is None else values.order_name(key)


def spelt_out(call: _Call) -> _Call:
    """Change ``call`` so that help and Tab list each option instead of ``**options``. Return it."""
    plain = [
        p
        for p in inspect.signature(call).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    # The annotations of this module are texts (``from __future__ import annotations``), and a
    # TypedDict keeps them as ForwardRef.
    hints = {name: hint.__forward_arg__ for name, hint in OrderOptions.__annotations__.items()}
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "again" else None,
            annotation=h,
        )
        for name, h in hints.items()
    ]
    returned = inspect.signature(call).return_annotation
    # Tools read this attribute before the real signature. Type checkers know only the real one.
    signature = inspect.Signature([*plain, *options], return_annotation=returned)
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _read_line(universe: Universe, line: Line, key: str | None, again: int | bool) -> TypedOrder:
    # A text has a length too: "buy" would be taken for three values.
    if isinstance(line, str) or not 3 <= len(line) <= 4:
        raise BadInput(
            f"{line!r} is not an order of a batch",
            "write (side, code, quantity) or (side, code, quantity, price)",
        )
    side = values.member(Side, line[0], "side")
    price = line[3] if len(line) > 3 else None
    return read_order(universe, side, line[1], line[2], price, key=key, again=again)
