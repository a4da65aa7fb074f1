"""Shares that were booked without a fill, because KIS had stated them for a minute.

KIS's list may show the fills of such shares later. Then they would be booked twice: as stated
shares and as fills. So a fill that may explain stated shares removes them.
"""

from __future__ import annotations

from kisnb.clock import SECOND, Ns

CLOCKS_DIFFER: Ns = 30 * SECOND
"""The largest difference between KIS's clock and the desk's clock."""


class StatedShares:
    """Shares that were booked because KIS stated them, by code, with the moment of each booking."""

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[Ns, int]]] = {}
        """(moment, shares) by code, the oldest first."""

    def book(self, t: Ns, code: str, qty: int) -> None:
        """Note shares that were booked at ``t``. A negative ``qty`` removes the newest ones again.

        If ``qty`` is more than the noted shares, all noted shares are removed. The other shares
        were booked when the account was opened.
        """
        parts = self._parts.setdefault(code, [])
        if qty > 0:
            parts.append((t, qty))
            return
        left = -qty
        while left and parts:
            booked, has = parts.pop()
            if has > left:
                parts.append((booked, has - left))
            left -= min(has, left)

    def explained_by(self, code: str, moment: Ns) -> int:
        """Return how many stated shares may come from a buy that filled at ``moment``.

        ``moment`` is KIS's time of the fill. If only the list shows the fill, it is the time of the
        order.
        """
        # Shares are booked a minute after they were found, and the clocks differ by less. So a buy
        # from before they were found counts as older by both clocks, and a buy from after their
        # booking never does.
        return sum(
            qty for booked, qty in self._parts.get(code, ()) if moment <= booked - CLOCKS_DIFFER
        )
