"""The calls of a session about exits and price alerts. Prices in won."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Unpack

from kisnb import columns
from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.exits import ExitOptions, PriceAlert, needs_atr, read_protection
from kisnb.session.parts import SessionCalls
from kisnb.session.typed_orders.pending import pending
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.exit_view import ALERT_COLUMNS, IN_FRAME
from kisnb.trading.exits.forecasts import read_forecast
from kisnb.values import price

if TYPE_CHECKING:
    import polars as pl


class ExitCalls(SessionCalls):
    """Calls of a session about exits and price alerts."""

    @pending
    async def protect(self, code: str, *, agent: str = "", **options: Unpack[ExitOptions]) -> Watch:
        """Let the desk sell held shares when a condition is met, and return the exit.

        ``stop`` and ``take`` are a percentage of the entry price (``"3%"``) or a price in won
        (``68_000``). ``trail`` is a percentage below the highest price since the exit was set.
        ``entry`` is the entry price; without it, the average purchase price counts. ``atr_stop``
        sets the stop below the entry price by twice the ``atr``, but by at least 2 % and at most 7
        %. Without ``atr``, the average true range of KRX's 14 days before today is used; when those
        days are missing, the stop is 2 % below. ``staged`` is the exit in stages, see
        ``kisnb.exits.Staged``. ``until`` is the moment of a time stop (UTC nanoseconds;
        ``session.moment("15:15")``).

        The desk checks the conditions at every trade of every venue, also after a restart. When a
        condition is met, it sells until none of the shares is held. Without ``agent`` the exit
        covers the shares that no agent holds. Each owner has at most one exit for a stock. Setting
        a different one replaces it; setting an equal one changes nothing. Raises BadInput, also
        when the exit would sell at once.
        """
        spelt = self._parts.code(code)
        if needs_atr(options):
            options["atr"] = await self._parts.figures.bring_atr(spelt)
        key = f"protect:{uuid.uuid4().hex}"
        return await self._parts.protections.protect(read_protection(key, agent, spelt, options))

    def forecast(
        self,
        code: str,
        down: float | None,
        *,
        provider: str,
        every: str,
        made_at: Ns | None = None,
        usual_value: int | None = None,
    ) -> None:
        """Give the desk a model's probability that a price falls, ``down``, from 0 to 1.

        Staged exits of the stock use it (``kisnb.Staged.assist``). ``down`` None says that the
        model has no probability now. ``provider`` names the model. ``made_at`` is the moment up to
        which the model knew the market (None: now). ``every`` is the length of its bars, such as
        ``"1m"``: after two of them the forecast no longer counts. ``usual_value`` are the won that
        are usually traded in the last five minutes at this time of the day; without it no exit acts
        on the forecast. Raises BadInput, DeskLost.
        """
        now = self._parts.state.now
        forecast = read_forecast(
            self._parts.code(code), down, provider=provider,
            made_at=now if made_at is None else made_at, every=every, usual_value=usual_value,
            now=now,
        )  # fmt: skip
        self._parts.link.submit([forecast])

    @pending
    async def unprotect(self, code: str, *, agent: str = "") -> str:
        """End the exit of a stock, and cancel the orders that the exit has in the market.

        Return the conditions of the exit. Raises BadInput when there is none.
        """
        return await self._parts.protections.end(agent, self._parts.code(code))

    @pending
    async def alert(
        self, code: str, *, above: int | None = None, below: int | None = None
    ) -> PriceAlert:
        """Set a price alert and return it. When the price is reached, the desk says so once.

        Give one price in won: ``above`` when the price must rise to it, ``below`` when it must fall
        to it. The alert outlives restarts of the desk. Raises BadInput.
        """
        if (above is None) == (below is None):
            raise BadInput("an alert has one price", "write above=75_000 or below=68_000")
        won = price(above if above is not None else below)
        spelt = self._parts.code(code)
        return await self._parts.protections.alert(spelt, won, above=above is not None)

    @pending
    async def end_alerts(self, code: str) -> list[PriceAlert]:
        """End the price alerts of a stock and return them. Raises BadInput when there is none."""
        return await self._parts.protections.end_alerts(self._parts.code(code))

    def protections(self) -> pl.DataFrame:
        """Return a DataFrame with one row for each exit that is set.

        Columns: code, agent (empty: what no agent holds), quantity (shares), entry (won),
        conditions, stop and take (won; null without one), stage, peak (won; null before one is
        known), state (in words), since (KST).
        """
        return columns.frame(IN_FRAME, self._parts.protections.views())

    def alerts(self) -> pl.DataFrame:
        """Return the price alerts that are set. Columns: code, side (above, below), price (won)."""
        return columns.frame(ALERT_COLUMNS, self._parts.protections.price_alerts())
