"""Idempotency keys of orders that are typed into cells: the same cell, run again, is the same order (row O11).

A key names the account or simulator run and its trading day, the cell, its text, the call as it stands in the cell
before ``{}`` expansion, and how many equal calls this run of the cell made before. Values are no part of it: a call
that evaluates to another order under the same key is refused by the desk, with both shown.
"""

from __future__ import annotations

import hashlib
import json
import linecache
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING

from kisnb.errors import BadInput
from kisnb.notebook.frames import callers
from kisnb.terms import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


@dataclass
class CellRun:
    """One run of one cell. Tasks that the cell starts inherit it with their context."""

    text: str
    """The raw text, as typed."""
    cell: str
    """The cell's id, or a stand-in when the front end sent none."""
    has_id: bool
    files: frozenset[str]
    """What IPython may call the file of this cell's code."""
    calls: Counter[str] = field(default_factory=Counter)
    depth: int = 1
    """1, and 1 more for each cell that this one runs from inside."""


_current: ContextVar[CellRun | None] = ContextVar("kisnb_cell_run", default=None)


class CellKeys:
    """Follows the cells of one shell and mints the keys of their orders."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._runs: Counter[str] = Counter()
        self._minted: set[str] = set()

    def pre_run_cell(self, info: ExecutionInfo) -> None:
        run = _current.get()
        if run is not None:
            # %%capture and the like run their body as a cell of its own; the cell that was typed is the outer one.
            run.depth += 1
            return
        self._begin(str(info.raw_cell), info.cell_id, getattr(info, "transformed_cell", None))

    def post_run_cell(self, result: ExecutionResult | None) -> None:
        run = _current.get()
        if run is None or _is_blank(result):
            return
        run.depth -= 1
        if not run.depth:
            _current.set(None)

    def begin_loading_cell(self) -> None:
        """Begin the run of the cell that loads the extension, which began before anybody listened."""
        get_parent = getattr(self._shell, "get_parent", None)
        request = get_parent() if get_parent else None
        if request and "code" in request.get("content", {}):
            self._begin(request["content"]["code"], request.get("metadata", {}).get("cellId"), None)

    def _begin(self, text: str, cell_id: str | None, transformed: str | None) -> None:
        if not cell_id:
            self._runs[text] += 1
        run = CellRun(
            text=text,
            cell=cell_id or f"run {self._runs[text]} of this text",
            has_id=bool(cell_id),
            files=self._files(text, transformed),
        )
        _current.set(run)

    def mint(self, mode: Mode, scope: str, call: str, *, again: bool, taken: Callable[[str], bool]) -> str | None:
        """The key of the order call ``call``; None outside any cell.

        ``scope`` names account or simulator run and trading day. ``again`` asks for a new order: the next repetition
        of this call that is not ``taken``. Raises BadInput for a live order when the front end names no cell.
        """
        run = _current.get()
        if mode is Mode.LIVE and not (run and run.has_id):
            raise BadInput(
                "This front end does not say which cell is run, so running it again would send a live order twice",
                "Name the order yourself with --key NAME or key='NAME'",
            )
        if run is None:
            return None
        run.calls[call] += 1
        named = json.dumps([scope, run.cell, run.text, call], ensure_ascii=False)
        key = f"cell:{hashlib.blake2b(named.encode(), digest_size=10).hexdigest()}:{run.calls[call]}"
        if again:
            key = self._next_free(key, taken)
        self._minted.add(key)
        return key

    def _next_free(self, key: str, taken: Callable[[str], bool]) -> str:
        free, repetition = key, 1
        while free in self._minted or taken(free):
            repetition += 1
            free = f"{key}.{repetition}"
        return free

    def call_in_cell(self) -> str:
        """The source of the call that is being made, from the nearest frame that belongs to the cell; else ``""``."""
        run = _current.get()
        files = run.files if run else frozenset()
        inside = (frame for frame in callers() if frame.f_code.co_filename in files)
        return next(map(source_of_call, inside), "")

    def _files(self, text: str, transformed: str | None) -> frozenset[str]:
        """ipykernel names a cell's file after its text, IPython after its code and number, which it counts up before
        or after ``pre_run_cell``, by version."""
        count = self._shell.execution_count
        if transformed is None:
            try:
                transformed = str(self._shell.transform_cell(text))  # type: ignore[no-untyped-call]
            except SyntaxError:
                return frozenset()
        return frozenset(self._shell.compile.get_code_name(text, transformed, n) for n in (count - 1, count))


def _is_blank(result: ExecutionResult | None) -> bool:
    """A blank cell ends without having begun."""
    return result is not None and result.info is not None and not (result.info.raw_cell or "").strip()


def source_of_call(frame: FrameType) -> str:
    """The text of the call that ``frame`` is executing, without a leading ``await``."""
    positions = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    first, last, start, end = positions
    if first is None or last is None or start is None or end is None:
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    lines = [line.encode() for line in linecache.getlines(frame.f_code.co_filename)[first - 1 : last]]
    if not lines:
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return b"".join(lines).decode().removeprefix("await").strip()
