"""The desk process: one per account, locked, detached from the kernel that started it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from typing import Any

import msgspec

from kisnb.desk.address import DeskAddress, desk_folder, find_or_wait, is_held, lock_or_fail
from kisnb.desk.simulator_process import SimulatedDay, check_same_day, find_simulator
from kisnb.errors import ConfigError, DeskBusy, DeskError, KisnbError
from kisnb.paths import socket_path, state_dir, write_private
from kisnb.terms import Mode

READY_SECONDS = 45.0


def start_desk(mode: Mode, day: SimulatedDay, *, fresh: bool = False, quotes: Mode | None = None) -> DeskAddress:
    """Start the desk as a process of its own, or find the one that runs; ``quotes`` names who gives it prices.

    Raises the desk's own error.
    """
    running = find_or_wait(mode)
    if running is not None and not fresh:
        return _same_day(_same_quotes(running, quotes), day)
    if running is not None:
        stop_desk(running, mode)
    read_end, write_end = os.pipe()
    command = [
        sys.executable,
        "-m",
        "kisnb.desk.process",
        "--mode",
        mode,
        "--ready",
        str(write_end),
        "--day",
        msgspec.json.encode(day).decode(),
    ]
    log = (desk_folder(mode) / "desk.log").open("ab")
    child = subprocess.Popen(  # noqa: S603
        [*command, *(["--fresh"] if fresh else []), *(["--quotes", quotes] if quotes else [])],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[write_end],
        start_new_session=True,
    )
    log.close()
    os.close(write_end)
    said = _ready(read_end)
    if not said:
        child.kill()
        child.wait()
        raise DeskError("the desk did not start", f"its log is {desk_folder(mode) / 'desk.log'}")
    if "error" in said:
        child.wait()
        # Of two that start a desk at once, one is late: it takes the other's.
        if said["error"] == "DeskBusy" and (other := find_or_wait(mode)) is not None:
            return _same_day(_same_quotes(other, quotes), day)
        raise _as_error(said)
    return msgspec.convert(said, DeskAddress)


def check_quotes(mode: Mode, quotes: Mode) -> Mode | None:
    """Whose prices a desk takes; None for its own. Raises ConfigError for what makes no sense."""
    if quotes is mode:
        return None
    if (mode, quotes) == (Mode.PAPER, Mode.LIVE):
        return quotes
    raise ConfigError(f"a {mode} desk takes no quotes of {quotes}", "paper alone takes those of live; leave quotes out")


def _same_quotes(running: DeskAddress, quotes: Mode | None) -> DeskAddress:
    if quotes is not None and running.quotes is not quotes:
        cure = f"stop it with: kisnb desk stop --mode {running.mode}, and open it again"
        raise ConfigError(f"the {running.mode} desk runs already, and not with quotes of {quotes}", cure)
    return running


def _same_day(running: DeskAddress, day: SimulatedDay) -> DeskAddress:
    simulator = find_simulator(state_dir()) if running.mode is Mode.SIM else None
    if simulator is not None:
        check_same_day(day, simulator)
    return running


def stop_desk(address: DeskAddress, mode: Mode) -> None:
    """Stop a desk and wait until its lock is free; orders in the market stay there."""
    try:
        os.kill(address.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 10
    while is_held(mode):
        if time.monotonic() > deadline:
            raise DeskBusy(f"the desk (process {address.pid}) does not stop", f"end it by hand: kill -9 {address.pid}")
        time.sleep(0.02)


def _ready(read_end: int) -> dict[str, Any]:
    import selectors

    with os.fdopen(read_end, "rb") as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        line = pipe.readline() if selector.select(READY_SECONDS) else b""
    said: dict[str, Any] = json.loads(line) if line else {}
    return said


def _as_error(said: dict[str, str]) -> KisnbError:
    import kisnb.errors as tree

    kind = getattr(tree, said["error"], DeskError)
    error: KisnbError = kind(said["text"], said["cure"])
    return error


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", type=Mode, required=True)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--day", required=True)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--quotes", type=Mode)
    options = parser.parse_args()
    ready = os.fdopen(options.ready, "w")

    def say(said: object) -> None:
        ready.write(msgspec.json.encode(said).decode() + "\n")
        ready.close()

    try:
        day = msgspec.json.decode(options.day, type=SimulatedDay)
        lock = lock_or_fail(desk_folder(options.mode) / "lock", f"the {options.mode} account")
        lock.truncate(0)
        lock.write(f"{os.getpid()}".encode())
        lock.flush()
        # Who finds the lock held must not take the address of a desk that is gone for ours.
        (desk_folder(options.mode) / "address.json").unlink(missing_ok=True)
        asyncio.run(_serve(options, day, say))
        lock.close()
    except KisnbError as e:
        if ready.closed:
            raise
        say({"error": type(e).__name__, "text": e.text, "cure": e.cure})
        return 1
    return 0


async def _serve(options: argparse.Namespace, day: SimulatedDay, say: Any) -> None:
    from kisnb.desk.build import build_desk

    mode, quotes = options.mode, options.quotes
    desk = await build_desk(mode, day, fresh=options.fresh, secret=secrets.token_hex(16), quotes=quotes)
    path = socket_path(f"desk-{mode}")
    await desk.server.listen(path)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, desk.server.closing.set)
    address = DeskAddress(str(path), desk.secret, os.getpid(), mode, desk.label, quotes)
    write_private(desk_folder(mode) / "address.json", msgspec.json.encode(address).decode())
    say(address)
    try:
        await desk.run()
    finally:
        await desk.close()
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.platform == "win32":
        raise ConfigError("the desk needs a Unix system", "run JupyterLab in WSL")
    sys.exit(main())
