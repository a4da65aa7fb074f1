"""One notebook in JupyterLab's browser window, driven as a person drives it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.browser.live_lab import START_SECONDS, Lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, ViewportSize

CELL_SECONDS = 90
VIEWPORT: ViewportSize = {"width": 1280, "height": 1000}
CURRENT = "window.jupyterapp.shell.currentWidget"
"""The notebook that is in sight, in JavaScript."""
CLOSE_NOTEBOOKS = """async () => {
    const lab = window.jupyterapp;
    if (!lab) return;
    const open = [...lab.shell.widgets("main")].filter((widget) => widget.context);
    open.forEach((widget) => widget.dispose());
    // Through the page itself: it must not connect the next notebook of this name to an old kernel.
    await lab.serviceManager.sessions.shutdownAll();
}"""


class NotebookPage:
    """One notebook in JupyterLab's browser window, driven as a person drives it."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self.requests: list[str] = []
        self.errors: list[str] = []
        """Errors of the page's scripts and of its console since the last ``clear``."""
        self.expected_errors: list[str] = []
        """Patterns of the errors that a test brings about."""
        self._reloaded = False
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))

    def open(self, name: str) -> None:
        """Open a notebook of the lab's folder and wait for its kernel.

        JupyterLab is loaded first when the page does not show it yet.
        """
        if self.page.evaluate("() => 'jupyterapp' in window"):
            self._finish("docmanager:open", path=name)
            self._wait_for_kernel()
        else:
            self._load(f"/lab/tree/{name}")

    def reload(self, name: str) -> None:
        """Load JupyterLab anew with a notebook, as a reloaded page does; wait for its kernel."""
        self._load(f"/lab/tree/{name}")
        self._reloaded = True

    def open_in_notebook_7(self, name: str) -> None:
        """Load Notebook 7 with a notebook; wait for its kernel. The test leaves the page."""
        self._load(f"/notebooks/{name}")
        self._reloaded = True

    def _load(self, path: str) -> None:
        self.page.goto(self.lab.url.replace("/lab?", f"{path}?"))
        self._wait_for_kernel()

    def _wait_for_kernel(self) -> None:
        """Wait until the notebook has its kernel. A cell that is run earlier is lost."""
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=START_SECONDS * 1000)
        ready = f"() => {CURRENT}?.sessionContext?.isReady"
        self.page.wait_for_function(ready, timeout=START_SECONDS * 1000)
        known = f"() => {CURRENT}.sessionContext.session.kernel.info.then(() => true)"
        self.page.wait_for_function(known, timeout=START_SECONDS * 1000)
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

    def use_theme(self, name: str) -> None:
        """Change to a theme of JupyterLab and wait until it is drawn.

        JupyterLab shows its splash meanwhile. A second change before the splash has gone makes
        JupyterLab remove it twice, which is an error of the page.
        """
        self._finish("apputils:change-theme", theme=name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)
        self.page.wait_for_function("() => !document.getElementById('jupyterlab-splash')")

    def _finish(self, name: str, **arguments: str) -> None:
        """Run a command of JupyterLab's own and wait for its end."""
        done = "window.jupyterapp.commands.execute(name, args)"
        self.page.evaluate(f"([name, args]) => {done}.then(() => null)", [name, arguments])

    def close_all(self) -> None:
        """Close all notebooks and files, and end their kernels."""
        self.page.evaluate(CLOSE_NOTEBOOKS)

    def leave(self) -> None:
        """Leave JupyterLab; the next notebook loads it again."""
        self.page.goto("about:blank")
        self._reloaded = False

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass for the page: its clock jumps ahead and its timers that are due fire."""
        self.page.clock.fast_forward(milliseconds)

    def clear(self) -> None:
        """Close what a test opened, saved or not.

        JupyterLab stays loaded, because that takes longest, unless the test loaded it anew: it
        restores what was open before, and may still be busy with that.
        """
        for page in self.page.context.pages:
            if page is not self.page:
                page.close()
        self.page.unroute_all()
        self.page.set_viewport_size(VIEWPORT)
        if self._reloaded:
            self.leave()
        else:
            self.close_all()
        self.requests.clear()
        self.errors.clear()
        self.expected_errors.clear()

    def kernel_pid(self, index: int) -> int:
        """The process id that the ``index``-th cell printed."""
        return int(self.outputs(index).inner_text().strip().split()[-1])

    def beside(self) -> NotebookPage:
        """A second page of the same browser."""
        return NotebookPage(self.page.context.new_page(), self.lab)

    def unexpected_errors(self) -> list[str]:
        """The errors of the page that the test did not bring about."""
        # Between two tests the lab's folder is made anew, and the file browser may look meanwhile.
        expected = [*self.expected_errors, 'Directory not found: ""']
        return [e for e in self.errors if not any(re.search(p, e) for p in expected)]

    def strangers(self) -> list[str]:
        """Every request that left this machine."""
        here = {"127.0.0.1", "localhost", None}
        sent = [url for url in self.requests if not url.startswith(("data:", "blob:"))]
        return [url for url in sent if urlsplit(url).hostname not in here]


@contextmanager
def browse(
    browser: Browser, lab: Lab, *, viewport: ViewportSize = VIEWPORT, scale: float = 1
) -> Iterator[NotebookPage]:
    """A fresh window on ``lab``, which knows nothing of the windows before it."""
    context = browser.new_context(viewport=viewport, device_scale_factor=scale)
    try:
        yield NotebookPage(context.new_page(), lab)
    finally:
        context.close()
