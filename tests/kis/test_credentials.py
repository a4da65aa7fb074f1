"""N11: keys are read from the environment, KIS's own file or the keyring, and show nowhere."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import ConfigError
from kisnb.kis.credentials import Credentials, Secret
from kisnb.terms import Mode

YAML = """
my_app: "LIVE-APPKEY"
my_sec: "LIVE-APPSECRET"
paper_app: "PAPER-APPKEY"
paper_sec: "PAPER-APPSECRET"
my_htsid: "MY-HTS-ID"
my_acct_stock: 01234567
my_paper_stock: "50123456"
my_prod: 01
prod: "https://openapi.koreainvestment.com:9443"
my_token: ""
"""
SECRETS = (
    "LIVE-APPKEY",
    "LIVE-APPSECRET",
    "PAPER-APPKEY",
    "PAPER-APPSECRET",
    "MY-HTS-ID",
    "01234567",
    "50123456",
)


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    path = tmp_path / "kis_devlp.yaml"
    path.write_text(YAML, "utf-8")
    return path


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APPKEY", "APPSECRET", "ACCOUNT", "PRODUCT", "HTS_ID"):
        monkeypatch.delenv(f"KISNB_{name}", raising=False)
        monkeypatch.delenv(f"KISNB_PAPER_{name}", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


def test_n11_the_official_file_is_read_and_an_account_may_begin_with_0(yaml_file: Path) -> None:
    live = Credentials.from_yaml(yaml_file, paper=False)
    assert live.appkey.reveal() == "LIVE-APPKEY"
    assert live.account_params == {"CANO": "01234567", "ACNT_PRDT_CD": "01"}
    paper = Credentials.find(Mode.PAPER, str(yaml_file))
    assert (paper.appsecret.reveal(), paper.full_account) == ("PAPER-APPSECRET", "5012345601")


@pytest.mark.parametrize(("mode", "prefix"), [(Mode.LIVE, "KISNB_"), (Mode.PAPER, "KISNB_PAPER_")])
def test_n11_the_environment_is_read(
    mode: Mode, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "APPKEY": "a",
        "APPSECRET": "b",
        "ACCOUNT": "12345678-22",
        "HTS_ID": "c",
    }.items():
        monkeypatch.setenv(prefix + name, value)
    assert Credentials.find(mode).full_account == "1234567822"


def test_n11_live_keys_never_serve_for_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "APPKEY": "a",
        "APPSECRET": "b",
        "ACCOUNT": "12345678",
        "HTS_ID": "c",
    }.items():
        monkeypatch.setenv(f"KISNB_{name}", value)
    with pytest.raises(ConfigError, match="No keys for paper are found"):
        Credentials.find(Mode.PAPER)


def test_n11_what_is_missing_is_named_in_one_line_without_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KISNB_APPKEY", "LIVE-APPKEY")
    with pytest.raises(ConfigError) as caught:
        Credentials.find(Mode.LIVE)
    assert str(caught.value) == (
        "The environment or the keyring lacks KISNB_APPSECRET, KISNB_ACCOUNT, KISNB_HTS_ID. Add "
        "what is missing."
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my_app: LIVE-APPKEY",
        "- LIVE-APPKEY",
        "my_app: 'LIVE-APPKEY",
        "LIVE-APPKEY",
        "a: b: LIVE-APPKEY",
    ],
)
def test_n11_a_broken_file_is_one_line_that_does_not_quote_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kis_devlp.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Credentials.from_yaml(path, paper=False)
    assert "LIVE-APPKEY" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_and_a_wrong_account_say_so(tmp_path: Path, yaml_file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Credentials.from_yaml(tmp_path / "none.yaml", paper=False)
    yaml_file.write_text(YAML.replace("01234567", "1234"), "utf-8")
    with pytest.raises(
        ConfigError, match=r"(?i)my_acct_stock holds no account number\. Write 8 digits"
    ):
        Credentials.from_yaml(yaml_file, paper=False)


def test_n11_credentials_are_shown_in_no_text(yaml_file: Path) -> None:
    keys = Credentials.from_yaml(yaml_file, paper=False)
    shown = f"{keys} {keys!r} {keys.account} {keys.appkey!s:>60} {[keys.hts_id]} {keys.appkey!r}"
    assert not any(secret in shown for secret in SECRETS)


@given(st.text())
def test_n11_a_secret_shows_the_same_whatever_it_is(text: str) -> None:
    assert f"{Secret(text)!r}{Secret(text)}{Secret(text):>9}" == "*********"


def test_n11_a_secret_is_not_written_anywhere() -> None:
    secret = Secret("LIVE-APPKEY")
    for write in (
        pickle.dumps,
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        copy.deepcopy,
    ):
        with pytest.raises(TypeError):
            write(secret)  # type: ignore[operator]


def test_n11_texts_of_others_are_masked(yaml_file: Path) -> None:
    keys = Credentials.from_yaml(yaml_file, paper=False)
    assert keys.masking().text("account 01234567 of MY-HTS-ID") == "account *** of ***"
