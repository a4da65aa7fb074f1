"""``kisnb sim``: a KIS host on this machine, for any KIS client.

It prints one line of JSON when it is ready.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import secrets
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kisnb.clock import Ns, WallClock, clock_text
from kisnb.errors import BadInput, ConfigError, KisnbError
from kisnb.simulator.serve.arguments import (
    COLUMNS,
    read_date,
    read_speed,
    read_start,
    read_universe,
    read_until,
)
from kisnb.terms import Mode

if TYPE_CHECKING:
    from kisnb.kis.credentials import Credentials
    from kisnb.market.universe import Universe
    from kisnb.simulator.day.replay import ReplayedDay
    from kisnb.simulator.host.core import Core
    from kisnb.simulator.serve.control import Day
    from kisnb.simulator.serve.day_tape import DayTape

TAPED_SECONDS = 86_400.0
"""Wall time without a client after which a simulator that tapes its day stops."""
DEFAULT_START = "09:00:00"
"""KST; the regular session opens then on a usual day."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"kisnb sim: {message}; see kisnb sim --help.\n")


def main(argv: Sequence[str]) -> int:
    """Serve until stopped, and return the exit status.

    0 means stopped. 2 means wrong arguments, a taken port, or unreadable data.
    """
    options = _parser(argv).parse_args(argv)
    # Modules and universe stay for the whole run. While they load, a garbage collection would scan
    # them without result. ``_run`` starts the collector.
    gc.disable()
    try:
        if options.log:
            _begin_log(options.log)
        return _serve(options)
    except KisnbError as e:
        print(e, file=sys.stderr)
        return 2
    finally:
        gc.enable()


def _begin_log(path: Path) -> None:
    """Write errors, and the messages of a crashing interpreter, to a file of limited size.

    Raises ConfigError.
    """
    # Logging is for a desk's simulator. Others start faster without it.
    import logging

    from kisnb.log_file import begin_log

    try:
        begin_log(path, logging.WARNING, descriptors=(2,))
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be written: {e.strerror}", "name another file for --log"
        ) from e


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kisnb sim",
        description=(__doc__ or "").replace("``", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_epilog(argv),
    )
    parser.add_argument(
        "--host",
        choices=["live", "paper"],
        default="live",
        help="act as the live or the paper server; default live",
    )
    parser.add_argument("--port", type=int, default=0, help="port of REST; default: a free one")
    parser.add_argument(
        "--ws-port", type=int, default=0, help="port of the WebSocket; default: a free one"
    )
    parser.add_argument("--date", help="YYYY-MM-DD; default: the last trading day")
    parser.add_argument(
        "--start", default=DEFAULT_START, help=f"HH:MM:SS, Korean time; default {DEFAULT_START}"
    )
    parser.add_argument(
        "--speed", default="1", help="simulated seconds per second, or step; default 1"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed and date give the same day; default 1"
    )
    parser.add_argument(
        "--universe", type=Path, help=f"CSV: {COLUMNS} and, if you like, nxt and halted (0 or 1)"
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="replay stored ticks, minute bars or a recording",
    )
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="TOML: what goes wrong, when and how often"
    )
    parser.add_argument(
        "--quirks", default="", metavar="LIST", help="variants of KIS's behaviour, by commas"
    )
    parser.add_argument(
        "--assume", default="", metavar="LIST", help="uncertain market rules to switch, by commas"
    )
    parser.add_argument(
        "--fees",
        default="bankis",
        metavar="PLAN",
        help="commission that the host charges: bankis, agencies, branch, paper, or own rates in "
        "percent, such as krx=0.0140527,nxt=0.0130527,fund=0.0146527; default bankis",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write a tape of the market here, with or without a client; a FILE.jsonl gets every "
        "request, reply, frame and order instead, masked",
    )
    parser.add_argument(
        "--codes",
        default="",
        metavar="LIST",
        help="stocks on the tape, by commas; default: all",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="HH:MM:SS or close: write the tape up to this time as fast as possible, and exit",
    )
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)  # for a desk's simulator
    parser.add_argument("--check", action="store_true", help="check the arguments, and exit")
    parser.add_argument(
        "--write-config", type=Path, metavar="DIR", help="write a kis_devlp.yaml for KIS clients"
    )
    return parser


def _epilog(argv: Sequence[str]) -> str:
    """Return the quirks and the format of a fault file, for ``--help`` only.

    Other commands skip it, because it loads the protocol's tables.
    """
    if not {"-h", "--help"} & set(argv):
        return ""
    from kisnb.market.uncertain import Uncertain
    from kisnb.simulator.host import faults
    from kisnb.simulator.host.quirks import QUIRKS

    lines = [f"  {name:<21} {quirk.text} ({quirk.source})" for name, quirk in QUIRKS.items()]
    facts = [f"  {name}" for name in Uncertain.__struct_fields__]
    file = "\n".join(
        f"  {line}".rstrip() for line in (faults.__doc__ or "").replace("``", "").splitlines()[2:]
    )
    return "\n".join(["quirks:", *lines, "", "uncertain rules:", *facts, "", "fault file:", file])


def _serve(options: argparse.Namespace) -> int:
    from kisnb.market import calendar, uncertain

    # The user's own file of holidays comes before the packaged calendar.
    calendar.use_local()
    uncertain.use(uncertain.read(options.assume))
    from kisnb.simulator.day.replay import ReplayedDay

    replay = ReplayedDay(options.replay) if options.replay else None
    day = read_date(options.date or (replay.day.isoformat() if replay else None))
    start = read_start(day, options.start)
    speed = read_speed(options.speed)
    from kisnb.simulator.host.keys import check_ours, made_up
    from kisnb.simulator.serve.control import Day

    # This check comes before a recording replaces the one of an earlier run.
    if options.write_config:
        check_ours(options.write_config)
    keys = made_up(Mode(options.host))
    named = Day(secrets.token_hex(4), options.seed, day.isoformat(), clock_text(start))
    end = read_until(day, start, options.until) if options.until else None
    tape = open_tape(options, day)
    if end is not None and tape is None:
        raise BadInput("--until writes a tape and serves nobody", "name it: --record day.tape")
    core = build_core(options, keys, day, start, replay, tape)
    # A desk checks the arguments before it starts the process, to show the error where they were
    # typed.
    if options.check:
        return 0
    if tape is not None:
        tape.begin()
    if end is not None and tape is not None:
        core.advance(end)
        tape.close()
        print(json.dumps({"tape": str(tape.path), "bytes": tape.path.stat().st_size}))
        return 0
    # In lockstep a client compares times with the simulated clock, not with the wall clock.
    if speed:
        core.print_tokens_ahead(WallClock().now())
    import asyncio

    return asyncio.run(_run(core, named, speed, keys, options, tape))


def build_core(
    options: argparse.Namespace,
    keys: Credentials,
    day: date,
    start: Ns,
    replay: ReplayedDay | None = None,
    tape: DayTape | None = None,
) -> Core:
    """Return the host that the options describe, with its market, recording and tape.

    Raises KisnbError.
    """
    from kisnb.kis.recording.recorder import open_recording
    from kisnb.market.costs import read_fees
    from kisnb.market.price_files import has_prices
    from kisnb.market.universe import Universe
    from kisnb.paths import data_dir
    from kisnb.simulator.day.market import Market
    from kisnb.simulator.host.account.account import SimulatedAccount
    from kisnb.simulator.host.core import Core
    from kisnb.simulator.host.market_tape import MarketTape
    from kisnb.simulator.host.personas import PERSONAS
    from kisnb.simulator.host.quirks import read_quirks, with_quirks
    from kisnb.simulator.host.record import DayRecorder
    from kisnb.simulator.serve.fault_file import read_faults

    persona = with_quirks(PERSONAS[Mode(options.host)], read_quirks(options.quirks))
    faults = read_faults(options.faults, day) if options.faults else None
    data = data_dir()
    universe = read_universe(options.universe) if options.universe else Universe.load(data, day)
    if replay is not None:
        replay.check_day(day)
        universe = replay.universe(universe)
    stored = replay.schedules(universe) if replay is not None else None
    market = Market(
        universe, day, options.seed, start, stored, data=data if data and has_prices(data) else None
    )
    account = SimulatedAccount(day, costs=read_fees(options.fees))
    wire = options.record if tape is None else None
    recorder = DayRecorder(open_recording(wire) if wire else None)
    taped = None if tape is None else MarketTape(market, _codes(options, universe), tape.add)
    return Core(
        market,
        keys,
        persona=persona,
        account=account,
        recorder=recorder,
        faults=faults,
        tape=taped,
    )


def open_tape(options: argparse.Namespace, day: date) -> DayTape | None:
    """Return the tape that ``--record`` names.

    None without ``--record``, and when it names a recording of KIS's messages (``WIRE``).
    """
    from kisnb.simulator.serve.day_tape import WIRE, DayTape

    path = options.record
    if path is None or path.suffix.lower() in WIRE:
        if options.codes:
            raise BadInput("--codes chooses the stocks of a tape", "name it: --record day.tape")
        return None
    origin = f"replay of {options.replay.name}" if options.replay else f"seed {options.seed}"
    return DayTape(path, f"sim {day} {origin}", day)


def _codes(options: argparse.Namespace, universe: Universe) -> list[str]:
    """Return the stocks that are taped. Raises UnknownInstrument."""
    named = [code.strip() for code in options.codes.split(",") if code.strip()]
    return [universe.get(code).code for code in named or [item.code for item in universe]]


async def _run(
    core: Core,
    day: Day,
    speed: float,
    keys: Credentials,
    options: argparse.Namespace,
    tape: DayTape | None,
) -> int:
    import asyncio
    import signal

    from kisnb.simulator.host.keys import write_configuration
    from kisnb.simulator.serve.server import Server

    # A day that is taped goes on without a client. It ends with the market's day, so a day of
    # patience is enough.
    alone = {} if tape is None else {"alone_seconds": TAPED_SECONDS}
    server = Server(core, day, speed, **alone)
    try:
        addresses = await server.start(options.port, options.ws_port)
        # The loaded modules and the universe stay for the whole run. After ``freeze`` no garbage
        # collection scans them, neither during the day nor at the end of the process.
        gc.freeze()
        gc.enable()
        if options.write_config:
            write_configuration(options.write_config, keys, addresses.rest, addresses.ws)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no signal handlers of the loop; there the interpreter ends the process.
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, server.stop)
        print(
            json.dumps(
                {
                    **addresses._asdict(),
                    "appkey": keys.appkey.reveal(),
                    "appsecret": keys.appsecret.reveal(),
                    "account": f"{keys.account.reveal()}-{keys.product}",
                    "hts_id": keys.hts_id.reveal(),
                    "pid": os.getpid(),
                    **day._asdict(),
                    "speed": speed or "step",
                }
            ),
            flush=True,
        )
        await server.run()
    finally:
        await server.close()
        if tape is not None:
            tape.close()
    return 0
