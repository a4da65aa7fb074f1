"""A message code of KIS, and the cures that several codes share."""

from __future__ import annotations

from typing import Literal

import msgspec


class Code(msgspec.Struct, frozen=True):
    """One message code of KIS: its text in Korean and English, and its cure."""

    korean: str
    english: str
    cure: str = ""
    """The step for a person. Empty when no step is needed."""
    order: Literal["not placed", "maybe placed"] = "not placed"
    """The outcome of an order that got this code."""


# This is for codes of a server that may have passed the order on before it failed. The desk then
# reads KIS's list instead of ordering again.
MAYBE: Literal["maybe placed"] = "maybe placed"
KEYS = "check the appkey and appsecret in your configuration"
WAIT = "wait a moment and ask again"
CHECK_ORDERS = "look at the orders of the day before you order again"
HOST = "use live keys with live and paper keys with paper"
REPORT = "this is a defect of kisnb or a change at KIS; report it with this line"
