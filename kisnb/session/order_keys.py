"""Where the keys of orders come from that are called from cells.

The notebook extension sets ``source`` when it is loaded, before any session is opened, so that the first order of a
cell that also opens its session has a key already. Without the extension every call is a new order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kisnb.session.session import Session

KeySource: TypeAlias = "Callable[[Session, bool], str | None]"
"""Given the session and ``again``, the key of the order call that the running cell makes; None outside cells."""

source: KeySource | None = None
