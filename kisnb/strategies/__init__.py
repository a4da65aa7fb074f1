"""The strategies of kisnb, by name."""

from __future__ import annotations

from importlib import import_module

from kisnb.errors import BadInput
from kisnb.trading.agents.agent import Agent

NAMES = {
    "foreign_follower": "ForeignFollower",
    "golden_cross": "GoldenCross",
    "mean_reversion": "MeanReversion",
    "preferred_pair": "PreferredPair",
    "volatility_breakout": "VolatilityBreakout",
    "volatility_tracker": "VolatilityTracker",
    "volume_trigger": "VolumeTrigger",
}
"""The class of each strategy, by its name, which is also its module."""


def strategy(name: str) -> type[Agent]:
    """Return the Agent class of a strategy.

    Raises BadInput for an unknown name. Its text lists the known names.
    """
    if name not in NAMES:
        raise BadInput(f"there is no strategy {name!r}", f"choose one of {', '.join(NAMES)}")
    found: type[Agent] = getattr(import_module(f"kisnb.strategies.{name}"), NAMES[name])
    return found
