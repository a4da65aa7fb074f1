"""The blocks of README run as they stand there, one after the other, in a real kernel."""

from __future__ import annotations

import re
from pathlib import Path

from tests.notebook.real_kernels import kernel, stop_desk

README = Path(__file__).parents[2] / "README.md"


def test_the_blocks_of_the_readme_run_in_the_order_in_which_they_stand(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 8
    with kernel(tmp_path / "state", cwd=tmp_path, KISNB_SIM_SPEED="step") as notebook:
        for block in blocks:
            output = notebook.run(block)
            assert output.error == "", block
    stop_desk(tmp_path / "state")
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "breakout.html").exists()
