"""The look of a back-test's result, its frames, and its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from itertools import product
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from kisnb.backtesting.results.look import curve_svgs
from kisnb.backtesting.results.result import BacktestResult
from kisnb.backtesting.run_record import kst_days
from kisnb.clock import kst, kst_datetime
from kisnb.drawing.month_table import month_table
from kisnb.drawing.theme import DARK, LIGHT, Palette
from kisnb.errors import BadInput
from tests.backtesting.records import CASH, CLOSE, DAYS, KST_NS, walked

CODES = ("005930", "000660")


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return BacktestResult(walked(codes=CODES), benchmark="005930")


def light_of(colour: str) -> float:
    """The relative luminance of ``"#rrggbb"`` (WCAG 2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((light_of(one), light_of(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_n05_every_colour_can_be_read_on_its_page(palette: Palette):
    # JupyterLab's own dark pages are #111111 and #212121.
    pages = [palette.page] if palette is LIGHT else [palette.page, "#111111", "#212121"]
    colours = (palette.text, palette.muted, palette.rise, palette.fall, palette.line)
    for page, colour in product(pages, colours):
        assert contrast(colour, page) >= 4.5, (colour, page)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_n05_the_strongest_month_can_be_read(result: BacktestResult, palette: Palette):
    heat = result.monthly_figure(palette).data[0]
    for _, colour in heat.colorscale:
        assert contrast(heat.textfont.color, colour) >= 4.5
    assert (heat.zmid, -heat.zmin) == (0, heat.zmax)


def test_h06_the_text_of_a_result_has_its_range_and_its_first_statistics(result: BacktestResult):
    lines = repr(result).splitlines()
    assert lines[0] == "Walker, 2019-06-03 to 2023-12-28, 1,131 days, from 10,000,000 won"
    names = [line.split("  ")[0] for line in lines[1:]]
    assert names[:4] == ["total return", "CAGR", "volatility", "Sharpe"]
    assert names[-3:] == ["benchmark return", "beta", "alpha"]
    assert len({line.find("%") for line in lines[1:4]}) == 1, "the values are aligned"
    assert "won" in next(line for line in lines if line.startswith("costs paid"))


def test_n05_the_html_of_a_result_follows_the_theme_and_needs_no_network(result: BacktestResult):
    html = result._repr_html_()
    assert "BACKTEST" in html
    assert '[data-jp-theme-light="false"]' in html
    assert html.count("<svg") == 2
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in html
    assert len(html) < 100_000
    for svg in curve_svgs(result, (220, 130, 100)):
        ET.fromstring(svg)


def test_h06_names_from_outside_are_escaped():
    record = walked(DAYS[:30])
    bad = type(record)(
        **{name: getattr(record, name) for name in record.__struct_fields__}
        | {"agents": ("<script>x</script>",), "costs": "<b>no</b>", "assumptions": ("<i>",)}
    )
    html = BacktestResult(bad)._repr_html_()
    assert "<script>" not in html
    assert "<b>no" not in html
    assert "<i>" not in html


def test_h06_exposure_counts_the_stocks_that_are_held(result: BacktestResult):
    exposure = result.exposure
    assert exposure.columns == ["date", "holdings", "equity", "exposure", "stocks"]
    held = dict.fromkeys(CODES, 0)
    by_day: dict[object, list[tuple[str, int]]] = {}
    for time, code, side, qty in result.fills.select(
        "time", "code", "side", "quantity"
    ).iter_rows():
        by_day.setdefault(time.date(), []).append((code, qty if side == "buy" else -qty))
    for day, _, _, _, stocks in exposure.iter_rows():
        for code, change in by_day.get(day, ()):
            held[code] += change
        assert stocks == sum(qty > 0 for qty in held.values()), day
    assert set(exposure["stocks"]) == {0, 1, 2}


def test_h06_the_curve_has_the_exposure_of_each_day(result: BacktestResult):
    assert result.curve["exposure"].equals(result.exposure["exposure"])
    assert result.curve["at"].to_list() == result.days.dates


def test_h06_days_and_moments_are_those_of_the_table_of_time_zones():
    # Around midnight in Korea and in UTC, with parts of a microsecond.
    moments = [
        kst(day, seconds) + part
        for day in (*DAYS[::200], date(1990, 1, 3), date(2060, 12, 31))
        for seconds in (0, 9 * 3600, CLOSE)
        for part in (-1, 0, 1, 999, 1_000, 123_456_789)
    ]
    times = pl.Series(moments).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Seoul")
    assert kst_days(times).equals(times.dt.date())
    assert [kst_datetime(t) for t in moments] == times.to_list()


def test_h06_months_multiply_to_the_total_return(result: BacktestResult):
    product_of_months = result.monthly.select((pl.col("return") + 1).product()).item() - 1
    assert product_of_months == pytest.approx(result.value("total return"))
    assert result.monthly.height == 55


def test_h06_a_run_by_minutes_is_measured_by_its_days():
    record = walked(DAYS[:60])
    # A second row an hour before each day's end, with the double of the equity.
    early = record.equity.with_columns(pl.col("time").dt.offset_by("-1h"), pl.col("equity") * 2)
    by_steps = pl.concat([record.equity, early]).sort("time")
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    steps = BacktestResult(type(record)(**fields | {"equity": by_steps}))
    days = BacktestResult(record)
    assert steps.daily.equals(days.daily)
    assert steps.value("max drawdown") == days.value("max drawdown")
    assert steps.equity.height == 120
    assert steps.equity.schema["time"] == KST_NS


def test_n05_figures_are_data_for_plotly_in_both_themes(result: BacktestResult):
    for palette in (LIGHT, DARK):
        figures = result.figures(palette)
        assert list(figures) == ["equity", "drawdown", "monthly", *CODES]
        for figure in figures.values():
            assert figure.layout.paper_bgcolor == palette.page
            assert figure.layout.font.color == palette.text
            json.loads(figure.to_json())
    equity = result.equity_figure(LIGHT)
    assert [trace.name for trace in equity.data] == ["equity", "005930"]
    assert equity.layout.yaxis.tickformat == ",d"
    candles, volume, buys, sells = result.trades_figure("005930", LIGHT).data
    assert (candles.type, volume.type) == ("candlestick", "bar")
    assert len(buys.x) + len(sells.x) == len(result.fills.filter(pl.col("code") == "005930"))
    assert "2019-06-03" in buys.text[0]


def test_n05_figures_follow_the_default_template_of_plotly(result: BacktestResult, monkeypatch):
    import plotly.io

    monkeypatch.setattr(plotly.io.templates, "default", "plotly_dark")
    assert result.equity_figure().layout.paper_bgcolor == DARK.page
    monkeypatch.setattr(plotly.io.templates, "default", "plotly")
    assert result.equity_figure().layout.paper_bgcolor == LIGHT.page


def test_h06_a_stock_without_bars_has_no_figure(result: BacktestResult):
    with pytest.raises(BadInput, match="has no bars of '035420'"):
        result.trades_figure("035420")


def test_h06_another_benchmark_leaves_the_run_as_it_is(result: BacktestResult):
    other = result.against("000660")
    assert other.benchmark is not None
    assert other.benchmark.name == "000660"
    assert other.record is result.record
    assert "beta" not in result.against(None).statistics_by_name
    assert other.value("total return") == result.value("total return")
    assert result.against(None).record.cash == CASH


def test_the_months_of_a_year_that_is_not_whole_are_empty():
    html = month_table({(2021, 3): 0.01, (2021, 4): -0.02}, [(2021, -0.01)])
    assert html.count("<td") == 13
    assert html.count("></td>") == 10
    assert ">+1.00<" in html
    assert ">-2.00<" in html


def test_a_result_imports_plotly_only_for_its_figures():
    code = (
        "import sys; from tests.backtesting.records import walked; "
        "from kisnb.backtesting.results.result import BacktestResult; "
        "r = BacktestResult(walked()); repr(r); r._repr_html_(); r.statistics; "
        "print('plotly' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
