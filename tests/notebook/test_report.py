"""N07, N11: the report of a traded day: one file, one hash per set of numbers, no secret."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

import kisnb
from kisnb.errors import ConfigError
from kisnb.notebook.report import Report, write_report

DAY = {"seed": 7, "date": "2026-11-20", "start": "09:00:00"}


async def traded_day(path: Path, qty: int = 10) -> Report:
    async with await kisnb.connect("sim", **DAY, fresh=True) as session:
        await session.watch("005930")
        await session.until("09:02")
        await session.buy("005930", qty)
        await session.until("09:05")
        await session.sell("005930", 4)
        await session.settle()
        return write_report(session, path)


def test_n07_the_same_day_gives_the_same_hash_and_another_day_another(
    state: Path, tmp_path: Path
) -> None:
    first = asyncio.run(traded_day(tmp_path / "first.html"))
    again = asyncio.run(traded_day(tmp_path / "again.html"))
    other = asyncio.run(traded_day(tmp_path / "other.html", qty=11))
    assert first.content_hash == again.content_hash
    assert first.content_hash != other.content_hash


def test_n07_n11_the_report_is_one_file_that_shows_the_day_and_no_secret(
    state: Path, tmp_path: Path
) -> None:
    report = asyncio.run(traded_day(tmp_path / "build" / "day.html"))
    page = report.path.read_text(encoding="utf-8")
    assert report.size == report.path.stat().st_size
    assert list(report.path.parent.iterdir()) == [report.path]
    for shown in (
        "SIM",
        "sim 2026-11-20 seed 7",
        "005930",
        "Fills",
        "Plotly.newPlot",
        report.content_hash,
    ):
        assert shown in page
    # Where scripts are blocked the candles are there too, as SVG.
    assert page.count('<div class="chart"><svg') == page.count('class="figure"') > 0
    assert 'src="http' not in page
    assert "<link" not in page
    keys = yaml.safe_load(next(state.glob("sim/**/kis_devlp.yaml")).read_text())
    secrets = [
        keys[name] for name in ("my_app", "my_sec", "my_htsid", "my_acct_stock") if keys.get(name)
    ]
    assert len(secrets) == 4
    assert [secret for secret in secrets if secret in page] == []


def test_n03_a_report_that_cannot_be_written_is_one_line_and_leaves_nothing(
    state: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        asyncio.run(traded_day(taken))
    assert list(tmp_path.glob(".taken*")) == []
