"""Runs the checks of KIS's official samples in a folder, as they are, and prints a line of JSON for
each.

A program: ``python official_samples.py FOLDER SECONDS [NAME …]``. The samples read addresses and
keys from ``~/KIS/config/kis_devlp.yaml``; nothing in them is changed. What they get is seen where
they rename the columns of what came to those of their ``COLUMN_MAPPING``: the columns that they
name. A WebSocket sample ends at its first data or after so many seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

REFUSAL = re.compile(r"\b(?:EGW|OPSQ|APBK|MCA|IGW)\d+")


class Enough(BaseException):
    """A WebSocket sample has got its data."""


def main(folder: Path, seconds: float, names: list[str]) -> None:
    samples = folder / "examples_llm"
    sys.path.insert(0, str(samples))
    columns: set[str] = set()
    _observe_renames(columns)
    for path in sorted(samples.glob("domestic_stock/*/chk_*.py")):
        name = path.parent.name
        if path.stem != f"chk_{name}" or (names and name not in names):
            continue
        listens = "KISWebSocket" in path.read_text("utf-8")
        columns.clear()
        said, error = io.StringIO(), ""
        module: dict[str, Any] = {}
        with contextlib.redirect_stdout(said), _importing_from(path.parent):
            try:
                module = runpy.run_path(str(path), run_name="check")
                if listens:
                    _end_at_first_data(module["ka"], seconds)
                module["main"]()
            except Enough:
                pass
            except Exception as e:
                error = f"{type(e).__name__}: {e}"
        named = module.get("COLUMN_MAPPING", {})
        refusal = REFUSAL.search(said.getvalue())
        line = {
            "name": name,
            "listens": listens,
            "named": len(named),
            "missing": [column for column in named if column not in columns],
            "refusal": refusal.group() if refusal else "",
            "error": error,
        }
        print(json.dumps(line), flush=True)


def _observe_renames(columns: set[str]) -> None:
    rename: Any = pd.DataFrame.rename

    def observed(frame: pd.DataFrame, *args: Any, **kwargs: Any) -> Any:
        if len(frame):
            columns.update(map(str, frame.columns))
        return rename(frame, *args, **kwargs)

    pd.DataFrame.rename = observed  # type: ignore[assignment, method-assign]


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Each sample imports its own neighbours, and forgets them."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def _end_at_first_data(ka: Any, seconds: float) -> None:
    """Each WebSocket sample begins with nothing subscribed, as in a process of its own, and ends at
    its first data."""
    ka.open_map.clear()
    ka.data_map.clear()
    start = getattr(ka, "unobserved_start", ka.KISWebSocket.start)
    ka.unobserved_start = start

    def observed(self: Any, on_result: Any, *args: Any, **kwargs: Any) -> None:
        def once(*result: Any) -> None:
            on_result(*result)
            raise Enough

        def late(*_: object) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            start(self, once, *args, **kwargs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    ka.KISWebSocket.start = observed


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
