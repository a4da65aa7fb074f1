"""The start of desk, supervisor and simulator: apart from the folder in which a person works.

A notebook's folder may hold a ``secrets.py`` or a ``token.py``. Python looks for modules in the
working folder first, so such a file would stand in for the standard library's. It could keep a desk
from starting that is to take over orders in the market. So the processes start with ``-P`` in a
working folder of their own, and every relative path of a setting is made absolute before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = "/"
"""The working folder: it is always there, and keeps no disk busy."""
_PATHS = ("KISNB_DATA", "SSL_CERT_FILE", "SSL_CERT_DIR")


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of kisnb in this interpreter; start it in ``FOLDER``."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The environment of this process with absolute paths. Raises ConfigError for a wrong setting.

    A relative ``credentials`` or ``record`` of ``config.json`` is handed on as ``KISNB_…``: it
    names a file beside the notebook that starts the desk.
    """
    # Imported here, because the supervisor uses this module too and stays small without it.
    from kisnb.config import PATHS, full_path, load_config

    config = load_config()
    paths = {name: os.environ.get(name, "") for name in _PATHS}
    paths |= {f"KISNB_{name.upper()}": getattr(config, name) for name in PATHS}
    changed = {
        name: full_path(path) for name, path in paths.items() if path and full_path(path) != path
    }
    return {**os.environ, **changed, "PYTHONPATH": os.pathsep.join(_search_path())}


def _search_path() -> list[str]:
    """The folders of ``PYTHONPATH`` that are named in full.

    An empty or a relative one means the working folder. The folder of kisnb follows when a child
    would not find it otherwise: it was not installed, and found in the working folder.
    """
    kept = [
        path
        for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if Path(path).is_absolute()
    ]
    root, standard = str(Path(__file__).parents[3]), str(Path(os.__file__).parent)
    installed = sys.path[sys.path.index(standard) :] if standard in sys.path else sys.path
    return kept if root in kept or root in installed else [*kept, root]
