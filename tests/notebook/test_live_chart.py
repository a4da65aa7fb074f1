"""N05: the numbers of the live chart: bars, lines, own fills and orders, and their changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import kisnb
from kisnb.clock import SECOND, kst
from kisnb.market import indicators
from kisnb.notebook.panels import open_panel
from kisnb.notebook.panels.live_chart import Candles, LiveBar, LiveChart, marks_of
from kisnb.session.feed.market_data import RecentTrade
from kisnb.terms import Venue
from tests.known_days import USUAL

MINUTE = 60 * SECOND
START = kst(USUAL[1], 9 * 3600)


def trade(second: int, price: int, qty: int = 1) -> RecentTrade:
    return RecentTrade(START + second * SECOND, Venue.KRX, price, qty, 1)


def bars(n: int) -> list[LiveBar]:
    start = START // SECOND - n * 60
    return [LiveBar(start + 60 * i, 100, 101 + i, 99, 100 + i, 10) for i in range(n)]


def test_n05_a_trade_changes_the_newest_bar_alone_and_a_new_minute_is_a_new_bar() -> None:
    candles = Candles(MINUTE, bars(3))
    assert candles.add([trade(1, 105, 2), trade(30, 103, 3)]) == 2
    assert candles.rows[-1][:6] == [START // SECOND, 105, 105, 103, 103, 5]
    assert len(candles.rows) == 4
    assert candles.add([trade(59, 120, 1)]) == 3
    assert candles.rows[-1][1:6] == [105, 120, 103, 120, 6]
    assert candles.add([trade(60, 110)]) == 3
    assert len(candles.rows) == 5


def test_n05_the_lines_of_a_running_bar_are_those_of_the_indicators() -> None:
    candles = Candles(MINUTE, bars(30))
    for second in range(0, 120, 7):
        candles.add([trade(second, 130 + second % 5, second)])
    closes = [row[4] for row in candles.rows]
    for at, length in enumerate((5, 20, 60)):
        mean = indicators.Sma(length)
        values = [mean.update(close) for close in closes]
        shown = [row[6 + at] for row in candles.rows]
        assert shown == [None if v is None else round(v, 1) for v in values]
    won = sum((row[2] + row[3] + row[4]) / 3 * row[5] for row in candles.rows)
    assert candles.rows[-1][9] == pytest.approx(won / sum(r[5] for r in candles.rows), abs=0.1)


def test_n05_a_chart_of_days_takes_todays_trades_into_its_last_bar() -> None:
    candles = Candles(86_400 * SECOND, [LiveBar(START // SECOND, 100, 110, 90, 105, 1_000)])
    candles.add([trade(5, 120, 10)])
    assert candles.rows == [[START // SECOND, 100, 120, 90, 120, 1_010, None, None, None, None, 0]]


def test_n05_fills_of_one_bar_and_side_are_one_mark() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", seed=7, date="2026-11-20", start="10:00:00") as s:
            for i in range(3):
                await s.buy("005930", 10, again=i)
            await s.sell("005930", 5)
            orders = list(s.book.orders.values())
            first = kst(USUAL[1], 10 * 3600) // SECOND
            assert marks_of(orders, [first, first + 60]) == [
                [first, "buy", "30", "buy 30 in 3"],
                [first, "sell", "5", "sell 5"],
            ]
            assert marks_of(orders, []) == []

    asyncio.run(main())


def test_n05_a_page_that_follows_the_messages_has_the_bars_of_the_session() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", seed=7, date="2026-11-20", start="10:00:00") as s:
            messages: list[dict[str, Any]] = []
            chart = LiveChart(s, messages.append)
            chart.show("005930")
            await s.sleep(1)
            s.hooks.on_change(chart.refresh)
            order = await s.buy("005930", 10)
            await s.buy("005930", 3, (await s.quote("005930")).lower)
            for _ in range(30):
                await s.sleep(10)
            chart.refresh()
            rows: list[list[Any]] = []
            for number, message in enumerate(messages, messages[0]["number"]):
                assert message["number"] == number
                if message["reset"]:
                    rows = list(message["rows"])
                    continue
                for row in message["rows"]:
                    if rows[-1][0] == row[0]:
                        rows.pop()
                    rows.append(row)
            frame = s.heard_bars("005930", running=True)
            kept = [[int(t.timestamp()), *bar] for t, *bar in frame.iter_rows()]
            assert [row[:6] for row in rows] == kept
            # The candles of the stock before do not stand there while the bars are loaded.
            resets = [(m["code"], m["why"], bool(m["rows"])) for m in messages if m["reset"]]
            assert resets == [("005930", "loading", False), ("005930", "", True)]
            assert messages[-1]["orders"][0][2] == "buy 3"
            assert messages[-1]["marks"][0][3] == f"buy {order.quantity}"
            # An update is the newest bar, and no more than two of them.
            assert max(len(m["rows"]) for m in messages if not m["reset"]) <= 2
            chart.show("005930", "1d")
            await chart._loading
            assert (messages[-1]["every"], messages[-1]["reset"]) == ("1d", True)
            chart.close()

    asyncio.run(main())


def test_n05_the_chart_panel_goes_along_as_a_picture_for_exported_pages() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", seed=7, date="2026-11-20", start="10:00:00") as s:
            panel = open_panel(s, "chart", "005930")
            await s.sleep(90)
            html = panel._repr_mimebundle_()[0]["text/html"]
            assert "<svg" in html
            assert panel.stock == "005930"
            assert open_panel(s, "chart", "005930") is panel
            assert open_panel(s, "chart") is not panel

    asyncio.run(main())
