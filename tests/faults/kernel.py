"""One notebook of the campaign: a kernel with the product's whole Session, on an event loop of its
own.

The product's: Session with its link, state, pump, pace, roster, placing and backfill; agents and
their runners; the session's end of the socket (DeskClient). The model: its threads, its clock, the
socket, and how it finds its desk.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any

from kisnb.clock import SECOND, Ns
from kisnb.errors import DeskLost, KisnbError
from kisnb.market.universe import Universe
from kisnb.session.session import Session
from kisnb.trading.agents.agent_state import AgentState
from kisnb.trading.order_books.order_book import EXTERNAL, OrderBooks
from kisnb.trading.ports.desk_port import Back, Desk, Snapshot

from .actors import PLANTED, Actor
from .ear import Ear
from .schedule import TICKS
from .sockets import Client
from .stepped_loop import SteppedLoop

if TYPE_CHECKING:
    from .notebooks import Notebooks

NOWHERE = io.StringIO()
"""Where the roster says below its cell that an agent failed."""
LOOK_SECONDS = (0.02, 1.0)
"""After which a session that found no desk looks again."""


class Kernel:
    """Opens a session, keeps it over the deaths of its desk, and runs agents in it until it dies or
    leaves."""

    def __init__(self, notebooks: Notebooks, name: str) -> None:
        self.notebooks = notebooks
        self.name = name
        self.dead = False
        self.session: Session | None = None
        self.ear: Ear | None = None
        self.clients: list[Client] = []
        self.in_a_cell = False
        """A cell looks at the order book, and the loop stands."""
        self.off_until: Ns = 0
        self.cells: list[asyncio.Task[None]] = []
        self._stands_until: Ns = 0
        self._names = self._runs = 0
        run = notebooks.run
        self.loop = SteppedLoop(
            lambda: run.host.core.now, lambda t: notebooks.at(t, self.turn), self._failed
        )
        self._within(lambda: self.loop.create_task(self._open()))

    def next_name(self) -> str:
        """What the desk is to call a new session."""
        self._names += 1
        return f"{self.name}-{self._names}"

    def turn(self) -> None:
        """Let the notebook's loop run everything that is due."""
        run = self.notebooks.run
        if self.dead or run.host.core.now < self._stands_until:
            return
        try:
            with redirect_stderr(NOWHERE):
                self.loop.turn()
        except (SystemExit, KeyboardInterrupt) as e:
            if e.args != (PLANTED,):
                raise
            run.watch.demand(False, f"an agent ended its kernel with {e!r}")
        for client in self.clients:
            client.flush()
        self.clients = [c for c in self.clients if not c._closed]
        if self.ear is not None:
            self.ear.check()

    @property
    def attached(self) -> bool:
        """The session stands at the desk of the moment, as far as it knows."""
        return (
            not self.dead
            and self.session is not None
            and not self.session.closed
            and self.session.status.link == "up"
        )

    @property
    def books(self) -> OrderBooks:
        assert self.session is not None
        return self.session.books

    # what happens to it

    def die(self) -> None:
        """As by ``kill -9``: nothing of it runs any more, and its sockets break."""
        self.end()
        self.cut()

    def end(self) -> None:
        """Nothing of it runs any more."""
        self.dead = True
        if self.session is not None:
            for runner in self.session.agents._runners.values():
                runner.agent.gone = True  # type: ignore[attr-defined]

    def cut(self, wait: Ns = 0) -> None:
        """Its sockets break, and no other one is had for a while."""
        self.off_until = self.notebooks.run.host.core.now + wait
        for client in self.clients:
            if client.socket is not None:
                client.socket.abort()

    def leave(self) -> None:
        """The session is closed for good."""
        if self.session is not None:
            self._within(self.session.leave)

    def block(self, wait: Ns) -> None:
        """A cell keeps the loop from turning.

        At its end it looks at its order book, which catches up.
        """
        run = self.notebooks.run
        self._stands_until = run.host.core.now + wait
        if self.session is not None and not self.session.closed:
            run.after(wait // 2, self._catch_up)
        run.after(wait, self.turn)

    def _catch_up(self) -> None:
        if not self.dead and self.session is not None:
            self.in_a_cell = True
            with self.loop.entered():
                self.session.hooks.orders_of_cell()
            self.in_a_cell = False

    # what a person types

    def type(self, which: int, code: str) -> None:
        """Order with a key.

        The same ``which`` is the same order: typed again it is shown, and not sent.
        """
        base, tick = TICKS[code]
        price = base + (which - 2) * tick if which else None
        self._cell(lambda session: session.buy(code, which + 2, price, key=f"typed{which}"))

    def cancel(self, which: int) -> None:
        """Cancel one of the open orders."""

        async def one(session: Session) -> None:
            live = [o for o in session.books.live.values() if o.intent.agent != EXTERNAL]
            if live:
                await session.cancel(live[which % len(live)])

        self._cell(one)

    # agents

    def start(self, agent: Actor) -> None:
        """Start an agent as a cell does: itself, or one that is known by its name."""
        agent.raised = ""
        named = self.actor(agent.id) is agent and self.notebooks.rng.random() < 0.5

        async def one(session: Session) -> None:
            await session.agents.start(agent.id if named else agent)
            runner = session.agents._runners.get(agent.id)
            # It was interrupted while this start waited for the desk, and goes on now.
            if runner is not None and runner.state is AgentState.RUNNING:
                agent.raised = ""

        self._cell(one)

    def stop(self, agent: Actor) -> None:
        agent.raised = ""
        self._cell(lambda session: session.agents.stop(agent.id))

    def pause(self, agent: Actor) -> None:
        self._cell(lambda session: session.agents.pause(agent.id))

    def actor(self, name: str) -> Actor | None:
        """The agent of this name that was started here."""
        runner = self.session.agents._runners.get(name) if self.session is not None else None
        return runner.agent if runner is not None else None  # type: ignore[return-value]

    # inside

    async def _open(self) -> None:
        client, snapshot = await self._find(Back())
        session = Session(client, snapshot, universe(), self._find)
        session._parts.state.clock = Clock(self)  # type: ignore[assignment]
        self.notebooks.plant(session)
        self._number_runs(session)
        self.session, self.ear = session, Ear(self, session, snapshot)

    def _number_runs(self, session: Session) -> None:
        """Give each run of an agent and each call of a cell a number, in place of a random name: a
        seed is played the same way every time."""
        make, begin = session.agents._new, session._parts.placing._claims._runs.begin

        def new(agent: Any) -> Any:
            runner = make(agent)
            self._runs += 1
            runner._run = f"{self.name}.{self._runs}"
            return runner

        def call(naming: Any, position: Any, _token: str, *rest: Any, **options: Any) -> Any:
            self._runs += 1
            return begin(naming, position, f"{self.name}.{self._runs}", *rest, **options)

        session.agents._new = new  # type: ignore[method-assign]
        session._parts.placing._claims._runs.begin = call  # type: ignore[method-assign]

    async def _find(self, back: Back) -> tuple[Desk, Snapshot]:
        while True:
            client = Client(self, back)
            self.clients.append(client)
            try:
                return client, await client.attach()
            except DeskLost:
                client.close()
            await self._next_look()

    async def _next_look(self) -> None:
        """Until a desk may be found again; a real session looks all the time."""
        cut_off = self.off_until - self.notebooks.run.host.core.now
        if cut_off > 0:
            await asyncio.sleep(cut_off / SECOND)
        elif self.notebooks.server is None:
            await self.notebooks.next_desk(self)
        await asyncio.sleep(self.notebooks.rng.uniform(*LOOK_SECONDS))

    def _cell(self, work: Callable[[Session], Any]) -> None:
        """Run a cell in the open session; what it says to people does not count as a failure."""

        async def cell(session: Session) -> None:
            try:
                await work(session)
            except KisnbError as e:
                self.notebooks.run.note(f"{self.name}: {e}")

        session = self.session
        if session is not None and not session.closed:
            self._within(lambda: self.cells.append(self.loop.create_task(cell(session))))

    def _within(self, do: Callable[[], object]) -> None:
        if not self.dead:
            self.loop.call_soon(do)
            self.turn()

    def _failed(self, text: str) -> None:
        if not self.dead:
            self.notebooks.run.watch.demand(False, f"{self.name}: {text}")


class Clock:
    """The machine's clock, as notebook and desk have it."""

    def __init__(self, kernel: Kernel) -> None:
        self._run = kernel.notebooks.run

    def now(self) -> Ns:
        return self._run.now

    async def sleep_until(self, t: Ns) -> None:
        await asyncio.sleep(max(0, t - self.now()) / SECOND)


def universe() -> Universe:
    from .host_side import universe as packaged

    return packaged()
