"""``kisnb agent FILE`` runs an agent without a notebook, and it outlives a session. Row A16."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import kisnb
from kisnb.cli import main
from kisnb.session.headless import agent_class
from kisnb.session.session import Session
from kisnb.trading.agents.agent_runner import AgentState
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
