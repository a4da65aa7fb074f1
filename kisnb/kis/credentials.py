"""Keys and account of a KIS customer: from a ``kis_devlp.yaml``, the environment, or the keyring.

No repr, log or error shows them: their type hides them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from kisnb.errors import ConfigError
from kisnb.kis.masking import HIDDEN, Mask
from kisnb.terms import Mode

DEFAULT_PRODUCT = "01"
"""ACNT_PRDT_CD of a securities account."""
_NAMES = ("appkey", "appsecret", "account", "product", "hts_id")
"""Parts that a customer gives; ``product`` has a default."""
_NEEDED = ("appkey", "appsecret", "account", "hts_id")
# Live and paper have keys and accounts of their own. The product and the HTS id are the same for
# both (kis_devlp.yaml of KIS's samples).
_YAML = {
    Mode.LIVE: {
        "appkey": "my_app",
        "appsecret": "my_sec",
        "account": "my_acct_stock",
        "product": "my_prod",
        "hts_id": "my_htsid",
    },
    Mode.PAPER: {
        "appkey": "paper_app",
        "appsecret": "paper_sec",
        "account": "my_paper_stock",
        "product": "my_prod",
        "hts_id": "my_htsid",
    },
}
"""Entries of the ``kis_devlp.yaml`` of KIS's samples."""
NO_KEYRING = "use a kis_devlp.yaml (mode 0600) with KISNB_CREDENTIALS, or environment variables"
_PREFIX = {Mode.LIVE: "KISNB_", Mode.PAPER: "KISNB_PAPER_"}


class Secret:
    """A text that no repr, log or error shows. ``reveal`` returns it, for requests to KIS."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Never put it into a message."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        # pickle calls this. It would write the secret in plain text.
        raise TypeError("a secret is not written to files or sockets")


class Credentials(msgspec.Struct, frozen=True):
    """A customer's keys and account at KIS."""

    appkey: Secret
    """36 characters."""
    appsecret: Secret
    """180 characters."""
    account: Secret
    """CANO, eight digits."""
    product: str
    """ACNT_PRDT_CD, two digits."""
    hts_id: Secret
    """The customer's HTS id. It is the ``tr_key`` of the execution notices."""

    @property
    def account_params(self) -> dict[str, str]:
        """CANO and ACNT_PRDT_CD, as requests carry them."""
        return {"CANO": self.account.reveal(), "ACNT_PRDT_CD": self.product}

    @property
    def full_account(self) -> str:
        """Account and product, ten digits, as execution notices carry them."""
        return self.account.reveal() + self.product

    def masking(self) -> Mask:
        """Return a mask that removes these keys and the account from texts."""
        return Mask(
            *(
                secret.reveal()
                for secret in (self.appkey, self.appsecret, self.account, self.hts_id)
            )
        )

    @classmethod
    def find(cls, mode: Mode, path: str = "") -> Credentials:
        """Read and return the keys for live or paper. Raises ConfigError for missing or wrong ones.

        They come from the file at ``path`` when given, else from the environment, else from the
        keyring.
        """
        if path:
            return cls.from_yaml(Path(path).expanduser(), paper=mode is Mode.PAPER)
        prefix = _PREFIX[mode]
        given = {name: os.environ.get(f"{prefix}{name.upper()}", "") for name in _NAMES}
        # The two sources are never mixed. The appkey of one customer must not meet the account of
        # another.
        if not any(given.values()):
            given = _from_keyring(mode)
        if not any(given.values()):
            names = ", ".join(prefix + n.upper() for n in _NEEDED)
            raise ConfigError(
                f"no keys for {mode} are found",
                f"store them with: kisnb keys store --mode {mode}. Or set KISNB_CREDENTIALS to "
                f"your kis_devlp.yaml, or {names}",
            )
        called = {name: f"{prefix}{name.upper()}" for name in _NAMES}
        return cls.checked(given, called, "the environment or the keyring")

    @classmethod
    def from_yaml(cls, path: Path, *, paper: bool) -> Credentials:
        """Read and return the keys in a ``kis_devlp.yaml``. ``paper`` True: the keys of paper.

        False: those of live. Raises ConfigError.
        """
        entries = read_entries(path)
        names = _YAML[Mode.PAPER if paper else Mode.LIVE]
        return cls.checked(
            {name: str(entries.get(entry) or "") for name, entry in names.items()}, names, str(path)
        )

    @classmethod
    def checked(cls, given: dict[str, str], called: dict[str, str], where: str) -> Credentials:
        """Return the credentials in ``given``. Raises ConfigError when one is missing or wrong.

        ``called`` are the names of the credentials for people, ``where`` is the source of
        ``given``.
        """
        given = {name: value.strip() for name, value in given.items()}
        missing = [called[name] for name in _NEEDED if not given[name]]
        if missing:
            raise ConfigError(f"{where} lacks {', '.join(missing)}", "add what is missing")
        # KIS's samples write 8 digits and a product of their own; people write 12345678-01.
        account, _, product = given["account"].partition("-")
        product = product or given["product"] or DEFAULT_PRODUCT
        if not (
            len(account) == 8 and account.isdecimal() and len(product) == 2 and product.isdecimal()
        ):
            raise ConfigError(
                f"{called['account']} holds no account number",
                "write 8 digits, or 10 as 12345678-01",
            )
        return cls(
            Secret(given["appkey"]),
            Secret(given["appsecret"]),
            Secret(account),
            product,
            Secret(given["hts_id"]),
        )


def read_entries(path: Path) -> dict[str, Any]:
    """Return the entries of a ``kis_devlp.yaml``, all as text. Raises ConfigError."""
    import yaml

    try:
        # Everything is read as text: an account number may begin with 0.
        entries: Any = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be read: {e.strerror}", "correct KISNB_CREDENTIALS"
        ) from None
    except (yaml.YAMLError, UnicodeError):
        # The parser's own message would show the line, and with it a key.
        raise ConfigError(
            f"{path} is not YAML", "compare it with KIS's sample kis_devlp.yaml"
        ) from None
    return entries if isinstance(entries, dict) else {}


def _from_keyring(mode: Mode) -> dict[str, str]:
    """Return the keys of a mode in the keyring, by name. Missing ones are empty, or left out."""
    import keyring
    import keyring.errors

    try:
        return {name: keyring.get_password(f"kisnb-{mode}", name) or "" for name in _NAMES}
    except keyring.errors.KeyringError:
        return {}


def store_keys(mode: Mode, given: dict[str, str]) -> None:
    """Store the keys of paper or live in the keyring of the operating system.

    ``given`` holds ``appkey``, ``appsecret``, ``account`` (8 digits, or 12345678-01) and
    ``hts_id``. Raises ConfigError when one is missing or wrong, or when there is no keyring;
    nothing is stored then.
    """
    import keyring
    import keyring.errors

    # All parts are checked before the first one is stored, so a mistake leaves the keyring as it
    # was.
    Credentials.checked(
        {name: given.get(name, "") for name in _NAMES},
        {name: name for name in _NAMES},
        "what you typed",
    )
    try:
        for name in _NAMES:
            if text := given.get(name, "").strip():
                keyring.set_password(f"kisnb-{mode}", name, text)
    except keyring.errors.KeyringError:
        raise ConfigError("this machine has no keyring that opens", NO_KEYRING) from None


def delete_keys(mode: Mode) -> bool:
    """Delete the keys of a mode from the keyring; return False when it held none."""
    import keyring
    import keyring.errors

    # A keyring raises an error when it should delete a name that it does not have.
    found = [name for name, text in _from_keyring(mode).items() if text]
    try:
        for name in found:
            keyring.delete_password(f"kisnb-{mode}", name)
    except keyring.errors.KeyringError:
        raise ConfigError("the keyring does not let the keys be deleted", NO_KEYRING) from None
    return bool(found)
