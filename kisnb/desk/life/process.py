"""The main program of the desk process. Its supervisor starts it, one for each account."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import secrets
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kisnb.desk.address import DeskAddress, address_file, desk_folder, desk_lock
from kisnb.desk.life.simulator_process import SimulatedDay, StartingSimulator, begin_day
from kisnb.desk.locks import Lock
from kisnb.errors import KisnbError
from kisnb.log_file import begin_log
from kisnb.paths import refusal_of
from kisnb.terms import Mode

if TYPE_CHECKING:
    from kisnb.desk.life.build import BuiltDesk


def main() -> int:
    """Run a desk until it must end. Return the exit status for the supervisor."""
    # The objects that the desk loads and computes from the journal live as long as the desk. The
    # garbage collector would scan all of them while they grow, and later while an order is sent.
    gc.disable()
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", type=Mode, required=True)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--day", required=True)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument(
        "--again", action="store_true", help="go on with the day of a desk that died"
    )
    parser.add_argument("--quotes", type=Mode)
    options = parser.parse_args()
    ready = os.fdopen(options.ready, "w")

    def report(ready_line: object) -> None:
        """Write the line that the supervisor waits for: the address, or why there is no desk."""
        ready.write(msgspec.json.encode(ready_line).decode() + "\n")
        ready.close()

    try:
        begin_log(desk_folder(options.mode) / "desk.log")
        day = msgspec.json.decode(options.day, type=SimulatedDay)
        lock = Lock(desk_lock(options.mode), f"the {options.mode} account")
        # A process that finds this lock held reads the address file. It must not be that of a desk
        # that is gone.
        address_file(options.mode).unlink(missing_ok=True)
        status = asyncio.run(_serve(options, day, lock, report))
        lock.close()
    except KisnbError as e:
        if ready.closed:
            raise
        report({"error": type(e).__name__, "text": e.text, "cure": e.cure})
        return 1
    except OSError as e:
        if ready.closed:
            raise
        # The supervisor tries again until the disk works.
        refused = refusal_of(e)
        report({"error": type(refused).__name__, "text": refused.text, "cure": refused.cure})
        return 1
    return status


async def _serve(
    options: argparse.Namespace, day: SimulatedDay, lock: Lock, report: Callable[[object], None]
) -> int:
    mode, quotes, again, secret = options.mode, options.quotes, options.again, secrets.token_hex(16)
    # The simulator starts while the desk loads the rest of itself.
    simulator = begin_day(day, fresh=options.fresh) if mode is Mode.SIM and not again else None
    try:
        desk = await _built(mode, day, simulator, again=again, secret=secret, quotes=quotes)
    except BaseException:
        if simulator is not None:
            simulator.give_up()
        raise
    # This import and those of ``_built`` are here, so that the simulator starts while they load.
    from kisnb.desk.life.door import Door

    # From here on a signal closes the desk properly. Before, it simply ends the process: nothing
    # was sent yet, and the journal needs no closing.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, desk.stop)

    def address(path: str) -> DeskAddress:
        """Return the desk's address at a socket's path."""
        return DeskAddress(path, desk.secret, os.getpid(), mode, desk.label, quotes)

    door = Door(desk.server, mode, [lock, *desk.locks], address)
    # The line is written only now, because a process that reads it attaches at once.
    report(await door.open())
    watch = asyncio.create_task(door.watch(), name="door")
    try:
        return await desk.run()
    finally:
        # The watch ends first. Otherwise it would restore the socket that is being closed.
        watch.cancel("the desk closes")
        await desk.close()
        door.close()


async def _built(
    mode: Mode,
    day: SimulatedDay,
    simulator: StartingSimulator | None,
    *,
    again: bool,
    secret: str,
    quotes: Mode | None,
) -> BuiltDesk:
    from kisnb.desk.life.build import build_desk

    desk = await build_desk(mode, day, simulator, again=again, secret=secret, quotes=quotes)
    # ``main`` stopped the garbage collector. After ``freeze`` it never scans the objects that exist
    # now.
    gc.freeze()
    gc.enable()
    return desk


if __name__ == "__main__":
    sys.exit(main())
