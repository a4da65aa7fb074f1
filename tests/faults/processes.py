"""The campaign with real processes: a real desk, a real simulator, a notebook that trades, and ``kill -9``.

``python -m tests.faults.processes N SEED`` plays N seeds. A seed says what is killed, and after how long; how far
everybody has come by then is the machine's to say. When it is over, desk and notebook must know what the simulator's
ledger and its record of requests say.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias
from unittest import mock

import kisnb
from kisnb.cli import main as kisnb_command
from kisnb.clock import MINUTE, clock_text
from kisnb.desk.address import desk_lock, holder, supervisor_lock
from kisnb.desk.journal import JOURNAL
from kisnb.desk.journal_frame import find_journal
from kisnb.errors import BadInput, ConfigError, KisnbError
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import DAY, control, ledger

from .ledger_checks import differences, settled_differences
from .notebook import LOST

SPEED = "10"
"""Simulated seconds a second: what the desk finds out by waiting comes soon enough."""
STRIKES = 6
AIMED = 0.7
MOST_AIMING = 2.0
MOST_SECONDS = 90.0
AGREE_SECONDS = 20.0

Strike: TypeAlias = Literal["notebook", "desk", "desk at once again", "both", "supervisor", "sockets", "lost reply",
    "lost notice", "phone"]  # fmt: skip
WEIGHTS: dict[Strike, int] = {
    "notebook": 5, "desk": 6, "desk at once again": 2, "both": 3, "supervisor": 1, "sockets": 3, "lost reply": 3,
    "lost notice": 2, "phone": 2,
}  # fmt: skip
Check: TypeAlias = Callable[[Session, dict[str, Any]], list[str]]
FAULTS: dict[str, dict[str, Any]] = {
    "lost reply": {"on": "order", "what": "cut", "done": True},
    "lost notice": {"on": "notice", "what": "drop", "times": 2},
}


class RealRun:
    """Plays a seed in the state folder at hand; ``broken`` then says what went wrong."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.broken: list[str] = []
        self.story: list[str] = []
        self._rng = Random(seed)
        self._notebook: subprocess.Popen[bytes] | None = None
        self._log = Path(os.environ["KISNB_STATE"]).parent / f"notebook-{seed}.log"

    def play(self) -> list[str]:
        """Everything that was violated, as sentences; none when all held."""
        asyncio.run(self._opened())
        self._open_notebook()
        try:
            for strike in self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STRIKES):
                self._await_moment()
                self._look()
                self._strike(strike)
            self._finish()
        finally:
            self._kill_notebook()
        control("calm")
        asyncio.run(asyncio.wait_for(self._compare(), MOST_SECONDS))
        return self.broken

    async def _opened(self) -> None:
        async with await kisnb.connect("sim", seed=self.seed, date=DAY, start="10:00"):
            self._note("opened")

    def _note(self, text: str) -> None:
        self.story.append(f"{time.strftime('%H:%M:%S')} {text}")

    # the notebook

    def _open_notebook(self) -> None:
        command = [sys.executable, "-m", "tests.faults.notebook", str(self.seed)]
        with self._log.open("ab") as log:
            self._notebook = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _kill_notebook(self) -> None:
        if self._notebook is not None:
            self._notebook.kill()
            self._notebook.wait()

    def _await_moment(self) -> None:
        """Some time, and then mostly until the desk has just written a row: something is under way then."""
        time.sleep(self._rng.uniform(0.1, 1.2))
        aimed, after = self._rng.random() < AIMED, self._rng.uniform(0, 0.02)
        before, deadline = _last_row(), time.monotonic() + MOST_AIMING
        while aimed and _last_row() == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(after)

    def _look(self) -> None:
        """A notebook that found its desk gone for good is opened again; nothing else may end it early."""
        assert self._notebook is not None
        status = self._notebook.poll()
        if status == LOST:
            self._note("the notebook lost its desk")
            self._open_notebook()
        elif status:
            text = self._log.read_text("utf-8", "replace").strip()
            self.broken.append(f"the notebook ended with {status}: {text[-2000:]}")
            self._open_notebook()

    def _finish(self) -> None:
        """Run it to its end, undisturbed."""
        deadline = time.monotonic() + MOST_SECONDS
        assert self._notebook is not None
        while self._notebook.poll() != 0 and not self.broken:
            if time.monotonic() > deadline:
                self.broken.append("the notebook did not come to its end")
            self._look()
            time.sleep(0.05)

    # strikes

    def _strike(self, strike: Strike) -> None:
        self._note(strike)
        match strike:
            case "notebook":
                self._kill_notebook()
                self._open_notebook()
            case "desk":
                _kill(desk_lock(Mode.SIM))
            case "desk at once again":
                _kill(desk_lock(Mode.SIM))
                time.sleep(self._rng.uniform(0, 0.8))
                _kill(desk_lock(Mode.SIM))
            case "both":
                _kill(desk_lock(Mode.SIM))
                self._kill_notebook()
                self._open_notebook()
            case "supervisor":
                _kill(supervisor_lock(Mode.SIM))
            case "sockets":
                control("cut")
            case "phone":
                control("trade", code="005380", side="buy", qty=self._rng.randint(1, 9))
            case _:
                control("fault", **FAULTS[strike])

    # the end

    async def _compare(self) -> None:
        async with await kisnb.connect("sim") as session:
            await session.settle()
            await self._agree(session, differences)
            await self._decide(session)
            await session.cancel("all")
            await self._agree(session, settled_differences)
            orders = session.book.orders.values()
            unknown = sum(any("unknown" in text for _, text in o.log) for o in orders)
            self._note(f"{len(orders)} orders, {unknown} of them once of unknown fate")

    async def _agree(self, session: Session, check: Check) -> None:
        """Notices and lists take their time; what differs after that is wrong."""
        deadline = time.monotonic() + AGREE_SECONDS
        while (found := check(session, ledger())) and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.2)
        self.broken += found

    async def _decide(self, session: Session) -> None:
        """A person says what no evidence could: what the ledger says."""
        await session.until(clock_text(session.now + 3 * MINUTE))
        for order in [o for o in session.books.live.values() if o.state is OrderState.UNKNOWN]:
            number = _number(order)
            self._note(f"{order.key} is decided by hand: #{number}")
            try:
                await session.resolve(number, order)
            except BadInput as e:
                self.broken.append(f"{order!r} could not be decided as #{number}: {e}")


def _number(order: Order) -> int | None:
    same = [
        o for o in ledger()["orders"] if (o["code"], o["side"], o["qty"]) == (order.code, order.side, order.quantity)
    ]
    return same[-1]["number"] if same else None


def _last_row() -> int:
    """When the write-ahead file was last written, ns of the machine's clock."""
    try:
        return find_journal(Mode.SIM).with_name(f"{JOURNAL}-wal").stat().st_mtime_ns
    except (ConfigError, OSError):
        return 0


def _kill(lock: Path) -> None:
    pid = holder(lock)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def play(seed: int) -> RealRun:
    """A seed in a state folder of its own, with nothing left behind."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, {"KISNB_STATE": f"{folder}/state", "KISNB_SIM_SPEED": SPEED}),
    ):
        run = RealRun(seed)
        try:
            run.play()
        except (KisnbError, TimeoutError, OSError) as e:
            run.broken.append(f"{type(e).__name__}: {e}")
        finally:
            kisnb_command(["desk", "stop"])
    return run


def main(n: int, seed: int) -> int:
    began, failed = time.perf_counter(), 0
    for one in range(seed, seed + n):
        run = play(one)
        print(f"seed {one}: {', '.join(line.split(' ', 1)[1] for line in run.story)}", flush=True)
        failed += bool(run.broken)
        for text in run.broken:
            print(f"    VIOLATED {text}", flush=True)
    verdict = f"{failed} FAILED" if failed else "every invariant held"
    print(f"faults with real processes: {n:,} seeds from {seed} in {time.perf_counter() - began:.0f} s: {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
