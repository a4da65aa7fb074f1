"""One typed configuration: shown with its sources, edited, validated, hashed. Row N14."""

from __future__ import annotations

import stat
from datetime import time
from pathlib import Path

import pytest

from kisnb.config import NAMES, Config, config_file, load_config, set_config, sources
from kisnb.errors import BadInput, ConfigError
from kisnb.notebook.settings import change, settings


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "state"))
    for name in NAMES:
        monkeypatch.delenv(f"KISNB_{name.upper()}", raising=False)


def test_n14_the_table_shows_value_default_and_source(monkeypatch: pytest.MonkeyPatch):
    change("max_order_value", "10_000_000", default=False)
    monkeypatch.setenv("KISNB_MAX_DAY_LOSS", "200")
    shown = settings()
    rows = {name: (value, usual, source) for name, value, usual, source in shown.rows}
    assert rows["max_order_value"] == ("10000000", "50000000", "file")
    assert rows["max_day_loss"] == ("200", "300", "environment")
    assert rows["max_cash_percent"] == ("30", "30", "default")
    assert set(rows) == set(NAMES)
    assert all(name in repr(shown) and name in shown._repr_html_() for name in NAMES)
    assert shown.frame().rows() == list(shown.rows)


def test_n14_an_edit_is_kept_for_its_owner_alone_and_taken_back():
    assert set_config("max_order_value", "10,000,000").max_order_value == 10_000_000
    assert load_config().max_order_value == 10_000_000
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600
    set_config("max_order_value", None)
    assert load_config() == Config()
    assert set(sources().values()) == {"default"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_order_value", "lots", "max_order_value cannot be 'lots'. Give a whole number from 1 up."),
        ("max_quote_age", "2,5", "max_quote_age cannot be '2,5'. Give a number above 0 to 60."),
        ("max_quote_age", "5,0", "max_quote_age cannot be '5,0'."),
        ("max_order_value", "1,0000", "max_order_value cannot be '1,0000'."),
        ("max_order_value", "10_00", "max_order_value cannot be '10_00'."),
        ("max_order_value", ",500", "max_order_value cannot be ',500'."),
        ("max_order_value", "5_0", "max_order_value cannot be '5_0'."),
        ("max_order_value", "-1", "Give a whole number from 1 up."),
        ("max_cash_percent", "130", "Give a whole number from 1 to 100."),
        ("max_quote_age", "0", "Give a number above 0 to 60."),
        ("order_timeout", "-3", "Give a number above 0 to 300."),
        ("order_timeout", "nan", "Give a number above 0 to 300."),
        ("assume", "sor_krx_onyl", "Did you mean sor_krx_only? take some of opening_auction_from_0820, "),
        ("credentials", "/no/such/kis_devlp.yaml", "cannot be read: No such file"),
        ("record", "/no/such/folder/wire.jsonl", "There is no folder /no/such/folder"),
        ("blackout", "lunch", "'lunch' is no blackout window"),
        ("blackout", "09:10-09:00", "ends before it begins"),
        ("sim_speed", "fast", "is no speed"),
    ],
)
def test_n14_what_makes_no_sense_is_one_sentence_and_nothing_is_written(name: str, value: str, sentence: str):
    with pytest.raises(ConfigError) as caught:
        change(name, value, default=False)
    assert sentence in str(caught.value)
    assert not config_file().exists()


@pytest.mark.parametrize(("value", "won"), [("1,000", 1_000), ("12_345_678", 12_345_678), (" 7 ", 7)])
def test_n14_commas_and_underscores_separate_thousands(monkeypatch: pytest.MonkeyPatch, value: str, won: int) -> None:
    assert set_config("max_order_value", value).max_order_value == won
    monkeypatch.setenv("KISNB_MAX_STOCK_VALUE", value)
    assert load_config().max_stock_value == won


@pytest.mark.parametrize("value", ["2,5", "5,0", "1_0"])
def test_n14_a_comma_that_separates_no_thousands_is_refused_in_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("KISNB_MAX_QUOTE_AGE", value)
    with pytest.raises(ConfigError, match="Give a number above 0 to 60"):
        load_config()


def test_n14_a_wrong_name_gets_the_near_one():
    with pytest.raises(BadInput, match="max_order_value"):
        change("max_order_valu", "1", default=False)


def test_n14_what_the_environment_fixes_is_not_edited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KISNB_MAX_DAY_LOSS", "200")
    with pytest.raises(ConfigError, match="Unset KISNB_MAX_DAY_LOSS"):
        set_config("max_day_loss", "100")


def test_n14_a_file_that_cannot_be_read_is_named():
    set_config("max_day_loss", "100")
    config_file().write_text("{", "utf-8")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        load_config()


def test_n14_the_hash_follows_what_counts_and_not_where_files_are():
    assert Config().hash == Config(record="/tmp/a", credentials="/tmp/b").hash
    assert Config().hash != Config(max_day_loss=299).hash


def test_a08_windows_are_read_as_times_of_day():
    set_config("blackout", "08:59:50-09:00:10, 15:19-15:21, 23:30-00:10")
    assert load_config().windows == (
        (time(8, 59, 50), time(9, 0, 10)), (time(15, 19), time(15, 21)), (time(23, 30), time(0, 10)),
    )  # fmt: skip


def test_n11_no_setting_holds_a_secret():
    assert not [n for n in NAMES if any(word in n for word in ("key", "secret", "account_number", "hts"))]
