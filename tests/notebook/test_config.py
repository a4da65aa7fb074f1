"""One typed configuration: shown with its sources, edited, validated, hashed. Row N14."""

from __future__ import annotations

import stat
from datetime import time
from pathlib import Path

import pytest

from kisnb.config import (
    MEANINGS,
    NAMES,
    Config,
    config_file,
    load_config,
    set_config,
    shown,
    sources,
)
from kisnb.errors import BadInput, ConfigError
from kisnb.notebook.commands.settings import change, settings


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "state"))
    for name in NAMES:
        monkeypatch.delenv(f"KISNB_{name.upper()}", raising=False)


def test_n14_the_table_shows_value_default_and_source(monkeypatch: pytest.MonkeyPatch):
    change("max_order_value", "10_000_000", default=False)
    monkeypatch.setenv("KISNB_MAX_DAY_LOSS", "200")
    table = settings()
    rows = {name: (value, usual, source) for name, value, usual, source, _ in table.rows}
    assert rows["max_order_value"] == ("10,000,000 won", "50,000,000 won", "file")
    assert rows["max_day_loss"] == ("2.00 %", "3.00 %", "environment")
    assert rows["max_cash_percent"] == ("30 %", "30 %", "default")
    assert rows["max_quote_age"] == ("2 s", "2 s", "default")
    assert rows["record"] == ("", "", "default")
    assert set(rows) == set(NAMES)
    assert all(name in repr(table) and name in table._repr_html_() for name in NAMES)
    assert table.frame().rows() == list(table.rows)


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
        (
            "max_order_value",
            "lots",
            (
                "max_order_value cannot be 'lots'. Give a whole number of won from 1 up, such as "
                "50,000,000 won."
            ),
        ),
        (
            "max_quote_age",
            "2,5",
            "max_quote_age cannot be '2,5'. Give a number of seconds above 0 to 60, such as 2 s.",
        ),
        ("max_quote_age", "5,0", "max_quote_age cannot be '5,0'."),
        ("max_order_value", "1,0000", "max_order_value cannot be '1,0000'."),
        ("max_order_value", "10_00", "max_order_value cannot be '10_00'."),
        ("max_order_value", ",500", "max_order_value cannot be ',500'."),
        ("max_order_value", "5_0", "max_order_value cannot be '5_0'."),
        ("max_order_value", "-1", "Give a whole number of won from 1 up, "),
        ("max_cash_percent", "130", "Give a whole number of percent from 1 to 100, such as 30%."),
        ("max_quote_age", "0", "Give a number of seconds above 0 to 60, such as 2 s."),
        ("order_timeout", "-3", "Give a number of seconds above 0 to 300, such as 10 s."),
        ("order_timeout", "nan", "Give a number of seconds above 0 to 300, "),
        (
            "assume",
            "sor_krx_onyl",
            "Did you mean sor_krx_only? take some of opening_auction_from_0820, ",
        ),
        (
            "fees",
            "bankiss",
            "'bankiss' is not a commission plan. Did you mean bankis? take bankis, ",
        ),
        ("fees", "krx=14", "A commission of 14 percent is not valid. Give 0 to 1 percent."),
        ("credentials", "/no/such/kis_devlp.yaml", "cannot be read: No such file"),
        ("record", "/no/such/folder/wire.jsonl", "There is no folder /no/such/folder"),
        (
            "record",
            "on",
            "'on' is not a file path. Name a file: %kis config",
        ),
        ("record", "/", "'/' is not a file path"),
        ("max_order_value", "3 s", "max_order_value cannot be '3 s'."),
        ("max_quote_age", "2 won", "max_quote_age cannot be '2 won'."),
        ("max_cash_percent", "2.5 %", "max_cash_percent cannot be '2.5'."),
        (
            "max_day_loss",
            "3",
            "max_day_loss 3 has no unit. Write it in percent: %kis config max_day_loss 3%.",
        ),
        (
            "max_day_loss",
            "2.555 %",
            "max_day_loss cannot be '2.555 %'. Give percent from 0.01 to 100, with two",
        ),
        (
            "max_day_loss",
            "101%",
            "Give percent from 0.01 to 100, with two digits at most, such as 3%.",
        ),
        ("max_day_loss", "much %", "max_day_loss cannot be 'much'."),
        ("max_day_loss", "0%", "Give percent from 0.01 to 100"),
        ("blackout", "lunch", "'lunch' is not a blackout window"),
        ("blackout", "09:10-09:00", "ends before it begins"),
        ("sim_speed", "fast", "is not a valid speed"),
    ],
)
def test_n14_what_makes_no_sense_is_one_sentence_and_nothing_is_written(
    name: str, value: str, sentence: str
):
    with pytest.raises(ConfigError) as caught:
        change(name, value, default=False)
    assert sentence in str(caught.value)
    assert not config_file().exists()


@pytest.mark.parametrize(
    ("value", "won"), [("1,000", 1_000), ("12_345_678", 12_345_678), (" 7 ", 7)]
)
def test_n14_commas_and_underscores_separate_thousands(
    monkeypatch: pytest.MonkeyPatch, value: str, won: int
) -> None:
    assert set_config("max_order_value", value).max_order_value == won
    monkeypatch.setenv("KISNB_MAX_STOCK_VALUE", value)
    assert load_config().max_stock_value == won


@pytest.mark.parametrize(
    ("name", "typed", "kept", "told"),
    [
        ("max_day_loss", "3%", 300, "max_day_loss is 3.00 % (file): loss of the day above which"),
        ("max_day_loss", "2.5 %", 250, "max_day_loss is 2.50 % (file)"),
        ("max_order_value", "60,000,000", 60_000_000, "max_order_value is 60,000,000 won (file)"),
        (
            "max_order_value",
            "60,000,000 won",
            60_000_000,
            "max_order_value is 60,000,000 won (file)",
        ),
        ("max_order_value", "60,000,000원", 60_000_000, "60,000,000 won"),
        ("max_order_value", "₩60,000,000", 60_000_000, "60,000,000 won"),
        (
            "max_quote_age",
            "2.5 s",
            2.5,
            "max_quote_age is 2.5 s (file): no buy on a price that is older",
        ),
        ("order_timeout", "15 seconds", 15, "order_timeout is 15 s (file)"),
        ("max_cash_percent", "25%", 25, "max_cash_percent is 25 % (file)"),
        ("calls_per_second", "3 calls/s", 3, "calls_per_second is 3 calls/s (file)"),
    ],
)
def test_n14_a_value_may_be_typed_with_its_unit_and_is_shown_with_it(
    capsys: pytest.CaptureFixture[str], name: str, typed: str, kept: float, told: str
) -> None:
    change(name, typed, default=False)
    assert getattr(load_config(), name) == kept
    said = capsys.readouterr().out
    assert told in said
    assert "a desk reads it when it starts: kisnb desk restart, then %kis open" in said


def test_n14_every_setting_says_what_it_is_with_an_example_that_it_takes() -> None:
    assert set(MEANINGS) == set(NAMES)
    for name, (unit, text, example) in MEANINGS.items():
        assert text
        assert shown(name, Config()).endswith(unit)
        if name != "credentials":
            change(name, example, default=False)


def test_n14_the_file_that_is_recorded_to_is_the_same_wherever_the_desk_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change("record", "wire.jsonl", default=False)
    assert load_config().record == str(tmp_path / "wire.jsonl")
    assert not (tmp_path / "on").exists()


@pytest.mark.parametrize("value", ["2,5", "5,0", "1_0"])
def test_n14_a_comma_that_separates_no_thousands_is_refused_in_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("KISNB_MAX_QUOTE_AGE", value)
    with pytest.raises(ConfigError, match="Give a number of seconds above 0 to 60"):
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
    assert Config().hash == Config(record="/a", credentials="/b").hash
    assert Config().hash == Config(tape="off", tape_max_mb=5, tape_days=1).hash
    assert Config().hash != Config(max_day_loss=299).hash


def test_a08_windows_are_read_as_times_of_day():
    set_config("blackout", "08:59:50-09:00:10, 15:19-15:21, 23:30-00:10")
    assert load_config().windows == (
        (time(8, 59, 50), time(9, 0, 10)), (time(15, 19), time(15, 21)),
        (time(23, 30), time(0, 10)),
    )  # fmt: skip


def test_n11_no_setting_holds_a_secret():
    assert not [
        n for n in NAMES if any(word in n for word in ("key", "secret", "account_number", "hts"))
    ]
