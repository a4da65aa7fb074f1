"""K12, A04: a frozen desk and a dead simulator, as a person sees them in a notebook."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from kisnb.desk.address import find_desk
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.terms import Mode

from .real_kernels import kernel, stop_desk

OPEN = "%kis open sim --seed 1 --date 2026-11-20 --start 10:00"
RESTING = "low = (await session.quote('005930')).lower\n%kis buy 005930 1 {low}"


def test_k12_a_cell_that_waits_for_a_frozen_desk_says_so_and_goes_on(state: Path):
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok(OPEN)
        k.ok(RESTING, "resting")
        desk = find_desk(Mode.SIM)
        assert desk is not None
        os.kill(desk.pid, signal.SIGSTOP)
        try:
            waiting = k.start("%kis quote 005930")
            k.wait_until_shown(
                waiting, f"[SIM] The desk (process {desk.pid}) has not answered for "
            )
            k.interrupt()
            assert k.finish(waiting).error.startswith("Interrupted")
            # What is shown from memory does not pass for known, whatever shows it.
            for cell in (
                "%kis orders",
                "%kis positions",
                "%kis agents",
                "session.book.open_orders",
                "session.orders()",
            ):
                shown = k.ok(cell)
                assert "[SIM] not confirmed since 10:00:0" in shown.text, cell
                assert all(
                    "not confirmed since 10:00:0" in b["text/html"] for b in shown.bundles
                ), cell
            blocked = k.start("def f():\n    q = %kis quote 005930\n    return q\nf()")
            k.wait_until_shown(blocked, "has not answered for")
        finally:
            os.kill(desk.pid, signal.SIGCONT)
        assert "005930" in k.finish(blocked).text
        assert "not confirmed" not in k.ok("%kis orders").text
    stop_desk(state)


def test_a04_a_kernel_that_waits_for_a_frozen_desk_ends_by_itself(state: Path, tmp_path: Path):
    """It is not ended by force: what runs at its exit has run."""
    with kernel(state) as first:
        first.ok("%load_ext kisnb")
        first.ok(OPEN)
    desk = find_desk(Mode.SIM)
    assert desk is not None
    seen = tmp_path / "seen"
    os.kill(desk.pid, signal.SIGSTOP)
    try:
        with kernel(state) as k:
            k.ok("%load_ext kisnb")
            k.ok(f"import atexit, pathlib\natexit.register(pathlib.Path({str(seen)!r}).touch)")
            opening = k.start(
                f"import asyncio; asyncio.get_running_loop().call_later(1, print, 'go')\n{OPEN}"
            )
            k.wait_until_shown(opening, "go")
            k.shutdown()
    finally:
        os.kill(desk.pid, signal.SIGCONT)
    assert seen.exists()
    stop_desk(state)


def test_what_a_dead_simulator_leaves_behind_does_not_pass_for_known(state: Path):
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok(OPEN)
        k.ok(RESTING)
        simulator = find_simulator(state)
        assert simulator is not None
        os.kill(simulator.pid, signal.SIGKILL)
        assert "simulator is gone" in k.run("%kis until 10:05").error
        shown = k.ok("%kis orders").text.splitlines()
        assert shown[0].startswith("[SIM] not confirmed since 10:00:0")
        assert "simulator is gone" in shown[0]
        assert "not confirmed since" in k.ok("session.book.open_orders[0]").html
        assert "not confirmed since" in k.ok("%kis panel").text
    stop_desk(state)
