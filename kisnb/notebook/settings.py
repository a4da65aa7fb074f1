"""``%kis config``: the settings as a frame, and how one is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kisnb.config import NAMES, Config, config_file, load_config, set_config, sources
from kisnb.errors import BadInput
from kisnb.notebook.grammar import did_you_mean

if TYPE_CHECKING:
    import polars as pl


def settings() -> pl.DataFrame:
    """setting (str), value (str), default (str), source (default, file or environment). Raises ConfigError."""
    import polars as pl

    config, usual, source = load_config(), Config(), sources()
    rows = [(n, str(getattr(config, n)), str(getattr(usual, n)), source[n]) for n in NAMES]
    return pl.DataFrame(rows, schema=["setting", "value", "default", "source"], orient="row")


def change(name: str, value: str, *, default: bool) -> None:
    """Say what a setting is, set it, or give it its default back. Raises BadInput, ConfigError."""
    if name not in NAMES:
        raise BadInput(f"There is no setting {name!r}{did_you_mean(name, NAMES)}", f"There are {', '.join(NAMES)}")
    changed = bool(value) or default
    config = set_config(name, None if default else value) if changed else load_config()
    shown = getattr(config, name)
    text = f"{shown:,}" if isinstance(shown, int) else str(shown) or "nothing"
    print(f"{name} is {text} ({sources()[name]}); configuration {config.hash}")
    if changed:
        print(f"kept in {config_file()}; a desk reads it when it starts: kisnb desk stop, then %kis open")
