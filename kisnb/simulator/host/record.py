"""The recording of a simulated day: what its clients asked and heard, and every order-state change, in order."""

from __future__ import annotations

from typing import Any

from kisnb.clock import Ns
from kisnb.kis.recording import recorder
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.simulator.host.faults import Fault


class DayRecorder(recorder.Recorder):
    """Requests, replies and frames as a client records them, and the orders besides."""

    def unserved(self, t: Ns, name: str, title: str) -> None:
        """A call that KIS knows and that nothing in the simulated market answers."""
        self._line({"t": t, "kind": "unserved", "n": self._requests, "api": name, "title": title})

    def order(self, t: Ns, order: AccountOrder) -> None:
        if self.on:
            self._line({"t": t, "kind": "order", **order_line(order)})

    def fault(self, t: Ns, fault: Fault) -> None:
        """What is done wrong on purpose."""
        self._line({"t": t, "kind": "fault", "fault": fault})


def order_line(order: AccountOrder) -> dict[str, Any]:
    """An order as the recording and the control URL show it."""
    return {
        "number": order.number,
        "original": order.original,
        "state": order.state,
        "code": order.item.code,
        "side": order.side,
        "type": order.kind,
        "qty": order.qty,
        "price": order.price,
        "filled": order.filled,
        "average": order.average,
        "cancelled": order.cancelled,
        "expired": order.expired,
        "leaves": order.leaves,
    }
