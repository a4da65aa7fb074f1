"""The panel: one update of a table of 200 rows and 12 columns in the kernel and in a real browser,
and one candle.

The page gets the messages that a kernel would send. What is measured is from the message until the
second frame after it (33 ms at least), and the time of the page's main thread. ``PROFILE=1`` adds
where that time goes. Then how long a new panel takes in JupyterLab until it is painted.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kisnb.notebook.panels.desk_panel import DeskPanel
from kisnb.notebook.panels.libraries import LIBRARIES, VENDOR
from kisnb.notebook.panels.row_deltas import Cells, PanelColumn, PanelFeed
from tests.browser.live_lab import Lab, chromium, find_chromium, write_notebook
from tests.browser.notebook_page import browse

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROWS, COLUMNS, CHANGED = 200, 12, 20
RUNS = 40
CANDLES = 5_000
PAINTS = 5
SHELL = """
async ({esm, css, files, shown}) => {
    const style = document.createElement("style");
    style.textContent = css;
    document.head.append(style);
    const blobs = {};
    for (const [name, text] of Object.entries(files))
        blobs[name] = new TextEncoder().encode(text);
    const listeners = new Set();
    const tell = (message, buffers) => listeners.forEach((f) => f(message, buffers));
    const model = {
        get: (name) => name === "shown" ? shown : {mode: "sim", words: {}, face: {label: "HALT"}},
        on: (_, f) => listeners.add(f),
        off: (_, f) => listeners.delete(f),
        send: (m) => {
            (window.sent ??= []).push(m);
            if (m.kind === "ready") window.asked = (window.asked ?? 0) + 1;
            if (m.kind === "library")
                queueMicrotask(() => tell({kind: "library", file: m.file}, [blobs[m.file]]));
        },
    };
    const url = URL.createObjectURL(new Blob([esm], {type: "text/javascript"}));
    const {default: widget} = await import(url);
    const el = document.createElement("div");
    document.body.append(el);
    widget.render({model, el});
    window.tell = tell;
    window.frames2 = () => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(done)));
}
"""
ONE = """
async (message) => {
    const began = performance.now();
    window.tell(message);
    await window.frames2();
    return performance.now() - began;
}
"""

APPEND = """
(message) => {
    const began = performance.now();
    window.tell(message);
    return performance.now() - began;
}
"""
"""The time of a candle without the painting, which a machine without a GPU does by itself."""
FRAMES = """
async (messages) => {
    const began = performance.now();
    let frames = 0, told = 0;
    const count = () => {
        frames += 1;
        if (told < messages.length) requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    while (told < messages.length) {
        while (told < messages.length && 10 * told <= performance.now() - began)
            window.tell(messages[told++]);
        await new Promise((done) => setTimeout(done, 2));
    }
    const seconds = (performance.now() - began) / 1000;
    return [frames / seconds, told / seconds];
}
"""
"""Tells a message every 10 ms. Returns frames and messages per second."""
PAINTED = """
(count) => new Promise((done) => {
    const look = () => {
        const panel = document.querySelectorAll(".kisnb-desk")[count - 1];
        if (!panel?.querySelector(".tabulator-row") || !panel.querySelector("canvas"))
            return requestAnimationFrame(look);
        const painted = () => done(performance.now() - window.began);
        requestAnimationFrame(() => requestAnimationFrame(painted));
    };
    look();
})
"""
"""Waits until the ``count``th panel has rows and a chart. Returns milliseconds."""
AGENTS = """
import kisnb
class Trades(kisnb.Agent):
    code: str = ""
    ticks: int = 0
    def on_tick(self, tick):
        self.ticks += 1
        self.note = f"{self.ticks} {tick.price:,}"
        if self.ticks % 5 == 0 and not self.book.open_orders:
            self.sell(1) if self.held() else self.buy(1)
for code in [i.code for i in session.universe if i.nxt][:10]:
    await session.agents.start(Trades(code=code))
"""


def figures() -> Iterator[str]:
    """A line for each figure; without a Chromium those of the kernel alone."""
    yield _kernel()
    if find_chromium() is None:
        yield "panel in a browser: no Chromium here"
        return
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield from _table(page)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield from _candles(page)
        for agents in (False, True):
            yield _first_paint(browser, agents=agents)


def _first_paint(browser: Browser, *, agents: bool) -> str:
    """The time from Control-Enter until a panel is painted in JupyterLab: the page's first one, and
    the median of those after it."""
    with TemporaryDirectory(prefix="kisnb-bench-") as home:
        folder = Path(home) / "notebooks"
        folder.mkdir()
        lab = Lab(folder, Path(home) / "home", speed="1")
        opens = "%kis open sim --seed 7 --date 2026-11-20 --start 10:05"
        start = AGENTS if agents else "await session.buy('005930', 10)"
        cells = ["%load_ext kisnb", opens, start, *["%kis panel desk 005930"] * PAINTS]
        write_notebook(folder / "bench.ipynb", cells)
        try:
            lab.start()
            with browse(browser, lab) as notebook:
                notebook.open("bench.ipynb")
                for cell in range(3):
                    notebook.run_cell(cell)
                times = []
                for n in range(PAINTS):
                    notebook.cell(3 + n).locator(".cm-content").click()
                    notebook.page.evaluate("window.began = performance.now()")
                    notebook.page.keyboard.press("Control+Enter")
                    times.append(notebook.page.evaluate(PAINTED, n + 1))
                    notebook.page.wait_for_timeout(1_500)
        finally:
            lab.stop()
    by = "10 agents trading" if agents else "no agent"
    first, *later = times
    return (
        f"panel painted in JupyterLab, {by}: the first {first:.0f} ms, "
        f"later ones {statistics.median(later):.0f} ms"
    )


def _kernel() -> str:
    """Median time in which the kernel makes one update, and the bytes that it sends."""
    feed = PanelFeed({"t": [PanelColumn(f"c{i}", "number") for i in range(COLUMNS)]})
    rows: dict[str, Cells] = {f"k{r}": (f"{r * 7:,}",) * COLUMNS for r in range(ROWS)}
    feed.changes({}, {"t": rows})
    times, sizes = [], []
    for n in range(10 * RUNS):
        changed = dict(rows)
        for r in range(n % 5, CHANGED * 2, 2):
            cells = list(rows[f"k{r}"])
            for c in (3, 5, 7):
                cells[c] = (f"{n * r + 1:,}", "up")
            changed[f"k{r}"] = tuple(cells)
        began = time.perf_counter()
        message = feed.changes({}, {"t": changed})
        times.append(time.perf_counter() - began)
        sizes.append(len(json.dumps(message)))
        rows = changed
    return (
        f"panel feed {ROWS} x {COLUMNS}, {CHANGED} rows changed: "
        f"{statistics.median(times) * 1000:.2f} ms of kernel, {statistics.median(sizes):,.0f} bytes"
    )


def open_part(page: Page, part: dict[str, Any], layout: str = "alone") -> None:
    """Show one part of a panel on an empty page. ``window.tell`` hands it a kernel's message.

    ``layout`` ``desk`` gives it the width that it has in the whole desk.
    """
    open_parts(page, [part], layout)


def open_parts(page: Page, parts: list[dict[str, Any]], layout: str) -> None:
    """Show parts of a panel on an empty page, as ``open_part`` does."""
    files = {file: (VENDOR / file).read_text("utf-8") for file in LIBRARIES.values()}
    shown = {"head": "slim", "layout": layout, "parts": parts, "files": LIBRARIES}
    page.evaluate(
        SHELL, {"esm": DeskPanel._esm, "css": DeskPanel._css, "files": files, "shown": shown}
    )


def _measured(page: Page, messages: Iterator[dict[str, Any]]) -> tuple[float, float]:
    """Median milliseconds to the second frame, and of main thread per message."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    if os.environ.get("PROFILE"):
        session.send("Profiler.enable")
        session.send("Profiler.start")
    before, times = busy(), []
    for message in messages:
        times.append(page.evaluate(ONE, message))
        page.wait_for_timeout(100)
    spent = (busy() - before) * 1000 / len(times)
    if os.environ.get("PROFILE"):
        _print_profile(session.send("Profiler.stop")["profile"])
    return statistics.median(times), spent


def _print_profile(profile: dict[str, Any]) -> None:
    """Print the functions of the page that took most time, milliseconds in all."""
    names = {node["id"]: node["callFrame"]["functionName"] for node in profile["nodes"]}
    spent: Counter[str] = Counter()
    for node, micros in zip(profile["samples"], profile["timeDeltas"], strict=True):
        spent[names[node]] += micros
    for name, micros in spent.most_common(15):
        print(f"  {micros / 1000:8.1f} ms  {name or '(unnamed)'}")


def _table(page: Page) -> Iterator[str]:
    columns = [{"name": f"c{i}", "kind": "number", "tips": {}, "width": 8} for i in range(COLUMNS)]
    part = {
        "kind": "table", "name": "t", "title": "t", "empty": "", "rows": 14, "fixed": True,
        "missing": "",
    }  # fmt: skip
    open_part(page, part)
    for rows in (ROWS, 10_000):
        data = [[f"k{r}", [f"{r * 7:,}"] * COLUMNS] for r in range(rows)]
        table = {"columns": columns, "rows": data}
        page.evaluate(
            "m => window.tell(m)",
            {"kind": "snapshot", "seq": 0, "header": {}, "tables": {"t": table}, "views": {}},
        )
        page.locator(".tabulator-row").first.wait_for()
        page.wait_for_timeout(1_000)

        def updates(count: int) -> Iterator[dict[str, Any]]:
            for n in range(count):
                changed = {
                    f"k{r}": {str(c): [f"{n * r:,}", "up"] for c in (3, 5, 7)}
                    for r in range(n % 5, CHANGED * 2, 2)
                }
                yield {
                    "kind": "delta", "seq": n + 1, "header": {},
                    "tables": {"t": {"set": changed}}, "views": {},
                }  # fmt: skip

        median, busy = _measured(page, updates(RUNS))
        yield (
            f"panel table {rows} x {COLUMNS}, {CHANGED} rows changed: {median:.0f} ms to the "
            f"second frame, {busy:.1f} ms of main thread"
        )
        fast = [{**message, "seq": RUNS + 1 + n} for n, message in enumerate(updates(500))]
        frames, told = page.evaluate(FRAMES, fast)
        yield f"panel table {rows} x {COLUMNS}, {told:.0f} updates/s: {frames:.0f} frames/s"


def _candles(page: Page) -> Iterator[str]:
    part = {"kind": "chart", "name": "chart", "lengths": ["1m"], "missing": ""}
    open_part(page, part)
    start = 1_795_132_800

    def row(i: int, close: int) -> list[float | None]:
        return [start + 60 * i, 70_000, 70_500, 69_500, close, 100, 70_000, 70_000, None, 70_000, 0]

    common = {
        "kind": "candles", "code": "005930", "every": "1m", "title": "t", "why": "", "marks": [],
        "orders": [],
    }  # fmt: skip
    rows = [row(i, 70_000 + i % 400) for i in range(CANDLES)]
    page.evaluate("m => window.tell(m)", {**common, "number": 1, "reset": True, "rows": rows})
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(1_000)
    median, busy = _measured(
        page,
        (
            {**common, "number": n + 2, "reset": False, "rows": [row(CANDLES, 70_000 + n)]}
            for n in range(RUNS)
        ),
    )
    append = statistics.median(
        page.evaluate(
            APPEND,
            {**common, "number": n + 2, "reset": False, "rows": [row(CANDLES, 70_000 + n)]},
        )
        for n in range(RUNS, 2 * RUNS)
    )
    yield (
        f"panel chart of {CANDLES} candles, one changed: {append:.1f} ms to append, "
        f"{median:.0f} ms to the second frame, {busy:.1f} ms of main thread"
    )


def show() -> None:
    """Print the figures."""
    for line in figures():
        print(line)


if __name__ == "__main__":
    show()
