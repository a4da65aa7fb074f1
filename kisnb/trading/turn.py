"""One step of the core: the rows that its parts record, and the effects that they emit."""

from __future__ import annotations

from kisnb.clock import Ns, clock_text
from kisnb.events import Event, Trouble
from kisnb.trading.ports.effects import Effect, Persist, Publish
from kisnb.trading.ports.journal_rows import DESK_ONLY, Row
from kisnb.trading.state import State


class Turn:
    """The moment of one step, its rows and its effects. The core makes one for each step.

    Rows that follow each other become one Persist. It comes before every effect that is emitted
    after them, so that the journal is synced before any byte of an order leaves.
    """

    __slots__ = ("_effects", "_rows", "_state", "now")

    def __init__(self, now: Ns, state: State) -> None:
        self.now = now
        """The desk's clock at this step."""
        self._state = state
        self._rows: list[Row] = []
        """Rows that were recorded and are in no Persist yet."""
        self._effects: list[Effect] = []

    def record(self, row: Row) -> None:
        """Apply a row to the state and journal it. Sessions get the row once it is synced."""
        # The row is applied at once, because the next line of a part must see the order's new
        # state.
        self._state.apply(row)
        self._rows.append(row)

    def emit(self, effect: Effect) -> None:
        """Add an effect after the rows that were recorded before it."""
        # Rows come before the effect that follows them. This is how the rule is kept that no byte
        # leaves before its row.
        self._flush()
        self._effects.append(effect)

    def publish(self, event: Event) -> None:
        """Publish an event to all sessions without journaling it."""
        self.emit(Publish(event))

    def report(self, text: str) -> None:
        """Publish a sentence that a person must read, with the time of day in front."""
        self.publish(Trouble(self.now, f"{clock_text(self.now)} {text}"))

    def take_effects(self) -> list[Effect]:
        """End the step. Return its effects, which the host runs in this order."""
        self._flush()
        return self._effects

    def _flush(self) -> None:
        if self._rows:
            # All consecutive rows become one Persist, because each Persist is a sync of the disk.
            # Sessions get the rows after it, so that nobody sees a fact that a crash could undo.
            self._effects.append(Persist(tuple(self._rows)))
            self._effects.extend(
                Publish(row) for row in self._rows if not isinstance(row, DESK_ONLY)
            )
            self._rows.clear()
