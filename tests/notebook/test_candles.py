"""N05: candles, volume and fills; static in exported pages; rising red, falling blue."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import KST, kst
from kisnb.drawing.candle_svg import MOST_CANDLES, candle_svg
from kisnb.drawing.candles import Candle, Mark, candle_at, merged
from kisnb.drawing.theme import FALL, LIGHT, RISE
from kisnb.notebook.charts.chart import PLOTLY_MIME, chart
from kisnb.orders import Fill, Intent, Order
from kisnb.terms import OrderKind, Side, Venue

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 9, 0, tzinfo=KST)


def row(minute: int, open_: int, close: int, volume: int = 100) -> Candle:
    high, low = max(open_, close) + 100, min(open_, close) - 100
    return Candle(OPEN + timedelta(minutes=minute), open_, high, low, close, volume)


def frame(rows: list[Candle]) -> pl.DataFrame:
    columns = ["t", "open", "high", "low", "close", "volume"]
    rows_as_lists = [[getattr(c, name) for name in columns] for c in rows]
    bars = pl.DataFrame(rows_as_lists, schema=columns, orient="row")
    return bars.with_columns(pl.col("t").dt.convert_time_zone("Asia/Seoul"))


def filled(side: Side, price: int, seconds: int) -> Order:
    order = Order(Intent(f"key:{seconds}", "", "005930", side, 10, OrderKind.LIMIT, price))
    order.fills.append(Fill(kst(DAY, 9 * 3600 + seconds), 10, price, 0, 0, Venue.KRX))
    return order


prices = st.integers(1000, 9000)
candle_rows = st.lists(st.tuples(prices, prices, st.integers(0, 999)), min_size=1, max_size=40)


@given(candle_rows, st.integers(1, 50))
def test_joined_candles_keep_volume_extremes_and_ends(
    days: list[tuple[int, int, int]], at_most: int
) -> None:
    rows = [row(i, o, c, v) for i, (o, c, v) in enumerate(days)]
    joined = merged(rows, at_most)
    assert len(joined) <= at_most
    assert sum(c.volume for c in joined) == sum(c.volume for c in rows)
    assert max(c.high for c in joined) == max(c.high for c in rows)
    assert min(c.low for c in joined) == min(c.low for c in rows)
    assert (joined[0].open, joined[-1].close) == (rows[0].open, rows[-1].close)


def test_a_fill_belongs_to_the_candle_of_its_moment() -> None:
    rows = [row(0, 100, 100), row(1, 100, 100), row(5, 100, 100)]
    assert candle_at(rows, OPEN + timedelta(seconds=59)) == 0
    assert candle_at(rows, OPEN + timedelta(minutes=1)) == 1
    assert candle_at(rows, OPEN + timedelta(minutes=4)) == 1
    assert candle_at(rows, OPEN - timedelta(seconds=1)) is None


@given(candle_rows)
def test_n05_the_svg_is_well_formed_and_stays_inside_its_frame(
    days: list[tuple[int, int, int]],
) -> None:
    svg = candle_svg(
        "005930 <삼성전자> & co", [row(i, o, c, v) for i, (o, c, v) in enumerate(days)], []
    )
    root = ET.fromstring(svg)
    assert "005930 <삼성전자> & co" in "".join(root.itertext())
    width, height = (float(x) for x in root.attrib["viewBox"].split()[2:])
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 <= float(text.attrib["x"]) <= width
        assert 0 <= float(text.attrib["y"]) <= height


def test_n05_rising_is_red_and_falling_blue() -> None:
    assert RISE in (rising := candle_svg("", [row(0, 1000, 2000)], []))
    assert f'd="" fill="{FALL}"' in rising
    assert f'd="" fill="{RISE}"' in candle_svg("", [row(0, 2000, 1000)], [])


def test_n05_fills_are_marked_with_what_happened() -> None:
    fills = [Mark(OPEN + timedelta(seconds=30), Side.BUY, 1_000, 1500)]
    assert "buy 1,000 at 1,500, 09:00:30" in candle_svg("", [row(0, 1000, 2000)], fills)


def test_a_day_of_seconds_stays_small() -> None:
    rows = [
        Candle(OPEN + timedelta(seconds=i), 1000, 1100, 900, 1000 + i % 3, 5) for i in range(23_400)
    ]
    assert len(merged(rows, MOST_CANDLES)) <= MOST_CANDLES
    assert len(candle_svg("a day", rows, [])) < 60_000


def test_n05_a_chart_is_text_html_and_a_figure() -> None:
    orders = [filled(Side.BUY, 71_000, 5), filled(Side.SELL, 71_300, 65)]
    shown = chart(
        frame([row(0, 71_000, 71_200), row(1, 71_200, 71_100, 50)]), orders, "005930 삼성전자"
    )
    assert repr(shown) == (
        "005930 삼성전자: 2 bars 09:00 to 09:01, open 71,000 high 71,300 low 70,900 close "
        "71,100, volume 150, fills 2"
    )
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown)
    assert bundle["text/html"].startswith("<style>.kisnb{--kisnb-rise:#d60000")
    assert '<div class="kisnb"><svg' in bundle["text/html"]
    assert "http" not in bundle["text/html"].replace("http://www.w3.org/2000/svg", "")
    candles, volume, buys, sells = shown.figure().data
    assert (candles.type, volume.type) == ("candlestick", "bar")
    assert list(candles.close) == [71_200, 71_100]
    assert (list(buys.y), list(sells.y)) == ([71_000], [71_300])
    assert (candles.increasing.line.color, candles.decreasing.line.color) == (
        LIGHT.rise,
        LIGHT.fall,
    )


def test_n05_in_a_kernel_a_chart_is_data_for_the_extension_of_plotly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kisnb.notebook.charts.chart._in_kernel", lambda: True)
    shown = chart(frame([row(0, 71_000, 71_200)]), title="005930 삼성전자")
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {PLOTLY_MIME, "text/html", "text/plain"}
    figure = json.loads(json.dumps(bundle[PLOTLY_MIME]))
    assert [trace["type"] for trace in figure["data"]] == ["candlestick", "bar"]
    assert figure["data"][0]["close"] == [71_200]
    assert len(json.dumps(figure)) < 20_000
    assert PLOTLY_MIME not in chart(frame([row(0, 1, 1)]).clear())._repr_mimebundle_()


def test_a_chart_of_nothing_says_so() -> None:
    empty = frame([row(0, 1, 1)]).clear()
    shown = chart(empty, title="005930")
    assert repr(shown) == "005930: no bars yet"
    assert shown._repr_mimebundle_()["text/html"] == "<div>005930: no bars yet</div>"
    assert len(shown.figure().data[0].close or ()) == 0
