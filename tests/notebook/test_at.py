"""``%kis at`` shows the market and the order books as of a moment (row H12)."""

from __future__ import annotations

from pathlib import Path

from .real_kernels import kernel, stop_desk


def test_h12_the_command_shows_price_depth_and_order_book_as_of_then(state: Path):
    with kernel(state, KISNB_SIM_SPEED="step") as k:
        k.ok("%load_ext kisnb")
        k.ok("%kis open sim --seed 7 --date 2026-11-20 --start 09:10")
        k.ok("%kis buy 005930 3")
        k.ok("%kis until 09:12")
        k.ok("%kis buy 005930 4")
        k.ok("%kis until 09:13")
        shown = k.ok("%kis at 09:11:30 삼성전자").text
        assert "2026-11-20 09:11:30 KST, sim 2026-11-20 seed 7" in shown
        assert "1 orders, 0 open, holds 3 005930" in shown
        assert "005930 depth  KRX 09:11:" in shown
        later = k.ok('%kis at "2026-11-20 09:13"').text
        assert "2 orders, 0 open, holds 7 005930" in later
        assert "Ask for a later moment" in k.run("%kis at 08:30").error
    stop_desk(state)
