"""The tear sheet: one small file that needs no network and no script."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec
import pytest

from kisnb.backtesting.results.hashes import config_of, data_hash, hash_of
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.results.tear_sheet import MOST_STOCKS, MOST_TRADES
from kisnb.clock import kst
from kisnb.errors import ConfigError
from kisnb.terms import Side
from tests.backtesting.records import CASH, CLOSE, DAYS, Trading, record_of, walked

MANY = tuple(f"{n:06}" for n in range(100, 132))


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return BacktestResult(walked(codes=("005930", "000660")), benchmark="005930")


@pytest.fixture(scope="module")
def page(result: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sheet") / "deep" / "out.html"
    report = result.report(path)
    assert report.path == path
    assert report.size == path.stat().st_size < 1_500_000
    assert report.content_hash == hash_of(result)
    return path.read_text("utf-8")


def test_n07_the_sheet_has_all_that_was_run(result: BacktestResult, page: str):
    for title in (
        "Statistics", "Equity", "Monthly return", "Stocks", "Trades on candles", "Trades",
        "What was run", "Definitions",
    ):  # fmt: skip
        assert f"<h2>{title}</h2>" in page
    assert result.record.costs in page
    for text in (*result.record.assumptions, *result.record.parameters):
        assert text.replace("'", "&#39;") in page
    for statistic in result.statistics_by_name.values():
        assert f"<dt>{statistic.name}</dt>" in page
    assert config_of(result.record) in page
    assert hash_of(result) in page
    assert "costs_by_fill" in page
    assert "2,262 bars of 2 stocks" in page


def test_n07_the_charts_are_drawn_without_a_script_and_the_page_asks_for_nothing(page: str):
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 3 + 2
    for chart in charts:
        ET.fromstring(chart)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "src=" not in page
    assert "prefers-color-scheme: dark" in page


def test_n07_the_same_run_gives_the_same_file_and_another_one_other_hashes(page: str):
    again = BacktestResult(walked(codes=("005930", "000660")), benchmark="005930")
    assert hash_of(again) in page
    other = BacktestResult(walked(codes=("005930", "000660"), seed=8), benchmark="005930")
    assert hash_of(other) != hash_of(again)
    assert config_of(other.record) == config_of(again.record)
    assert data_hash(other.record) != data_hash(again.record)
    assert f"hash <code>{data_hash(again.record)}</code>" in page
    swapped = msgspec.structs.replace(again.record, bars=again.record.bars.reverse())
    assert data_hash(swapped) != data_hash(again.record)
    changed = msgspec.structs.replace(again.record, parameters=("hold=16",))
    assert config_of(changed) != config_of(again.record)


def test_n07_a_run_over_many_stocks_stays_one_small_file(tmp_path):
    result = BacktestResult(walked(codes=MANY, cash=1_000_000_000))
    report = result.report(tmp_path / "many.html")
    page = report.path.read_text("utf-8")
    assert len(result.trades) > MOST_TRADES
    assert f"The newest {MOST_TRADES} of {len(result.trades)} round trips" in page
    assert f"{len(MANY) - MOST_STOCKS} more were traded" in page
    assert report.size < 1_500_000


def test_n07_agents_that_share_a_stock_have_a_table_of_their_own(tmp_path):
    trading = Trading()
    trading.trade(DAYS[0], Side.BUY, "005930", 70_000, 10, agent="Early")
    trading.trade(DAYS[1], Side.BUY, "005930", 71_000, 10, agent="Late")
    trading.trade(DAYS[2], Side.SELL, "005930", 72_000, 10, agent="Late")
    rows = [(kst(day, CLOSE), CASH, 0, CASH) for day in DAYS[:3]]
    record = record_of(trading, rows, [], DAYS[:3], agents=("Early", "Late"))
    page = BacktestResult(record).report(tmp_path / "two.html").path.read_text("utf-8")
    agents = page[page.index("<h2>Agents</h2>") : page.index("<h2>Stocks</h2>")]
    assert "Early" in agents
    assert "Late" in agents
    # Late sold what it had bought at 71,000. The account sold its oldest shares, of 70,000.
    assert "+10,000" in agents
    assert "+20,000" in page[page.index("<h2>Stocks</h2>") :]


def test_n07_a_run_without_a_trade_has_a_sheet_too(tmp_path):
    result = BacktestResult(walked(DAYS[:30], hold=1_000, cash=1_000))
    page = result.report(tmp_path / "none.html").path.read_text("utf-8")
    assert "Trades on candles" not in page
    assert "none" in page
    assert ">–<" in page


def test_a_sheet_that_cannot_be_written_says_so(result: BacktestResult, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written.*Name another file"):
        result.report(tmp_path / "file" / "out.html")
