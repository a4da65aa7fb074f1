"""``kisnb agent FILE`` runs an agent without a notebook, and it outlives a session. Row A16."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from datetime import time
from pathlib import Path
from typing import IO

import pytest

import kisnb
from kisnb.cli import main
from kisnb.clock import kst
from kisnb.orders import OrderState
from kisnb.session.headless import agent_class
from kisnb.session.session import Session
from kisnb.trading.agents.agent_state import AgentState
from tests.desk.served import seen
from tests.session.opening import DAY, on_simulated_day

AGENTS = textwrap.dedent(
    """
    import kisnb

    class Once(kisnb.Agent):
        code: str = "005930"
        shares: int = 1
        when_lost = "cancel"

        def on_start(self):
            self.buy(self.shares)
            self.buy(1, 60_000)

    class Broken(kisnb.Agent):
        code: str = "005930"

        def on_start(self):
            raise RuntimeError("on purpose")

    class Morning(kisnb.Agent):
        code: str = "005930"

        def on_start(self):
            self.buy(1)
            self.buy(2, 60_000)

        def on_phase(self, phase):
            print("phase", phase.session_id, flush=True)

    class Counts(kisnb.Agent):
        code: str = "005930"
        keep = ("count",)

        def on_start(self):
            self.count = getattr(self, "count", 0)

        def on_tick(self, tick):
            self.count += 1
            self.note = f"{self.count} trades"
            print(self.count, flush=True)
    """
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_agents.py"
    path.write_text(AGENTS)
    return path


@on_simulated_day()
async def test_a16_an_agent_of_a_file_trades_beside_a_notebook_and_outlives_it(
    session: Session, file: Path
) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "kisnb", "agent", str(file), "--class", "Once", "--set", "shares=4"],
        stdout=subprocess.PIPE,
    )
    try:
        await seen(lambda: any(a.state is AgentState.ELSEWHERE for a in session.agents))
        (agent,) = session.agents
        await seen(lambda: session.book.position("005930").qty == 4)
        await session.close()
        assert process.poll() is None, "it goes on without the notebook"
        async with await kisnb.connect("sim", seed=7, date=DAY) as other:
            assert [a.id for a in other.agents] == [agent.id]
            process.send_signal(signal.SIGKILL)
            process.wait()
            # Its resting order is cancelled, as its class declares, and it is offered again.
            await seen(lambda: [a.state for a in other.agents] == [AgentState.LOST])
            await seen(lambda: not other.book.open_orders)
            assert other.book.position("005930").qty == 4
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def started(file: Path, *words: str) -> subprocess.Popen[str]:
    """A process of its own that runs an agent of the file."""
    return subprocess.Popen(
        [sys.executable, "-m", "kisnb", "agent", str(file), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@on_simulated_day(start="08:57")
async def test_a12_a16_a_headless_agent_waits_for_its_market_session_and_ends_after_it(
    session: Session, file: Path
) -> None:
    words = ["--class", "Morning", "--at", "krx_reg", "--until", "09:04", "--days", "1"]
    process = started(file, *words)
    try:
        await seen(lambda: [a.id for a in session.agents] == ["Morning-005930"])
        await session.until("08:59:59")
        assert not session.book.orders, "it waits for the market session"
        await session.until("09:03")
        first, second = session.book.orders.values()
        assert (first.state, second.state) == (OrderState.FILLED, OrderState.ACCEPTED)
        assert min(first.sent_at, second.sent_at) >= kst(session.today, time(9))
        assert process.poll() is None
        await session.until("09:05")
        await seen(lambda: process.poll() is not None)
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert "waits until 09:00:00 (KRX_REG until 09:04, once)" in out
        # Its open order is cancelled at the end of its schedule, and its share stays its own.
        await seen(lambda: second.state is OrderState.CANCELLED)
        assert session.books.of("Morning-005930").position("005930").qty == 1
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _read_until_two(output: IO[str]) -> str:
    """Return the output of ``Counts`` up to its second trade, or to its end."""
    lines: list[str] = []
    while "2\n" not in lines and (line := output.readline()):
        lines.append(line)
    return "".join(lines)


@on_simulated_day()
async def test_a12_a16_a_headless_agent_that_is_told_to_end_keeps_its_newest_values(
    session: Session, file: Path
) -> None:
    process = started(file, "--class", "Counts")
    await seen(lambda: [a.id for a in session.agents] == ["Counts-005930"])
    assert process.stdout is not None
    assert process.stderr is not None
    # On a busy machine simulated minutes pass before the process hears its first trade.
    second = asyncio.create_task(asyncio.to_thread(_read_until_two, process.stdout))
    try:
        while not second.done():
            await session.sleep(60)
    except BaseException:
        # The thread reads until the process ends.
        process.kill()
        raise
    process.send_signal(signal.SIGTERM)
    await seen(lambda: process.poll() is not None)
    out, err = await second + process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, err
    newest = [int(line) for line in out.splitlines() if line.isdigit()][-1]
    assert newest > 1
    kept = session._parts.state.desk.agents
    await seen(lambda: kept["Counts-005930"].record.state == "stopped")
    assert kept["Counts-005930"].record.kept == f'{{"count":{newest}}}'


@on_simulated_day()
async def test_a03_a16_a_headless_agent_that_raises_ends_its_process_with_the_line(
    session: Session, file: Path
) -> None:
    process = started(file, "--class", "Broken")
    await seen(lambda: process.poll() is not None)
    out, err = process.communicate()
    assert process.returncode == 1
    assert "RuntimeError: on purpose" in err
    assert "Broken.on_start, line" in out + err
    assert list(session.agents) == [] or [a.state for a in session.agents] == [AgentState.FAILED]


@on_simulated_day()
async def test_a12_a16_a_headless_schedule_that_cannot_be_is_one_sentence(
    session: Session, file: Path
) -> None:
    for words, why in [
        (["--at", "KRX_REGG"], "is no market session and no time of day"),
        (["--at", "15:30", "--until", "09:30"], "is not after the begin 15:30"),
        (["--days", "3"], "needs a begin"),
    ]:
        process = started(file, "--class", "Once", *words)
        await seen(lambda: process.poll() is not None)  # noqa: B023 - awaited in this round
        _, err = process.communicate()
        assert (process.returncode, len(err.strip().splitlines())) == (1, 1), err
        assert why in err
    assert not session.book.orders


def test_a16_what_is_wrong_with_a_file_is_said_with_its_cure(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    empty.write_text("")
    broken.write_text("import nothing_of_this_name")
    cases = [
        ([str(tmp_path / "no.py")], "is not a file"),
        ([str(empty)], "defines no Agent"),
        ([str(broken)], "cannot be imported"),
        ([str(file)], "name one: --class"),
        ([str(file), "--class", "Once", "--set", "shares"], "has no value"),
        ([str(file), "--class", "Once", "--set", "share=3"], "did you mean"),
    ]
    for words, why in cases:
        assert main(["agent", *words]) == 1
        assert why.casefold() in capsys.readouterr().err.casefold()
    assert agent_class(file, "Once").__name__ == "Once"
    assert "my_agents" in sys.modules
    del sys.modules["my_agents"]
    sys.path.remove(os.fspath(tmp_path))
