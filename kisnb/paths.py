"""Where kisnb keeps its state: the platform's user-state folder, or ``KISNB_STATE``; only the owner may look inside."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from kisnb.errors import ConfigError


def state_dir() -> Path:
    """The state folder, made when missing, mode 0700. Raises ConfigError when it cannot be made."""
    given = os.environ.get("KISNB_STATE")
    if given:
        folder = Path(given).expanduser()
    else:
        import platformdirs

        folder = Path(platformdirs.user_state_dir("kisnb", appauthor=False))
    return private_dir(folder)


def private_dir(folder: Path) -> Path:
    """``folder``, made when missing, mode 0700."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"the folder {folder} cannot be made: {e.strerror}", "set KISNB_STATE to a folder of yours"
        ) from e
    return folder


def data_dir() -> Path | None:
    """The folder with real prices (``KISNB_DATA``); None when it is not set. Raises ConfigError when it is missing."""
    given = os.environ.get("KISNB_DATA")
    if not given:
        return None
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"KISNB_DATA names {folder}, which is no folder", "correct it, or unset it")
    return folder


def socket_path(name: str) -> Path:
    """A short path for a Unix socket (they end at 104 bytes) in a 0700 folder of this user."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = private_dir(Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"kisnb-{user}")
    if folder.stat().st_mode & 0o077:
        raise ConfigError(f"{folder} is open to others", f"remove it, or: chmod 700 {folder}")
    digest = hashlib.sha256(f"{state_dir()}\0{name}".encode()).hexdigest()[:16]
    return folder / f"{digest}.sock"


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: readers see the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    fresh.replace(path)
