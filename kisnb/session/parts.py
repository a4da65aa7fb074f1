"""The parts of a session, and how they are connected."""

from __future__ import annotations

from kisnb.errors import DeskLost, NotOpen
from kisnb.market.universe import Universe
from kisnb.session.agents.roster import Roster
from kisnb.session.api import NamedCalls, NamedQuestions
from kisnb.session.bars.agent_bars import AgentBars
from kisnb.session.bars.day_bars import DayBars
from kisnb.session.bars.day_minutes import DayMinutes
from kisnb.session.bars.past_figures import PastFigures
from kisnb.session.bars.shown_bars import ShownBars
from kisnb.session.bars.tape_minutes import TapeMinutes
from kisnb.session.blocking import Blocking
from kisnb.session.desk_switches import DeskSwitches
from kisnb.session.estimates import Estimates
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.changes import Changes
from kisnb.session.feed.fast_forwards import FastForwards
from kisnb.session.feed.link import Find, Link
from kisnb.session.feed.pace import Pace
from kisnb.session.feed.pump import Pump
from kisnb.session.feed.state import SessionState
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.history.history import History
from kisnb.session.history.past_days import PastDays
from kisnb.session.hooks import Hooks
from kisnb.session.moments.looking_back import LookingBack
from kisnb.session.open_orders import OpenOrders
from kisnb.session.protections import Protections
from kisnb.session.questions import Questions
from kisnb.session.status import SessionStatus
from kisnb.session.typed_orders.cells import Cells
from kisnb.session.typed_orders.placing import Placing
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.desk_port import Back, Desk, Snapshot


class Parts:
    """The parts of one session. Each part is made from the parts that it calls.

    Some parts must also call parts that are made later: ``connect`` sets callbacks for that.
    """

    def __init__(
        self, desk: Desk, snapshot: Snapshot, universe: Universe, find: Find | None,
        cells: Cells | None,
    ) -> None:  # fmt: skip
        """Make the parts. ``find`` returns the next desk; ``cells`` finds the cell of a call."""
        # Each part is made after the parts that it calls. Calls in the other direction are
        # callbacks, so no part needs the whole session.
        self.universe = universe
        self.rules = Rules(universe, snapshot.capabilities, snapshot.costs)
        self.link = Link(desk, find)
        self.state = SessionState(snapshot, self.rules.days)
        self.pace = Pace(self.link, self.state)
        self.changes = Changes(self.state)
        self.watched = WatchedStocks(self.link, self.rules)
        self.fast_forwards = FastForwards(self.link, self.state, self.pace)
        self.backfill = Backfill(self.link, self.state, self.pace)
        self.past = PastDays(self.link, self.state, snapshot.label)
        # The desk's tape is asked first, because it costs no call of KIS.
        minutes = DayMinutes(self.state, self.backfill, [TapeMinutes(self.past)])
        self.day_bars = DayBars(self.state, self.rules, minutes)
        self.placing = Placing(self.link, self.state, self.pace, cells)
        self.open_orders = OpenOrders(self.link, self.state, self.pace, self.placing, self.rules)
        self.agent_bars = AgentBars(
            self.link, self.state, self.rules, self.day_bars, self.backfill, self.past
        )
        self.figures = PastFigures(self.past, self.state)
        self.agents = Roster(
            self.link, self.state, self.pace, self.rules, self.watched, self.placing,
            self.open_orders, self.changes, self.agent_bars, self.figures,
        )  # fmt: skip
        self.pump = Pump(
            self.link, self.state, self.pace, self.agents, self.backfill, self.watched,
            self.fast_forwards, self.changes,
        )  # fmt: skip
        self.protections = Protections(self.state, self.pace)
        self.switches = DeskSwitches(self.link, self.state, self.pace)
        self.questions = Questions(universe, self.link, self.state)
        self.looking_back = LookingBack(self.link, self.state, universe)
        self.history = History(self.past, self.state, universe)
        self.shown_bars = ShownBars(self.state, self.day_bars, self.past, universe)
        self.status = SessionStatus(self.link, self.state, self.open_orders)
        self.estimates = Estimates(self.state, self.rules, snapshot.limits)
        self.hooks = Hooks(self.link, self.pump, self.placing, self.changes, self.watched)
        named = NamedQuestions(self.state, self.rules, self.watched)
        self.api = NamedCalls(named, self.questions)
        self.blocking = Blocking(
            self.link,
            self.state,
            self.pump,
            self.placing,
            self.questions,
            universe,
            named,
            self.shown_bars,
        )

    def connect(self) -> None:
        """Set the callbacks by which link, pump, placing and agents call one another."""
        link, pump, placing = self.link, self.pump, self.placing
        link.back = lambda: Back(
            link.name, self.state.run, self.state.published, self.agents.leased
        )
        link.on_ready, link.on_return, link.on_death = pump.run, pump.desk_returned, pump.desk_died
        link.on_change, link.on_end = self._link_changed, self._given_up
        placing.follow, placing.catch_up = self.watched.follow, pump.catch_up
        self.agents.work.drop = pump.drop
        self.agent_bars.undelivered = pump.undelivered
        self.backfill.on_filled = self.agents.rebuild_bars

    def leave(self) -> None:
        """Leave the desk, in the session's own thread. A second call does nothing.

        The agents of this session stop. Their orders stay in the market.
        """
        if self.link.state.closed:
            return
        self.link.home.check_process()
        # This is read before the agents stop, because the notebook names the agents that ran.
        stopped = self.agents.running
        # The agents end before the link, because they release their leases over it. The waits end
        # after the link, because a cell that goes on must find the session closed.
        self.agents.close()
        self.link.close()
        self.past.close()
        self.pace.fail(NotOpen("the session was closed", "open it again with %kis open"))
        self.pace.close()
        self.changes.publish()
        self.hooks.on_close(stopped)

    def code(self, code: str) -> str:
        """Return the code of a stock as KIS spells it. Raises UnknownInstrument."""
        return self.universe.spell(code)

    def _link_changed(self, trouble: str) -> None:
        self.state.troubles.append(trouble)
        self.changes.publish()

    def _given_up(self, why: DeskLost) -> None:
        self.pace.fail(why)
        self.changes.publish()


class SessionCalls:
    """Base class of the classes with a session's calls. It keeps the session's parts."""

    def __init__(self, parts: Parts) -> None:
        self.questions = parts.questions
        self._parts = parts
