"""``%kis backtest`` runs an agent of the notebook over its bars. (H06, N02)"""

from __future__ import annotations

import subprocess
import sys

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
