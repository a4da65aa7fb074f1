"""Desks whose kill switch has a defect: what a pull weakens, and what a flatten forgets."""

from __future__ import annotations

from kisnb.events import FlattenSet, HaltStep
from kisnb.trading.gate.flatten import Flatten
from kisnb.trading.gate.halt import KillSwitch
from kisnb.trading.gate.risk import Gate

from .campaign import Make
from .planting import with_part


class LastWishWins(KillSwitch):
    """Pulled over itself, it ends in what the last pull asked for."""

    def pull(self, now, command):
        row = self._record
        self._record = lambda fact: row(_ending(fact, command.state))
        try:
            super().pull(now, command)
        finally:
            self._record = row


def _ending(fact, state):
    return (
        HaltStep(fact.t, fact.step, fact.done, fact.text, state)
        if isinstance(fact, HaltStep) and fact.ends
        else fact
    )


class ForgetsTheStanding(KillSwitch):
    """The wishes of one run count, the state that stood before it does not."""

    def pull(self, now, command):
        state, stood = self._state, self._state.halt
        if not state.halting:
            state.halt = "active"
        try:
            super().pull(now, command)
        finally:
            if state.halt == "active":
                state.halt = stood


class DropsTheFlatten(KillSwitch):
    """A plain halt makes an end of a flatten."""

    def pull(self, now, command):
        super().pull(now, command)
        if not command.flatten and self._flatten.on:
            self._record(FlattenSet(now, False, command.reason))


class ForgetsAtRestart(KillSwitch):
    """A flatten whose run of the switch was over does not sell in the desk's next life."""

    def go_on(self, now):
        if self._state.halting:
            super().go_on(now)


class LeavesItsSells(Flatten):
    """A person ends it, and what it has in the market stays there."""

    def end(self, now, reason):
        self._row(FlattenSet(now, False, reason))
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
    "ends in what the last pull asked for": with_part("_kill_switch", LastWishWins),
    "forgets the state that stood before a pull": with_part("_kill_switch", ForgetsTheStanding),
    "drops a flatten for a halt": with_part("_kill_switch", DropsTheFlatten),
    "forgets a flatten at a restart": with_part("_kill_switch", ForgetsAtRestart),
    "leaves the sells of a flatten that a person has ended": with_part("_flatten", LeavesItsSells),
    "sells each part once": with_part("_flatten", SellsOnce),
    "lets exits pass beside a flatten": with_part("gate", LetsExitsPass),
}
