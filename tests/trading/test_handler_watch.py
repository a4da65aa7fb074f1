"""The interrupt button while events are delivered: it stops a stuck handler, else the cell (A03,
A04)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from kisnb.trading.agents import handler_watch
from kisnb.trading.agents.handler_watch import interruptible, watch


class Cell:
    """Holds SIGINT as a cell that waits does."""

    def __init__(self) -> None:
        self.interrupts = 0

    def interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        self.interrupts += 1


@pytest.fixture(autouse=True)
def cell() -> Iterator[Cell]:
    cell, before = Cell(), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, cell.interrupt)
    yield cell
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_watch, "STUCK_SECONDS", -1)


def test_the_cell_that_waits_is_interrupted_while_events_are_delivered(cell: Cell):
    with interruptible():
        press()
    press()
    assert cell.interrupts == 2


def test_a_handler_that_has_just_begun_is_left_alone(cell: Cell):
    with interruptible():
        before = watch.begin()
        press()
        watch.end(before)
    assert cell.interrupts == 1


def test_a_handler_that_is_stuck_is_interrupted_and_the_cell_is_not(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stuck(monkeypatch)
    with interruptible():
        before = watch.begin()
        with pytest.raises(KeyboardInterrupt):
            press()
        with pytest.raises(KeyboardInterrupt):
            press()
        watch.end(before)
        press()
    assert cell.interrupts == 1


def test_between_cells_where_ipykernel_ignores_it_only_a_stuck_handler_hears_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        before = watch.begin()
        press()
        stuck(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            press()
        watch.end(before)
        press()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_deliveries_within_each_other_give_sigint_back_once(cell: Cell):
    with interruptible():
        held = signal.getsignal(signal.SIGINT)
        with interruptible():
            assert signal.getsignal(signal.SIGINT) is held
        assert signal.getsignal(signal.SIGINT) is held
    assert signal.getsignal(signal.SIGINT) == cell.interrupt


def test_a_handler_of_somebody_else_stays_when_he_took_sigint_over_meanwhile(cell: Cell):
    theirs = Cell()
    with interruptible():
        ours = signal.signal(signal.SIGINT, theirs.interrupt)
        with interruptible():
            press()
        assert signal.getsignal(signal.SIGINT) == theirs.interrupt
    assert signal.getsignal(signal.SIGINT) == theirs.interrupt
    assert (theirs.interrupts, cell.interrupts) == (1, 0)
    # He gives back what he found: it still hands on to the cell.
    signal.signal(signal.SIGINT, ours)
    press()
    with interruptible():
        press()
    assert cell.interrupts == 2


def test_a_delivery_that_raises_gives_sigint_back(cell: Cell):
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) == cell.interrupt


def test_other_threads_touch_no_signal_and_are_not_timed(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stuck(monkeypatch)
    errors: list[BaseException] = []
    inside, over = threading.Event(), threading.Event()

    def deliver() -> None:
        try:
            with interruptible():
                before = watch.begin()
                inside.set()
                over.wait(10)
                watch.end(before)
        except BaseException as e:
            errors.append(e)

    thread = threading.Thread(target=deliver)
    thread.start()
    assert inside.wait(10)
    assert signal.getsignal(signal.SIGINT) == cell.interrupt
    with interruptible():
        press()
    over.set()
    thread.join()
    assert cell.interrupts == 1
    assert errors == []


def test_a04_a_second_press_does_not_strike_the_clean_up_of_a_handler(cell: Cell):
    with interruptible():
        before = watch.begin()
        watch._since -= 2 * handler_watch.STUCK_SECONDS
        with pytest.raises(KeyboardInterrupt):
            press()
        press()
        watch.end(before)
    assert cell.interrupts == 1


def test_a04_an_interrupt_that_hid_the_end_of_a_handler_is_forgotten_at_the_next_delivery(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stuck(monkeypatch)
    with interruptible():
        watch.begin()
    with interruptible():
        press()
    assert cell.interrupts == 1
