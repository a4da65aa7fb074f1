"""``%kis config``: shows the settings as a table, and changes one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.config import (
    HUNDREDTHS,
    LOOK,
    MEANINGS,
    NAMES,
    RESTART,
    Config,
    config_file,
    load_config,
    set_config,
    shown,
    sources,
)
from kisnb.drawing.tables import Cell, card, html_table, text_table
from kisnb.errors import BadInput, ConfigError
from kisnb.kis.credentials import Credentials
from kisnb.market import uncertain
from kisnb.market.costs import read_fees
from kisnb.notebook.commands.grammar import did_you_mean

if TYPE_CHECKING:
    import polars as pl


HEAD = ("setting", "value", "default", "source", "what it is")
_SWITCHES = frozenset({"on", "off", "yes", "no", "true", "false", "1", "0"})
"""Words such as ``on``.

A person who types one for a file's setting takes the setting for a switch.
"""


@dataclass(frozen=True)
class Settings:
    """Every setting: its value, its default, the source of the value, and its meaning.

    Values have their unit. A value comes from the default, the file or the environment.
    """

    rows: tuple[tuple[str, str, str, str, str], ...]

    def frame(self) -> pl.DataFrame:
        """Return the settings as a DataFrame: setting, value, default, source, what it is (str)."""
        import polars as pl

        return pl.DataFrame(self.rows, schema=HEAD, orient="row")

    def __repr__(self) -> str:
        return text_table(HEAD, self._cells())

    def _repr_html_(self) -> str:
        return card(None, "", html_table(HEAD, self._cells()))

    def _cells(self) -> list[list[Cell]]:
        return [[Cell(text, left=True) for text in row] for row in self.rows]


def settings() -> Settings:
    """Return the current settings. Raises ConfigError."""
    config, usual, source = load_config(), Config(), sources()
    return Settings(
        tuple((n, shown(n, config), shown(n, usual), source[n], _meaning(n)) for n in NAMES)
    )


def _meaning(name: str) -> str:
    unit, text, example = MEANINGS[name]
    return text if unit else f"{text}, such as {example}"


def change(name: str, value: str, *, default: bool) -> None:
    """Change a setting to ``value``, or with ``default`` to its default. Then print it.

    Without both, it is only printed. A value may be typed with its unit: ``3%``, ``50,000,000
    won``, ``2 s``. Raises BadInput, ConfigError.
    """
    if name not in NAMES:
        raise BadInput(
            f"There is no setting {name!r}{did_you_mean(name, NAMES)}",
            f"There are {', '.join(NAMES)}",
        )
    changed = bool(value) or default
    # The value is checked now, because the desk reads it only when it starts, and then no person
    # may be watching.
    if not default:
        value = _checked(name, value)
    config = set_config(name, None if default else value) if changed else load_config()
    print(f"{name} is {shown(name, config) or 'nothing'} ({sources()[name]}): {_meaning(name)}")
    print(f"configuration {config.hash}" + (f", kept in {config_file()}" if changed else ""))
    if changed and name in LOOK:
        print("outputs show it from now on, and panels within a second")
    elif changed:
        print(f"a desk reads it when it starts: {RESTART}")


def _checked(name: str, value: str) -> str:
    """Return the value in the form of the file.

    Raises ConfigError if no desk could start with it.
    """
    # This is the only setting whose unit in the file differs from the unit that people use.
    if name == HUNDREDTHS and value.strip().isdecimal():
        # A person means 3 % by 3. In the file, 3 means 0.03 %.
        raise ConfigError(
            f"{name} {value} has no unit", f"write it in percent: %kis config {name} 3%"
        )
    if name == "assume":
        uncertain.read(value)
    elif name == "fees":
        read_fees(value)
    elif name == "credentials" and value:
        # KIS's own file has keys for live, for paper, or for both.
        path = Path(value).expanduser()
        # Paper's keys are tried first, then those of live. One of the two is enough.
        try:
            Credentials.from_yaml(path, paper=True)
        except ConfigError:
            Credentials.from_yaml(path, paper=False)
    elif name == "record" and value:
        return _file(value)
    return value


def _file(value: str) -> str:
    """Return the absolute path of a file to write to. Raises ConfigError.

    The desk may run in another folder than the notebook.
    """
    cure = "name a file: %kis config record wire.jsonl; %kis config record --default ends it"
    path = Path(value).expanduser().absolute()
    if value.strip().lower() in _SWITCHES or path.is_dir():
        raise ConfigError(f"{value!r} is not a file path", cure)
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}", "name a file in an existing folder")
    return str(path)
