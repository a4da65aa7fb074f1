"""``kisnb lab`` starts JupyterLab quietly, and refuses what it cannot serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kisnb.notebook import lab


def test_jupyterlab_serves_the_folder_without_news_or_update_checks(tmp_path: Path) -> None:
    arguments = lab.lab_arguments(tmp_path, tmp_path / "settings", ["--no-browser"])
    assert f"--ServerApp.root_dir={tmp_path}" in arguments
    assert f"--LabApp.app_settings_dir={tmp_path / 'settings'}" in arguments
    assert arguments[-1] == "--no-browser"
    overrides = json.loads((tmp_path / "settings" / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"] == {
        "fetchNews": "false",
        "checkForUpdates": False,
    }


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_in_a_container_is_served_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, allowed: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert (
        "--ServerApp.allow_root=True" in lab.lab_arguments(tmp_path, tmp_path / "settings")
    ) is allowed
    assert lab.lab_arguments(tmp_path, tmp_path / "settings", ["--allow-root"])[2:] == [
        "--allow-root"
    ]


def test_cells_and_terminals_find_our_kisnb() -> None:
    ours = str(Path(sys.executable).parent)
    assert lab.path_with_ours("/usr/bin:/bin") == f"{ours}:/usr/bin:/bin"
    assert lab.path_with_ours("") == ours
    assert lab.path_with_ours(f"/usr/bin:{ours}") == f"/usr/bin:{ours}"


def test_n03_a_folder_that_is_none_is_one_line_with_the_cure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert lab.main([str(tmp_path / "missing")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "is not a folder. Name the folder that holds your notebooks." in said
