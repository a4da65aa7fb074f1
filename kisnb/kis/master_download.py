"""Download of KIS's symbol master files (종목 마스터): the list of stocks of a day."""

from __future__ import annotations

import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from kisnb.errors import ConfigError, LinkLost
from kisnb.market.master_files import FILES, NXT_FILES, count_rows
from kisnb.paths import private_dir

SECONDS = 30.0
"""Seconds of wall time in which the server must send the next bytes of a file."""
MOST = 64 * 1024 * 1024
"""Bytes of the largest archive that is read. KIS's archives have less than a megabyte."""
_AGAIN = "wait a minute, then download again"
_LOCAL = ("127.0.0.1", "localhost")


class Downloaded(NamedTuple):
    """One master file that was downloaded."""

    name: str
    rows: int
    """Number of records in the file, one for each issue."""


def download_master(url: str, root: Path, day: date) -> Iterator[Downloaded]:
    """Download the master files of ``day`` into a folder of that day in ``root``.

    ``url`` is the folder on the server. Each file is yielded once it has come and could be read.
    The folder appears when all files have come. It replaces an earlier one of the same day. Raises
    ConfigError for a wrong address or a file that cannot be read, and LinkLost when the server does
    not send a file. Then nothing has changed.
    """
    _check(url)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=private_dir(root)))
    try:
        for files in (FILES, NXT_FILES):
            for board, name in files.items():
                path = part / f"{name}.zip"
                path.write_bytes(_fetched(f"{url.rstrip('/')}/{path.name}"))
                rows = count_rows(part, name, board)
                if not rows and not is_local(url):
                    raise ConfigError(f"{path.name} lists no issues", _AGAIN)
                yield Downloaded(path.name, rows)
        _put(part, root / day.isoformat())
    except OSError as e:
        raise ConfigError(f"{root} cannot be written: {e.strerror}", "make room there") from e
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_local(url: str) -> bool:
    """Return True when an address is on this machine, as that of the simulator is."""
    return urllib.parse.urlsplit(url).hostname in _LOCAL


def _check(url: str) -> None:
    """Raise ConfigError for an address that is not https, unless it is on this machine."""
    scheme = urllib.parse.urlsplit(url).scheme
    if not (scheme == "https" or (scheme == "http" and is_local(url))):
        raise ConfigError(
            f"master_url={url} is not an https address", "correct it: %kis config master_url"
        )


def _fetched(url: str) -> bytes:
    """Download one file, and return its bytes. Raises LinkLost."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:  # noqa: S310 - see _check
            body: bytes = reply.read(MOST + 1)
    except urllib.error.HTTPError as e:
        raise LinkLost(f"{url} could not be downloaded: the server answers {e.code}", _AGAIN) from e
    except (OSError, HTTPException) as e:
        why = getattr(e, "reason", None) or e
        raise LinkLost(f"{url} could not be downloaded: {why}", _AGAIN) from e
    if len(body) > MOST:
        raise LinkLost(f"{url} has more than {MOST:,} bytes and was not kept", _AGAIN)
    return body


def _put(part: Path, folder: Path) -> None:
    """Move a whole folder to its place. An earlier one of the same day is replaced."""
    old = part.with_name(f"{part.name}.old")
    # A folder that holds files cannot be replaced in one step. A reader that comes between the two
    # finds the list of an earlier day.
    with suppress(FileNotFoundError):
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
