"""The public name ``kisnb.backtest`` is the function, however often it is used."""

from __future__ import annotations

import subprocess
import sys


def test_backtest_is_the_function_each_time():
    code = (
        "import kisnb; print([kisnb.backtest.__name__, callable(kisnb.backtest), "
        "callable(kisnb.backtest)])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "['backtest', True, True]"
