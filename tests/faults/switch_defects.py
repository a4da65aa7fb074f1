"""Desks whose kill switch has a defect: what a pull weakens, and what a flatten forgets."""

from __future__ import annotations

from kisnb.events import FlattenSet
from kisnb.trading.gate.risk import Gate
from kisnb.trading.halt import kill_switch
from kisnb.trading.halt.flatten import Flatten
from kisnb.trading.halt.kill_switch import KillSwitch

from .campaign import Make
from .planting import with_function, with_part


def last_wish(_stood, wish):
    """Pulled over itself, the switch ends in what the last pull asked for."""
    return wish


class ForgetsTheStanding(KillSwitch):
    """The wishes of one run count, the state that stood before it does not."""

    def pull(self, turn, command):
        state, stood = self._state, self._state.halt
        if not state.halting:
            state.halt = "active"
        try:
            super().pull(turn, command)
        finally:
            if state.halt == "active":
                state.halt = stood


class DropsTheFlatten(KillSwitch):
    """A plain halt makes an end of a flatten."""

    def pull(self, turn, command):
        super().pull(turn, command)
        if not command.flatten and self._flatten.is_on:
            turn.record(FlattenSet(turn.now, False, command.reason))


class ForgetsAtRestart(KillSwitch):
    """A flatten whose run of the switch was over does not sell in the desk's next life."""

    def go_on(self, turn):
        if self._state.halting:
            super().go_on(turn)


class LeavesItsSells(Flatten):
    """A person ends it, and what it has in the market stays there."""

    def end(self, turn, reason):
        turn.record(FlattenSet(turn.now, False, reason))
        self._stop()


class SellsOnce(Flatten):
    """What a part's first order did not sell is not sold again."""

    def _note_end(self, now, part):
        super()._note_end(now, part)
        if part.failed:
            part.again_at = now + 3_600 * 10**9


class LetsExitsPass(Gate):
    """While a flatten goes on every protective sell passes."""

    def _halted(self, intent, state, *, reduces):
        if state.flatten_reason is not None and intent.protective and reduces:
            return None
        return super()._halted(intent, state, reduces=reduces)


SWITCH_DEFECTS: dict[str, Make] = {
    "ends in what the last pull asked for": with_function(kill_switch, "stronger", last_wish),
    "forgets the state that stood before a pull": with_part("_kill_switch", ForgetsTheStanding),
    "drops a flatten for a halt": with_part("_kill_switch", DropsTheFlatten),
    "forgets a flatten at a restart": with_part("_kill_switch", ForgetsAtRestart),
    "leaves the sells of a flatten that a person has ended": with_part("_flatten", LeavesItsSells),
    "sells each part once": with_part("_flatten", SellsOnce),
    "lets exits pass beside a flatten": with_part("gate", LetsExitsPass),
}
