"""Made-up keys of a simulator's customer, and the configuration file with these keys."""

from __future__ import annotations

import secrets
from pathlib import Path

from kisnb.errors import ConfigError
from kisnb.kis.credentials import DEFAULT_PRODUCT, Credentials, Secret
from kisnb.paths import private_dir, write_private
from kisnb.terms import Mode

APPKEY_LENGTH, APPSECRET_LENGTH, HTS_ID_LENGTH = 36, 180, 14
"""Characters of KIS's own keys (workbook: tokenP); the HTS ID has a length of its own."""
FILE_NAME = "kis_devlp.yaml"
"""Name of the configuration file of KIS's official samples."""
CURE = "name another folder for --write-config"
APPKEY_START = {Mode.LIVE: "PSSIMULATED", Mode.PAPER: "PSPAPERSIMULATED"}
"""Start of the made-up appkeys of each host. With it a host recognises the other host's keys."""


def made_up(mode: Mode = Mode.LIVE) -> Credentials:
    """Return fresh keys for one host, in the lengths of KIS's.

    Their text says that they are simulated.
    """
    return Credentials(
        appkey=Secret(_filled(APPKEY_START[mode], APPKEY_LENGTH)),
        # The texts say "simulated", so that nobody takes them for real keys in a log or a
        # screenshot.
        appsecret=Secret(_filled("SIMULATED/", APPSECRET_LENGTH)),
        account=Secret(f"5{secrets.randbelow(10_000_000):07d}"),
        product=DEFAULT_PRODUCT,
        hts_id=Secret(_filled("simuser", HTS_ID_LENGTH)),
    )


FIRST_LINE = "# Made up by kisnb's simulator: worth nothing anywhere else."
"""First line of the file. By it the simulator recognises its own file."""


def check_ours(folder: Path) -> None:
    """Raise ConfigError when the file in ``folder`` was not written by the simulator.

    Such a file may hold real keys.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            # The file may be large or binary; its first line is enough.
            ours = file.readline().rstrip() == FIRST_LINE.encode()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as e:
        raise ConfigError(f"{path} cannot be read: {e.strerror}", CURE) from e
    if not ours:
        raise ConfigError(
            f"{path} was not written by the simulator, and may hold your real keys", CURE
        )


def write_configuration(folder: Path, keys: Credentials, rest: str, ws: str) -> Path:
    """Write an official-style ``kis_devlp.yaml`` (mode 0600) for a client, and return its path.

    Raises ConfigError when the folder cannot be written. Raises it too when the folder holds a file
    that is not the simulator's.
    """
    appkey, appsecret, account = (
        keys.appkey.reveal(),
        keys.appsecret.reveal(),
        keys.account.reveal(),
    )
    entries = {
        "my_app": appkey,
        "my_sec": appsecret,
        # KIS's samples read one pair of keys for each host. Both pairs are for this simulator,
        # whichever host it plays.
        "paper_app": appkey,
        "paper_sec": appsecret,
        "my_htsid": keys.hts_id.reveal(),
        "my_acct_stock": account,
        "my_acct_future": "",
        "my_paper_stock": account,
        "my_paper_future": "",
        "my_prod": keys.product,
        "prod": rest,
        "ops": ws,
        "vps": rest,
        "vops": ws,
        "my_token": "",
        "my_agent": "kisnb",
    }
    lines = [f'{name}: "{value}"' for name, value in entries.items()]
    path = folder / FILE_NAME
    check_ours(folder)
    try:
        private_dir(folder)
        write_private(path, "\n".join([FIRST_LINE, *lines, ""]))
    except (OSError, ConfigError) as e:
        reason = e.strerror if isinstance(e, OSError) else e.text
        raise ConfigError(f"{path} cannot be written: {reason}", CURE) from e
    return path


def _filled(start: str, length: int) -> str:
    return start + secrets.token_hex(length)[: length - len(start)]
