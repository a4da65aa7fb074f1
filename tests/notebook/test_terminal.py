"""N01, N02: `%kis` in a terminal's IPython and in a script, where no event loop turns by itself."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.notebook.real_kernels import stop_desk

_MARKS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]|\r")
OPEN = "%load_ext kisnb\n%kis open sim --seed 7 --date 2026-11-20 --start 09:00\n"
STANDS = "[SIM] Agents stand still while this prompt waits; "


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("terminal") / "state"
    state.mkdir()
    yield state
    stop_desk(state)


def environment(state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "KISNB_DATA"}
    own = {
        "KISNB_STATE": str(state),
        "IPYTHONDIR": str(state / "ipython"),
        "KISNB_SIM_SPEED": "step",
    }
    return {**kept, **own, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}


def ipython(state: Path, script: str, name: str = "day.ipy") -> str:
    """What ``ipython FILE`` prints."""
    (state / name).write_text(script, encoding="utf-8")
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", str(state / name)]
    done = subprocess.run(
        command, env=environment(state), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Terminal:
    """A person at an IPython prompt."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines = 0

    def read_prompt(self) -> str:
        """What is shown until the next prompt."""
        self._lines += 1
        shown = ""
        while f"In [{self._lines}]:" not in shown:
            ready, _, _ = select.select([self._fd], [], [], 60)
            assert ready, f"no prompt after: {shown}"
            shown = _MARKS.sub("", shown + os.read(self._fd, 65_536).decode(errors="replace"))
        return shown

    def read_until(self, text: str) -> None:
        """Return when ``text`` has been shown."""
        shown = ""
        while text not in shown:
            ready, _, _ = select.select([self._fd], [], [], 60)
            assert ready, f"{text!r} never came: {shown}"
            shown += os.read(self._fd, 65_536).decode(errors="replace")

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def type(self, line: str) -> str:
        self.send(f"{line}\r")
        return self.read_prompt()


@contextmanager
def terminal(state: Path, *options: str) -> Iterator[Terminal]:
    arguments = [
        sys.executable,
        "-m",
        "IPython",
        "--no-banner",
        "--no-confirm-exit",
        "--colors=NoColor",
        *options,
    ]
    process, fd = pty.fork()
    if process == 0:
        os.execve(sys.executable, arguments, environment(state))
    at = Terminal(fd)
    try:
        at.read_prompt()
        yield at
    finally:
        os.write(fd, b"exit\r")
        os.close(fd)
        os.waitpid(process, 0)


def test_n02_a_script_opens_waits_trades_and_revises(state: Path):
    script = OPEN + (
        "quote = %kis quote 005930 #now\n"
        "order = %kis buy 005930 1 60,000\n"
        "def dearer():\n"
        "    return get_ipython().run_line_magic('kis', f'revise {order.number} 60,100')\n"
        "print(quote.name, dearer().intent.text)\n"
        "%kis until 09:01\n"
        "%kis agents\n"
        "print(session.status.clock_text(), len(session.book.orders))\n"
    )
    shown = ipython(state, script)
    assert "삼성전자 buy 1 005930 @ 60,100" in shown
    assert shown.endswith("09:01:00 2\n")
    assert "stand still" not in shown
    # The same script once more: the order is shown, and nothing is sent.
    again = ipython(state, script)
    assert again.count("sent before") == 2
    assert again.endswith("09:01:00 2\n")


def test_n02_a_plain_script_says_nothing_of_a_prompt(state: Path):
    script = (
        "import asyncio, kisnb\n"
        "async def day():\n"
        "    async with await kisnb.connect('sim', seed=7) as session:\n"
        "        print((await session.quote('005930')).name)\n"
        "asyncio.run(day())\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment(state), capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == ("삼성전자\n", "")


def test_a04_a_prompt_at_which_agents_stand_still_says_so_until_its_loop_turns(state: Path):
    with terminal(state) as at:
        at.type("%load_ext kisnb")
        assert f"{STANDS}type %gui asyncio, and they go on." in at.type("%kis open sim")
        assert STANDS in at.type("%kis agents start volume_trigger --code 000660")
        assert STANDS in at.type("%kis agents")
        at.type("%gui asyncio")
        assert "stand still" not in at.type("%kis agents")
        at.type("turns = []")
        at.type("handle = get_ipython().kis.loop.call_soon(turns.append, 1)")
        assert "[1]" in at.type("print(turns)")


def test_n02_a_wait_in_a_function_of_a_terminal_can_be_interrupted(state: Path):
    go = "get_ipython().kis.loop.call_soon(print, 'g' + 'o')"
    wait = f"f = lambda: ({go}, get_ipython().run_line_magic('kis', 'until 15:20'))"
    with terminal(state, "--simple-prompt") as at:
        at.type("%load_ext kisnb")
        at.type("%kis open sim")
        at.type("%autoawait off")
        at.type(wait)
        at.send("f()\r")
        at.read_until("go")
        at.send("\x03")
        assert "Interrupted: The cell was interrupted." in at.read_prompt()
        assert "005930" in at.type("%kis quote 005930")


def test_a04_a_simple_prompt_names_the_cure_that_it_can_take(state: Path):
    with terminal(state, "--simple-prompt") as at:
        at.type("%load_ext kisnb")
        assert f"{STANDS}%kis until TIME lets them go on." in at.type("%kis open sim")
