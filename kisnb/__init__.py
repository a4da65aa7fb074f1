"""kisnb: the trading desk inside JupyterLab for Korean stocks on the KIS Open API.

``%load_ext kisnb`` brings the ``%kis`` magics; ``await kisnb.connect("sim")`` opens a desk.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# The desk is found by a Unix socket and locked by flock, and Windows has neither. One clear
# sentence here replaces an error deep inside the first `%kis open`.
if sys.platform == "win32":
    raise ImportError("kisnb needs Linux or macOS; on Windows, run JupyterLab in WSL")

# Type checkers read these names here. At run time `__getattr__` brings each of them when it is
# first used, so `import kisnb` loads neither polars nor aiohttp and stays fast.
if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kisnb import errors as errors
    from kisnb.backtesting.backtest import backtest as backtest
    from kisnb.backtesting.drift.day_drift import drift as drift
    from kisnb.events import Bar as Bar
    from kisnb.events import Depth as Depth
    from kisnb.events import Tick as Tick
    from kisnb.exits import Staged as Staged
    from kisnb.guards import Guards as Guards
    from kisnb.market import indicators as indicators
    from kisnb.market.routing.router import Router as Router
    from kisnb.missing import why_missing as why_missing
    from kisnb.notebook.report import write_report as report
    from kisnb.orders import Order as Order
    from kisnb.requotes import Requote as Requote
    from kisnb.session.connect import connect as connect
    from kisnb.session.session import Session as Session
    from kisnb.trading.agents.agent import Agent as Agent
    from kisnb.trading.agents.legs import fill_or_undo as fill_or_undo
    from kisnb.trading.order_books.order_book import OrderBook as OrderBook

__version__ = "0.1.0"

_PUBLIC = {
    "Agent": "kisnb.trading.agents.agent",
    "Bar": "kisnb.events",
    "Depth": "kisnb.events",
    "Guards": "kisnb.guards",
    "Order": "kisnb.orders",
    "OrderBook": "kisnb.trading.order_books.order_book",
    "Requote": "kisnb.requotes",
    "Router": "kisnb.market.routing.router",
    "Session": "kisnb.session.session",
    "Staged": "kisnb.exits",
    "Tick": "kisnb.events",
    "backtest": "kisnb.backtesting.backtest",
    "connect": "kisnb.session.connect",
    "drift": "kisnb.backtesting.drift.day_drift",
    "fill_or_undo": "kisnb.trading.agents.legs",
    "report": "kisnb.notebook.report:write_report",
    "why_missing": "kisnb.missing",
}
# Public names that are modules of their own, and not attributes of a module.
_MODULES = {"errors": "kisnb.errors", "indicators": "kisnb.market.indicators"}
__all__ = [
    "Agent", "Bar", "Depth", "Guards", "Order", "OrderBook", "Requote", "Router", "Session",
    "Staged", "Tick", "backtest", "connect", "drift", "errors", "fill_or_undo",
    "indicators", "report", "why_missing",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kisnb' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    # The value is stored under its name, so that `__getattr__` is not called for it again.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load kisnb's notebook extension. IPython calls this for ``%load_ext kisnb``."""
    # A program that only imports kisnb, such as the desk, needs no IPython.
    from kisnb.notebook.extension import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Unload kisnb's notebook extension. IPython calls this for ``%unload_ext kisnb``."""
    from kisnb.notebook.extension import unload_ipython_extension as unload

    unload(shell)
