"""``kisnb lab``: JupyterLab on a folder of notebooks, quiet about news and updates, with simulated time at 1×."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kisnb.errors import ConfigError, KisnbError
from kisnb.notebook.examples import copy_examples
from kisnb.paths import private_dir, state_dir

OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
"""JupyterLab's settings where they differ from its defaults; what a user sets in JupyterLab itself wins."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until JupyterLab is stopped; options that are not ours go to JupyterLab. Exit status 2: could not start."""
    parser = argparse.ArgumentParser(prog="kisnb lab", description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        help="notebooks to open (default: ./notebooks, else here); an empty one gets the examples",
    )
    options, extra = parser.parse_known_args(argv)
    try:
        folder = _folder(options.folder)
        arguments = lab_arguments(folder, state_dir() / "lab", extra)
    except KisnbError as error:
        print(f"kisnb lab: {error}", file=sys.stderr)
        return 2
    try:
        from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]
    except ImportError:
        print("kisnb lab: JupyterLab is not installed. pip install 'kisnb[lab]'.", file=sys.stderr)
        return 2
    if copies := copy_examples(folder):
        print(f"kisnb lab: {folder} was empty; {len(copies)} example notebooks are in it now.")
    os.environ.setdefault("KISNB_SIM_SPEED", "1")
    os.environ["PATH"] = path_with_ours(os.environ.get("PATH", ""))
    LabApp.launch_instance(argv=arguments)
    return 0


def lab_arguments(folder: Path, settings: Path, extra: Sequence[str] = ()) -> list[str]:
    """JupyterLab's arguments to serve ``folder``; its settings are written to the folder ``settings``."""
    overrides = private_dir(settings) / "overrides.json"
    overrides.write_text(json.dumps(OVERRIDES, indent=2) + "\n", encoding="utf-8")
    # Who is root has no other user to be, in a container above all; JupyterLab would end with an error.
    said = any("allow-root" in word or "allow_root" in word for word in extra)
    root = ["--ServerApp.allow_root=True"] if os.geteuid() == 0 and not said else []
    return [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.app_settings_dir={settings}",
        *root,
        *extra,
    ]


def path_with_ours(path: str) -> str:
    """``PATH`` on which ``!kisnb`` and JupyterLab's terminals find this installation's ``kisnb`` first."""
    ours = str(Path(sys.executable).parent)
    return path if ours in path.split(os.pathsep) else os.pathsep.join(filter(None, (ours, path)))


def _folder(given: Path | None) -> Path:
    folder = given or (Path("notebooks") if Path("notebooks").is_dir() else Path())
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder", "name the folder that holds your notebooks")
    return folder.resolve()
