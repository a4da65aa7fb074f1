"""Attaches to a DataFrame of bars the reason why it is empty or lacks bars, and reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_NAME = "_kisnb_why_missing"


def with_reason(frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Attach ``reason``, which ``why_missing`` returns, to a DataFrame. Return the DataFrame."""
    setattr(frame, _NAME, reason)
    return frame


def why_missing(frame: pl.DataFrame) -> str:
    """Return why a DataFrame of bars is empty or lacks bars; empty text when nothing is missing.

    A DataFrame that is made from another DataFrame, as by ``filter``, carries no reason.
    """
    reason: str = getattr(frame, _NAME, "")
    return reason
