"""The command ``%kis agents`` with schedules and snapshots, in a real kernel. Rows A12, A19."""

from __future__ import annotations

from pathlib import Path

from .real_kernels import kernel, stop_desk

DIP = """
import kisnb

class Dip(kisnb.Agent):
    code: str = "247540"

    def on_tick(self, tick):
        self.decide("HOLD", "a test", price=tick.price)
"""


def test_a12_a19_the_command_takes_a_schedule_and_shows_a_snapshot(state: Path) -> None:
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        k.ok("%load_ext kisnb")
        k.ok("%kis open sim --seed 7 --date 2026-11-20 --start 08:59")
        k.ok(DIP)
        error = k.run("%kis agents start Dip --at KRX_RAG").error
        assert "The begin 'KRX_RAG' is no market session and no time of day" in error
        assert "Write NXT_PRE, KRX_REG, NXT_AFTER, close, or a time such as 09:10" in error
        assert (
            "is not after the begin"
            in k.run("%kis agents start Dip --at 10:00 --until 09:00").error
        )
        k.ok("%kis agents start Dip --at krx_reg --until 09:04 --days 1")
        shown = k.ok("%kis agents").text
        assert "waits until 09:00:00 (KRX_REG until 09:04, once)" in shown
        k.ok("%kis until 09:03")
        snapshot = k.ok("%kis agents snapshot Dip-247540")
        for words in ("running", "code='247540'", "schedule: KRX_REG until 09:04, once", "HOLD"):
            assert words in snapshot.text
        assert "<pre" in snapshot.html
        k.ok("%kis until 09:05")
        assert "stopped" in k.ok("%kis agents").text
        past = k.ok("%kis at 09:03")
        assert "agent Dip-247540: running, 0 orders, 0 open, holds nothing" in past.text
    stop_desk(state)
