"""Faults that change one field of a reply, or add blank rows to it.

KIS's replies have been seen with fields missing, empty or shifted, and its lists with rows that
hold nothing (clients' reports). The call itself is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kisnb.simulator.host.faults import Fault

REWRITING = frozenset({"rewrite", "pad"})
"""The deeds that change a reply."""


def rewritten(fault: Fault, body: Mapping[str, object]) -> dict[str, object]:
    """Return the body of a reply as the fault changes it."""
    if fault.what == "pad":
        return {name: _padded(block) for name, block in body.items()}
    if fault.field in body:
        return _changed(fault, body)
    return {name: _in_rows(fault, block) for name, block in body.items()}


def _in_rows(fault: Fault, block: object) -> object:
    if isinstance(block, Mapping):
        return _changed(fault, block)
    if isinstance(block, list):
        return [
            _changed(fault, row) if fault.row in (0, n) else row
            for n, row in enumerate(block, start=1)
        ]
    return block


def _changed(fault: Fault, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without the field, or with its other value; a row without the field stays."""
    if fault.value is None:
        return {name: value for name, value in row.items() if name != fault.field}
    return {name: fault.value if name == fault.field else value for name, value in row.items()}


def _padded(block: object) -> object:
    """Return a list with one more row, in which every field is empty."""
    if not isinstance(block, list) or not block:
        return block
    return [*block, dict.fromkeys(block[-1], "")]
