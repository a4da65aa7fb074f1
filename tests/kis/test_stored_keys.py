"""N11: ``kisnb keys`` stores keys in the keyring of the operating system and shows none of them."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from kisnb.cli import main
from kisnb.errors import ConfigError
from kisnb.kis.credentials import Credentials
from kisnb.terms import Mode

TYPED = {"appkey": "APPKEY-1", "appsecret": "SECRET-1", "account": "01234567-22", "HTS id": "me"}


class InMemory(KeyringBackend):
    """A keyring as the operating system has one, for the length of a test."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPKEY", "APPSECRET", "ACCOUNT", "PRODUCT", "HTS_ID"):
        monkeypatch.delenv(f"KISNB_{name}", raising=False)


@pytest.fixture
def system_keyring() -> Iterator[InMemory]:
    before, backend = keyring.get_keyring(), InMemory()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def typing_person(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a person types at each prompt, hidden."""
    typed = dict(TYPED)

    def answer(prompt: str) -> str:
        return typed[prompt.split(" (")[0].removesuffix(": ")]

    monkeypatch.setattr(getpass, "getpass", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return typed


@pytest.mark.usefixtures("typing_person")
def test_n11_stored_keys_are_found_and_shown_nowhere(
    system_keyring: InMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "store", "--mode", "live"]) == 0
    found = Credentials.find(Mode.LIVE)
    assert (found.appkey.reveal(), found.full_account) == ("APPKEY-1", "0123456722")
    shown = capsys.readouterr()
    assert not any(secret in shown.out + shown.err for secret in TYPED.values() if secret != "me")
    assert {service for service, _ in system_keyring.kept} == {"kisnb-live"}
    assert main(["keys", "delete", "--mode", "live"]) == 0
    assert system_keyring.kept == {}
    with pytest.raises(ConfigError, match="kisnb keys store --mode live"):
        Credentials.find(Mode.LIVE)


def test_n11_a_wrong_account_stores_nothing(
    system_keyring: InMemory,
    typing_person: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    typing_person["account"] = "1234"
    assert main(["keys", "store", "--mode", "paper"]) == 1
    assert "write 8 digits" in capsys.readouterr().err.lower()
    assert system_keyring.kept == {}


@pytest.mark.usefixtures("typing_person")
def test_n11_a_machine_without_a_keyring_says_what_else_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    try:
        assert main(["keys", "store", "--mode", "live"]) == 1
    finally:
        keyring.set_keyring(before)
    assert "kis_devlp.yaml" in capsys.readouterr().err


def test_keys_are_refused_where_nobody_can_type_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main(["keys", "store", "--mode", "live"]) == 1
    assert "terminal" in capsys.readouterr().err
