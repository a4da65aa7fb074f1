"""The command and the environment with which desk, supervisor and simulator are started.

A notebook's folder may contain a ``secrets.py`` or a ``token.py``. Python looks for modules in the
working folder first, so such a file would replace a module of the standard library. Then a desk
that must take over orders in the market could not start. So the processes are started with ``-P``
in another working folder, and every relative path of a setting is made absolute before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = "/"
"""The working folder of the processes.

It always exists, and it keeps no disk from being unmounted.
"""
_PATHS = ("KISNB_DATA", "SSL_CERT_FILE", "SSL_CERT_DIR")


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of kisnb in this interpreter.

    Start it in ``FOLDER``.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return this process's environment for a child process, with absolute paths.

    A relative ``credentials`` or ``record`` of ``config.json`` is passed on as ``KISNB_…``, because
    it means a file in the folder of the notebook that starts the desk. Raises ConfigError for wrong
    settings.
    """
    # This is imported here, because the supervisor uses this module too and must stay small.
    from kisnb.config import PATHS, full_path, load_config

    config = load_config()
    paths = {name: os.environ.get(name, "") for name in _PATHS}
    paths |= {f"KISNB_{name.upper()}": getattr(config, name) for name in PATHS}
    changed = {
        name: full_path(path) for name, path in paths.items() if path and full_path(path) != path
    }
    return {**os.environ, **changed, "PYTHONPATH": os.pathsep.join(_search_path())}


def _search_path() -> list[str]:
    """Return the absolute folders of ``PYTHONPATH``, and kisnb's own folder if a child needs it.

    An empty or relative folder would mean the working folder. A child needs kisnb's folder when
    kisnb was not installed but found in the working folder.
    """
    kept = [
        path
        for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if Path(path).is_absolute()
    ]
    root, standard = str(Path(__file__).parents[3]), str(Path(os.__file__).parent)
    installed = sys.path[sys.path.index(standard) :] if standard in sys.path else sys.path
    return kept if root in kept or root in installed else [*kept, root]
