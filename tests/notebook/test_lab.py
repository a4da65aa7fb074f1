"""``kisnb lab`` starts JupyterLab quietly, and refuses what it cannot serve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kisnb.notebook import lab


def test_jupyterlab_serves_the_folder_without_news_or_update_checks(tmp_path: Path) -> None:
    arguments = lab.lab_arguments(tmp_path, tmp_path / "settings", ["--no-browser"])
    assert f"--ServerApp.root_dir={tmp_path}" in arguments
    assert f"--LabApp.app_settings_dir={tmp_path / 'settings'}" in arguments
    assert arguments[-1] == "--no-browser"
    overrides = json.loads((tmp_path / "settings" / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


def test_n03_a_folder_that_is_none_is_one_line_with_the_cure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert lab.main([str(tmp_path / "missing")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "is no folder. Name the folder that holds your notebooks." in said
