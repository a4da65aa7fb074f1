"""Which calls the simulated host answers: those whose data follow from the simulated market and the account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias, TypeVar

from kisnb.simulator.host.account_queries import AccountQueries
from kisnb.simulator.host.brokerage import Brokerage, PlacedNumber
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.reservations import Reservations
from kisnb.simulator.replies.charts import Charts
from kisnb.simulator.replies.flows import InvestorReplies
from kisnb.simulator.replies.indices import IndexReplies
from kisnb.simulator.replies.market_view import MarketView
from kisnb.simulator.replies.overtime import OvertimeReplies
from kisnb.simulator.replies.quotations import Quotations
from kisnb.simulator.replies.rankings import Rankings
from kisnb.simulator.replies.reply import Answer, Blocks, Pages, Params
from kisnb.simulator.replies.shorts_and_credit import ShortsAndCredit
from kisnb.simulator.replies.stock_info import StockInfo
from kisnb.terms import Side

_T = TypeVar("_T")
OrderAnswer: TypeAlias = Callable[[Params], tuple[Blocks, PlacedNumber]]


def repliers(
    view: MarketView, brokerage: Brokerage, persona: Persona
) -> tuple[dict[str, Answer], dict[str, Pages]]:
    """By the name of the call: what answers it at once, and what answers it page by page."""
    info, reservations = StockInfo(view), Reservations(view)
    queries = AccountQueries(view, brokerage, persona)
    answers = (
        Quotations(view).answers(),
        Charts(view).answers(),
        Rankings(view).answers(),
        InvestorReplies(view).answers(),
        ShortsAndCredit(view).answers(),
        OvertimeReplies(view).answers(),
        IndexReplies(view).answers(),
        info.answers(),
        reservations.answers(),
        queries.answers(),
        {"inquire_psbl_order": brokerage.inquire_psbl_order},
    )
    account_pages: dict[str, Pages] = {
        "inquire_balance": lambda _, first: brokerage.inquire_balance(first),
        "inquire_daily_ccld": brokerage.inquire_daily_ccld,
    }
    pages = (info.pages(), reservations.pages(), queries.pages(), account_pages)
    return _joined(answers), _joined(pages)


def order_repliers(brokerage: Brokerage) -> dict[str, OrderAnswer]:
    """By the name of the call: what trades."""
    return {
        "order_cash_buy": partial(brokerage.order_cash, Side.BUY),
        "order_cash_sell": partial(brokerage.order_cash, Side.SELL),
        "order_rvsecncl": brokerage.order_rvsecncl,
    }


def _joined(tables: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    return {name: answer for table in tables for name, answer in table.items()}
