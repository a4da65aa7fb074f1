"""Turns ``%kis`` in a cell into an awaited call, so that it runs in the cell's own event loop.

    as typed         %kis buy 005930 1
    plain_magics     the same, in letters that IPython knows
    IPython          get_ipython().run_line_magic('kis', 'buy 005930 1')
    AwaitMagics      (await get_ipython().kis.line('buy 005930 1'))

IPython's call cannot await anything. It stays where Python allows no await: in ``def`` and class
bodies, lambdas, comprehensions, and after ``%time``. There the command blocks and uses the desk's
I/O thread.

Text that is pasted from a chat or a web page may have other blanks and percent signs. IPython would
not see that such a line begins with ``%kis``.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from IPython.core.magic import MagicAlias

from kisnb.notebook.kernel.call_stack import callers
from kisnb.values import UNSEEN, narrow

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_TWINS = {"run_line_magic": "line", "run_cell_magic": "cell"}
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_BEGINS = re.compile(
    rf"[\w.,\s{UNSEEN}]*(?:=[\s{UNSEEN}]*)?[%％]{{1,2}}kis(?=[\s{UNSEEN}]|$)[\s{UNSEEN}]*"
)
"""Matches a line up to the first word after its ``%kis``."""

_AWAITED = re.compile(
    r"""\(await get_ipython\(\)\.(\w+)\.line\(('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)\)"""
)


def as_typed(line: str) -> str:
    """Return a transformed line as the person typed it: ``%kis panel``."""
    return _AWAITED.sub(lambda found: f"%{found[1]} {ast.literal_eval(found[2])}", line)


def plain_magics(lines: list[str]) -> list[str]:
    """Replace full-width and invisible letters in the ``%kis`` that begins a line.

    The words after it stay as they are.
    """
    return [_plain(line) for line in lines]


def _plain(line: str) -> str:
    begins = None if line.isascii() else _BEGINS.match(line)
    return line if begins is None else narrow(begins[0]) + line[begins.end() :]


def awaits(shell: InteractiveShell) -> bool:
    """Return whether the shell runs awaiting cells in an asyncio event loop."""
    return bool(shell.autoawait) and str(shell.loop_runner) == "asyncio"


def names_of(shell: InteractiveShell, name: str) -> dict[str, str]:
    """Return the names by which ``%name`` can be typed, with those of ``%alias_magic``.

    The value of each name is the text that the alias puts before the typed words.
    """
    names = {name: ""}
    known = shell.magics_manager.magics
    for alias, magic in [*known["cell"].items(), *known["line"].items()]:
        if isinstance(magic, MagicAlias) and magic.magic_name == name:
            names[alias] = f"{magic.magic_params} " if magic.magic_params else ""
    return names


@dataclass(frozen=True)
class _Splice:
    """A replacement of the bytes ``start`` to ``end`` of the source by ``text``."""

    start: int
    end: int
    text: bytes


class AwaitMagics:
    """The input transformer of one shell. It turns calls of ``%kis`` into awaited calls."""

    has_side_effects = False
    """False, because the transformer only changes text.

    So IPython may call it any number of times.
    """

    def __init__(self, shell: InteractiveShell, name: str = "kis") -> None:
        self._shell = shell
        self._name = name

    def __call__(self, lines: list[str]) -> list[str]:
        source, names = "".join(lines), names_of(self._shell, self._name)
        if (
            # Most cells have no `%kis`. For these a search for the word is enough, without a parse.
            not any(name in source for name in names)
            or not awaits(self._shell)
            or inside_magic(self._shell)
        ):
            return lines
        return await_magics(source, self._name, names).splitlines(keepends=True)


def inside_magic(shell: InteractiveShell) -> bool:
    """Return whether the calling code runs inside a magic, such as ``%time`` or ``%%capture``."""
    # The magic is found on the stack, because IPython keeps no record of running magics.
    codes = {getattr(type(shell), method).__code__ for method in _TWINS}
    return any(frame.f_code in codes for frame in callers())


def await_magics(source: str, name: str = "kis", names: Mapping[str, str] | None = None) -> str:
    """Return ``source`` with the calls of magic ``name`` awaited, where Python allows it.

    Source that does not parse is returned unchanged. ``names`` are all names of the magic, as
    ``names_of`` returns them.
    """
    try:
        with warnings.catch_warnings():
            # Python shows the warnings of this text when the cell is run.
            warnings.simplefilter("ignore")
            tree = compile(source, "<cell>", "exec", _FLAGS)
    except (SyntaxError, ValueError):
        return source
    data = source.encode()
    finder = _Finder(name, names or {name: ""}, data)
    finder.visit(tree)
    # The splices are applied from the end, so that earlier positions stay valid.
    for splice in sorted(finder.splices, key=lambda s: s.start, reverse=True):
        data = data[: splice.start] + splice.text + data[splice.end :]
    return data.decode()


class _Finder(ast.NodeVisitor):
    """Collects the calls to rewrite.

    A syntax tree counts its columns in UTF-8 bytes, so the source is kept as bytes.
    """

    def __init__(self, name: str, names: Mapping[str, str], data: bytes) -> None:
        self.splices: list[_Splice] = []
        self._name = name
        self._names = names
        self._data = data
        self._starts = [0]
        for line in data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._may_await = True

    def _visit_scope(self, node: ast.AST, may_await: bool) -> None:
        outer, self._may_await = self._may_await, may_await
        self.generic_visit(node)
        self._may_await = outer

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_scope(node, may_await=True)

    def _visit_closed(self, node: ast.AST) -> None:
        self._visit_scope(node, may_await=False)

    visit_FunctionDef = visit_ClassDef = visit_Lambda = _visit_closed  # noqa: N815
    visit_ListComp = visit_SetComp = _visit_closed  # noqa: N815
    visit_DictComp = visit_GeneratorExp = _visit_closed  # noqa: N815

    def visit_Expr(self, node: ast.Expr) -> None:
        if not (isinstance(node.value, ast.Call) and self._rewrite(node.value, shown=True)):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self._rewrite(node, shown=False):
            self.generic_visit(node)

    def _rewrite(self, node: ast.Call, *, shown: bool) -> bool:
        called, method = _magic_method(node)
        if called not in self._names or not self._may_await:
            return False
        arguments = [ast.literal_eval(a) for a in node.args[1:] if isinstance(a, ast.Constant)]
        if len(arguments) != len(node.args) - 1:
            # An argument is computed, so IPython did not write this call.
            return False
        if not shown:
            # A semicolon at the end means that the result is not shown. An assigned value is not
            # shown anyway, and the variable must get it.
            arguments[-1] = arguments[-1].rstrip().rstrip(";")
        arguments[0] = self._names[called] + arguments[0]
        words = ", ".join(map(repr, arguments))
        call = f"(await get_ipython().{self._name}.{_TWINS[method]}({words}))"
        self.splices.append(_Splice(*self._span(node), call.encode()))
        return True

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[
            node.end_lineno - 1
        ] + node.end_col_offset


def _magic_method(node: ast.Call) -> tuple[str, str]:
    """Return the name of the magic that a call runs, and the method that runs it.

    Two empty texts when the call runs no magic.
    """
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=method
            ),
            args=[ast.Constant(value=str(called)), _, *_],
        ) if method in _TWINS:
            return called, method
    return "", ""
