"""The account in KIS's calls: inquire-balance and inquire-psbl-order, both ways. Won and shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from kisnb.kis.calls.messages import ApiReply, encode_params
from kisnb.kis.calls.row_fields import Message, RowFields
from kisnb.kis.catalogue import APIS
from kisnb.orders import Account, Holding


def balance_params(account: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of inquire-balance: holdings by issue, valued at KRX's prices.

    Yesterday's trades are included.
    """
    return encode_params(
        APIS["inquire_balance"],
        **account,
        # N values holdings at KRX's regular close. X takes Nextrade's price, Y the unified one (KIS
        # notice of 2026-09-09).
        AFHR_FLPR_YN="N",
        OFL_YN="",
        # 02 gives one row an issue, 01 one for each day of a loan (workbook).
        INQR_DVSN="02",
        UNPR_DVSN="01",
        FUND_STTL_ICLD_YN="N",
        FNCG_AMT_AUTO_RDPT_YN="N",
        # 00 includes yesterday's trades, 01 leaves them out (workbook).
        PRCS_DVSN="00",
        CTX_AREA_FK100="",
        CTX_AREA_NK100="",
    )


def orderable_params(account: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of inquire-psbl-order for the orderable cash alone.

    Without a stock KIS answers with amounts and no quantity.
    """
    return encode_params(
        APIS["inquire_psbl_order"],
        **account,
        PDNO="",
        ORD_UNPR="",
        # KIS advises 01, so that the margin rate of the issue counts (workbook). No issue is named
        # here.
        ORD_DVSN="00",
        CMA_EVLU_AMT_ICLD_YN="N",
        OVRS_ICLD_YN="N",
    )


def holding_row(holding: Holding) -> dict[str, object]:
    """Return a row of ``output1`` of a reply to inquire-balance, built from ``holding``."""
    value = holding.qty * holding.price
    gain = value - holding.cost
    return {
        "pdno": holding.code,
        "prdt_name": holding.name,
        "trad_dvsn_name": "현금",
        "hldg_qty": holding.qty,
        "ord_psbl_qty": holding.sellable,
        # An average has decimals although won have none (workbook).
        "pchs_avg_pric": f"{holding.cost / holding.qty if holding.qty else 0:.4f}",
        "pchs_amt": holding.cost,
        "prpr": holding.price,
        "evlu_amt": value,
        "evlu_pfls_amt": gain,
        "evlu_pfls_rt": gain / holding.cost * 100 if holding.cost else 0.0,
    }


def deposit_row(account: Account) -> dict[str, object]:
    """Return the row of ``output2`` of a reply to inquire-balance, built from ``account``."""
    value = sum(h.qty * h.price for h in account.holdings)
    cost = sum(h.cost for h in account.holdings)
    return {
        "dnca_tot_amt": account.cash,
        "nxdy_excc_amt": account.cash_d1,
        "prvs_rcdl_excc_amt": account.cash_d2,
        "thdt_tlex_amt": account.costs,
        "scts_evlu_amt": value,
        # Trades settle two days later (T+2). Today's deposit still holds the money of shares that
        # were bought, so the sum takes the deposit of D+2.
        "tot_evlu_amt": value + account.cash_d2,
        "nass_amt": value + account.cash_d2,
        "pchs_amt_smtl_amt": cost,
        "evlu_amt_smtl_amt": value,
        "evlu_pfls_smtl_amt": value - cost,
    }


def orderable_row(cash: int, price: int = 0) -> dict[str, object]:
    """Return the block ``output`` of a reply to inquire-psbl-order, built from ``cash``.

    With a price above 0 it has quantities.
    """
    qty = cash // price if price else 0
    return {
        "ord_psbl_cash": cash,
        "psbl_qty_calc_unpr": price,
        "nrcvb_buy_amt": cash,
        "nrcvb_buy_qty": qty,
        "max_buy_amt": cash,
        "max_buy_qty": qty,
    }


# KIS lists a sold-out stock with quantity 0 for two more days. The other fields of such a row are
# not read.
_HOLDING = Message(
    "inquire_balance",
    stated=frozenset({"pdno", "hldg_qty", "ord_psbl_qty", "pchs_amt", "prpr"}),
)
_DEPOSIT = Message(
    "inquire_balance",
    stated=frozenset({"dnca_tot_amt", "nxdy_excc_amt", "prvs_rcdl_excc_amt"}),
)
_ORDERABLE = Message("inquire_psbl_order", stated=frozenset({"nrcvb_buy_amt"}))


def read_holding(row: RowFields) -> Holding | None:
    """Read a row of inquire-balance, and return the holding; None when the stock was sold out.

    Raises FieldError.
    """
    code, qty = row.text("pdno"), row.number("hldg_qty")
    if not qty:
        return None
    return Holding(
        code,
        row.text("prdt_name"),
        qty,
        row.number("ord_psbl_qty"),
        row.number("pchs_amt"),
        row.number("prpr"),
    )


def read_account(pages: Sequence[ApiReply], orderable: ApiReply, *, complete: bool) -> Account:
    """Read all pages of inquire-balance and the reply to inquire-psbl-order; return the account.

    A holding that cannot be read is named in ``bad``, and the account is then not complete. Raises
    FrameError when an amount of cash cannot be read.
    """
    # output2 is an array of one (workbook). The last page was read last.
    deposit = _DEPOSIT.fields(pages[-1].one("output2"))
    rows = (row for page in pages for row in page.rows("output1"))
    read, bad = _HOLDING.read_each(rows, read_holding)
    held = [holding for holding in read if holding is not None]
    # INQR_DVSN 02 gives one row an issue. If two rows of an issue differ, it is not known which is
    # right.
    twice = sorted(code for code, n in Counter(h.code for h in held).items() if n > 1)
    bad += tuple(f"inquire_balance lists {code} twice, with other figures" for code in twice)
    return Account(
        deposit.number("dnca_tot_amt"),
        deposit.number("nxdy_excc_amt"),
        deposit.number("prvs_rcdl_excc_amt"),
        # This is the amount without margin (미수). max_buy_amt would count money that the account
        # has to borrow.
        _ORDERABLE.fields(orderable.one()).number("nrcvb_buy_amt"),
        tuple(h for h in held if h.code not in twice),
        complete and not bad,
        bad,
        # The list of orders has an estimate as well (prsm_tlex_smtl). The estimate here is of the
        # same moment as the cash above. KIS may leave it empty.
        deposit.number("thdt_tlex_amt") if deposit.text("thdt_tlex_amt") else None,
    )
