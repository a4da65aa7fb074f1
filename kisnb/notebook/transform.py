"""``%kis`` in a cell becomes an awaited call, so that it runs in the cell's own event loop.

IPython turns ``%kis buy 005930 1`` into ``get_ipython().run_line_magic('kis', 'buy 005930 1')``, a plain call that
cannot wait for anything. ``AwaitMagics`` runs after that step and makes it ``(await get_ipython().kis.line(...))``
wherever Python lets us await. Everywhere else (``def`` and class bodies, lambdas, comprehensions, ``%time``) the call
stays as it is and the magic answers through the desk's I/O thread.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kisnb.notebook.frames import callers

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_TWINS = {"run_line_magic": "line", "run_cell_magic": "cell"}
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


_AWAITED = re.compile(r"""\(await get_ipython\(\)\.(\w+)\.line\(('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)\)""")


def as_typed(line: str) -> str:
    """A transformed line as it stands in the cell: ``%kis panel``."""
    return _AWAITED.sub(lambda found: f"%{found[1]} {ast.literal_eval(found[2])}", line)


@dataclass(frozen=True)
class _Splice:
    """Replace the bytes ``start`` to ``end`` of the source by ``text``."""

    start: int
    end: int
    text: bytes


class AwaitMagics:
    """The input transformer; it changes text only, so IPython may call it as often as it likes."""

    has_side_effects = False

    def __init__(self, shell: InteractiveShell, name: str = "kis") -> None:
        self._shell = shell
        self._name = name

    def __call__(self, lines: list[str]) -> list[str]:
        source = "".join(lines)
        if self._name not in source or not self._shell.autoawait or inside_magic(self._shell):
            return lines
        return await_magics(source, self._name).splitlines(keepends=True)


def inside_magic(shell: InteractiveShell) -> bool:
    """Whether a magic is running now, as ``%time`` and ``%%capture`` are while they run what stands behind them."""
    codes = {getattr(type(shell), method).__code__ for method in _TWINS}
    return any(frame.f_code in codes for frame in callers())


def await_magics(source: str, name: str = "kis") -> str:
    """Rewrite the calls of magic ``name`` that may be awaited; source that does not parse comes back unchanged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(source, "<cell>", "exec", _FLAGS)
    except (SyntaxError, ValueError):
        return source
    data = source.encode()
    finder = _Finder(name, data)
    finder.visit(tree)
    for splice in sorted(finder.splices, key=lambda s: s.start, reverse=True):
        data = data[: splice.start] + splice.text + data[splice.end :]
    return data.decode()


class _Finder(ast.NodeVisitor):
    """Collects the calls to rewrite. Columns of a syntax tree are UTF-8 byte offsets, hence the bytes."""

    def __init__(self, name: str, data: bytes) -> None:
        self.splices: list[_Splice] = []
        self._name = name
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
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_closed  # noqa: N815

    def visit_Expr(self, node: ast.Expr) -> None:
        if not (isinstance(node.value, ast.Call) and self._rewrite(node.value, shown=True)):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self._rewrite(node, shown=False):
            self.generic_visit(node)

    def _rewrite(self, node: ast.Call, *, shown: bool) -> bool:
        method = _magic_method(node, self._name)
        if method is None or not self._may_await:
            return False
        arguments = [ast.literal_eval(a) for a in node.args[1:] if isinstance(a, ast.Constant)]
        if len(arguments) != len(node.args) - 1:
            return False
        if not shown:
            # A closing semicolon asks for silence; a value that is assigned is silent anyway, and wanted.
            arguments[-1] = arguments[-1].rstrip().rstrip(";")
        call = f"(await get_ipython().{self._name}.{_TWINS[method]}({', '.join(map(repr, arguments))}))"
        self.splices.append(_Splice(*self._span(node), call.encode()))
        return True

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset


def _magic_method(node: ast.Call, name: str) -> str | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=method),
            args=[ast.Constant(value=called), *_],
        ) if called == name and method in _TWINS:
            return method
    return None
