"""A small curve in each agent's row: its result over the newest minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kisnb.clock import SECOND, Ns
from kisnb.columns import tone_of
from kisnb.notebook.panels.row_deltas import PanelCell

if TYPE_CHECKING:
    from kisnb.session.agents.agent_view import AgentView

EVERY: Ns = 15 * SECOND
"""The time between two points of a curve, on the session's clock."""
POINTS = 40
_LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"


class ResultCurves:
    """Keeps the results of agents over time: realised profit after cost plus unrealised. Won."""

    def __init__(self, now: Callable[[], Ns]) -> None:
        """Begin without points. ``now`` returns the session's clock, UTC nanoseconds."""
        self._now = now
        self._points: dict[str, deque[int]] = {}
        self._due: dict[str, Ns] = {}

    def of(self, agent: AgentView) -> PanelCell:
        """Return an agent's curve. Add a point for its result when ``EVERY`` has passed.

        No point is added while a held stock has no price.
        """
        points = self._points.setdefault(agent.id, deque(maxlen=POINTS))
        now = self._now()
        if agent.unrealised is not None and now >= self._due.get(agent.id, 0):
            points.append(agent.realised + agent.unrealised)
            self._due[agent.id] = now + EVERY
        tone = tone_of(points[-1]) if points else ""
        text = levels(points)
        return (text, tone) if tone else text


def levels(values: Sequence[int]) -> str:
    """Return values as letters from 0 (the lowest) to z (the highest). Equal values: the middle."""
    if not values:
        return ""
    low, high = min(values), max(values)
    top = len(_LEVELS) - 1
    if low == high:
        return _LEVELS[top // 2] * len(values)
    return "".join(_LEVELS[(value - low) * top // (high - low)] for value in values)
