"""The places of kisnb's files: the state folder, and folders of this user for sockets and locks.

HALT, ``config.json`` and keys are in the state folder. So no other user may write in it, and its
path must be absolute. With a relative path, each working folder would have another state folder,
and with it another desk.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kisnb.errors import ConfigError, FolderError

# The smaller limit is used on both systems, so a path that works on one works on the other.
SOCKET_BYTES = 103
"""Most bytes in the path of a Unix socket: macOS allows 104 with the closing zero, Linux 108."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""Error numbers of a disk that supports no file locks."""
_checked: set[Path] = set()
"""State folders that this process has found safe. Each is checked once."""


def state_dir() -> Path:
    """Return the state folder, and make it when it is missing.

    The folder is ``KISNB_STATE``, else the platform's state folder of this user. Its mode is set to
    0700. A home folder, or a folder at the top of the disk, keeps its mode, because other programs
    use it too. kisnb's own files in it have private modes. Raises ConfigError for a relative path.
    Raises FolderError when the folder cannot be made, is another user's, or can be written by
    others.
    """
    given = os.environ.get("KISNB_STATE")
    folder = _given_folder(given) if given else user_folder()
    # The folder is made with every call, and checked once: somebody may remove it while a kernel
    # runs.
    private_dir(folder)
    if folder not in _checked:
        _check_owned(folder)
        _checked.add(folder)
    return folder


def user_folder() -> Path:
    """Return the path of the platform's state folder of this user. The folder is not made.

    It does not depend on ``KISNB_STATE``. Raises ConfigError for a user without a home folder.
    """
    # Imported late, so that `import kisnb` stays fast.
    import platformdirs

    try:
        folder = Path(platformdirs.user_state_dir("kisnb", appauthor=False))
    except RuntimeError:
        folder = Path()
    # Without HOME, for a user that the system does not know, older versions leave the "~".
    if not folder.is_absolute():
        raise ConfigError("this user has no home folder", "set KISNB_STATE to a folder of yours")
    return folder


def _given_folder(given: str) -> Path:
    """Return the folder that ``KISNB_STATE`` names. Raises ConfigError for a relative path."""
    folder = _expanded(given)
    if not folder.is_absolute():
        raise ConfigError(
            f"KISNB_STATE={given} is not a full path: it would be another desk in each working "
            "folder",
            f"write it in full, for example KISNB_STATE={Path.cwd() / folder}",
        )
    return folder


def _expanded(path: str) -> Path:
    """Return ``path`` with the home folder for ``~``; ``~`` stays where no home is known."""
    # Path.expanduser raises RuntimeError there.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def private_dir(folder: Path) -> Path:
    """Make ``folder`` with mode 0700 when it is missing, and return it. Raises FolderError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise FolderError(f"the folder {folder} cannot be made: {e.strerror}", cure_of(e)) from e
    return folder


def _check_owned(folder: Path) -> None:
    """Raise FolderError when another user owns the state folder or may write in it.

    If other users may read the folder, remove that permission. A home folder and a folder at the
    top of the disk keep their mode.
    """
    found = folder.stat()
    if not _is_ours(found):
        raise FolderError(
            f"the state folder {folder} belongs to another user",
            "set KISNB_STATE to a folder of your own",
        )
    # Another user who can write here could remove HALT or raise a limit. Such a folder is refused
    # and its mode is not changed, because its files may be that user's already.
    if found.st_mode & 0o022:
        raise FolderError(
            f"others may write in the state folder {folder}",
            f"close it with: chmod 700 {shlex.quote(str(folder))}",
        )
    # Others can only read here. That permission is removed without a question, since the folder is
    # ours.
    if found.st_mode & 0o077 and not _serves_for_more(folder):
        folder.chmod(0o700)


def _serves_for_more(folder: Path) -> bool:
    """Return True for a home folder, a folder above one, and a folder at the top of the disk."""
    home = _expanded("~")
    # Other people or programs may use such a folder too, and a new mode would lock them out.
    return len(folder.parts) <= 2 or folder in (home, *home.parents)


def _is_ours(found: os.stat_result) -> bool:
    """Return True for a file that belongs to this user."""
    return not hasattr(os, "getuid") or found.st_uid == os.getuid()


def data_dir() -> Path | None:
    """Return the folder with real prices (``KISNB_DATA``); None when it is not set.

    Raises ConfigError when the folder is missing.
    """
    given = os.environ.get("KISNB_DATA")
    if not given:
        return None
    folder = _expanded(given)
    if not folder.is_dir():
        raise ConfigError(
            f"KISNB_DATA names {folder}, which is not a folder", "correct it, or unset it"
        )
    return folder


def runtime_dir() -> Path:
    """Return a folder of this user that does not depend on ``KISNB_STATE``.

    It is made with mode 0700 when it is missing. A cleaner of temporary files, or the end of a
    login, may empty it at any time. Raises ConfigError when no folder is safe.
    """
    return _first_safe(_runtime_folders())


def socket_path(name: str) -> Path:
    """Return a path for the Unix socket ``name`` of this state folder, in a 0700 folder.

    The folder is under ``XDG_RUNTIME_DIR``, else with the temporary files. When neither can be
    used, it is in the state folder. Raises ConfigError when none is safe, or all paths are too
    long.
    """
    state = state_dir()
    # A hash keeps the name short, whatever the length of the state folder. Two state folders get
    # two sockets, so they are two desks.
    file = hashlib.sha256(f"{state}\0{name}".encode()).hexdigest()[:16] + ".sock"
    # The state folder comes last: it may be a network disk, on which a Unix socket does not work,
    # and its path is often too long.
    folders = [*_runtime_folders(), state / "socket"]
    short = [folder for folder in folders if len(os.fsencode(folder / file)) <= SOCKET_BYTES]
    if not short:
        raise ConfigError(
            f"{folders[0] / file} is too long for a Unix socket, which ends at "
            f"{SOCKET_BYTES} bytes",
            "set XDG_RUNTIME_DIR to a folder of yours with a short path",
        )
    return _first_safe(short) / file


def _runtime_folders() -> Iterator[Path]:
    """Yield the paths of the folders that may be used for sockets, the best first."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        # The system removes its runtime folder when the user's last login ends. The XDG
        # specification says that a relative path is to be ignored.
        if base and Path(base).is_absolute() and Path(base).is_dir():
            yield Path(base) / f"kisnb-{user}"


def _first_safe(folders: Iterator[Path] | list[Path]) -> Path:
    """Return the first of ``folders`` that is ours alone or can be made so.

    When no folder is, raises the first folder's ConfigError.
    """
    refused: ConfigError | None = None
    for folder in folders:
        try:
            _check_private(private_dir(folder))
        except ConfigError as e:
            # The first folder is the one that a person expects, so its reason is shown.
            refused = refused or e
        else:
            return folder
    raise refused or ConfigError(
        "there is no folder for the desk's socket", "set XDG_RUNTIME_DIR to a folder of yours"
    )


def _check_private(folder: Path) -> None:
    """Raise ConfigError unless ``folder`` is ours, is no link, and others cannot enter it.

    In a folder for everybody, such as /tmp, another user may have made ``folder`` before us.
    """
    # `stat` would follow a link that another user has put into /tmp, and could find a folder of
    # ours behind it.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
        raise ConfigError(
            f"{folder} is another user's, or a link",
            "remove it, or set XDG_RUNTIME_DIR to a folder of yours",
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{folder} is open to others", f"remove it, or: chmod 700 {shlex.quote(str(folder))}"
        )


def cure_of(error: OSError) -> str:
    """Return the cure for a file of the state folder that cannot be made, written or locked."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "make room on the disk"
        # Some network disks have no file locks. Without a lock, two desks could trade on one
        # account, and neither would count the other's orders in its limits.
        case code if code in _NO_LOCKS:
            return "set KISNB_STATE to a folder on a disk of this machine: that one keeps no locks"
        case errno.EROFS:
            return "set KISNB_STATE to a folder on a disk that can be written"
        case errno.ENAMETOOLONG:
            return "set KISNB_STATE to a folder with a shorter path"
        case _:
            return "see that the folder is yours, or set KISNB_STATE to a folder of yours"


def refusal_of(error: OSError, path: Path | None = None) -> FolderError:
    """Return the error for a file of the state folder that cannot be written or locked."""
    what = "locked" if error.errno in _NO_LOCKS else "written"
    named = error.filename or path or "the state folder"
    return FolderError(f"{named} cannot be {what}: {error.strerror or error}", cure_of(error))


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: readers get the old text or the new one."""
    # The new file is in the same folder, because a rename is one step only within a disk. The
    # process id keeps two writers apart.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        # The mode is given when the file is made. With a later chmod, another user could open it in
        # between.
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        "w",
        encoding="utf-8",
    ) as f:
        f.write(text)
    fresh.replace(path)
