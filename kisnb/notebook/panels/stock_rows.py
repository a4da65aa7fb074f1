"""The table of stocks that are watched or held, with the value of each holding. Won."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from kisnb.columns import (
    Column,
    Tone,
    number,
    number_column,
    signed,
    signed_column,
    text_column,
    tone_of,
)
from kisnb.notebook.panels.depth_view import base_and_last
from kisnb.notebook.panels.panel_table import FormField, PanelTable, RowForm, Shown

if TYPE_CHECKING:
    from kisnb.session.session import Session

STOCK = 17
"""Width of a code with a Korean name, in letters. A Korean syllable counts as two."""


class StockView(msgspec.Struct, frozen=True):
    """One stock at a moment. Shares and won."""

    code: str
    name: str
    last: int | None
    """The newest price. None: no price of today is known."""
    base: int | None
    """The base price of the day. None: not known."""
    quantity: int
    """Shares that the account holds."""
    average: float | None
    """The average cost of a held share. None: no share is held."""
    realised: int
    """Realised profit after cost."""

    @property
    def change(self) -> int | None:
        """Change of the price from the base price. None when one of them is not known."""
        return None if self.last is None or self.base is None else self.last - self.base

    @property
    def value(self) -> int | None:
        """Value of the holding. None without a holding, or without a price."""
        return self.last * self.quantity if self.quantity and self.last is not None else None

    @property
    def unrealised(self) -> int | None:
        """Profit of the holding before cost. None without a holding, or without a price."""
        if self.value is None or self.average is None:
            return None
        return self.value - round(self.average * self.quantity)

    @property
    def text(self) -> str:
        """Code and name. Only the code when the name is not known."""
        return self.code if self.name == self.code else f"{self.code} {self.name}"


def _last_text(view: StockView) -> str:
    return number(view.last) or "–"


def _change_tone(view: StockView) -> Tone:
    return tone_of(view.change)


def _change_text(view: StockView) -> str:
    if view.change is None or not view.base:
        return ""
    return f"{signed(view.change * 100 / view.base, 2)} %"


COLUMNS: tuple[Shown[StockView], ...] = (
    Shown(text_column("stock", lambda v: v.text), STOCK),
    Shown(Column("last", "Int64", lambda v: v.last, _last_text, "number", _change_tone), 9),
    Shown(Column("change", "Float64", lambda v: v.change, _change_text, "signed", _change_tone), 8),
    Shown(number_column("quantity", lambda v: v.quantity or None), 8),
    Shown(number_column("average", lambda v: v.average), 9, extra=1),
    Shown(number_column("value", lambda v: v.value), 12, extra=1),
    Shown(signed_column("gain", lambda v: v.unrealised), 11),
    Shown(signed_column("realised", lambda v: v.realised or None), 10, extra=2),
)
"""Every column of a stock, with its place in the panel."""


def stock_table(stocks: Callable[[], Iterable[StockView]]) -> PanelTable[StockView]:
    """Return the table of stocks that are held, traded or watched."""
    return PanelTable(
        title="Stocks",
        empty="none yet: choose one in the ticket, or write %kis quote CODE",
        shown=COLUMNS,
        key=lambda v: v.code,
        actions=lambda _: "show alert",
        tips={
            "show": "Show this stock in chart, depth and ticket",
            "alert": "Be told once when this stock trades at a price",
        },
        widest="show alert",
        forms={
            "alert": RowForm(
                [FormField("price", "tell me at", "last")],
                [
                    ("above", "or above", "Set a price alert at this price or above"),
                    ("below", "or below", "Set a price alert at this price or below"),
                ],
            )
        },
        subjects=stocks,
        height=6,
    )


def stock_views(session: Session) -> list[StockView]:
    """Return the stocks of a session: first those of the account, then those only watched."""
    positions = session.book.positions
    codes = dict.fromkeys((*positions, *session.watched))
    return [_view(session, code) for code in codes]


def _view(session: Session, code: str) -> StockView:
    position, (base, last) = session.book.position(code), base_and_last(session, code)
    return StockView(
        code,
        session.universe.name(code),
        last,
        base,
        position.qty,
        position.average if position.qty else None,
        position.realised_net,
    )
