"""``kisnb lab``: serves a folder of notebooks in JupyterLab.

JupyterLab shows no news and no updates. Simulated time runs as the setting ``sim_speed`` says.
"""

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
"""Settings of JupyterLab that differ from its defaults. What a user sets there wins."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until JupyterLab is stopped; return the exit status, 2 when it could not start.

    Options that are not ours go to JupyterLab.
    """
    parser = argparse.ArgumentParser(prog="kisnb lab", description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        help="notebooks to open (default: ./notebooks, else here); an empty one gets the examples",
    )
    options, extra = parser.parse_known_args(argv)
    try:
        # Both may fail for a reason that a person can mend. They come before the slow import of
        # JupyterLab.
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
    os.environ["PATH"] = path_with_ours(os.environ.get("PATH", ""))
    LabApp.launch_instance(argv=arguments)
    return 0


def lab_arguments(folder: Path, settings: Path, extra: Sequence[str] = ()) -> list[str]:
    """Write JupyterLab's settings into ``settings``; return its arguments to serve ``folder``."""
    overrides = private_dir(settings) / "overrides.json"
    overrides.write_text(json.dumps(OVERRIDES, indent=2) + "\n", encoding="utf-8")
    # In a container there is often no user but root. JupyterLab would end with an error.
    is_given = any("allow-root" in word or "allow_root" in word for word in extra)
    root = ["--ServerApp.allow_root=True"] if os.geteuid() == 0 and not is_given else []
    return [
        f"--ServerApp.root_dir={folder}",
        # JupyterLab reads overrides.json from this folder. Writing the file to the environment's
        # own folder would change other JupyterLabs of it.
        f"--LabApp.app_settings_dir={settings}",
        *root,
        # The person's words come last, because the last one counts.
        *extra,
    ]


def path_with_ours(path: str) -> str:
    """Return ``path`` with this installation's programs first.

    So ``!kisnb`` and JupyterLab's terminals run this ``kisnb``.
    """
    ours = str(Path(sys.executable).parent)
    return path if ours in path.split(os.pathsep) else os.pathsep.join(filter(None, (ours, path)))


def _folder(given: Path | None) -> Path:
    folder = given or (Path("notebooks") if Path("notebooks").is_dir() else Path())
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", "name the folder that holds your notebooks")
    return folder.resolve()
