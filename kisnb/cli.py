"""The command ``kisnb``: sim, desk, keys, master, lab, agent, halt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kisnb import __version__
from kisnb.errors import BadInput, DeskError, KisnbError
from kisnb.terms import Mode


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 not done, 2 wrong arguments."""
    words = list(sys.argv[1:] if argv is None else argv)
    # The simulator has a parser of its own. It gets the arguments before this parser can refuse
    # them.
    if words[:1] == ["sim"]:
        from kisnb.simulator.serve.command import main as sim

        return sim(words[1:])
    parser = _parser()
    # Unknown options are collected, because `kisnb lab` passes them to JupyterLab. For every other
    # verb they are typing errors, and a command with a typing error must not halt a desk.
    options, rest = parser.parse_known_args(words)
    if rest and options.verb != "lab":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    try:
        return _run(options, rest)
    except KisnbError as e:
        print(e, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs. `sim` is only listed there: it has a parser of its own."""
    # An abbreviated option counts as a typing error: `kisnb halt --f` must not sell everything.
    parser = argparse.ArgumentParser(prog="kisnb", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"kisnb {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    # This row only makes `sim` appear in `kisnb --help`.
    verbs.add_parser("sim", help="run the KIS simulator; kisnb sim --help", add_help=False)
    desk = verbs.add_parser("desk", help="the desk processes of this user", allow_abbrev=False)
    desk.add_argument("action", choices=["status", "start", "stop", "restart", "journal"])
    desk.add_argument(
        "file", nargs="?", type=Path, help="journal: an archived file, instead of the newest day's"
    )
    desk.add_argument(
        "-o", "--output", type=Path, help="journal: write it as .parquet, .csv or .ndjson"
    )
    desk.add_argument(
        "--mode", type=Mode, choices=list(Mode), help="sim, paper or live; without it, what runs"
    )
    desk.add_argument(
        "--tasks", action="store_true", help="with status: what the desk is doing, by owner"
    )
    keys = verbs.add_parser(
        "keys", help="keys of paper and live in the system's keyring", allow_abbrev=False
    )
    keys.add_argument("action", choices=["store", "delete"])
    keys.add_argument("--mode", type=Mode, choices=[Mode.PAPER, Mode.LIVE], required=True)
    master = verbs.add_parser(
        "master", help="KIS's list of stocks, for paper and live", allow_abbrev=False
    )
    master.add_argument("action", choices=["download"])
    lab = verbs.add_parser(
        "lab", help="JupyterLab on the example notebooks, with the simulator behind %%kis open sim"
    )
    lab.add_argument("arguments", nargs="*", help="handed to JupyterLab")
    agent = verbs.add_parser(
        "agent", help="run an Agent of a file without a notebook", allow_abbrev=False
    )
    agent.add_argument("file", type=Path, help="a Python file that defines the Agent")
    agent.add_argument("--class", dest="kind", default="", help="its class, if there are several")
    agent.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.SIM)
    agent.add_argument(
        "--set", dest="parameters", action="append", default=[], metavar="NAME=VALUE",
        help="a parameter of the agent; may be given several times",
    )  # fmt: skip
    agent.add_argument("--until", help="09:10 or close: end then")
    agent.add_argument("--at", default="", help="KRX_REG or 09:10: run from then, each trading day")
    agent.add_argument("--days", type=int, help="with --at: end after this number of trading days")
    halt = verbs.add_parser(
        "halt", help="halt every desk that runs: no new order passes", allow_abbrev=False
    )
    halt.add_argument(
        "--off",
        action="store_true",
        help="end a flatten, or else lift the halt, for the reason given",
    )
    halt.add_argument(
        "--flatten", action="store_true", help="sell all that is held, until nothing is"
    )
    halt.add_argument(
        "--reduce", action="store_true", help="sells up to the position still pass (with --off too)"
    )
    halt.add_argument("reason", nargs="*", help="why; the journal keeps it")
    halt.add_argument("--mode", type=Mode, choices=list(Mode), help="this one alone")
    return parser


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    """Run the verb, and return the exit status. Raises KisnbError."""
    match options.verb:
        case "lab":
            from kisnb.notebook.lab import main as lab

            return lab([*options.arguments, *rest])
        case "halt":
            return _halt(options)
        case "agent":
            return _agent(options)
        case "keys":
            return _keys(options.action, options.mode)
        case "master":
            return _download_master()
        case _:
            modes = [options.mode] if options.mode else _modes_meant(options.action)
            if options.action == "journal":
                return _journal(modes[0], options.file, options.output)
            return max(_desk(options.action, mode, tasks=options.tasks) for mode in modes)


def _agent(options: argparse.Namespace) -> int:
    """Run an agent of a file until it ends, and return the exit status. Raises KisnbError."""
    from kisnb.session.headless import run

    parameters: dict[str, str] = {}
    for text in options.parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadInput(f"--set {text} has no value", f"write --set {name}=VALUE")
        parameters[name] = value
    return run(
        options.file, options.kind, options.mode, parameters, options.until, options.at,
        options.days,
    )  # fmt: skip


def _running_modes() -> list[Mode]:
    """Return the modes whose desks run, real money first."""
    from kisnb.desk.address import is_up

    # Mode lists sim, paper, live.
    return [mode for mode in reversed(Mode) if is_up(mode)]


def _modes_meant(action: str) -> list[Mode]:
    """Return the modes whose desks a command means when ``--mode`` is not given.

    Raises BadInput when several desks run and the command changes one.
    """
    from kisnb.desk.life.supervisor import farewell_path

    if action == "start":
        return [Mode.SIM]
    running = _running_modes()
    if action == "status":
        # A desk that has ended left a farewell file, and then nothing runs.
        ended = [mode for mode in Mode if farewell_path(mode).exists()]
        return running or ended or [Mode.SIM]
    if len(running) > 1:
        raise BadInput(f"{len(running)} desks run: {', '.join(running)}", "name one with --mode")
    return running or [Mode.SIM]


def _download_master() -> int:
    """Download today's list of stocks, print a line for each file, return the exit status."""
    from kisnb.clock import WallClock, kst_day
    from kisnb.config import load_config
    from kisnb.kis.master_download import download_master
    from kisnb.market.master_files import FOLDER
    from kisnb.paths import state_dir

    root, day = state_dir() / FOLDER, kst_day(WallClock().now())
    for file in download_master(load_config().master_url, root, day):
        print(f"{file.name}: {file.rows:,} rows, {day}", flush=True)
    print(f"the list of stocks of {day} is in {root / str(day)}")
    print("a desk reads it when it starts: kisnb desk restart, then %kis open")
    return 0


def _keys(action: str, mode: Mode) -> int:
    from getpass import getpass

    from kisnb.kis.credentials import delete_keys, store_keys

    if action == "delete":
        found = delete_keys(mode)
        print(f"the keyring holds no keys for {mode} any more" if found else "there were none")
        return 0
    # getpass falls back to an echo when there is no terminal, for example in a notebook's `!kisnb
    # keys`. The secret would then stand in the notebook's output.
    if not sys.stdin.isatty():
        raise BadInput("keys are typed at a terminal", "open a terminal and type the command there")
    print(f"Keys for {mode}, as KIS Developers shows them. What you type stays hidden.")
    asked = {
        "appkey": "appkey: ",
        "appsecret": "appsecret: ",
        "account": "account (8 digits, or 12345678-01): ",
        "hts_id": "HTS id: ",
    }
    store_keys(mode, {name: getpass(prompt) for name, prompt in asked.items()})
    print(f"stored; %kis open {mode} uses them")
    return 0


def _desk(action: str, mode: Mode, *, tasks: bool) -> int:
    """Start, stop or restart a desk, or show it; return the exit status."""
    from kisnb.desk.life.launch import restart_desk, start_desk, stop_desk
    from kisnb.desk.life.simulator_process import SimulatedDay, stop_simulator
    from kisnb.desk.life.status import status

    # Start and restart end in the same lines as status: a person sees at once whether the desk
    # answers.
    if action == "restart":
        restart_desk(mode)
    if action == "start":
        start_desk(mode, SimulatedDay())
    if action == "stop":
        stopped = [f"{mode} desk"] if stop_desk(mode) else []
        # The desk is stopped first. While it runs, it would treat the end of its simulator as an
        # outage of KIS and try to connect again.
        if mode is Mode.SIM and stop_simulator():
            stopped.append("simulator")
        sentence = f"the {' and its '.join(stopped)} {'are' if len(stopped) > 1 else 'is'} stopped"
        print(sentence if stopped else f"nothing to stop: no {mode} desk runs")
        return 0
    # The exit status tells a script whether the desk answers.
    lines, answers = status(mode)
    print("\n  ".join(lines))
    if tasks and answers:
        from kisnb.desk.life.kill_switch import ask
        from kisnb.trading.ports.queries import TasksNow

        print(ask(mode, TasksNow()))
    return 0 if answers else 1


def _journal(mode: Mode, file: Path | None, output: Path | None) -> int:
    """Print a journal's rows, or write them to ``output``; return the exit status."""
    from kisnb.desk.record.journal_frame import find_journal, journal_frame, write_frame

    path = file or find_journal(mode)
    frame = journal_frame(path)
    if output is not None:
        write_frame(frame, output)
    print(f"{path}: {frame.height:,} rows" + (f", written to {output}" if output else f"\n{frame}"))
    return 0


def _halt(options: argparse.Namespace) -> int:
    """Halt every desk that runs, or the named one; return the exit status.

    Without ``--mode`` all desks are halted, the live desk first. So a person in a hurry only types
    ``kisnb halt``.
    """
    wanted = [options.mode] if options.mode else _running_modes()
    if not wanted:
        print("no desk runs", file=sys.stderr)
        return 1
    if options.off and options.flatten:
        raise BadInput("--off cannot be combined with --flatten", "leave one of the two out")
    # Halting one desk too many costs little. Lifting a halt lets orders pass, so a person has to
    # name the desk.
    if options.off and len(wanted) > 1:
        raise BadInput(
            f"{len(wanted)} desks run: {', '.join(wanted)}", "name the one to lift with --mode"
        )
    # The list is built before `max` reads it: every desk is halted, even when the first one fails.
    return max([_halt_one(mode, options) for mode in wanted])


def _halt_one(mode: Mode, options: argparse.Namespace) -> int:
    """Halt one desk, or lift its halt; return the exit status.

    It catches every KisnbError: an error at one desk must not keep the next one from being halted.
    """
    from kisnb.desk.life.kill_switch import halt_by_file, lift, pull
    from kisnb.trading.ports.commands import Halt

    reason = " ".join(options.reason)
    state: Literal["reducing", "halted"] = "reducing" if options.reduce else "halted"
    # `begun` becomes true with the first step that the desk reports. Then the desk has received the
    # command, so the HALT file is not needed.
    failed = begun = False
    try:
        if options.off:
            print(
                f"the {mode} desk: {lift(mode, reason, 'reducing' if options.reduce else 'active')}"
            )
            return 0
        # Each step is printed when it comes. Cancelling all orders may take seconds, and a person
        # must see that something happens.
        for step in pull(mode, Halt(reason or "typed on the command line", state, options.flatten)):
            failed, begun = failed or not step.done, True
            print(f"{mode} {step.step}: {step.text}", flush=True)
    except DeskError as e:
        print(e, file=sys.stderr)
        # The HALT file also stops a desk that does not answer on its socket.
        if not options.off and not begun:
            print(
                halt_by_file(reason or f"the {mode} desk did not answer kisnb halt"),
                file=sys.stderr,
            )
        return 1
    except KisnbError as e:
        print(e, file=sys.stderr)
        return 1
    return 1 if failed else 0
