"""Made-up keys of the one customer of a simulator, and the configuration file that holds them."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from kisnb.errors import ConfigError
from kisnb.paths import private_dir, write_private

APPKEY_LENGTH, APPSECRET_LENGTH = 36, 180
PRODUCT = "01"
FILE_NAME = "kis_devlp.yaml"


class Keys(msgspec.Struct, frozen=True):
    """Application keys, account and HTS id; none of them shows in a repr."""

    appkey: str
    appsecret: str
    account: str
    """Eight digits."""
    hts_id: str

    @staticmethod
    def made_up() -> Keys:
        """Fresh ones in the lengths of KIS's, which say what they are."""
        return Keys(
            appkey=_filled("PSSIMULATED", APPKEY_LENGTH), appsecret=_filled("SIMULATED/", APPSECRET_LENGTH),
            account=f"5{secrets.randbelow(10_000_000):07d}", hts_id=_filled("simulated", 14).lower(),
        )

    def __repr__(self) -> str:
        return "<Keys of a simulated account>"


def _filled(start: str, length: int) -> str:
    return start + secrets.token_hex(length)[: length - len(start)]


def write_configuration(folder: Path, keys: Keys, rest: str, ws: str) -> Path:
    """Write an official-style ``kis_devlp.yaml`` (mode 0600) that points a KIS client at a simulator.

    Raises ConfigError when the folder cannot be written.
    """
    path = private_dir(folder) / FILE_NAME
    entries = {
        "my_app": keys.appkey, "my_sec": keys.appsecret, "paper_app": keys.appkey, "paper_sec": keys.appsecret,
        "my_htsid": keys.hts_id, "my_acct_stock": keys.account, "my_acct_future": "", "my_paper_stock": keys.account,
        "my_paper_future": "", "my_prod": PRODUCT, "prod": rest, "ops": ws, "vps": rest, "vops": ws, "my_token": "",
        "my_agent": "kisnb",
    }
    lines = [f'{name}: "{value}"' for name, value in entries.items()]
    try:
        write_private(path, "\n".join(["# Made up by kisnb's simulator: worth nothing anywhere else.", *lines, ""]))
    except OSError as e:
        raise ConfigError(f"{path} cannot be written: {e.strerror}", "name another folder for --write-config") from e
    return path
