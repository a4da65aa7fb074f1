"""The theme that a person has chosen in JupyterLab, read from JupyterLab's settings file.

A plotly figure contains its colours, so the kernel has to choose them.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_FILE = Path("@jupyterlab") / "apputils-extension" / "themes.jupyterlab-settings"


def is_dark() -> bool:
    """Return whether JupyterLab's chosen theme is dark. False outside a kernel, or without one."""
    # A script outside JupyterLab has no theme to follow.
    if "ipykernel" not in sys.modules:
        return False
    try:
        text = (_settings_folder() / _FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    # The file may have comments, so it is not JSON. A dark theme has "dark" in its name.
    found = re.search(r'^\s*"theme"\s*:\s*"([^"]*)"', text, re.MULTILINE)
    return found is not None and "dark" in found[1].lower()


def _settings_folder() -> Path:
    if folder := os.environ.get("JUPYTERLAB_SETTINGS_DIR"):
        return Path(folder)
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / "lab" / "user-settings"
