"""N11: of a whole run, nothing but the private key files holds a key, a token, the account number
or the HTS id."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.notebook.real_kernels import stop_desk

CELLS = (
    "%load_ext kisnb",
    "s = %kis open sim --seed 7 --date 2026-11-20 --start 10:00\ns",
    "%kis buy 005930 10",
    "await s.sleep(70)",
    "%kis sell 005930 4",
    "%kis balance",
    "%kis orders",
    "%kis positions",
    "%kis depth 005930",
    "%kis chart 005930",
    "%kis panel",
    "%kis agents",
    "%kis config",
    "await s.journal()",
    "repr(s), str(vars(s)), str(vars(s._parts.link.state.desk)), s.capabilities()",
    "%kis report -o report.html",
)
MISTAKES = ("%kis buy 1 1", "%kis cancel 77")
KEY_FILES = ("kis_devlp.yaml", "token-*.json", "approval-*.json")


def secrets_of(state: Path) -> dict[str, str]:
    """What must never show, by name."""
    keys = yaml.safe_load(next(state.rglob("kis_devlp.yaml")).read_text("utf-8"))
    found = {name: str(keys[name]) for name in ("my_app", "my_sec", "my_acct_stock", "my_htsid")}
    for file in state.rglob("token-*.json"):
        found["token"] = json.loads(file.read_text())["token"]["text"]
    for file in state.rglob("approval-*.json"):
        found["approval key"] = json.loads(file.read_text())["text"]
    return found


def test_n11_a_whole_run_leaves_secrets_in_private_key_files_alone(
    tmp_path: Path, monkeypatch
) -> None:
    # Imported here: it takes over a second, and every worker collects this file.
    import nbformat
    from nbclient import NotebookClient

    state = tmp_path / "state"
    monkeypatch.setenv("KISNB_STATE", str(state))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS + MISTAKES]
    )
    try:
        NotebookClient(
            notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": tmp_path}}
        ).execute()
        failed = [
            c.source for c in notebook.cells if any(o.output_type == "error" for o in c.outputs)
        ]
        assert failed == list(MISTAKES)
        nbformat.write(notebook, tmp_path / "run.ipynb")
        secrets = secrets_of(state)
        assert len(secrets) == 6
        assert all(secrets.values())
        keys = {file for pattern in KEY_FILES for file in state.rglob(pattern)}
        assert {file.stat().st_mode & 0o077 for file in keys} == {0}
        others = [file for file in tmp_path.rglob("*") if file.is_file() and file not in keys]
        assert {"run.ipynb", "report.html", "recording.jsonl"} <= {file.name for file in others}
        shown = {file: file.read_bytes() for file in others}
        leaks = [
            (str(f), name)
            for f, data in shown.items()
            for name, s in secrets.items()
            if s.encode() in data
        ]
        assert leaks == []
    finally:
        stop_desk(state)
