"""Starts, finds and stops the simulator, as a detached process. Never imports it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kisnb.config import Config, load_config
from kisnb.desk.life.child_process import FOLDER, environment, python
from kisnb.desk.processes import lives, process_of, terminate, wait_until_gone
from kisnb.errors import ConfigError
from kisnb.paths import private_dir, state_dir, write_private

if TYPE_CHECKING:
    from kisnb.kis.credentials import Credentials

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class SimulatedDay(msgspec.Struct, frozen=True):
    """The options for a simulated day.

    None means: the value of the running day, or the default if no day is running.
    """

    seed: int | None = None
    date: str | None = None
    """The date of the day, YYYY-MM-DD."""
    start: str | None = None
    """The time at which the day starts, HH:MM:SS."""


class SimAddress(msgspec.Struct, frozen=True):
    """The addresses and the day of a running simulator, without secrets.

    Its generated keys are in the ``kis_devlp.yaml`` beside the address file.
    """

    rest: str
    ws: str
    control: str
    pid: int
    run: str
    seed: int
    date: str
    start: str

    @property
    def label(self) -> str:
        """Return the day for people, such as ``"sim 2026-11-20 seed 1"``."""
        return f"sim {self.date} seed {self.seed}"


def sim_folder(state: Path) -> Path:
    """Return the folder of the simulator's files."""
    return private_dir(state / "sim")


def run_folder(state: Path, run: str) -> Path:
    """Return the folder with the journal and the recording of one simulated day."""
    return private_dir(sim_folder(state) / run)


def find_simulator(state: Path) -> SimAddress | None:
    """Return the address of the simulator whose process runs. None: there is none.

    It is not checked whether the simulator answers at this address.
    """
    try:
        address = msgspec.json.decode(
            (sim_folder(state) / "address.json").read_bytes(), type=SimAddress
        )
    except (OSError, msgspec.MsgspecError):
        return None
    return address if _is_simulator(address.pid) else None


def check_same_day(wanted: SimulatedDay, running: SimAddress) -> None:
    """Raise ConfigError when ``wanted`` differs from the day of the running simulator."""
    for name in ("seed", "date", "start"):
        value = getattr(wanted, name)
        if value is not None and value != getattr(running, name):
            raise ConfigError(
                f"the simulator runs {running.label} from {running.start}, not {name} {value}",
                "add --fresh to begin a new day, or leave the option out to go on with this one",
            )


def begin_day(day: SimulatedDay, *, fresh: bool) -> StartingSimulator | None:
    """Start a simulator for a new day, and return it.

    Return None when a simulator is running already. Then its day goes on. ``fresh`` stops a running
    simulator first. Raises ConfigError.
    """
    state = state_dir()
    if fresh:
        stop_simulator()
    elif find_simulator(state) is not None:
        return None
    return StartingSimulator(state, day, load_config())


class StartingSimulator:
    """Starts a simulator in a process group of its own. ``ready`` waits until it serves."""

    def __init__(self, state: Path, day: SimulatedDay, config: Config) -> None:
        self._folder = sim_folder(state)
        self._log = self._folder / "simulator.log"
        self.credentials: Credentials | None = None
        """The generated keys. None until ``ready`` has returned."""
        # Until the address is written, only this object can find the process.
        self._is_on_file = False
        recording = self._folder / "recording.jsonl"
        arguments = ["--speed", config.sim_speed, "--write-config", str(self._folder)]
        arguments += ["--log", str(self._log), "--record", str(recording)]
        arguments += ["--assume", config.assume, "--fees", config.fees, *_options(day)]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter
                python("kisnb", "sim", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # The process gets its own session, like the desk, so that the day goes on when the
                # notebook's terminal ends.
                start_new_session=True,
                cwd=FOLDER,
                env=plain(),
            )

    def ready(self) -> SimAddress:
        """Wait until the simulator serves, write its address to a file, and return the address.

        Raises ConfigError with the simulator's own words.
        """
        ready = _ready_line(self._child, self._log)
        address = SimAddress(
            rest=ready["rest"],
            ws=ready["ws"],
            control=ready["control"],
            pid=ready["pid"],
            run=ready["run"],
            seed=ready["seed"],
            date=ready["date"],
            start=ready["start"],
        )
        write_private(self._folder / "address.json", msgspec.json.encode(address).decode())
        self._is_on_file = True
        # This is imported here, because code that starts a desk uses this module too and needs no
        # keys.
        from kisnb.kis.credentials import Credentials, Secret

        # The same keys are in its ``kis_devlp.yaml``. The desk of a new day does not read them
        # there, because loading a YAML library would take a twentieth of its start.
        account, _, product = ready["account"].partition("-")
        appkey, appsecret, hts_id = (Secret(ready[n]) for n in ("appkey", "appsecret", "hts_id"))
        self.credentials = Credentials(appkey, appsecret, Secret(account), product, hts_id)
        return address

    def give_up(self) -> None:
        """Kill the simulator, unless its address was written to the file.

        Without the file no other process could find the simulator.
        """
        if not self._is_on_file:
            self._child.kill()
            self._child.wait()


def plain() -> dict[str, str]:
    """Return the environment for the processes of a simulated day.

    They use no TLS, so the machine's certificate authorities are not read, which saves 0.1 s.
    """
    return {**environment(), "SSL_CERT_FILE": os.devnull}


def _ready_line(child: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    import selectors

    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        # A child that dies closes the pipe, which ends the wait with an empty line.
        line = child.stdout.readline() if selector.select(READY_SECONDS) else b""
    child.stdout.close()
    try:
        ready: dict[str, Any] = json.loads(line)
    except ValueError:
        child.kill()
        child.wait()
        # The simulator writes its reason as the last line of its log. A person needs that sentence,
        # and not the lines before it.
        words = log.read_text("utf-8", "replace").strip().splitlines()
        raise ConfigError(
            words[-1] if words else "the simulator did not start", f"its log is {log}"
        ) from None
    return ready


def check_startable(day: SimulatedDay) -> None:
    """Raise ConfigError with the simulator's reason if it cannot begin this day."""
    checked = subprocess.run(  # noqa: S603
        python("kisnb", "sim", "--check", *_options(day)),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=FOLDER,
        env=plain(),
    )  # fmt: skip
    if checked.returncode:
        raise ConfigError(
            (checked.stderr.strip().splitlines() or ["the simulator cannot begin this day"])[-1]
        )


def _options(day: SimulatedDay) -> list[str]:
    given = ((name, getattr(day, name)) for name in ("seed", "date", "start"))
    return [
        word for name, value in given if value is not None for word in (f"--{name}", str(value))
    ]


def stop_simulator() -> bool:
    """Stop the running simulator, and wait until it is gone. Return whether one ran.

    Its day ends with it. Raises ConfigError when it does not end.
    """
    address = find_simulator(state_dir())
    if address is None:
        return False
    process = process_of(address.pid)
    if process is None:
        return False
    terminate(process)
    if not wait_until_gone([process], STOP_SECONDS):
        raise ConfigError("the simulator does not stop", f"end it with: kill -9 {address.pid}")
    return True


def _is_simulator(pid: int) -> bool:
    """Return whether the process with this id is a simulator.

    The address file may be older than the process that has the id now.
    """
    import psutil

    process = process_of(pid)
    try:
        return process is not None and lives(process) and "sim" in process.cmdline()
    except psutil.Error:
        return False
