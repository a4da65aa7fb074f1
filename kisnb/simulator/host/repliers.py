"""The table of the calls that the simulated host answers.

A call is in it when its data follow from the simulated market and the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias, TypeVar

from kisnb.simulator.host.account.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.account.queries import AccountQueries
from kisnb.simulator.host.account.reservations import Reservations
from kisnb.simulator.host.account.trading_replies import TradingReplies
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.replies.charts import Charts
from kisnb.simulator.replies.flow_days import FlowDays
from kisnb.simulator.replies.flows import InvestorReplies
from kisnb.simulator.replies.indices import IndexReplies
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.overtime import OvertimeReplies
from kisnb.simulator.replies.programs import ProgramReplies
from kisnb.simulator.replies.quotations import Quotations
from kisnb.simulator.replies.rankings import Rankings
from kisnb.simulator.replies.reply import Answer, Blocks, Pages, Params
from kisnb.simulator.replies.shorts_and_credit import ShortsAndCredit
from kisnb.simulator.replies.stock_info import StockInfo
from kisnb.terms import Side

_T = TypeVar("_T")
OrderAnswer: TypeAlias = Callable[[Params], tuple[Blocks, PlacedNumber]]
"""Places the order that a call describes, and returns the reply and the order's number."""


def repliers(
    view: MarketView,
    trading: TradingReplies,
    brokerage: Brokerage,
    reservations: Reservations,
    persona: Persona,
) -> tuple[dict[str, Answer], dict[str, Pages]]:
    """Return two tables by name: the calls answered at once, and those answered page by page."""
    info, flows = StockInfo(view), FlowDays(view)
    queries = AccountQueries(view, brokerage, persona)
    answers = (
        Quotations(view).answers(),
        Charts(view).answers(),
        Rankings(view).answers(),
        InvestorReplies(view, flows).answers(),
        ProgramReplies(view, flows).answers(),
        ShortsAndCredit(view).answers(),
        OvertimeReplies(view).answers(),
        IndexReplies(view).answers(),
        info.answers(),
        reservations.answers(),
        queries.answers(),
        {"inquire_psbl_order": trading.inquire_psbl_order},
    )
    account_pages: dict[str, Pages] = {
        "inquire_balance": lambda _, first: trading.inquire_balance(first),
        "inquire_daily_ccld": trading.inquire_daily_ccld,
    }
    pages = (info.pages(), reservations.pages(), queries.pages(), account_pages)
    return _joined(answers), _joined(pages)


def order_repliers(trading: TradingReplies) -> dict[str, OrderAnswer]:
    """Return the calls that trade, by name."""
    return {
        "order_cash_buy": partial(trading.order_cash, Side.BUY),
        "order_cash_sell": partial(trading.order_cash, Side.SELL),
        "order_rvsecncl": trading.order_rvsecncl,
    }


def _joined(tables: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    return {name: answer for table in tables for name, answer in table.items()}
