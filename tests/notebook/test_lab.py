"""``kisnb lab`` starts this interpreter's JupyterLab, quietly, and refuses what it cannot serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kisnb.notebook import lab


def test_the_command_serves_the_folder_without_news_or_update_checks(tmp_path: Path) -> None:
    command = lab.lab_command(tmp_path, tmp_path / "settings", ["--no-browser"])
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={tmp_path}" in command
    assert command[-1] == "--no-browser"
    overrides = json.loads((tmp_path / "settings" / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


def test_h05_the_lab_runs_simulated_time_at_1x_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KISNB_SIM_SPEED", raising=False)
    assert lab.lab_environment()["KISNB_SIM_SPEED"] == "1"
    monkeypatch.setenv("KISNB_SIM_SPEED", "20")
    assert lab.lab_environment()["KISNB_SIM_SPEED"] == "20"


def test_n03_a_folder_that_is_none_is_one_line_with_the_cure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "state"))
    assert lab.main([str(tmp_path / "missing")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "is no folder. name the folder that holds your notebooks." in said
