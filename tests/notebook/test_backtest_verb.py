"""``%kis backtest`` runs an agent of the notebook over its bars. (H06, N02)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .real_kernels import kernel, stop_desk

CELLS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def run(text):
    shell.run_cell(text)
run("%load_ext kisnb")
run("from tests.backtesting.bars import flat")
run("bars = flat([10_000] * 18 + [9_900, 9_800, 9_700, 10_400, 10_900, 11_000])")
run("record = %kis backtest golden_cross bars --cash 10000000 --costs bankis --weight 0.5")
run("print('BOOK', record.book)")
run("%kis backtest golden_crss bars")
run("%kis backtest golden_cross barz")
"""


def test_h06_n02_a_strategy_is_back_tested_by_one_line_over_a_table_of_the_notebook() -> None:
    done = subprocess.run([sys.executable, "-c", CELLS], capture_output=True, text=True, check=True)
    book = next(line for line in done.stdout.splitlines() if line.startswith("BOOK"))
    assert "1 orders, 0 open, holds 458 005930" in book
    said = done.stdout + done.stderr
    assert "There is no agent 'golden_crss' here. Did you mean golden_cross?" in said
    assert "There is no variable and no file 'barz'. Name a DataFrame" in said


def test_a13_n02_a_line_brings_the_bars_of_all_stocks_of_a_strategy_and_its_flows(
    state: Path,
) -> None:
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok("%kis open sim --seed 7 --date 2026-11-20 --start 16:00")
        dates = "--from 2026-08-03 --to 2026-11-19"
        k.ok(f"pair = %kis backtest preferred_pair --code 삼성전자 {dates} --enter 1.5")
        codes = "sorted(set(pair.record.bars['code']))"
        assert int(k.ok("print(len(pair.record.book.orders))").text) > 0
        assert k.ok(f"print(pair.record.agents, {codes})").text == (
            "('PreferredPair',) ['005930', '005935']\n"
        )
        k.ok(f"follower = %kis backtest foreign_follower --code 035420 {dates} --days 1")
        assert int(k.ok("print(len(follower.record.book.orders))").text) > 0
    stop_desk(state)
