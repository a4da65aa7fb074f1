"""The recording of a simulated day: requests, replies, frames and changes of orders, in order."""

from __future__ import annotations

from typing import Any

from kisnb.clock import Ns
from kisnb.kis.recording import recorder
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.simulator.host.faults import Fault


class DayRecorder(recorder.Recorder):
    """A ``Recorder`` that also records changes of orders, faults and unserved calls."""

    def unserved(self, t: Ns, name: str, title: str) -> None:
        """Record a call that KIS has and for which the simulated market has no facts."""
        self._line({"t": t, "kind": "unserved", "n": self._requests, "api": name, "title": title})

    def order(self, t: Ns, order: AccountOrder) -> None:
        """Record the state of an order after a change."""
        # Building the line costs time, and most simulators record nothing.
        if self.on:
            self._line({"t": t, "kind": "order", **order_line(order)})

    def fault(self, t: Ns, fault: Fault) -> None:
        """Record a fault that strikes."""
        self._line({"t": t, "kind": "fault", "fault": fault})


def order_line(order: AccountOrder) -> dict[str, Any]:
    """Return an order as the recording and the control API show it."""
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
        "value": order.value,
        "cancelled": order.cancelled,
        "expired": order.expired,
        "leaves": order.leaves,
    }
