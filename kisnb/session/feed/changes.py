"""Calls the panels back after each batch of events."""

from __future__ import annotations

from collections.abc import Callable

from kisnb.session.feed.state import SessionState


class Changes:
    """The callbacks of panels, called when the session has changed.

    Used in the notebook's loop only.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after each batch of events. Return a function that ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def publish(self) -> None:
        """Call every callback. A callback that raises is removed, and a trouble names it."""
        # A copy, because a callback may close a panel, which then leaves the list.
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as e:
                # A broken panel must not stop agents and waits.
                self._listeners.remove(listener)
                self._state.troubles.append(f"a panel stopped: {e!r}")
