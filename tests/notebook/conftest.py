"""A real IPython shell with the extension loaded, in this process."""

from __future__ import annotations

import atexit
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets.config import Config


class Shell:
    """Runs cells as a front end does, with or without cell ids."""

    def __init__(self, ip: InteractiveShell) -> None:
        self.ip = ip

    def run(self, text: str, cell_id: str | None = None) -> ExecutionResult:
        return self.ip.run_cell(text, store_history=True, cell_id=cell_id)

    def value(self, text: str, cell_id: str | None = None) -> object:
        result = self.run(text, cell_id)
        result.raise_error()
        return result.result


@pytest.fixture
def bare_ip(tmp_path, monkeypatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    ip = InteractiveShell.instance(config=config)
    yield ip
    atexit.unregister(ip.atexit_operations)
    ip.atexit_operations()
    InteractiveShell.clear_instance()


@pytest.fixture
def ip(bare_ip: InteractiveShell) -> Iterator[InteractiveShell]:
    bare_ip.extension_manager.load_extension("kisnb")
    yield bare_ip
    bare_ip.extension_manager.unload_extension("kisnb")


@pytest.fixture
def shell(ip: InteractiveShell) -> Shell:
    return Shell(ip)
