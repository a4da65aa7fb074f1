"""``kisnb lab``: JupyterLab on a folder of notebooks, quiet about news and updates, with simulated time at 1×."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kisnb.errors import ConfigError, KisnbError
from kisnb.paths import private_dir, state_dir

OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
"""JupyterLab's settings where they differ from its defaults; what a user sets in JupyterLab itself wins."""


def lab_command(folder: Path, settings: Path, extra: Sequence[str] = ()) -> list[str]:
    """The command that serves ``folder`` with this JupyterLab; its settings are written to ``settings``."""
    private_dir(settings)
    (settings / "overrides.json").write_text(json.dumps(OVERRIDES, indent=2) + "\n", encoding="utf-8")
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.app_settings_dir={settings}",
        *extra,
    ]


def lab_environment() -> dict[str, str]:
    """This process's environment, with simulated time running free at 1× unless it says otherwise."""
    return {"KISNB_SIM_SPEED": "1", **os.environ}


def main(argv: Sequence[str] | None = None) -> int:
    """Run JupyterLab until it is stopped; unknown options go to JupyterLab. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="kisnb lab", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="notebooks to open (default: ./notebooks, else here)")
    options, extra = parser.parse_known_args(argv)
    try:
        command = lab_command(_folder(options.folder), state_dir() / "lab", extra)
        if importlib.util.find_spec("jupyterlab") is None:
            raise ConfigError("JupyterLab is not installed", "pip install 'kisnb[lab]'")
    except KisnbError as error:
        print(f"kisnb lab: {error}", file=sys.stderr)
        return 2
    lab = subprocess.Popen(command, env=lab_environment())  # noqa: S603
    while True:
        try:
            return lab.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab got the same signal and asks by itself whether to stop


def _folder(given: Path | None) -> Path:
    folder = given or (Path("notebooks") if Path("notebooks").is_dir() else Path())
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder", "name the folder that holds your notebooks")
    return folder.resolve()
