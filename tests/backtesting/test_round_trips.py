"""Round trips: first in, first out, to the won, as the ledger has them."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from kisnb.backtesting.results.round_trips import fills_frame, round_trips, trades_frame
from kisnb.clock import kst_datetime
from kisnb.history.download import trading_days
from kisnb.terms import Side
from tests.backtesting.records import KST_NS, Trading, walked

DAYS = trading_days(date(2021, 3, 2), date(2021, 6, 30))
BUY, SELL = Side.BUY, Side.SELL


def test_h06_a_sale_over_two_lots_is_two_round_trips_with_costs_to_the_won():
    """Fee 0.0140527 % of each fill, tax 0.23 % of the sale in 2021, all cut down to the won.

    The sale of 12 at 71,300 pays a fee of 120 and a tax of 1,967. 10 of its 12 shares bear 1,739 of
    the 2,087 won, and the last part bears the other 348.
    """
    trading = Trading()
    trading.trade(DAYS[0], BUY, "005930", 70_000, 10)
    trading.trade(DAYS[3], BUY, "005930", 70_500, 7)
    trading.trade(DAYS[8], SELL, "005930", 71_300, 12)
    trades = trades_frame(round_trips(trading.books.account, DAYS))
    assert trades.select(
        "quantity", "entry_price", "exit_price", "pnl", "costs", "days"
    ).rows() == [
        (10, 70_000, 71_300, 13_000, 98 + 1_739, 8),
        (2, 70_500, 71_300, 1_600, 69 * 2 // 7 + 348, 5),
    ]
    assert trades["pnl_net"].to_list() == [13_000 - 1_837, 1_600 - 367]
    assert trades["return"][0] == (13_000 - 1_837) / (700_000 + 98)
    assert trades["entry"].dtype == trades["exit"].dtype == KST_NS
    first = trading.books.orders["agent:Walker:1:1"].fills[0]
    assert trades["entry"][0] == kst_datetime(first.t)


def test_h06_a_sale_on_the_day_of_the_buy_was_held_for_no_day():
    trading = Trading()
    trading.trade(DAYS[0], BUY, "005930", 70_000, 10)
    trading.trade(DAYS[0], SELL, "005930", 70_100, 10)
    assert trades_frame(round_trips(trading.books.account, DAYS))["days"].to_list() == [0]


plans = st.lists(
    st.tuples(
        st.sampled_from(["005930", "000660"]),
        st.sampled_from([BUY, SELL]),
        st.lists(st.integers(1, 40), min_size=1, max_size=3),
        st.integers(10, 900),
    ),
    max_size=25,
)


@given(plans)
def test_h06_round_trips_and_fills_add_up_to_the_order_book(plan):
    trading = Trading(10**10)
    for day, (code, side, parts, hundreds) in zip(DAYS, plan, strict=False):
        if side is BUY or sum(parts) <= trading.held.get(code, 0):
            trading.trade(day, side, code, 100 * hundreds, *parts)
    book = trading.books.account
    trades, fills = trades_frame(round_trips(book, DAYS)), fills_frame(book)
    assert trades["pnl"].sum() == book.realised
    assert trades["pnl_net"].sum() == book.realised_net
    assert (trades["pnl"] - trades["costs"]).equals(trades["pnl_net"])
    assert trades["quantity"].sum() == sum(p.sold for p in book.positions.values())
    assert (trades["entry"] <= trades["exit"]).all()
    assert fills["value"].sum() == book.turnover
    signed = pl.when(pl.col("side") == "buy").then("value").otherwise(-pl.col("value"))
    flow = fills.select(signed.sum() + pl.col("fee").sum() + pl.col("tax").sum()).item()
    assert 10**10 - flow == trading.cash


def test_h06_a_run_without_a_fill_has_typed_empty_frames():
    book = Trading().books.account
    assert trades_frame(round_trips(book, DAYS)).schema["pnl_net"] == pl.Int64
    assert fills_frame(book).schema["time"] == KST_NS
    assert trades_frame(round_trips(book, DAYS)).is_empty()


def test_h06_the_fills_stand_in_the_order_of_time():
    fills = fills_frame(walked(codes=("005930", "000660", "035420")).book)
    assert fills["time"].is_sorted()
    assert len(fills) > 300
