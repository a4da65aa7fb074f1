"""``%kis nest``: a re-entrant loop is off, is switched on by a person, and says what it costs."""

from __future__ import annotations

from pathlib import Path

from tests.notebook.real_kernels import kernel, stop_desk

NESTED = """
import asyncio
asyncio.get_running_loop().run_until_complete(asyncio.sleep(0, "inside"))
"""


def test_a_re_entrant_loop_is_switched_on_by_a_person_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with kernel(state, KISNB_SIM_SPEED="step") as notebook:
        notebook.ok("%load_ext kisnb")
        notebook.ok("session = %kis open sim --seed 7 --date 2026-11-20 --start 09:00")
        assert "as Jupyter made it" in notebook.ok("%kis nest").text
        assert "already running" in notebook.run(NESTED).error
        notebook.ok("%kis agents start volume_trigger --code 000660")
        switched = notebook.ok("%kis nest on").text
        assert "nest_asyncio2" in switched
        assert "may be lost" in switched
        assert "VolumeTrigger-000660" in switched
        assert "inside" in notebook.ok(NESTED).text
        # Trading goes on in it.
        assert "filled" in notebook.ok("%kis buy 005930 1").text
        assert "Restart the kernel" in notebook.run("%kis nest off").error
    stop_desk(state)


def test_a_loop_of_another_library_is_refused_with_a_sentence(tmp_path: Path) -> None:
    other = """
import threading
from asyncio import AbstractEventLoop, set_event_loop
from kisnb.notebook.kernel.nest import nest
class Other(AbstractEventLoop):
    pass
def refused():
    set_event_loop(Other())
    try:
        nest("on")
    except Exception as error:
        print(error)
thread = threading.Thread(target=refused)
thread.start()
thread.join()
"""
    with kernel(tmp_path / "state") as notebook:
        assert "cannot be made re-entrant" in notebook.ok(other).text
