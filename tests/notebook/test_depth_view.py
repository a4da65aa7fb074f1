"""N04: the depth of both venues as the panel words it, and the newest trades."""

from __future__ import annotations

import asyncio

import kisnb
from kisnb import Session
from kisnb.clock import kst
from kisnb.events import Depth
from kisnb.notebook.panels import open_panel
from kisnb.notebook.panels.depth_view import LEVELS, VENUES, depth_view, own_orders, rungs
from kisnb.notebook.panels.stock_rows import stock_table, stock_views
from kisnb.notebook.panels.tape_view import TRADES, tape_view
from kisnb.terms import Side, Venue
from tests.known_days import USUAL

NOW = kst(USUAL[1], 10 * 3600)


def depth(venue: Venue, asks: list[tuple[int, int]], bids: list[tuple[int, int]]) -> Depth:
    return Depth(NOW, "005930", venue, tuple(asks), tuple(bids))


def prices(side: list) -> list[int]:
    return [rung.price for rung in side]


def test_n04_both_venues_share_one_column_of_prices() -> None:
    krx = depth(Venue.KRX, [(71_000, 5), (71_100, 6)], [(70_900, 7), (70_800, 8)])
    nxt = depth(Venue.NXT, [(71_000, 1), (71_200, 2)], [(70_800, 3)])
    above, below = rungs({Venue.KRX: krx, Venue.NXT: nxt})
    assert prices(above) == [71_200, 71_100, 71_000]
    assert prices(below) == [70_900, 70_800]
    assert above[-1].levels == ((Side.SELL, 5), (Side.SELL, 1))
    assert below[0].levels == ((Side.BUY, 7), None)


def test_n04_a_venue_whose_bid_is_above_the_others_ask_keeps_its_side() -> None:
    krx = depth(Venue.KRX, [(70_900, 5)], [(70_800, 6)])
    nxt = depth(Venue.NXT, [(71_100, 1)], [(71_000, 2)])
    above, below = rungs({Venue.KRX: krx, Venue.NXT: nxt})
    assert prices(above) == [71_100]
    assert prices(below) == [71_000, 70_900, 70_800]
    assert below[1].levels == ((Side.SELL, 5), None)


def test_n04_only_the_prices_nearest_to_the_market_are_shown() -> None:
    asks = [(71_000 + 100 * i, 1) for i in range(15)]
    bids = [(70_900 - 100 * i, 1) for i in range(15)]
    above, below = rungs({Venue.KRX: depth(Venue.KRX, asks, bids)})
    assert (len(above), len(below)) == (LEVELS, LEVELS)
    assert (above[-1].price, below[0].price) == (71_000, 70_900)
    assert rungs({}) == ([], [])


async def opened() -> Session:
    return await kisnb.connect("sim", seed=7, date="2026-11-20", start="10:00:00")


def test_n04_the_depth_has_colours_sums_own_orders_and_the_last_price() -> None:
    async def main() -> None:
        async with await opened() as session:
            session.hooks.look_at("test", "005930")
            await session.sleep(60)
            quote = await session.quote("005930")
            bid = session.data.depths_by_venue["005930", Venue.KRX].bids[3][0]
            await session.buy("005930", 10, bid)
            await session.sleep(1)
            view = depth_view(session, "005930")
            rows = {row[0]: row for i in range(2 * LEVELS) if (row := view[f"r{i}"])}
            assert view["title"] == "005930 삼성전자"
            assert rows[f"{bid:,}"][4] == "buy 10"
            tones = {
                int(price.replace(",", "")) - quote.base: row[1] for price, row in rows.items()
            }
            assert {d > 0 for d, tone in tones.items() if tone == "up"} <= {True}
            assert {d < 0 for d, tone in tones.items() if tone == "down"} <= {True}
            last = session.data.prices["005930"]
            assert [row[0] for row in rows.values() if row[3]] in ([f"{last:,}"], [])
            for i, venue in enumerate(VENUES):
                seen = session.data.depths_by_venue["005930", venue]
                assert view["totals"][i] == [
                    f"{sum(qty for _, qty in seen.asks):,}",
                    f"{sum(qty for _, qty in seen.bids):,}",
                ]
            assert max(level[2] for row in rows.values() for level in row[5:]) == 100
            assert [head for head, _ in view["venues"]] == ["KRX", "NXT"]

    asyncio.run(main())


def test_n04_a_venue_that_has_sent_nothing_yet_is_asked_once() -> None:
    async def main() -> None:
        async with await opened() as session:
            panel = open_panel(session, "depth", "005930")
            await asyncio.gather(*panel._work)
            heads = panel._view("depth")["totals"]
            assert all(asks and bids for asks, bids in heads)
            assert panel.stock == "005930"

    asyncio.run(main())


def test_n04_a_call_auction_shows_the_match_that_is_expected() -> None:
    async def main() -> None:
        async with await kisnb.connect("sim", seed=7, date="2026-11-20", start="08:58:00") as s:
            s.hooks.look_at("test", "005930")
            await s.sleep(60)
            expected = s.data.expected["005930"]
            view = depth_view(s, "005930")
            assert view["line"] == f"expected {expected.price:,} × {expected.qty:,} at KRX"
            assert view["venues"][0][0] == "KRX auction"
            await s.sleep(120)
            assert depth_view(s, "005930")["line"] == ""

    asyncio.run(main())


def test_n04_the_trades_are_the_newest_first_and_a_stock_without_a_name_has_none() -> None:
    async def main() -> None:
        async with await opened() as session:
            await session.watch("005930")
            await session.sleep(120)
            view = tape_view(session, "005930")
            times = [trade[0] for trade in view["trades"]]
            assert times == sorted(times, reverse=True)
            assert 0 < len(times) <= TRADES
            count = session.data.count("005930", Venue.KRX)
            newest = session.data.trades_since("005930", Venue.KRX, count - 1)[-1]
            assert [f"{newest.price:,}", f"{newest.qty:,}"] in [
                [price, qty] for _, price, _, qty, *_ in view["trades"]
            ]
            assert tape_view(session, "")["trades"] == []
            assert depth_view(session, "")["title"] == "No stock is chosen"

    asyncio.run(main())


def test_n04_another_stock_takes_the_place_of_the_one_that_was_looked_at() -> None:
    async def main() -> None:
        async with await opened() as session:
            session.hooks.look_at("test", "005930")
            session.hooks.look_at("test", "000660")
            await session.sleep(30)
            wanted = {
                (want.channel, want.code, want.venue)
                for want in session._parts.watched.commands()[0].wants
            }
            assert ("depth", "000660", Venue.NXT) in wanted
            assert ("depth", "005930", Venue.NXT) not in wanted
            assert session.watched == ["005930", "000660"]

    asyncio.run(main())


def test_n04_the_stocks_have_price_change_and_what_the_holding_is_worth() -> None:
    async def main() -> None:
        async with await opened() as session:
            order = await session.buy("005930", 10)
            await session.watch("000660")
            await session.sleep(30)
            held, watched = stock_views(session)
            last = session.data.prices["005930"]
            assert (held.code, held.quantity, held.last) == ("005930", 10, last)
            assert held.value == 10 * last
            assert held.unrealised == 10 * last - round(10 * order.average)
            assert (watched.code, watched.quantity, watched.value) == ("000660", 0, None)
            rows = stock_table(lambda: stock_views(session)).rows()
            assert rows["000660"][3:7] == ("", "", "", "")
            assert rows["005930"][-1] == "show alert"

    asyncio.run(main())


def test_n04_own_orders_of_one_price_are_added() -> None:
    async def main() -> None:
        async with await opened() as session:
            quote = await session.quote("005930")
            for i in range(2):
                await session.buy("005930", 10, quote.lower, again=i)
            found = own_orders(session.book.open_orders, "005930")
            assert found == {quote.lower: "buy 20"}
            assert own_orders(session.book.open_orders, "000660") == {}

    asyncio.run(main())
