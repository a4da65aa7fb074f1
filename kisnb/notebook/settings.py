"""``%kis config``: the settings as a table, and how one is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kisnb.config import NAMES, Config, config_file, load_config, set_config, sources
from kisnb.errors import BadInput, ConfigError
from kisnb.kis.credentials import Credentials
from kisnb.market import uncertain
from kisnb.notebook.grammar import did_you_mean
from kisnb.notebook.tables import Cell, card, html_table, text_table

if TYPE_CHECKING:
    import polars as pl


HEAD = ("setting", "value", "default", "source")


@dataclass(frozen=True)
class Settings:
    """Every setting with its value, its default, and where the value comes from: default, file or environment."""

    rows: tuple[tuple[str, str, str, str], ...]

    def frame(self) -> pl.DataFrame:
        """setting, value, default, source (str)."""
        import polars as pl

        return pl.DataFrame(self.rows, schema=HEAD, orient="row")

    def __repr__(self) -> str:
        return text_table(HEAD, self._cells())

    def _repr_html_(self) -> str:
        return card(None, "", html_table(HEAD, self._cells()))

    def _cells(self) -> list[list[Cell]]:
        return [[Cell(text, left=True) for text in row] for row in self.rows]


def settings() -> Settings:
    """The settings as they stand. Raises ConfigError."""
    config, usual, source = load_config(), Config(), sources()
    return Settings(tuple((n, str(getattr(config, n)), str(getattr(usual, n)), source[n]) for n in NAMES))


def change(name: str, value: str, *, default: bool) -> None:
    """Say what a setting is, set it, or give it its default back. Raises BadInput, ConfigError."""
    if name not in NAMES:
        raise BadInput(f"There is no setting {name!r}{did_you_mean(name, NAMES)}", f"There are {', '.join(NAMES)}")
    changed = bool(value) or default
    if not default:
        _check(name, value)
    config = set_config(name, None if default else value) if changed else load_config()
    shown = getattr(config, name)
    text = f"{shown:,}" if isinstance(shown, int) else str(shown) or "nothing"
    print(f"{name} is {text} ({sources()[name]}); configuration {config.hash}")
    if changed:
        print(f"kept in {config_file()}; a desk reads it when it starts: kisnb desk stop, then %kis open")


def _check(name: str, value: str) -> None:
    """What the floors above the configuration would refuse at the next open is refused now. Raises ConfigError."""
    if name == "assume":
        uncertain.read(value)
    elif name == "credentials" and value:
        # KIS's own file holds keys for live, for paper, or for both.
        path = Path(value).expanduser()
        try:
            Credentials.from_yaml(path, paper=True)
        except ConfigError:
            Credentials.from_yaml(path, paper=False)
    elif name == "record" and value and not (folder := Path(value).expanduser().parent).is_dir():
        raise ConfigError(f"there is no folder {folder}", "name a file in a folder that there is")
