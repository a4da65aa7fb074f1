"""N04: a panel is told only what changed, and what it is told always brings it to the same
state."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kisnb.notebook.panels.row_deltas import Cells, Delta, PanelColumn, PanelFeed, difference

COLUMNS = (PanelColumn("a"), PanelColumn("b", "number"))
tables = st.lists(st.sampled_from("abcdefgh"), unique=True).flatmap(
    lambda keys: st.tuples(
        *[st.tuples(*[st.sampled_from("123")] * len(COLUMNS)) for _ in keys]
    ).map(lambda rows: dict(zip(keys, rows, strict=True)))
)


def applied(before: dict[str, Cells], delta: dict[str, Any]) -> dict[str, Cells]:
    """What desk_panel.js does with a delta."""
    if "rows" in delta:
        return {key: tuple(cells) for key, cells in delta["rows"]}
    rows = [(key, list(cells)) for key, cells in before.items() if key not in delta.get("drop", [])]
    for index, key, cells in delta.get("add", []):
        rows.insert(index, (key, list(cells)))
    for key, cells in rows:
        for i, text in delta.get("set", {}).get(key, {}).items():
            cells[int(i)] = text
    return {key: tuple(cells) for key, cells in rows}


@given(tables, tables)
def test_n04_a_delta_leads_from_any_state_to_any_other(
    before: dict[str, Cells], after: dict[str, Cells]
) -> None:
    delta = difference(before, after)
    if delta is None:
        assert list(before.items()) == list(after.items())
    else:
        assert list(applied(before, msgspec.to_builtins(delta)).items()) == list(after.items())


@given(tables)
def test_nothing_changed_is_no_message(rows: dict[str, Cells]) -> None:
    assert difference(rows, dict(rows)) is None


def test_only_the_changed_cells_travel() -> None:
    delta = difference({"x": ("1", "2"), "y": ("3", "4")}, {"x": ("1", "9"), "y": ("3", "4")})
    assert delta == Delta(set={"x": {"1": "9"}})


def test_a_new_row_travels_alone_with_its_place() -> None:
    delta = difference({"x": ("1", "2")}, {"new": ("3", "4"), "x": ("1", "2")})
    assert delta == Delta(add=[(0, "new", ("3", "4"))])


@given(st.lists(tables, max_size=6), tables)
def test_n04_a_view_that_opens_late_sees_what_the_others_see(
    states: list[dict[str, Cells]], last: dict[str, Cells]
) -> None:
    feed = PanelFeed({"t": COLUMNS})
    shown: dict[str, Cells] = {}
    seq = feed.snapshot()["seq"]
    for state in [*states, last]:
        message = feed.changes({"clock": str(len(state))}, {"t": state})
        if message is not None:
            assert message["seq"] == seq + 1
            seq = message["seq"]
            shown = applied(shown, message["tables"].get("t", {}))
    snapshot = feed.snapshot()
    assert snapshot["seq"] == seq
    rows = [(key, tuple(cells)) for key, cells in snapshot["tables"]["t"]["rows"]]
    assert rows == list(shown.items()) == list(last.items())
    assert snapshot["header"] == {"clock": str(len(last))}


def test_the_header_sends_only_what_changed() -> None:
    feed = PanelFeed({"t": COLUMNS})
    feed.changes({"clock": "09:00:00", "link": "up"}, {"t": {}})
    assert feed.changes({"clock": "09:00:01", "link": "up"}, {"t": {}}) == {
        "kind": "delta", "seq": 2, "header": {"clock": "09:00:01"}, "tables": {}, "views": {},
    }  # fmt: skip
