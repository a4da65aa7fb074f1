"""Real kernels, run as a front end runs them: execute requests with or without cell ids."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client import launcher
from jupyter_client.manager import KernelManager

from kisnb.cli import main
from tests.forking import popen

launcher.Popen = popen.Popen
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Output:
    """What one cell showed."""

    text: str = ""
    """Its streams and its result as text."""
    html: str = ""
    error: str = ""
    """``"BadInput: ..."`` lines of the traceback, without colours; empty when it ended well."""
    bundles: list[dict[str, str]] = field(default_factory=list)


class Kernel:
    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client = manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def start(self, text: str, cell_id: str | None = None, *, keyboard: bool = False) -> str:
        """Send a cell without waiting for it; returns the request's id.

        ``keyboard``: somebody can be asked.
        """
        message = self.client.session.msg(
            "execute_request",
            {"code": text, "silent": False, "store_history": True, "user_expressions": {},
             "allow_stdin": keyboard,
             "stop_on_error": True},
            metadata={"cellId": cell_id} if cell_id else {},
        )  # fmt: skip
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(self, text: str, cell_id: str | None = None) -> Output:
        return self.finish(self.start(text, cell_id))

    def ok(self, text: str, cell_id: str | None = None) -> Output:
        output = self.run(text, cell_id)
        assert not output.error, output.error
        return output

    def finish(self, request: str, timeout: float = 240) -> Output:
        """Collect the outputs of a request until the kernel is idle again."""
        output = Output()
        end = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return output
            if kind == "stream":
                output.text += content["text"]
            elif kind in ("execute_result", "display_data"):
                output.bundles.append(content["data"])
                output.text += content["data"].get("text/plain", "") + "\n"
                output.html += content["data"].get("text/html", "")
            elif kind == "error":
                output.error = _COLOURS.sub("", "\n".join(content["traceback"]))

    def send_click(self, comm: str) -> str:
        """Click a button by the id of its comm and do not wait; returns the request's id."""
        data = {"method": "custom", "content": {"event": "click"}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def click(self, comm: str) -> Output:
        """Click a button and wait until its callback has returned."""
        return self.finish(self.send_click(comm))

    def wait_until_shown(self, request: str, text: str) -> None:
        """Return when the running cell has printed ``text``."""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            ours = message["parent_header"].get("msg_id") == request
            if ours and text in message["content"].get("text", ""):
                return

    def answer(self, text: str) -> str:
        """Type ``text`` when the running cell asks; returns the question."""
        asked = self.client.get_stdin_msg(timeout=60)
        self.client.input(text)
        return str(asked["content"]["prompt"])

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def interrupt_until_idle(self, request: str) -> Output:
        """Press the interrupt button, as often as a person does, until the request has ended."""
        while True:
            self.interrupt()
            try:
                return self.finish(request, timeout=1)
            except Empty:
                continue

    def kill(self) -> None:
        """As `kill -9`: the kernel runs nothing any more."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def shutdown(self) -> None:
        """As a restart from JupyterLab asks for it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)


def stop_desk(state: Path) -> None:
    """Stop desk and simulator of a state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KISNB_STATE", str(state))
        main(["desk", "stop"])


@contextmanager
def kernel(state: Path, cwd: Path | None = None, **environment: str) -> Iterator[Kernel]:
    """A fresh kernel on a state folder.

    It is killed when the block ends, the desk under it goes on.

    ``cwd`` is the folder of its notebook.

    It trades the packaged universe: a kernel that tests share begins before a test can say so.
    """
    state.mkdir(mode=0o700, exist_ok=True)
    manager = KernelManager(kernel_name="python3")
    kept = {name: value for name, value in os.environ.items() if name != "KISNB_DATA"}
    given = {"KISNB_STATE": str(state), "IPYTHONDIR": str(state / "ipython"), **environment}
    manager.start_kernel(env=kept | given, **({"cwd": str(cwd)} if cwd else {}))
    started = Kernel(manager)
    try:
        yield started
    finally:
        if manager.is_alive():
            started.kill()
