"""``%kis api`` finds KIS's calls and channels, also while no desk is open (row K14)."""

from __future__ import annotations

import polars as pl
import pytest


def test_k14_the_command_finds_calls_by_a_korean_word_without_a_desk(
    shell, capsys: pytest.CaptureFixture[str]
):
    found = shell.value("%kis api 외국인")
    assert isinstance(found, pl.DataFrame)
    assert "foreign_institution_total" in found["name"].to_list()
    assert shell.value('%kis api "실시간 체결가"').is_empty() is False
    capsys.readouterr()
    assert shell.value("%kis api zzz").is_empty()
    assert "No call or channel of KIS has 'zzz'" in capsys.readouterr().out
