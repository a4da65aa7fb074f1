"""The sentences about a difference between KIS's cash and the cash by our fills. Won."""

from __future__ import annotations


def gap_text(gap: int) -> str:
    """Return a sentence about a difference of cash. ``gap`` is KIS's cash minus ours, won."""
    return (
        f"KIS's cash is {abs(gap):,} won {'lower' if gap < 0 else 'higher'} than the fills explain"
    )


def booked_text(gap: int, ours: int, stated: int | None) -> str:
    """Return the text of the trouble that is shown when a difference of cash is booked.

    ``ours`` is the amount that the desk booked as fees and taxes of today's fills, won. ``stated``
    is KIS's amount for them; None when KIS does not state it.
    """
    followed = f"{gap_text(gap)}. The desk now counts with KIS's cash"
    if stated is None:
        return f"{followed}. Compare it with KIS's app: a transfer, or another fee plan?"
    costs = f"KIS booked {stated:,} won of fees and taxes today, the desk {ours:,} won"
    if stated - ours == -gap:
        return (
            f"{followed}. {costs}: that is the reason. Choose the fee plan of your account with "
            "%kis config fees PLAN"
        )
    return f"{followed}. {costs}, so fees are not the whole reason. Compare it with KIS's app"
