"""How quotes, depth, orders, books, accounts, agents and sessions look in a notebook.

Each look is a pure pair of text and HTML; ``Looks`` hands them to IPython's display formatter and takes them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from kisnb.clock import clock_text
from kisnb.notebook.rendering.tables import (
    UNSURE,
    Cell,
    badge_html,
    badge_text,
    card,
    coloured,
    html_table,
    number,
    signed,
    text_table,
    tone,
)
from kisnb.terms import Mode, Side

if TYPE_CHECKING:
    import polars as pl
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.events import Depth, Quote
    from kisnb.market.routing_evidence import Evidence
    from kisnb.orders import Account, Fill, Order, Orders
    from kisnb.session.agents.agent_view import AgentView
    from kisnb.session.agents.roster import Roster
    from kisnb.session.session import Session
    from kisnb.trading.order_books.order_book import OrderBook

Bundle: TypeAlias = dict[str, str]
Look: TypeAlias = Callable[[Any, Mode | None], Bundle]

_ORDER_HEAD = (
    "time", "number", "agent", "side", "code", "venue", "quantity", "price", "filled", "average", "state", "since",
    "why",
)  # fmt: skip
_AGENT_HEAD = (
    "agent", "state", "code", "position", "average", "last", "realised", "unrealised", "orders", "fills", "note",
)  # fmt: skip
_HOLDING_HEAD = ("code", "name", "quantity", "sellable", "average", "price", "value", "PnL", "%")


def quote_text(q: Quote) -> str:
    """Two lines: price and change, then the day."""
    return f"{q.code} {q.name}  {_price_line(q)}\n{_day_line(q)}"


def quote_html(q: Quote) -> str:
    """The body of a quote's card."""
    price = coloured(_price_line(q), tone(q.change))
    return f'<b>{escape(f"{q.code} {q.name}")}</b>  {price}<div style="opacity:.75">{escape(_day_line(q))}</div>'


def _price_line(q: Quote) -> str:
    change = f"{_arrow(q.change)} {number(abs(q.change))} ({signed(q.change_pct, 2)} %)"
    return (
        f"{number(q.price)}  {change}  {q.venue} {clock_text(q.t)}{'  halted' if q.halted else ''}"
    )


def _day_line(q: Quote) -> str:
    return (
        f"open {number(q.open)}  high {number(q.high)}  low {number(q.low)}  volume {number(q.volume)}"
        f"  limits {number(q.lower)} to {number(q.upper)}  tick {number(q.tick)}"
    )


def depth_rows(d: Depth) -> list[list[Cell]]:
    """The ladder: asks from far to near, then bids from near to far."""
    asks = [
        [Cell(number(qty)), Cell(number(price), -1), Cell("")] for price, qty in reversed(d.asks)
    ]
    bids = [[Cell(""), Cell(number(price), 1), Cell(number(qty))] for price, qty in d.bids]
    return asks + bids


def order_rows(orders: Iterable[Order]) -> list[list[Cell]]:
    return [
        [
            Cell(clock_text(o.t) if o.t else ""),
            Cell(str(o.number or "")),
            Cell(o.intent.agent, left=True),
            Cell(str(o.side), 1 if o.side is Side.BUY else -1, left=True),
            Cell(o.code, left=True),
            Cell(str(o.route.venue) if o.route else "", left=True),
            Cell(number(o.quantity)),
            Cell(str(o.intent.kind) if o.intent.price is None else number(o.intent.price)),
            Cell(number(o.filled)),
            Cell(number(o.average)),
            Cell(str(o.state), left=True),
            Cell(clock_text(o.since) if o.since else ""),
            Cell(o.text, left=True),
        ]
        for o in orders
    ]


def holding_rows(account: Account) -> list[list[Cell]]:
    rows = []
    for h in account.holdings:
        value = h.qty * h.price
        gain = value - h.cost
        rows.append(
            [
                Cell(h.code, left=True),
                Cell(h.name, left=True),
                Cell(number(h.qty)),
                Cell(number(h.sellable)),
                Cell(number(h.cost / h.qty if h.qty else None)),
                Cell(number(h.price)),
                Cell(number(value)),
                Cell(signed(gain), tone(gain)),
                Cell(signed(gain / h.cost * 100, 2) if h.cost else "", tone(gain)),
            ]
        )
    return rows


def _look_quote(q: Quote, mode: Mode | None) -> Bundle:
    return {"text/plain": badge_text(mode) + quote_text(q), "text/html": card(mode, quote_html(q))}


def _look_depth(d: Depth, mode: Mode | None) -> Bundle:
    return _titled(
        mode,
        f"{d.code} depth  {d.venue} {clock_text(d.t)}",
        ("asks", "price", "bids"),
        depth_rows(d),
    )


def _look_order(o: Order, mode: Mode | None, *, movable: bool = False) -> Bundle:
    from kisnb.notebook.rendering.order_look import order_look

    return order_look(o, mode, movable=movable)


def _look_fill(f: Fill, mode: Mode | None) -> Bundle:
    paid = f"fee {number(f.fee)}" + (f" tax {number(f.tax)}" if f.tax else "")
    text = f"{clock_text(f.t)} {number(f.qty)} at {number(f.price)} on {f.venue}  {paid} won"
    return {"text/plain": badge_text(mode) + text, "text/html": card(mode, escape(text))}


def _look_evidence(evidence: Evidence, mode: Mode | None) -> Bundle:
    cure = f" {evidence.cure[:1].upper()}{evidence.cure[1:]}." if evidence.cure else ""
    text = badge_text(mode) + evidence.text + cure
    return {"text/plain": text, "text/html": card(mode, "", evidence._repr_html_())}


def _look_book(book: OrderBook, mode: Mode | None) -> Bundle:
    orders = list(book.orders.values())
    title = f"{book.name}: {len(orders)} orders, {len(book.open_orders)} open"
    return _titled(mode, title, _ORDER_HEAD, order_rows(orders))


def _look_orders(orders: Orders, mode: Mode | None) -> Bundle:
    return _titled(
        mode,
        f"{len(orders)} order{'' if len(orders) == 1 else 's'}",
        _ORDER_HEAD,
        order_rows(orders),
    )


def _look_account(account: Account, mode: Mode | None) -> Bundle:
    cash = f"cash {number(account.cash)} (D+2 {number(account.cash_d2)})  orderable {number(account.orderable)} won"
    partial = "" if account.complete else "  incomplete: KIS did not send all pages"
    return _titled(mode, cash + partial, _HOLDING_HEAD, holding_rows(account))


def agent_rows(agents: Iterable[AgentView]) -> list[list[Cell]]:
    return [
        [
            Cell(a.id, left=True),
            Cell(str(a.state), left=True),
            Cell(a.code, left=True),
            Cell(number(a.position)),
            Cell(number(a.average)),
            Cell(number(a.last)),
            Cell(signed(a.realised), tone(a.realised)),
            Cell("" if a.unrealised is None else signed(a.unrealised), tone(a.unrealised or 0)),
            Cell(number(a.orders)),
            Cell(number(a.fills)),
            Cell(a.note, left=True),
        ]
        for a in agents
    ]


def _look_roster(agents: Roster, mode: Mode | None) -> Bundle:
    title = "; ".join(
        part for part in (f"{len(agents)} agents", agents.unassigned, agents.trading.halted) if part
    )
    return _titled(mode, title, _AGENT_HEAD, agent_rows(agents))


def _look_agent(agent: AgentView, mode: Mode | None) -> Bundle:
    return _titled(mode, f"agent {agent.id}", _AGENT_HEAD, agent_rows([agent]))


def _look_frame(frame: pl.DataFrame, mode: Mode | None) -> Bundle:
    return {
        "text/plain": badge_text(mode) + str(frame),
        "text/html": badge_html(mode) + frame._repr_html_(),
    }


def _look_session(session: Session, _mode: Mode | None) -> Bundle:
    title = "  ".join(
        part
        for part in (session.label, f"{session.status.clock_text()} KST", session.trading.halted)
        if part
    )
    return {
        "text/plain": f"{badge_text(session.mode)}{title}",
        "text/html": card(session.mode, escape(title)),
    }


def _titled(mode: Mode | None, title: str, head: tuple[str, ...], rows: list[list[Cell]]) -> Bundle:
    text, html = badge_text(mode) + title, ""
    if rows:
        text, html = f"{text}\n{text_table(head, rows)}", html_table(head, rows)
    return {"text/plain": text, "text/html": card(mode, escape(title), html)}


def _arrow(change: int) -> str:
    return "▲" if change > 0 else "▼" if change < 0 else "-"


LOOKS: dict[tuple[str, str], Look] = {
    ("kisnb.events", "Quote"): _look_quote,
    ("kisnb.events", "Depth"): _look_depth,
    ("kisnb.orders", "Order"): _look_order,
    ("kisnb.orders", "Orders"): _look_orders,
    ("kisnb.orders", "Fill"): _look_fill,
    ("kisnb.market.routing_evidence", "Evidence"): _look_evidence,
    ("kisnb.orders", "Account"): _look_account,
    ("kisnb.trading.order_books.order_book", "OrderBook"): _look_book,
    ("kisnb.session.agents.roster", "Roster"): _look_roster,
    ("kisnb.session.agents.agent_view", "AgentView"): _look_agent,
    ("kisnb.session.session", "Session"): _look_session,
    ("polars.dataframe.frame", "DataFrame"): _look_frame,
}
"""By module and class, so that showing a quote is known before quotes are imported."""
DATED = ("Quote", "Depth", "Fill", "Evidence")
"""What carries the time of which it is; all else is shown as known now, and says when it is not."""


class Looks:
    """The looks, as they are registered in one shell; ``mode`` tells the mode of the session that is open, ``doubt``
    why what it shows may not be so any more, ``movable`` whether an order could be revised now.

    Types that are not ours, such as polars frames, look as ever unless the value came from the desk.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        mode: Callable[[], Mode | None],
        doubt: Callable[[], str],
        is_ours: Callable[[object], bool],
        movable: Callable[[Order], bool],
    ) -> None:
        assert shell.display_formatter is not None
        self._formatter = shell.display_formatter.mimebundle_formatter
        self._plain = shell.display_formatter.formatters["text/plain"]
        self._mode = mode
        self._doubt = doubt
        self._is_ours = is_ours
        self._movable = movable

    def add(self) -> None:
        for (module, name), look in LOOKS.items():
            self._formatter.for_type_by_name(module, name, self._shown(look))
        self._formatter.for_type_by_name("kisnb.orders", "Order", self._shown(self._look_order))
        # IPython's own printer of lists would go before the bundle.
        self._plain.for_type_by_name("kisnb.orders", "Orders", self._print_orders)

    def remove(self) -> None:
        self._plain.pop("kisnb.orders.Orders", None)
        for module, name in LOOKS:
            self._formatter.pop(f"{module}.{name}", None)

    def _print_orders(self, orders: Orders, printer: Any, _cycle: bool) -> None:
        printer.text(self._look(_look_orders, orders)["text/plain"])

    def _look_order(self, order: Order, mode: Mode | None) -> Bundle:
        return _look_order(order, mode, movable=self._movable(order))

    def _shown(self, look: Look) -> Callable[..., Bundle]:
        def show(value: object, include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG001
            ours = type(value).__module__.startswith("kisnb.") or self._is_ours(value)
            return self._look(look, value) if ours else {}

        return show

    def _look(self, look: Look, value: object) -> Bundle:
        bundle, mode = look(value, self._mode()), self._mode()
        doubt = "" if type(value).__name__ in DATED else self._doubt()
        return doubted(bundle, mode, doubt) if doubt else bundle


def doubted(bundle: Bundle, mode: Mode | None, doubt: str) -> Bundle:
    """The same, under a line that says why it may not be so any more."""
    bar = f'<div style="{UNSURE}">{badge_html(mode)}{escape(doubt)}</div>'
    return {
        "text/plain": f"{badge_text(mode)}{doubt}\n{bundle['text/plain']}",
        "text/html": bar + bundle["text/html"],
    }
