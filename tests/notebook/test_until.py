"""``%kis until`` says when there is nothing to wait for."""

from __future__ import annotations

from pathlib import Path

from .real_kernels import kernel, stop_desk


def test_until_a_moment_that_is_past_or_after_the_day_says_so(state: Path):
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok("%kis open sim --seed 7 --date 2026-11-20 --start 19:58")
        assert "10:00:00 is past: it is 19:58:00." in k.ok("%kis until 10:00").text
        assert "past" not in k.ok("%kis until 19:59").text
        assert "Nothing is traded after 20:00:00" in k.ok("%kis until 20:05").text
        assert "20:05" in k.ok("print(session.status.clock_text())").text
    stop_desk(state)
