"""The columns of a holding, for the balance below a cell and for the report."""

from __future__ import annotations

from kisnb.columns import Column, number_column, picked, signed, signed_column, text_column, tone_of
from kisnb.orders import Holding


def _value(h: Holding) -> int:
    return h.qty * h.price


def _gain(h: Holding) -> int:
    return _value(h) - h.cost


def _gain_pct(h: Holding) -> float | None:
    return _gain(h) / h.cost * 100 if h.cost else None


HOLDING_COLUMNS: tuple[Column[Holding], ...] = (
    text_column("code", lambda h: h.code),
    text_column("name", lambda h: h.name),
    number_column("quantity", lambda h: h.qty),
    number_column("sellable", lambda h: h.sellable),
    number_column("average", lambda h: h.cost / h.qty if h.qty else None, "Float64"),
    number_column("cost", lambda h: h.cost),
    number_column("price", lambda h: h.price),
    number_column("value", _value),
    signed_column("PnL", _gain),
    Column(
        "%", "Float64", _gain_pct, lambda h: signed(_gain_pct(h), 2), "signed",
        lambda h: tone_of(_gain(h)),
    ),
)  # fmt: skip
"""Every column of a holding. Shares and won."""
IN_OUTPUT = picked(HOLDING_COLUMNS, "code name quantity sellable average price value PnL %")
"""The columns of the balance below a cell."""
IN_REPORT = picked(HOLDING_COLUMNS, "code name quantity sellable cost price value PnL")
"""The columns of the report."""
