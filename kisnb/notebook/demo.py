"""``make demo``: runs the quickstart notebook through a whole simulated day, without a browser.

The terminal shows the simulated clock and a summary at the end. The report is a file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kisnb.clock import kst_seconds
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.notebook.examples import example_notebooks
from kisnb.paths import data_dir, state_dir

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = "01_quickstart.ipynb"
OPENS, CLOSES = 9 * 3600, 15 * 3600 + 1800


def main(report: Path) -> int:
    """Run the day. Return the exit status: 0 when every cell ran and the report was written."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    # nbclient runs the kernel in the report's folder, where a relative path would mean another
    # file.
    report = report.resolve()
    report.parent.mkdir(parents=True, exist_ok=True)
    source = (example_notebooks() / NOTEBOOK).read_text("utf-8")
    notebook = nbformat.reads(source, as_version=4)  # type: ignore[no-untyped-call]
    prices = "real prices" if data_dir() else "the packaged universe"
    print(f"a simulated day over {prices}, notebook {NOTEBOOK}")
    began = time.monotonic()
    where = {"metadata": {"path": report.parent}}
    client = NotebookClient(
        notebook,
        # Seconds for one cell. The longest cell waits for the simulated close.
        timeout=900,
        kernel_name="python3",
        resources=where,
        extra_arguments=["--log-level=ERROR"],
    )
    done = threading.Event()
    # The notebook runs in this thread, so the clock needs a thread of its own.
    shown = threading.Thread(target=_show_clock, args=(done,), daemon=True)
    shown.start()
    try:
        client.execute()
    except CellExecutionError as e:
        print(f"\nthe notebook stopped:\n{e}", file=sys.stderr)
        return 1
    finally:
        done.set()
        shown.join()
    if not report.exists():
        print(f"the notebook wrote no {report.name}", file=sys.stderr)
        return 1
    _summary(notebook)
    size, took = report.stat().st_size, time.monotonic() - began
    print(f"report: {os.path.relpath(report)} ({size:,} bytes), {took:.0f} s")
    return 0


def _show_clock(done: threading.Event) -> None:
    """Draw a progress bar of the trading day until ``done`` is set, from the simulator's clock."""
    from tqdm import tqdm

    with tqdm(
        total=CLOSES - OPENS, unit="s", desc="simulated day", leave=True, disable=None
    ) as bar:
        while not done.wait(0.3):
            address = find_simulator(state_dir())
            if address is not None and (now := _now(address.control)) is not None:
                # tqdm counts steps, but a clock states its time. So the count is set directly.
                bar.n = min(max(kst_seconds(now) - OPENS, 0), CLOSES - OPENS)
                bar.refresh()


def _now(control: str) -> int | None:
    """Return the simulator's clock, UTC nanoseconds. None when the simulator does not answer."""
    try:
        # The address is our own, on the loopback interface.
        with urllib.request.urlopen(f"{control}/state", timeout=2) as reply:  # noqa: S310
            state: dict[str, Any] = json.load(reply)
    except (OSError, ValueError):
        return None
    return int(state["now"])


def _summary(notebook: NotebookNode) -> None:
    """Print the text outputs of the last cells, which summarise the day."""
    # Earlier outputs would fill the terminal.
    for cell in notebook.cells[-4:]:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if text.strip():
                print(text.rstrip())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/report.html")))
