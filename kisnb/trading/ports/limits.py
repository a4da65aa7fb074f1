"""The limits of the configuration, in the units in which the gate reads them."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kisnb.clock import DAY, SECOND, Ns, seconds_since_midnight
from kisnb.config import Config

Window: TypeAlias = tuple[int, int]
"""From (inclusive) and to (exclusive), seconds since Korean midnight.

If the window crosses midnight, ``to`` is above 86,400.
"""


# This is a copy of the settings in the gate's own units. A Config reads files and texts, and the
# gate must not depend on that: the back-tester runs the same gate with its own limits.
class Limits(msgspec.Struct, frozen=True):
    """The limits of the gate, in won unless a field has another unit. None: not limited.

    ``Config`` explains each field.
    """

    max_order_value: int = 50_000_000
    max_stock_value: int | None = None
    max_agent_value: int | None = None
    max_account_value: int | None = None
    max_cash_percent: int | None = None
    """The largest part of the cash that one buy may use, percent."""
    max_quote_age: Ns | None = None
    """The greatest age of the price of a buy, nanoseconds."""
    max_day_loss: int | None = None
    """The largest loss of the day, in hundredths of a percent of the stake."""
    windows: tuple[Window, ...] = ()
    needs_account: bool = False
    """True: no buy passes before KIS has stated the account."""
    needs_arming: bool = False
    """True: no buy passes before a person has armed the desk."""
    max_armed_budget: int | None = None
    config: str = ""
    """Hash of the configuration from which these limits come."""


def limits_of(config: Config, *, speed: float, needs_arming: bool) -> Limits:
    """Return the limits of a desk from its configuration. Its clock runs at ``speed``.

    ``needs_arming`` True: no buy passes before a person has armed the desk.

    On a clock at speed 60, one second of the machine counts as 60 seconds.
    """
    return Limits(
        max_order_value=config.max_order_value,
        max_stock_value=config.max_stock_value,
        max_agent_value=config.max_agent_value,
        max_account_value=config.max_account_value,
        max_cash_percent=config.max_cash_percent,
        # The age is measured on the desk's clock. At speed 60 a price that needs 0.1 s to come
        # through the machine is 6 s old there. In lockstep the speed is 0 and time stands still
        # meanwhile, so the setting is used unchanged.
        max_quote_age=int(config.max_quote_age * SECOND * max(speed, 1.0)),
        max_day_loss=config.max_day_loss,
        windows=tuple(_window(*map(seconds_since_midnight, window)) for window in config.windows),
        needs_account=True,
        needs_arming=needs_arming,
        max_armed_budget=config.max_armed_budget,
        config=config.hash,
    )


def _window(start: int, end: int) -> Window:
    # A window from 23:50 to 00:10 ends on the next day. With 86,400 + 600 its end is above its
    # start, so one comparison works for all windows.
    return start, end if end > start else end + DAY // SECOND
