"""The campaign with real processes: a real desk, a real simulator, two notebooks that trade, and
``kill -9``.

``python -m tests.faults.processes N SEED`` plays N seeds. A seed says what is killed, and after how
long; how far everybody has come by then is the machine's to say. When it is over, desk and
notebooks must know what the simulator's ledger and its record of requests say.
"""

from __future__ import annotations

import asyncio
import json
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
from kisnb.desk.record.journal import JOURNAL
from kisnb.desk.record.journal_frame import find_journal
from kisnb.errors import BadInput, ConfigError, KisnbError
from kisnb.orders import Order, OrderState
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.forking.popen import Popen
from tests.session.opening import DAY, control, ledger

from .ledger_checks import differences, settled_differences
from .notebook import LOST, RUDE, done_file, expected_file, known

SPEED = "10"
"""Simulated seconds a second: what the desk finds out by waiting comes soon enough."""
STRIKES = 6
AIMED = 0.7
MOST_AIMING = 2.0
MOST_SECONDS = 90.0
AGREE_SECONDS = 20.0

Strike: TypeAlias = Literal["notebook", "desk", "desk at once again", "both", "supervisor",
    "sockets", "lost reply",
    "lost notice", "phone"]  # fmt: skip
WEIGHTS: dict[Strike, int] = {
    "notebook": 5, "desk": 6, "desk at once again": 2, "both": 3, "supervisor": 1, "sockets": 3,
    "lost reply": 3,
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
        self._notebooks = [Notebook(seed, number) for number in RUDE]

    def play(self) -> list[str]:
        """Everything that was violated, as sentences; none when all held."""
        asyncio.run(self._opened())
        try:
            for notebook in self._notebooks:
                notebook.open()
            for strike in self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STRIKES):
                self._await_moment()
                self._look()
                self._strike(strike)
            self._finish("the cells did not come to their end", lambda n: n.is_done)
            control("calm")
            asyncio.run(asyncio.wait_for(self._compare(), MOST_SECONDS))
            self._finish("a notebook did not come to its end", lambda n: n.status == 0)
        finally:
            for notebook in self._notebooks:
                notebook.kill()
        return self.broken

    async def _opened(self) -> None:
        async with await kisnb.connect("sim", seed=self.seed, date=DAY, start="10:00"):
            self._note("opened")

    def _note(self, text: str) -> None:
        self.story.append(f"{time.strftime('%H:%M:%S')} {text}")

    # the notebooks

    def _await_moment(self) -> None:
        """Some time, and then mostly until the desk has just written a row: something is under way
        then."""
        time.sleep(self._rng.uniform(0.1, 1.2))
        aimed, after = self._rng.random() < AIMED, self._rng.uniform(0, 0.02)
        before, deadline = _last_row(), time.monotonic() + MOST_AIMING
        while aimed and _last_row() == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(after)

    def _look(self) -> None:
        """A notebook that found its desk gone for good is opened again.

        Nothing else may end it early.
        """
        for notebook in self._notebooks:
            if notebook.status == LOST:
                self._note(f"notebook {notebook.number} lost its desk")
                notebook.open()
            elif notebook.status:
                self.broken.append(
                    f"notebook {notebook.number} ended with {notebook.status}: {notebook.said}"
                )
                notebook.open()

    def _finish(self, late: str, over: Callable[[Notebook], bool]) -> None:
        """Let the notebooks go on, undisturbed."""
        deadline = time.monotonic() + MOST_SECONDS
        while not all(over(notebook) for notebook in self._notebooks) and not self.broken:
            if time.monotonic() > deadline:
                self.broken.append(late)
            self._look()
            time.sleep(0.05)

    # strikes

    def _strike(self, strike: Strike) -> None:
        self._note(strike)
        match strike:
            case "notebook":
                self._rng.choice(self._notebooks).open()
            case "desk":
                _kill(desk_lock(Mode.SIM))
            case "desk at once again":
                _kill(desk_lock(Mode.SIM))
                time.sleep(self._rng.uniform(0, 0.8))
                _kill(desk_lock(Mode.SIM))
            case "both":
                _kill(desk_lock(Mode.SIM))
                self._rng.choice(self._notebooks).open()
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
            # The desk reads KIS's list once in five minutes at least: then it knows of a phone's
            # order
            # whose notices were lost.
            await session.until(clock_text(session.now + 6 * MINUTE))
            await self._agree(session, differences)
            await self._decide(session)
            await session.cancel("all")
            await self._agree(session, settled_differences)
            orders = session.book.orders.values()
            unknown = sum(any("unknown" in text for _, text in o.log) for o in orders)
            self._note(f"{len(orders)} orders, {unknown} of them once of unknown fate")
            expected = expected_file().with_suffix(".new")
            expected.write_text(json.dumps(known(session)))
            expected.rename(expected_file())

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


class Notebook:
    """One of the notebooks of a run, as a process."""

    def __init__(self, seed: int, number: int) -> None:
        self.number = number
        self._command = [sys.executable, "-m", "tests.faults.notebook", str(seed), str(number)]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = done_file(number).with_name(f"notebook-{number}.log")

    def open(self) -> None:
        """Run it from the top; the one that runs is killed first."""
        self.kill()
        done_file(self.number).unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def status(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def is_done(self) -> bool:
        """Whether all its cells have ended."""
        return done_file(self.number).exists()

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace").strip()[-2000:]


def _number(order: Order) -> int | None:
    same = [
        o
        for o in ledger()["orders"]
        if (o["code"], o["side"], o["qty"]) == (order.code, order.side, order.quantity)
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
    print(
        f"faults with real processes: {n:,} seeds from {seed} in "
        f"{time.perf_counter() - began:.0f} s: {verdict}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
