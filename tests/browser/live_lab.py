"""A real JupyterLab with folders of its own, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-first-run",
)  # fmt: skip
START_SECONDS = 60
CELL_SECONDS = 90
CURRENT = "window.jupyterapp.shell.currentWidget"
"""The notebook that is in sight, in JavaScript."""


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome; None when there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Lab:
    """A running JupyterLab on ``folder``; ``home`` holds all its state, kisnb's included."""

    def __init__(self, folder: Path, home: Path, speed: str = "1") -> None:
        self.folder = folder
        self.home = home
        self.speed = speed
        self.log = home / "lab.log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """An environment in which nothing of this machine's user is read or written."""
        own = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "user-settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython", "KISNB_STATE": "state",
        }  # fmt: skip
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "KISNB", "PYTEST"))
        }
        return (
            kept
            | {name: str(self.home / sub) for name, sub in own.items()}
            | {"KISNB_SIM_SPEED": self.speed}
        )

    def start(self) -> None:
        settings = self.home / "user-settings" / "@jupyterlab" / "notebook-extension"
        settings.mkdir(parents=True)
        # Cells out of sight stay in the page, so that the n-th cell is the n-th cell.
        (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
        extra = [
            "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
            "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kisnb", "lab", str(self.folder), *extra],
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.url = self._wait_for_url()

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", text):
                return found[0]
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')}")

    @property
    def pid(self) -> int:
        """The process of JupyterLab's server."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop JupyterLab with its kernels, then the desk and the simulator that they left
        running."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self.kisnb("desk", "stop")

    def clear(self) -> None:
        """As it was when it started: no kernel, no desk, no simulator, no file, an empty
        ``KISNB_STATE``."""
        for session in json.loads(self._ask("GET", "/api/sessions")):
            self._ask("DELETE", f"/api/sessions/{session['id']}")
        self.kisnb("desk", "stop")
        for folder in (self.folder, self.home / "state", self.home / "workspaces"):
            shutil.rmtree(folder, ignore_errors=True)
        self.folder.mkdir()

    def _ask(self, method: str, path: str) -> str:
        """JupyterLab's own interface."""
        place = urlsplit(self.url)
        token = {"Authorization": f"token {place.query.removeprefix('token=')}"}
        request = Request(f"{place.scheme}://{place.netloc}{path}", headers=token, method=method)
        with urlopen(request, timeout=30) as answer:
            return str(answer.read(), "utf-8")

    def kisnb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``kisnb`` in this lab's environment."""
        command = [sys.executable, "-m", "kisnb", *arguments]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=30, check=False
        )


class NotebookPage:
    """One notebook in JupyterLab's browser window, driven as a person drives it."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))

    def open(self, name: str) -> None:
        """Open a notebook of the lab's folder and wait for its kernel."""
        self.page.goto(self.lab.url.replace("/lab?", f"/lab/tree/{name}?"))
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=START_SECONDS * 1000)
        ready = f"() => {CURRENT}?.sessionContext?.isReady"
        self.page.wait_for_function(ready, timeout=START_SECONDS * 1000)
        self.page.evaluate(f"() => {CURRENT}.sessionContext.session.kernel.info.then(() => null)")
        self.wait_idle()

    def command(self, name: str) -> None:
        """Run a command of JupyterLab's own, such as ``notebook:run-all-cells``, and do not wait
        for its end."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def cell(self, index: int) -> Locator:
        """The ``index``-th cell of the notebook, from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def start_cell(self, index: int) -> None:
        """Run one cell and do not wait for its end."""
        self.cell(index).locator(".cm-content, .jp-RenderedMarkdown").first.click()
        self.page.keyboard.press("Control+Enter")

    def run_cell(self, index: int) -> Locator:
        """Run one cell to its end; returns its outputs."""
        self.start_cell(index)
        self.wait_for_prompt(index)
        return self.outputs(index)

    def run_all(self, seconds: float = CELL_SECONDS) -> None:
        """Run All, and wait until the last code cell has run to its end."""
        self.command("notebook:run-all-cells")
        self._wait_for_number(self.page.locator(".jp-Notebook .jp-CodeCell").last, seconds)

    def outputs(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-Cell-outputWrapper")

    def prompt(self, index: int) -> str:
        """``"[*]:"`` while the cell runs, ``"[3]:"`` when it is done, ``"[ ]:"`` before."""
        return self.cell(index).locator(".jp-InputPrompt").first.inner_text().strip()

    def wait_for_prompt(self, index: int, seconds: float = CELL_SECONDS) -> None:
        """Wait until the cell has run to its end."""
        self._wait_for_number(self.cell(index), seconds)

    def _wait_for_number(self, cell: Locator, seconds: float) -> None:
        from playwright.sync_api import expect

        prompt = cell.locator(".jp-InputPrompt").first
        expect(prompt).to_have_text(re.compile(r"^\s*\[\d+\]:\s*$"), timeout=seconds * 1000)

    def wait_idle(self) -> None:
        self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(
            state="attached", timeout=START_SECONDS * 1000
        )

    def dismiss_dialog(self, title: str) -> None:
        """Wait for JupyterLab's dialog of this title and accept it."""
        dialog = self.page.locator(".jp-Dialog", has_text=title)
        dialog.locator("button.jp-mod-accept").click(timeout=START_SECONDS * 1000)

    def save(self) -> None:
        """Save the notebook and wait until the file is written."""
        self._finish("docmanager:save")
        self.page.wait_for_function(f"() => !{CURRENT}.context.model.dirty")

    def restart_kernel(self) -> None:
        """Restart the kernel, as a person does who confirms it."""
        self.command("notebook:restart-kernel")
        self.dismiss_dialog("Restart Kernel?")
        self.wait_idle()

    def clear_outputs(self) -> None:
        """Clear all outputs and numbers, so that Run All is seen to end."""
        self._finish("notebook:clear-all-cell-outputs")

    def _finish(self, name: str) -> None:
        """Run a command of JupyterLab's own and wait for its end."""
        done = "window.jupyterapp.commands.execute(name)"
        self.page.evaluate(f"name => {done}.then(() => null)", name)

    def kernel_pid(self, index: int) -> int:
        """The process id that the ``index``-th cell printed."""
        return int(self.outputs(index).inner_text().strip().split()[-1])

    def beside(self) -> NotebookPage:
        """A second page of the same browser."""
        return NotebookPage(self.page.context.new_page(), self.lab)

    def strangers(self) -> list[str]:
        """Every request that left this machine."""
        here = {"127.0.0.1", "localhost", None}
        sent = [url for url in self.requests if not url.startswith(("data:", "blob:"))]
        return [url for url in sent if urlsplit(url).hostname not in here]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(CHROMIUM_FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browse(
    browser: Browser, lab: Lab, *, width: int = 1280, height: int = 1000, scale: float = 1
) -> Iterator[NotebookPage]:
    """A fresh window on ``lab``, which knows nothing of the windows before it."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=scale
    )
    try:
        yield NotebookPage(context.new_page(), lab)
    finally:
        context.close()


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells with stable ids."""
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(cells)],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, path)


def column(panel: Locator, table: str, name: str) -> Locator:
    """The cells of one column, top row first."""
    heads = panel.locator(f"section[data-table={table}] th")
    heads.first.wait_for(state="attached")
    names = heads.all_text_contents()
    return panel.locator(f"section[data-table={table}] tbody td:nth-child({names.index(name) + 1})")


def true_ledger(lab: Lab) -> dict[str, Any]:
    """The account as the simulator itself has it."""
    address = json.loads((lab.home / "state" / "sim" / "address.json").read_text())
    with urlopen(f"{address['control'].rstrip('/')}/ledger") as answer:
        return dict(json.load(answer))
