"""N05: one setting chooses the colours of rising and falling prices, wherever they are drawn."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kisnb.config import Config, set_config
from kisnb.drawing import theme
from kisnb.drawing.jupyter_theme import is_dark
from kisnb.drawing.tables import card, coloured
from kisnb.drawing.theme import DARK, LIGHT, palettes
from kisnb.errors import ConfigError
from kisnb.notebook.commands.settings import change
from kisnb.notebook.panels.desk_panel import DeskPanel

GROUNDS = {"light": ("#ffffff", "#eeeeee"), "dark": ("#111111", "#212121")}
"""Backgrounds of JupyterLab, of rows and of headings."""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KISNB_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("KISNB_PRICE_COLOURS", raising=False)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", ["red-blue", "orange-blue"])
def test_n05_both_pairs_can_be_read_in_light_and_in_dark(colours: theme.PriceColours) -> None:
    for name, palette in zip(("light", "dark"), palettes(colours), strict=True):
        for ground in GROUNDS[name]:
            assert contrast(palette.rise, ground) >= 4.5
            assert contrast(palette.fall, ground) >= 4.5


def test_n05_the_setting_changes_tables_and_charts_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gain = coloured("+500", "up")
    assert palettes() == (LIGHT, DARK)
    assert f"--kisnb-rise:{LIGHT.rise}" in card(None, "", gain)
    change("price_colours", "orange-blue", default=False)
    assert "outputs show it from now on" in capsys.readouterr().out
    light, dark = palettes()
    assert (light.rise, dark.rise) == ("#a84300", "#ffb000")
    html = card(None, "", gain)
    assert all(f"--kisnb-rise:{palette.rise}" in html for palette in (light, dark))
    # An output without colours brings no style.
    assert "<style>" not in card(None, "cash", None)
    with pytest.raises(ConfigError, match="price_colours cannot be 'green'"):
        set_config("price_colours", "green")
    # What people see does not change how the desk trades.
    assert Config(price_colours="orange-blue").hash == Config().hash


def test_n05_a_broken_configuration_keeps_no_table_from_being_drawn(tmp_path: Path) -> None:
    set_config("price_colours", "orange-blue")
    (tmp_path / "state" / "config.json").write_text("{")
    assert palettes() == (LIGHT, DARK)


def test_n05_the_panel_has_a_pair_of_colours_for_each_value_of_the_setting() -> None:
    found = re.findall(r'\.kisnb-desk\[data-colours="([^"]+)"\]', DeskPanel._css)
    assert set(found) == {"orange-blue"}
    light, dark = palettes("orange-blue")
    assert f"--rise: {light.rise}" in DeskPanel._css
    assert f"--rise: {dark.rise}" in DeskPanel._css


@pytest.mark.parametrize(
    ("text", "dark"),
    [
        ('{\n    // Theme\n    "theme": "JupyterLab Dark"\n}', True),
        (
            '{\n    "theme": "JupyterLab Light",\n    "preferred-dark-theme": "JupyterLab Dark"\n}',
            False,
        ),
        ("not json", False),
        (None, False),
    ],
)
def test_n05_a_figure_follows_the_theme_that_jupyterlab_has_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, dark: bool
) -> None:
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path))
    file = tmp_path / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    if text is not None:
        file.write_text(text)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    assert is_dark() is dark
    assert theme.default_palette() == palettes()[dark]
    # A script draws for a page of its own.
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert not is_dark()
