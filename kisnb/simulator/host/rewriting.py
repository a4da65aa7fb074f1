"""Faults that change fields of a reply, add blank rows to it, or remove rows from it.

KIS's replies have been seen with missing, empty or shifted fields, and its lists with empty rows
(clients' reports). The call itself is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kisnb.simulator.host.faults import Fault


def rewritten(fault: Fault, body: Mapping[str, object]) -> dict[str, object]:
    """Return the body of a reply after the fault has changed it."""
    if fault.what == "pad":
        return {name: _padded(block) for name, block in body.items()}
    if fault.what in _LISTS:
        # The other lists are sums, such as ``output2`` of inquire-balance.
        first = next((name for name, block in body.items() if isinstance(block, list)), "")
        change = _LISTS[fault.what]
        return {name: change(block) if name == first else block for name, block in body.items()}
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
    """Return a row in which the fault's field is removed, or has the fault's value.

    A row without that field is returned unchanged.
    """
    if fault.value is None:
        return {name: value for name, value in row.items() if name != fault.field}
    return {name: fault.value if name == fault.field else value for name, value in row.items()}


def _padded(block: object) -> object:
    """Return a list with one more row, in which every field is empty."""
    if not isinstance(block, list) or not block:
        return block
    return [*block, dict.fromkeys(block[-1], "")]


def _without_rows(_block: Any) -> list[object]:
    return []


def _without_first(block: Any) -> list[object]:
    return list(block[1:])


def _repeated(block: Any) -> list[object]:
    return [*block[:1], *block]


def _with_other_branch(block: Any) -> list[object]:
    """Return the rows, and in front of them one order of another branch.

    It has the number of the newest order, and is a filled sell of another stock.
    """
    if not block or "odno" not in block[0]:
        return list(block)
    newest = block[0]
    code = "000660" if newest["pdno"] != "000660" else "005930"
    qty = newest["ord_qty"]
    return [
        newest
        | {
            "ord_gno_brno": "99999",
            "pdno": code,
            "prdt_name": "",
            "sll_buy_dvsn_cd": "01",
            "sll_buy_dvsn_cd_name": "매도",
            "tot_ccld_qty": qty,
            "avg_prvs": "1000",
            "tot_ccld_amt": str(int(qty) * 1000),
            "rmn_qty": "0",
            "cnc_cfrm_qty": "0",
        },
        *block,
    ]


def _in_part(block: Any) -> list[object]:
    """Return the rows. An order or holding of 20 shares or more has only 3 of every 7 shares."""
    return [_part_of(row) if isinstance(row, Mapping) else row for row in block]


def _part_of(row: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(row)
    qty = int(row.get("ord_qty") or row.get("hldg_qty") or 0)
    if qty < 20:
        return changed
    if "ord_qty" in row:
        filled, shown = int(row["tot_ccld_qty"]), qty * 3 // 7
        done = min(filled, shown)
        value = int(row["tot_ccld_amt"]) * done // filled if filled else 0
        changed |= {"ord_qty": str(shown), "tot_ccld_qty": str(done), "rmn_qty": "0"}
        changed |= {"tot_ccld_amt": str(value)}
    if "hldg_qty" in row:
        names = ("hldg_qty", "ord_psbl_qty")
        changed |= {name: str(int(row[name]) * 3 // 7) for name in names}
    return changed


_LISTS: dict[str, Callable[[Any], list[object]]] = {
    "empty": _without_rows,
    "miss": _without_first,
    "part": _in_part,
    "repeat": _repeated,
    "branch": _with_other_branch,
}
