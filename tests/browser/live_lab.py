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
from unittest import mock
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from kisnb.cli import main
from tests.forking import popen

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-first-run",
)  # fmt: skip
START_SECONDS = 120
FORKED_KERNELS = f"""
import sys
sys.path.append({os.fspath(popen.ROOT)!r})
from jupyter_client import launcher
from tests.forking import popen
launcher.Popen = popen.Popen
"""
"""Configuration of Jupyter's server: its kernels are forked."""


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
        if popen.servers is not None:
            popen.servers.start(popen.KERNEL)
            (self.home / "config").mkdir()
            (self.home / "config" / "jupyter_server_config.py").write_text(FORKED_KERNELS)
        extra = [
            "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
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
        self._stop_desk()

    def clear(self) -> None:
        """As it was when it started: no kernel, no desk, no simulator, no file, an empty
        ``KISNB_STATE``."""
        for session in json.loads(self._ask("GET", "/api/sessions")):
            self._ask("DELETE", f"/api/sessions/{session['id']}")
        self._stop_desk()
        for folder in (self.folder, self.home / "state", self.home / "workspaces"):
            shutil.rmtree(folder, ignore_errors=True)
        self.folder.mkdir()

    def _stop_desk(self) -> None:
        with mock.patch.dict(os.environ, {"KISNB_STATE": str(self.home / "state")}):
            main(["desk", "stop"])

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


def true_ledger(lab: Lab) -> dict[str, Any]:
    """The account as the simulator itself has it."""
    address = json.loads((lab.home / "state" / "sim" / "address.json").read_text())
    with urlopen(f"{address['control'].rstrip('/')}/ledger") as answer:
        return dict(json.load(answer))
