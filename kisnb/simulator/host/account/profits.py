"""KIS's fields of the purchases, sales and profit of a day. Won and shares."""

from __future__ import annotations

from collections.abc import Iterable

from kisnb.simulator.host.account.orders import AccountPosition
from kisnb.simulator.replies.reply import Row, pick
from kisnb.simulator.replies.stock_fields import rate


def profit_fields(positions: Iterable[AccountPosition]) -> Row:
    """Return KIS's fields: won bought and sold, fees, taxes, and the profit after these costs."""
    held = list(positions)
    # Fees of buys count here as well, in the day on which they were paid.
    earned = sum(p.realised - p.fees - p.taxes for p in held)
    cost = sum(p.sold_value - p.realised for p in held)
    return {
        "buy_amt": sum(p.bought_value for p in held),
        "sll_amt": sum(p.sold_value for p in held),
        "rlzt_pfls": earned,
        "pfls_rt": rate(earned, cost),
        "fee": sum(p.fees for p in held),
        "tl_tax": sum(p.taxes for p in held),
    }


def shares_fields(positions: Iterable[AccountPosition]) -> Row:
    """Return KIS's fields of the shares bought and sold."""
    held = list(positions)
    return {"buy_qty1": sum(p.bought for p in held), "sll_qty1": sum(p.sold for p in held)}


def totals_fields(api: str, positions: Iterable[AccountPosition]) -> Row:
    """Return the sums of all positions for a call, in the fields that its output2 has."""
    held = list(positions)
    bought, sold = sum(p.bought_value for p in held), sum(p.sold_value for p in held)
    fees, taxes = sum(p.fees for p in held), sum(p.taxes for p in held)
    earned = sum(p.realised for p in held) - fees - taxes
    cost = sum(p.sold_value - p.realised for p in held)
    shares = shares_fields(held)
    fields: Row = {
        "sll_qty_smtl": shares["sll_qty1"],
        "buy_qty_smtl": shares["buy_qty1"],
        "buyqty_smtl": shares["buy_qty1"],
        "sll_tr_amt_smtl": sold,
        "sll_tltx_smtl": taxes,
        "buy_tr_amt_smtl": bought,
        "tot_qty": sum(p.bought + p.sold for p in held),
        "tot_tr_amt": bought + sold,
        "tot_fee": fees,
        "tot_tltx": taxes,
        "tot_excc_amt": sold - bought - fees - taxes,
        "tot_rlzt_pfls": earned,
        "tot_pftrt": rate(earned, cost),
    }
    return pick(api, "output2", fields)
