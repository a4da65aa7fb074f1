"""Made-up keys of the one customer of a simulator, and the configuration file that holds them."""

from __future__ import annotations

import secrets
from pathlib import Path

from kisnb.errors import ConfigError
from kisnb.kis.credentials import DEFAULT_PRODUCT, Credentials, Secret
from kisnb.paths import private_dir, write_private
from kisnb.terms import Mode

APPKEY_LENGTH, APPSECRET_LENGTH, HTS_ID_LENGTH = 36, 180, 14
FILE_NAME = "kis_devlp.yaml"
CURE = "name another folder for --write-config"
APPKEY_START = {Mode.LIVE: "PSSIMULATED", Mode.PAPER: "PSPAPERSIMULATED"}
"""What the made-up appkeys of a host begin with: each host tells those of the other one."""


def made_up(mode: Mode = Mode.LIVE) -> Credentials:
    """Fresh keys for one host in the lengths of KIS's, which say what they are."""
    return Credentials(
        appkey=Secret(_filled(APPKEY_START[mode], APPKEY_LENGTH)),
        appsecret=Secret(_filled("SIMULATED/", APPSECRET_LENGTH)),
        account=Secret(f"5{secrets.randbelow(10_000_000):07d}"),
        product=DEFAULT_PRODUCT,
        hts_id=Secret(_filled("simuser", HTS_ID_LENGTH)),
    )


FIRST_LINE = "# Made up by kisnb's simulator: worth nothing anywhere else."
"""What the file begins with: by it the simulator knows a file of its own."""


def check_ours(folder: Path) -> None:
    """Raises ConfigError when the file in ``folder`` is not the simulator's: it may hold real keys."""
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
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
    """Write an official-style ``kis_devlp.yaml`` (mode 0600) that points a KIS client at a simulator.

    Raises ConfigError when the folder cannot be written, and when the file there is not the simulator's.
    """
    appkey, appsecret, account = (
        keys.appkey.reveal(),
        keys.appsecret.reveal(),
        keys.account.reveal(),
    )
    entries = {
        "my_app": appkey,
        "my_sec": appsecret,
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
