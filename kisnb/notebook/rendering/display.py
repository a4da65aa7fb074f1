"""The outputs of quotes, depth, orders, order books, accounts, agents and sessions in a notebook.

Each output is made by a *look*, a function without effect that returns text and HTML. ``Looks``
registers them with IPython's display formatter, and removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from markupsafe import Markup

from kisnb.clock import clock_text
from kisnb.columns import Column, S, number, signed, tone_of
from kisnb.drawing.tables import (
    UNSURE,
    Cell,
    badge_html,
    badge_text,
    bundle,
    card,
    cells_of,
    coloured,
    heads_of,
    html_table,
    text_table,
    trusted,
)
from kisnb.errors import BadInput
from kisnb.terms import Mode

if TYPE_CHECKING:
    import polars as pl
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb.events import Depth, Quote
    from kisnb.market.routing.evidence import Evidence
    from kisnb.orders import Account, Fill, Order, Orders
    from kisnb.session.agents.agent_snapshot import AgentSnapshot
    from kisnb.session.agents.agent_view import AgentView
    from kisnb.session.agents.roster import Roster
    from kisnb.session.moments.moment import Moment
    from kisnb.session.session import Session
    from kisnb.trading.order_books.order_book import OrderBook

Bundle: TypeAlias = dict[str, str]
"""An output by MIME type."""
Look: TypeAlias = Callable[[Any, Mode | None], Bundle]
"""Returns the output of a value. Its second argument is the mode; None: no session is open."""


def quote_text(q: Quote) -> str:
    """Return a quote as two lines: first price and change, then the figures of the day."""
    return f"{q.code} {q.name}  {_price_line(q)}\n{_day_line(q)}"


def quote_html(q: Quote) -> Markup:
    """Return the content of a quote's card."""
    return Markup('<b>{}</b>  {}<div style="opacity:.75">{}</div>').format(
        f"{q.code} {q.name}", coloured(_price_line(q), tone_of(q.change)), _day_line(q)
    )


def _price_line(q: Quote) -> str:
    # The change has an arrow and a sign, because some people do not see red, and a terminal has no
    # colour.
    change = f"{_arrow(q.change)} {number(abs(q.change))} ({signed(q.change_pct, 2)} %)"
    return (
        f"{number(q.price)}  {change}  {q.venue} {clock_text(q.t)}{'  halted' if q.halted else ''}"
    )


def _day_line(q: Quote) -> str:
    # KIS gives 0 for a limit price that does not exist.
    limits = f"limits {number(q.lower)} to {number(q.upper)}" if q.upper else "no limit prices"
    return (
        f"open {number(q.open)}  high {number(q.high)}  low {number(q.low)}"
        f"  volume {number(q.volume)}"
        f"  {limits}  tick {number(q.tick)}"
    )


def depth_rows(d: Depth) -> list[list[Cell]]:
    """Return the rows of a depth: asks from far to near, then bids from near to far."""
    # Red and blue mean above and below the base price, as in the panel. A depth alone has no base
    # price, so its prices have no colour.
    asks = [[Cell(number(qty)), Cell(number(price)), Cell("")] for price, qty in reversed(d.asks)]
    bids = [[Cell(""), Cell(number(price)), Cell(number(qty))] for price, qty in d.bids]
    return asks + bids


def _look_quote(q: Quote, mode: Mode | None) -> Bundle:
    return bundle(badge_text(mode) + quote_text(q), card(mode, quote_html(q)))


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
    return bundle(badge_text(mode) + text, card(mode, text))


def _look_evidence(evidence: Evidence, mode: Mode | None) -> Bundle:
    cure = f" {evidence.cure[:1].upper()}{evidence.cure[1:]}." if evidence.cure else ""
    text = badge_text(mode) + evidence.text + cure
    return bundle(text, card(mode, "", trusted(evidence._repr_html_())))


def _look_book(book: OrderBook, mode: Mode | None) -> Bundle:
    orders = list(book.orders.values())
    title = f"{book.name}: {len(orders)} orders, {len(book.open_orders)} open"
    older = len(orders) - MOST_ORDERS
    if older > 0:
        # An open order is shown, however old it is, because a person may want to cancel it.
        kept = [o for i, o in enumerate(orders) if i >= older or o.is_open]
        hidden = len(orders) - len(kept)
        title += f"; {hidden} older ended ones are not shown, frame() has all"
        orders = kept
    return _order_table(mode, title, orders)


def _look_orders(orders: Orders, mode: Mode | None) -> Bundle:
    title = f"{len(orders)} order{'' if len(orders) == 1 else 's'}"
    return _order_table(mode, title, orders)


def _order_table(mode: Mode | None, title: str, orders: Iterable[Order]) -> Bundle:
    from kisnb.trading.order_books import order_columns

    return _table(mode, title, order_columns.IN_OUTPUT, orders)


def _look_account(account: Account, mode: Mode | None) -> Bundle:
    from kisnb.notebook.rendering import holding_columns

    cash = (
        f"cash {number(account.cash)} (D+2 {number(account.cash_d2)})"
        f"  orderable {number(account.orderable)} won"
    )
    # Holdings come in pages from KIS. If a page fails, or a row cannot be read, the list would look
    # complete. So a line says that it is not.
    missing = "; ".join(account.bad) or "KIS did not send all pages"
    partial = "" if account.complete else f"  incomplete: {missing}"
    return _table(mode, cash + partial, holding_columns.IN_OUTPUT, account.holdings)


def _look_roster(agents: Roster, mode: Mode | None) -> Bundle:
    # Agents of other sessions and lost agents are counted too, because each has a row.
    views = list(agents)
    title = "; ".join(
        part for part in (f"{len(views)} agents", agents.unassigned, agents.trading.halted) if part
    )
    return _agent_table(mode, title, views)


def _look_agent(agent: AgentView, mode: Mode | None) -> Bundle:
    return _agent_table(mode, f"agent {agent.id}", [agent])


def _agent_table(mode: Mode | None, title: str, agents: Iterable[AgentView]) -> Bundle:
    from kisnb.session.agents import agent_columns

    return _table(mode, title, agent_columns.IN_OUTPUT, agents)


def _look_frame(frame: pl.DataFrame, mode: Mode | None) -> Bundle:
    return bundle(badge_text(mode) + str(frame), badge_html(mode) + trusted(frame._repr_html_()))


def _look_moment(moment: Moment, mode: Mode | None) -> Bundle:
    # The depth is shown only for one stock. For several it would be too many numbers.
    code, title = moment.codes[0] if len(moment.codes) == 1 else None, moment.text
    try:
        depth = None if code is None else moment.depth(code)
    except BadInput:
        depth = None
    lines, table = title.splitlines(), Markup()
    if depth is not None:
        lines.append(f"{depth.code} depth  {depth.venue} {clock_text(depth.t)}")
        head, rows = ("asks", "price", "bids"), depth_rows(depth)
        title, table = "\n".join([*lines, text_table(head, rows)]), html_table(head, rows)
    return bundle(badge_text(mode) + title, card(mode, Markup("<br>").join(lines), table))


def _look_agent_snapshot(agent: AgentSnapshot, mode: Mode | None) -> Bundle:
    title, *lines = agent.text.splitlines()
    text = badge_text(mode) + agent.text
    return bundle(
        text, card(mode, title, Markup('<pre style="margin:0">{}</pre>').format("\n".join(lines)))
    )


def _look_session(session: Session, _mode: Mode | None) -> Bundle:
    title = "  ".join(
        part
        for part in (session.label, f"{session.status.clock_text()} KST", session.trading.halted)
        if part
    )
    return bundle(f"{badge_text(session.mode)}{title}", card(session.mode, title))


def _table(
    mode: Mode | None, title: str, columns: Sequence[Column[S]], subjects: Iterable[S]
) -> Bundle:
    return _titled(mode, title, heads_of(columns), cells_of(columns, subjects))


def _titled(mode: Mode | None, title: str, head: Sequence[str], rows: list[list[Cell]]) -> Bundle:
    text, html = badge_text(mode) + title, Markup()
    if rows:
        text, html = f"{text}\n{text_table(head, rows)}", html_table(head, rows)
    return bundle(text, card(mode, title, html))


def _arrow(change: int) -> str:
    return "▲" if change > 0 else "▼" if change < 0 else "-"


MOST_ORDERS = 50
"""The output of an order book shows this number of newest orders. A back-test has thousands."""
LOOKS: dict[tuple[str, str], Look] = {
    ("kisnb.events.market", "Quote"): _look_quote,
    ("kisnb.events.market", "Depth"): _look_depth,
    ("kisnb.orders", "Order"): _look_order,
    ("kisnb.orders", "Orders"): _look_orders,
    ("kisnb.orders", "Fill"): _look_fill,
    ("kisnb.market.routing.evidence", "Evidence"): _look_evidence,
    ("kisnb.orders", "Account"): _look_account,
    ("kisnb.trading.order_books.order_book", "OrderBook"): _look_book,
    ("kisnb.session.agents.roster", "Roster"): _look_roster,
    ("kisnb.session.agents.agent_view", "AgentView"): _look_agent,
    ("kisnb.session.agents.agent_snapshot", "AgentSnapshot"): _look_agent_snapshot,
    ("kisnb.session.moments.moment", "Moment"): _look_moment,
    ("kisnb.session.session", "Session"): _look_session,
    ("polars.dataframe.frame", "DataFrame"): _look_frame,
}
"""The looks by module and class. The names are texts, so that no module is imported for them."""
DATED = ("Quote", "Depth", "Fill", "Evidence", "Moment", "AgentSnapshot")
"""Classes whose values carry their own time.

Other values are shown as they are known now. A line above them says when they are in doubt.
"""


class Looks:
    """Registers the looks with one shell.

    Each output shows the mode of the open session. A line above it says when its values are in
    doubt. A value of a type that is not ours, such as a polars DataFrame, keeps its usual output
    unless it came from the desk.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        mode: Callable[[], Mode | None],
        doubt: Callable[[], str],
        is_ours: Callable[[object], bool],
        movable: Callable[[Order], bool],
    ) -> None:
        """Prepare the looks of one shell. ``mode`` returns the mode of the open session.

        ``doubt`` returns the reason why values may be wrong now; empty without one. ``is_ours``
        returns whether a value came from the desk, ``movable`` whether an order could be revised
        now.
        """
        assert shell.display_formatter is not None
        self._formatter = shell.display_formatter.mimebundle_formatter
        self._plain = shell.display_formatter.formatters["text/plain"]
        self._mode = mode
        self._doubt = doubt
        self._is_ours = is_ours
        self._movable = movable

    def add(self) -> None:
        """Register all looks with the shell."""
        for (module, name), look in LOOKS.items():
            self._formatter.for_type_by_name(module, name, self._shown(look))
        # This replaces the order's look in LOOKS: it also knows whether the order can be revised
        # now.
        self._formatter.for_type_by_name("kisnb.orders", "Order", self._shown(self._look_order))
        # IPython has its own printer for lists, which comes before our bundle.
        self._plain.for_type_by_name("kisnb.orders", "Orders", self._print_orders)

    def remove(self) -> None:
        """Remove all looks from the shell."""
        # IPython keeps a type by its name until its first value is shown, and then by the type.
        # `pop` removes both forms.
        self._plain.pop("kisnb.orders.Orders", None)
        for module, name in LOOKS:
            self._formatter.pop(f"{module}.{name}", None)

    def _print_orders(self, orders: Orders, printer: Any, _cycle: bool) -> None:
        printer.text(self._look(_look_orders, orders)["text/plain"])

    def _look_order(self, order: Order, mode: Mode | None) -> Bundle:
        return _look_order(order, mode, movable=self._movable(order))

    def _shown(self, look: Look) -> Callable[..., Bundle]:
        # IPython passes include and exclude by name to every function that makes a bundle.
        def show(value: object, **_: object) -> Bundle:
            ours = type(value).__module__.startswith("kisnb.") or self._is_ours(value)
            # An empty bundle lets IPython use its usual output.
            return self._look(look, value) if ours else {}

        return show

    def _look(self, look: Look, value: object) -> Bundle:
        bundle, mode = look(value, self._mode()), self._mode()
        # A quote of 09:10 stays correct for 09:10, whatever has happened to the link since.
        doubt = "" if type(value).__name__ in DATED else self._doubt()
        return doubted(bundle, mode, doubt) if doubt else bundle


def doubted(known: Bundle, mode: Mode | None, doubt: str) -> Bundle:
    """Return the output ``known`` with a line above it: the reason why it may be wrong now."""
    bar = Markup('<div style="{}">{}{}</div>').format(UNSURE, badge_html(mode), doubt)
    text = f"{badge_text(mode)}{doubt}\n{known['text/plain']}"
    return bundle(text, bar + trusted(known["text/html"]))
