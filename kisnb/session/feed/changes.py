"""The callbacks of panels, which are called after each batch of events."""

from __future__ import annotations

from collections.abc import Callable

from kisnb.session.feed.state import SessionState


class Changes:
    """Calls the panels back when the session has changed. Belongs to the notebook's loop."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after each batch of events. Return a function that ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def publish(self) -> None:
        """Call every callback. A callback that raises is removed, and a trouble names it."""
        # A copy, because a panel that is closed by a callback takes itself out of the list.
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as e:
                # A broken panel must not keep events from agents and waits.
                self._listeners.remove(listener)
                self._state.troubles.append(f"a panel stopped: {e!r}")
