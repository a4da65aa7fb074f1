"""A notebook's folder may hold files that are named like modules of the standard library
(row O14)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.notebook.real_kernels import kernel, stop_desk

pytestmark = pytest.mark.usefixtures("started_processes")
BREAKS_EVERY_KERNEL = {
    "collections", "contextlib", "copyreg", "enum", "fnmatch", "functools", "importlib", "keyword",
    "operator",
    "pathlib", "re", "reprlib", "types", "urllib", "warnings",
}  # fmt: skip
"""ipykernel's own launcher imports these while the notebook's folder comes first: no kernel starts.

"""


def test_o14_a_kernel_opens_a_desk_and_has_it_back_beside_such_files(tmp_path: Path):
    folder, state = tmp_path / "notebooks", tmp_path / "state"
    folder.mkdir()
    for name in sys.stdlib_module_names - BREAKS_EVERY_KERNEL:
        (folder / f"{name}.py").write_text("APPKEY = 'x'\n")
    try:
        with kernel(state, cwd=folder) as notebook:
            notebook.ok("%load_ext kisnb")
            notebook.ok("%kis open sim --seed 7 --date 2026-11-20 --start 10:00")
            assert "filled" in notebook.ok("%kis buy 005930 1", "a").text
            notebook.ok("%kis panel")
            notebook.ok("%kis report -o day.html")
            notebook.ok("from kisnb.desk.address import find_desk\nfrom kisnb.terms import Mode")
            desk = notebook.ok("print(find_desk(Mode.SIM).pid)").text
            os.kill(int(desk), signal.SIGKILL)
            notebook.ok("%kis until 10:01")
            assert "filled" in notebook.ok("%kis sell 005930 1", "b").text
            assert notebook.ok("print(find_desk(Mode.SIM).pid)").text != desk
    finally:
        stop_desk(state)
