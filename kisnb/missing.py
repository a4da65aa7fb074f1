"""Says why a DataFrame of bars is empty, or lacks some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_NAME = "_kisnb_why_missing"


def with_reason(frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Return the frame, which carries ``reason`` for ``why_missing`` from now on."""
    setattr(frame, _NAME, reason)
    return frame


def why_missing(frame: pl.DataFrame) -> str:
    """Return why a frame of bars is empty or lacks bars. Empty when nothing is missing.

    A frame that is made of another one, as by ``filter``, carries no reason.
    """
    reason: str = getattr(frame, _NAME, "")
    return reason
