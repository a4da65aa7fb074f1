"""The recording of a simulated day: a line of JSON per request, reply, frame and order-state change, in order.

Each line has ``t`` (UTC nanoseconds, simulated) and ``kind``. No secret stands in it: keys, tokens, account number and
HTS id are masked, exec notices are written decrypted, and the keys that would decrypt them are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kisnb.clock import Ns
from kisnb.errors import ConfigError
from kisnb.kis.masking import HIDDEN, SECRET_FIELDS, Mask
from kisnb.simulator.account import AccountOrder
from kisnb.simulator.faults import Fault


class Recorder:
    """Writes lines through ``write``; None records nothing. Lines of one kind are numbered from 1."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write
        self._encode = msgspec.json.Encoder().encode
        self._frames = 0
        self._requests = 0
        self.mask = Mask()
        """Hides what must never be written, wherever a client puts it."""

    def request(self, t: Ns, method: str, path: str, tr_id: str, params: Mapping[str, object]) -> int:
        """Returns the number of the request."""
        self._requests += 1
        self._line(
            {
                "t": t,
                "kind": "request",
                "n": self._requests,
                "method": method,
                "path": self.mask.text(path),
                "tr_id": self.mask.text(tr_id),
                "params": self.mask.fields(params),
            }
        )
        return self._requests

    def reply(self, t: Ns, n: int, status: int, tr_cont: str, body: Mapping[str, object]) -> None:
        self._line(
            {
                "t": t,
                "kind": "reply",
                "n": n,
                "status": status,
                "tr_cont": tr_cont,
                "body": {name: HIDDEN if name in SECRET_FIELDS else value for name, value in body.items()},
            }
        )

    def frame(self, t: Ns, tr_id: str, text: str) -> None:
        """``text`` is free of secrets already."""
        self._frames += 1
        self._line({"t": t, "kind": "frame", "n": self._frames, "tr_id": tr_id, "text": text})

    def order(self, t: Ns, order: AccountOrder) -> None:
        self._line({"t": t, "kind": "order", **order_line(order)})

    def fault(self, t: Ns, fault: Fault) -> None:
        """What is done wrong on purpose."""
        self._line({"t": t, "kind": "fault", "fault": fault})

    def _line(self, line: dict[str, Any]) -> None:
        if self._write is not None:
            self._write(self._encode(line) + b"\n")


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


def open_recording(path: Path) -> Callable[[bytes], object]:
    """A new file of mode 0600, every line on its way when it is written. Raises ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as e:
        raise ConfigError(f"{path} cannot be written: {e.strerror}", "name another file for --record") from e
    return os.fdopen(descriptor, "wb", buffering=0).write
