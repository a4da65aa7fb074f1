"""A07: one notebook spins, another pulls the kill switch."""

from __future__ import annotations

from pathlib import Path

from tests.notebook.real_kernels import kernel, stop_desk

OPEN = "%kis open sim --seed 1 --date 2026-11-20 --start 10:00"
REST = "order = await session.buy('005930', 1, (await session.quote('005930')).lower)"


def test_a07_another_kernel_halts_the_desk_while_the_first_spins(state: Path) -> None:
    with (
        kernel(state, KISNB_SIM_SPEED="1") as spinning,
        kernel(state, KISNB_SIM_SPEED="1") as other,
    ):
        for k in (spinning, other):
            k.ok("%load_ext kisnb")
            k.ok(OPEN)
        spinning.ok(REST)
        cell = spinning.start("print('go', flush=True)\nwhile True: pass")
        spinning.wait_until_shown(cell, "go")
        said = other.ok("%kis halt the other one spins").text
        assert "cancel: 1 orders" in said
        assert "state: the desk is halted" in said
        assert "cancelled" in other.ok("%kis orders").text
        spinning.interrupt()
        assert "KeyboardInterrupt" in spinning.finish(cell).error
        assert (
            spinning.ok("await session.settle()\nprint(order.state, session.halt_state)").text
            == "cancelled halted\n"
        )
        assert "The desk is halted: the other one spins" in spinning.run("%kis buy 005930 1").error
    stop_desk(state)
