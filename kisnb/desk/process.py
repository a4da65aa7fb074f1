"""The desk process: one per account, locked, started by its supervisor and detached from every kernel."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kisnb.desk.address import DeskAddress, desk_folder, desk_lock, lock_or_fail
from kisnb.desk.journal import JournalLost
from kisnb.desk.simulator_process import SimulatedDay, StartingSimulator, begin_day
from kisnb.errors import ConfigError, KisnbError
from kisnb.paths import socket_path, write_private
from kisnb.terms import Mode

if TYPE_CHECKING:
    from kisnb.desk.build import BuiltDesk

DISK = "make room on the disk, and see that the state folder is yours"


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", type=Mode, required=True)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--day", required=True)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--again", action="store_true", help="go on with the day of a desk that died")
    parser.add_argument("--quotes", type=Mode)
    options = parser.parse_args()
    ready = os.fdopen(options.ready, "w")

    def say(said: object) -> None:
        ready.write(msgspec.json.encode(said).decode() + "\n")
        ready.close()

    try:
        day = msgspec.json.decode(options.day, type=SimulatedDay)
        lock = lock_or_fail(desk_lock(options.mode), f"the {options.mode} account")
        # Who finds the lock held must not take the address of a desk that is gone for ours.
        (desk_folder(options.mode) / "address.json").unlink(missing_ok=True)
        status = asyncio.run(_serve(options, day, say))
        lock.close()
    except KisnbError as e:
        if ready.closed:
            raise
        say({"error": type(e).__name__, "text": e.text, "cure": e.cure})
        return 1
    except OSError as e:
        if ready.closed:
            raise
        say({"error": JournalLost.__name__, "text": f"the desk's folder cannot be written ({e})", "cure": DISK})
        return 1
    return status


async def _serve(options: argparse.Namespace, day: SimulatedDay, say: Callable[[object], None]) -> int:
    mode, quotes, again, secret = options.mode, options.quotes, options.again, secrets.token_hex(16)
    # The simulator starts while the desk loads the rest of itself.
    simulator = begin_day(day, fresh=options.fresh) if mode is Mode.SIM and not again else None
    try:
        desk = await _built(mode, day, simulator, again=again, secret=secret, quotes=quotes)
    except BaseException:
        if simulator is not None:
            simulator.give_up()
        raise
    path = socket_path(f"desk-{mode}")
    await desk.server.listen(path)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, desk.stop)
    address = DeskAddress(str(path), desk.secret, os.getpid(), mode, desk.label, quotes)
    write_private(desk_folder(mode) / "address.json", msgspec.json.encode(address).decode())
    say(address)
    try:
        return await desk.run()
    finally:
        await desk.close()
        path.unlink(missing_ok=True)


async def _built(
    mode: Mode, day: SimulatedDay, simulator: StartingSimulator | None, *, again: bool, secret: str, quotes: Mode | None
) -> BuiltDesk:
    from kisnb.desk.build import build_desk

    # What the journal folds to stays: no collection is to walk it, neither while it grows nor beside an order.
    gc.disable()
    desk = await build_desk(mode, day, simulator, again=again, secret=secret, quotes=quotes)
    gc.freeze()
    gc.enable()
    return desk


if __name__ == "__main__":
    if sys.platform == "win32":
        raise ConfigError("the desk needs a Unix system", "run JupyterLab in WSL")
    sys.exit(main())
