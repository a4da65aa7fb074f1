"""The notebooks of a run, and the desk's end of their sockets.

The product's: DeskServer with its connections, leases, numbers of events and snapshots. The model:
what stands around it, that is DeskHost with its journal on a disk, and the listening socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from kisnb.clock import SECOND, Ns
from kisnb.desk.serve.server import DeskServer
from kisnb.desk.serve.snapshot import DeskName
from kisnb.errors import KisError
from kisnb.events import Event, Tick
from kisnb.orders import Want
from kisnb.session.session import Session
from kisnb.terms import Mode, Side, Venue
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.ports.journal_rows import array_of, encode_row, is_published

from .actors import Actor
from .kernel import Kernel
from .schedule import TICKS, exit_of, stocks
from .sockets import SECRET, Client, Socket
from .stepped_loop import SteppedLoop
from .turns import Turn, trades

if TYPE_CHECKING:
    from .campaign import Run

Plant: TypeAlias = Callable[[Session | DeskServer], None]
"""Plants a defect in a session, or in the desk's end of its socket."""


def sound(_part: Session | DeskServer) -> None:
    """Plant nothing."""


NAME = DeskName(Mode.LIVE, "desk", "campaign")


MOST = 3
"""Notebooks that are open at a time."""


class Notebooks:
    """All that attaches to the desk.

    The first notebook is opened with the desk; it is opened again when it dies.
    """

    def __init__(self, run: Run, seed: int, plant: Plant) -> None:
        self.run = run
        self.plant = plant
        self.rng = Random(seed ^ 0x5E55)
        self.server: DeskServer | None = None
        self._sockets: list[Socket] = []
        self._turning = False
        self._soon: deque[Callable[[], None]] = deque()
        self.loop = SteppedLoop(
            lambda: run.host.core.now, lambda t: self.at(t, self.turn_desk), self._failed
        )
        self._waiting: list[tuple[Kernel, asyncio.Future[None]]] = []
        self._opened = 0
        self._published = 0
        """Rows of the journal that the desk has published."""
        self._seed = seed
        codes = stocks(seed)
        self._trades = trades(seed)
        ids = ["a0", "a1", *(["p0", "p1"] if self._trades else [])]
        self._agents = [(name, codes[n % 2]) for n, name in enumerate(ids)]
        self.kernels: list[Kernel] = []
        self.open()

    def at(self, t: Ns, do: Callable[[], None]) -> None:
        """Do it at ``t``, or right after what happens now."""
        if t <= self.run.host.core.now:
            self._soon.append(do)
        else:
            self.run._at(t, do)

    def go_on(self) -> None:
        """Do what comes right after what has happened."""
        while self._soon:
            self._soon.popleft()()

    def open(self) -> Kernel:
        """One more notebook."""
        self._opened += 1
        kernel = Kernel(self, f"n{self._opened}")
        self.kernels.append(kernel)
        return kernel

    # the desk

    def desk_began(self, core: DeskCore) -> None:
        """A desk begins to listen."""
        with self.loop.entered():
            self.server = DeskServer(Host(self, core), NAME, SECRET, 1.0)  # type: ignore[arg-type]
        self.plant(self.server)
        self._published = len(self.run._to_tell)
        waiting, self._waiting = self._waiting, []
        for kernel, begun in waiting:
            if not begun.done():
                begun.set_result(None)
            self._soon.append(kernel.turn)

    def next_desk(self, kernel: Kernel) -> asyncio.Future[None]:
        """Done when a desk listens again."""
        begun = kernel.loop.create_future()
        self._waiting.append((kernel, begun))
        return begun

    def desk_died(self) -> None:
        """What it had not sent is gone; what it had sent arrives, and then the end."""
        if self._trades and self._published == len(self.run._to_tell):
            # Between two steps of the desk: what agents order upon this price no desk takes, nor
            # this cancel.
            self.rng.choice(self.kernels).cancel(self.rng.randrange(9))
            self._tick(self._agents[self.rng.randrange(len(self._agents))][1])
            self.turn_desk()
        self.server = None
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            socket.close()

    def publish(self, event: Event) -> None:
        """The desk sends it with the rest of its turn."""
        if self.server is None:
            return
        if is_published(event):
            row = self.run._to_tell[self._published : self._published + 1]
            self.run.watch.demand(
                row == [event], f"{event} is published, which is not the journal's next row"
            )
            self._published += 1
        with self.loop.entered():
            self.server.publish(event)
        if not self._turning:
            self._turning = True
            self.at(
                self.run.host.core.now
                + self.rng.choice((0, SECOND // 50, SECOND // 20, SECOND // 5)),
                self.turn_desk,
            )

    def turn_desk(self) -> None:
        """Let the desk's loop run everything that is due."""
        self._turning = False
        self.loop.turn()

    def connect(self, client: Client) -> Socket | None:
        """None when nobody listens."""
        if self.server is None or self.run.host.core.now < client.kernel.off_until:
            return None
        socket = Socket(client.kernel, client)
        self._sockets.append(socket)
        with self.loop.entered():
            self._task = self.loop.create_task(self.server._serve(socket.reader, socket))  # type: ignore[arg-type]
        return socket

    # what happens

    def do(self, turn: Turn) -> None:
        """Carry out a turn; one whose notebook or agent is not there does nothing."""
        self.run.note(f"notebook {turn.which}:", turn.step, turn.how, turn.error)
        kernel = self.kernels[turn.which % len(self.kernels)]
        if turn.step in ("start", "stop", "pause", "deed", "tick"):
            self._do_with_agent(turn, kernel, *self._agents[turn.agent % len(self._agents)])
            return
        match turn.step:
            case "open" if len(self.kernels) < MOST:
                self.open()
            case "leave" if kernel is not self.kernels[0]:
                kernel.leave()
                self.kernels.remove(kernel)
            case "die":
                self.die(kernel)
            case "cut":
                kernel.cut(turn.amount // 4)
            case "block":
                kernel.block(turn.amount)
            case "steal":
                self._steal(turn, kernel)
            case "type":
                kernel.type(turn.agent, self._agents[turn.agent][1])
            case "cancel":
                kernel.cancel(turn.agent)

    def _actor(self, name: str, code: str) -> Actor:
        return Actor(name, code, exit_of(self._seed, name))

    def _steal(self, turn: Turn, kernel: Kernel) -> None:
        """While a notebook is cut off another one starts its agent."""
        if len(self.kernels) == 1:
            self.open()
        other = self.kernels[self.kernels.index(kernel) - 1]
        name, code = self._agents[turn.agent % len(self._agents)]
        kernel.cut(turn.amount)
        self.run.after(
            turn.amount // 2, lambda: other.start(other.actor(name) or self._actor(name, code))
        )

    def _do_with_agent(self, turn: Turn, kernel: Kernel, name: str, code: str) -> None:
        actor = kernel.actor(name)
        match turn.step:
            case "start":
                kernel.start(actor or self._actor(name, code))
            case "stop" if actor:
                kernel.stop(actor)
            case "pause" if actor:
                kernel.pause(actor)
            case "deed":
                for known in [k.actor(name) for k in self.kernels]:
                    if known is not None:
                        known.deeds.append(turn)
            case "tick":
                self._tick(code)

    def cut(self, wait: Ns) -> None:
        """The first notebook's socket breaks, and no other one is had for a while."""
        self.kernels[0].cut(wait)

    def die(self, kernel: Kernel | None = None) -> None:
        """A notebook's kernel dies, and is opened again; the first one, when none is named."""
        kernel = kernel or self.kernels[0]
        kernel.die()
        self.kernels[self.kernels.index(kernel)] = self.open()
        self.kernels.pop()

    def _tick(self, code: str) -> None:
        """A trade that sessions see; the core of the campaign's desk follows no market."""
        base, now = TICKS[code][0], self.run.now
        self.publish(
            Tick(now, code, Venue.KRX, base, 1, Side.BUY, 1, base, base, base, received=now)
        )

    # when it is over

    def differences(self) -> list[str]:
        """Every notebook has the desk's order books, and where agents run is known alike."""
        found = []
        for kernel in self.kernels:
            if kernel.ear is None or kernel.session is None:
                found.append(f"{kernel.name} never found its desk")
            else:
                found += kernel.ear.at_the_end() + self._leases(kernel.session)
        return found

    def _leases(self, session: Session) -> list[str]:
        assert self.server is not None
        leases = {lease.agent: lease for lease in self.server.leases.all()}
        mine = sorted(
            agent for agent, lease in leases.items() if lease.session == session.status.name
        )
        found = []
        if mine != sorted(session.agents.running):
            found.append(
                f"{session.status.name} runs {session.agents.running}, and has leases of {mine}"
            )
        if session._parts.state.leases != leases:
            found.append(
                f"{session.status.name} knows of {session._parts.state.leases}, "
                f"the desk of {leases}"
            )
        return found

    def end(self) -> None:
        """The run is over."""
        for kernel in self.kernels:
            kernel.end()
        self.desk_died()
        self.loop.turn()

    def _failed(self, text: str) -> None:
        self.run.watch.demand(False, f"the desk's server: {text}")


class Host:
    """DeskHost as the server sees it: one life of the campaign's desk.

    It is its clock, journal and broker as well.
    """

    serial = False
    broken = None
    path = Path("journal.sqlite")

    def __init__(self, notebooks: Notebooks, core: DeskCore) -> None:
        self._notebooks = notebooks
        self._run = notebooks.run
        self.core = core
        self.dropped: set[str] = set()
        self.clock = self.journal = self
        self.broker = Broker(core)

    def now(self) -> Ns:
        return self._run.now

    def submit(self, message: CoreMessage) -> None:
        if self._run.desk is self.core:
            self._run.say(message)

    @property
    def published(self) -> int:
        return len(self._run._to_tell)

    def published_after(self, number: int) -> tuple[int, bytes]:
        rows = self._run._to_tell
        first = number if number <= len(rows) else 0
        return first, array_of(encode_row(row) for row in rows[first:])

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._notebooks.loop.create_task(work)


class Broker:
    """What sessions ask of KIS through the desk is not there."""

    def __init__(self, core: DeskCore) -> None:
        self.capabilities = core.rules.capabilities

    def want(self, wants: list[Want]) -> None: ...

    async def call(self, _name: str, _params: object) -> Any:
        raise KisError("the campaign's host has no charts", "")
