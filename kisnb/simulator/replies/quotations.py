"""Replies about prices, depth and trades of one stock, and of thirty stocks in one call."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from kisnb.clock import hhmmss
from kisnb.kis.calls.quote_messages import depth_blocks
from kisnb.kis.wire_text import yyyymmdd
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.replies.bars import Sums
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.reply import (
    Answer,
    Blocks,
    Params,
    Row,
    code_of,
    pick,
    time_of,
    venue_of,
)
from kisnb.simulator.replies.stock_fields import (
    change_fields,
    depth_fields,
    flow_of_trades,
    history_fields,
    issue_fields,
    quote_fields,
    rate,
    stock_fields,
)
from kisnb.terms import Side, Venue

LAST_TRADES = 30
"""Rows of a reply with trades (KIS's workbook: inquire-ccnl)."""
MANY = 30
"""Stocks of a multi-quote (KIS's workbook: intstock-multprice)."""
PRICES = 50
"""Most rows of a reply with volume by price."""
SIZES: tuple[tuple[int, str], ...] = (
    (10_000_000, "1천만원 미만"),
    (30_000_000, "3천만원 미만"),
    (50_000_000, "5천만원 미만"),
    (100_000_000, "1억원 미만"),
    (500_000_000, "5억원 미만"),
    (1 << 62, "5억원 이상"),
)
"""Classes of trades by amount in won. KIS documents the columns and not the classes (uncertain)."""


class Quotations:
    """Replies to the calls about one stock's prices and trades.

    Each reply raises ApiError with KIS's code for wrong parameters.
    """

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def answers(self) -> dict[str, Answer]:
        """Return the calls that this class answers, by name."""
        return {
            "inquire_price": self.inquire_price,
            "inquire_price_2": self.inquire_price_2,
            "inquire_asking_price_exp_ccn": self.inquire_asking_price_exp_ccn,
            "inquire_ccnl": self.inquire_ccnl,
            "inquire_time_itemconclusion": self.inquire_time_itemconclusion,
            "intstock_multprice": self.intstock_multprice,
            "pbar_tratio": self.pbar_tratio,
            "tradprt_byamt": self.tradprt_byamt,
            "exp_price_trend": self.exp_price_trend,
        }

    def inquire_price(self, params: Params) -> Blocks:
        """Return the current price of a stock, its day and its year (주식현재가 시세)."""
        venue, code = self._asked(params)
        quote = self._view.quote(code, venue)
        fields = [quote_fields(quote), issue_fields(self._view.item(code)), self._flow_fields(code)]
        return {
            "output": pick(
                "inquire_price", "output", *fields, history_fields(quote, self._view.marks(code))
            )
        }

    def inquire_price_2(self, params: Params) -> Blocks:
        """Return the current price of a stock in the second layout (주식현재가 시세2)."""
        venue, code = self._asked(params)
        return {"output": pick("inquire_price_2", "output", stock_fields(self._view, code, venue))}

    def inquire_asking_price_exp_ccn(self, params: Params) -> Blocks:
        """Return the depth and the expected match (주식현재가 호가/예상체결)."""
        venue, code = self._asked(params)
        blocks = depth_blocks(self._view.depth(code, venue), self._view.quote(code, venue))
        expected = pick(
            "inquire_asking_price_exp_ccn", "output2", self._view.expected_fields(code, venue)
        )
        # Outside an auction the expected match is the last auction's, as long as there was one.
        return {"output1": blocks["output1"], "output2": blocks["output2"] | expected}

    def inquire_ccnl(self, params: Params) -> Blocks:
        """Return the last thirty trades, newest first (주식현재가 체결)."""
        venue, code = self._asked(params)
        rows = self._trade_rows(code, venue, self._view.trades(code, venue))
        return {"output": [pick("inquire_ccnl", "output", row) for row in rows]}

    def inquire_time_itemconclusion(self, params: Params) -> Blocks:
        """Return the thirty trades before FID_INPUT_HOUR_1, newest first (당일시간대별체결).

        A blank time takes the last trades.
        """
        venue, code = self._asked(params)
        # "240000" is later than every time of a day, as a text too.
        until = (
            time_of(params, "FID_INPUT_HOUR_1") if params["FID_INPUT_HOUR_1"].strip() else "240000"
        )
        trades = [trade for trade in self._view.trades(code, venue) if hhmmss(trade.t) <= until]
        api = "inquire_time_itemconclusion"
        return {
            "output1": pick(api, "output1", stock_fields(self._view, code, venue)),
            "output2": [pick(api, "output2", row) for row in self._trade_rows(code, venue, trades)],
        }

    def intstock_multprice(self, params: Params) -> Blocks:
        """Return the prices of up to thirty stocks (관심종목 시세조회)."""
        rows: list[Row] = []
        for n in range(1, MANY + 1):
            # Clients leave the places empty that they do not use.
            if params[f"FID_INPUT_ISCD_{n}"].strip():
                venue = venue_of(params, name=f"FID_COND_MRKT_DIV_CODE_{n}")
                rows.append(
                    self._many_row(
                        code_of(params, self._view.universe, f"FID_INPUT_ISCD_{n}"), venue
                    )
                )
        return {"output": rows}

    def pbar_tratio(self, params: Params) -> Blocks:
        """Return the volume by price (매물대), the prices with the most volume first."""
        venue, code = self._asked(params)
        by_price: Counter[int] = Counter()
        for trade in self._view.trades(code, venue):
            by_price[trade.price] += trade.qty
        whole = by_price.total()
        rows: list[Row] = [
            {
                "data_rank": n,
                "stck_prpr": price,
                "cntg_vol": volume,
                "acml_vol_rlim": rate(volume, whole),
            }
            for n, (price, volume) in enumerate(by_price.most_common(PRICES), start=1)
        ]
        return {
            "output1": pick("pbar_tratio", "output1", stock_fields(self._view, code, venue)),
            "output2": rows,
        }

    def tradprt_byamt(self, params: Params) -> Blocks:
        """Return the trades by class of amount (체결금액별 매매비중)."""
        venue, code = self._asked(params)
        classes: defaultdict[str, list[PlannedTrade]] = defaultdict(list)
        for trade in self._view.trades(code, venue):
            # An auction's trade has no taker, so it belongs to no side of these columns.
            if trade.side is not None:
                # The bound of the last class is above every amount, so a class is always found.
                classes[
                    next(name for below, name in SIZES if trade.price * trade.qty < below)
                ].append(trade)
        whole = self._view.sums(code, venue)
        return {"output": [_class_row(name, classes[name], whole) for _, name in SIZES]}

    def exp_price_trend(self, params: Params) -> Blocks:
        """Return the trend of expected prices (예상체결가 추이).

        It has the trades of the call auctions that are over, and the expected price and quantity of
        the one that is running.
        """
        code = code_of(params, self._view.universe)
        venue_of(params, Venue.KRX)
        quote = self._view.quote(code)
        # Only an auction's trade has no taker.
        prints = [t for t in self._view.trades(code) if t.side is None]
        rows: list[Row] = [
            {
                "stck_bsop_date": yyyymmdd(self._view.day),
                "stck_cntg_hour": hhmmss(trade.t),
                "acml_vol": trade.qty,
                **change_fields(trade.price, quote),
            }
            for trade in reversed(prints)
        ]
        head = issue_fields(self._view.item(code)) | self._view.expected_fields(code)
        return {"output1": pick("exp_price_trend", "output1", head), "output2": rows}

    def _asked(self, params: Params) -> tuple[Venue, str]:
        return venue_of(params), code_of(params, self._view.universe)

    def _flow_fields(self, code: str) -> Row:
        """Return the fields of what foreigners and programs have traded today."""
        facts, now, item = self._view.facts, self._view.now, self._view.item(code)
        held = facts.foreign_held(code, now)
        program = facts.program(code, now)
        return {
            # KIS counts program trades in shares here, arbitrage and other together.
            "frgn_hldn_qty": held,
            "hts_frgn_ehrt": rate(held, item.shares),
            "frgn_ntby_qty": facts.flows(code, now).foreign.net,
            "pgtr_ntby_qty": program.arbitrage.net + program.other.net,
        }

    def _trade_rows(self, code: str, venue: Venue, trades: Sequence[PlannedTrade]) -> list[Row]:
        """Return the last thirty of ``trades``, newest first.

        Each row has the day's volume and trade strength as of its trade.
        """
        quote, item = self._view.quote(code, venue), self._view.item(code)
        last = trades[-LAST_TRADES:]
        volume = sum(trade.qty for trade in trades)
        whole = self._view.sums(code, venue)
        # The call may ask for a moment that has passed. The trades since then do not count.
        later = self._view.trades(code, venue)[len(trades) :]
        bought = whole.bought - sum(trade.qty for trade in later if trade.side is Side.BUY)
        sold = whole.sold - sum(trade.qty for trade in later if trade.side is Side.SELL)
        rows: list[Row] = []
        for trade in reversed(last):
            ask, bid = self._view.touch(item, trade)
            rows.append(
                {
                    "stck_cntg_hour": hhmmss(trade.t),
                    **change_fields(trade.price, quote),
                    "stck_pbpr": trade.price,
                    "askp": ask,
                    "bidp": bid,
                    "tday_rltv": Sums(bought, sold, 0, 0).strength,
                    "acml_vol": volume,
                    "cnqn": trade.qty,
                    "cntg_vol": trade.qty,
                }
            )
            # Backwards through the day: each row shows the state after its trade.
            volume -= trade.qty
            bought -= trade.qty if trade.side is Side.BUY else 0
            sold -= trade.qty if trade.side is Side.SELL else 0
        return rows

    def _many_row(self, code: str, venue: Venue) -> Row:
        """Return a row of a multi-quote, whose fields have names of their own at KIS."""
        quote = self._view.quote(code, venue)
        fields = {
            **quote_fields(quote),
            **issue_fields(self._view.item(code)),
            **depth_fields(self._view.depth(code, venue)),
        }
        renamed: Row = {
            "inter_shrn_iscd": code,
            "inter_kor_isnm": quote.name,
            "inter2_prpr": quote.price,
            "inter2_prdy_vrss": quote.change,
            "inter2_oprc": quote.open,
            "inter2_hgpr": quote.high,
            "inter2_lwpr": quote.low,
            "inter2_llam": quote.lower,
            "inter2_mxpr": quote.upper,
            "inter2_askp": fields["askp"],
            "inter2_bidp": fields["bidp"],
            "inter2_prdy_clpr": quote.base,
            "inter2_sdpr": quote.base,
        }
        return pick("intstock_multprice", "output", fields, renamed)


def _class_row(name: str, trades: Sequence[PlannedTrade], whole: Sums) -> Row:
    bought = [t.qty for t in trades if t.side is Side.BUY]
    sold = [t.qty for t in trades if t.side is Side.SELL]
    sums = Sums(sum(bought), sum(sold), len(bought), len(sold))
    volume = sums.bought + sums.sold
    return pick(
        "tradprt_byamt",
        "output",
        flow_of_trades(sums),
        {
            "prpr_name": name,
            "smtn_avrg_prpr": sum(t.price * t.qty for t in trades) // volume if volume else 0,
            "acml_vol": volume,
            "whol_ntby_qty_rate": rate(sums.bought - sums.sold, volume),
            "whol_seln_vol_rate": rate(sums.sold, whole.sold),
            "whol_shun_vol_rate": rate(sums.bought, whole.bought),
        },
    )
