"""The Session: what a notebook opens. It lives in the notebook's event loop.

Its desk is a process of its own. The session is a thin face over its parts:

    notebook, magics, panels
       │
       ▼
    MarketCalls, OrderCalls, ExitCalls,   what people type
    DeskCalls, History, NamedCalls
    SessionStatus, Hooks                  what panels show, what a notebook gives
       │
       ▼
    Placing        orders that a person types
    OpenOrders     cancel, resolve, settle
    DeskSwitches   halt, resume, arm
    Protections    exits and price alerts
    PastDays       the store of past days, and the download into it
    Roster         the agents
       │
       ▼
    Pump           brings events from the link into the state, then to agents and waits
    Pace           waits, alarms, and the report that this session rests
    State          order books, market data and the desk's state, computed from its events
    Link           the desk of the moment: commands, queries, silence, the next desk
       │
       ▼
    the desk's socket
"""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn

from kisnb.errors import BadInput
from kisnb.market.universe import Universe
from kisnb.session.desk_calls import DeskCalls
from kisnb.session.exit_calls import ExitCalls
from kisnb.session.feed.home import OPEN_HERE
from kisnb.session.feed.link import Find
from kisnb.session.market_calls import MarketCalls
from kisnb.session.order_calls import OrderCalls
from kisnb.session.parts import Parts
from kisnb.session.simulator import Simulator
from kisnb.session.typed_orders.cells import Cells
from kisnb.trading.ports.desk_port import Desk, Snapshot


class Session(MarketCalls, OrderCalls, ExitCalls, DeskCalls):
    """A trading desk in a notebook: quotes, depth and ticks, orders, agents.

    Prices in won, quantities in shares. Open it with ``kisnb.connect``; ``async with`` closes it.
    The desk goes on when a session closes.
    """

    def __init__(
        self, desk: Desk, snapshot: Snapshot, universe: Universe, find: Find | None = None,
        cells: Cells | None = None,
    ) -> None:  # fmt: skip
        """Connect the session's parts to a desk. ``connect`` calls this.

        ``find`` returns the next desk after a death. None: no next desk comes. ``cells`` finds the
        cell in which a call is typed. None outside IPython.
        """
        parts = Parts(desk, snapshot, universe, find, cells)
        super().__init__(parts)
        self.mode = snapshot.mode
        self.label = snapshot.label
        """The desk's name for people: ``"sim 2026-11-20 seed 1"``."""
        self.universe = universe
        """The stocks of the day."""
        self.limits = snapshot.limits
        """The desk's limits on orders."""
        self.agents = parts.agents
        self.api = parts.api
        """Every call of KIS that reads, by name: ``await session.api.inquire_price(...)``."""
        self.exits = parts.protections
        """The exits and price alerts of the desk, as panels show and end them."""
        self.history = parts.history
        """Past days: ``await session.history("005930")``, ``session.history.flows(...)``."""
        self.backfill = parts.backfill
        """The gaps in the stream, and the minutes that are fetched for them."""
        self.blocking = parts.blocking
        """The calls that block, for code that cannot await."""
        self.simulator = Simulator(self.mode)
        """Orders from the simulated phone app, and faults, on a simulated day."""
        self.status = parts.status
        """The state of the desk and of the link to it."""
        self.estimates = parts.estimates
        """The need and the cost of an order, before it is sent."""
        self.hooks = parts.hooks
        """The callbacks that the notebook sets in this session."""
        # All parts exist by now. The callbacks are set before the link listens, because the first
        # batch may be drained right then.
        parts.connect()
        parts.link.listen()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Session {self.label}: closed>"
        counts = f"{len(self.book.orders)} orders, {len(self.agents)} agents"
        halted = f"; {self.trading.halted}" if self.trading.halted else ""
        return f"<Session {self.label}: {self.status.clock_text()} KST, {counts}{halted}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        # A copy in another process would share this socket, and take some of its messages away.
        raise BadInput("a session cannot be copied or used in another process", OPEN_HERE)
