"""Finds the text of an order call as typed, without its ordinal and its name. (Row O11)

Python calls are read from the syntax tree of their cell, ``%kis`` commands from their words.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import linecache
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

from kisnb.session.typed_orders.code_places import Span, span_of
from kisnb.values import DASHES, tidy

_Marks: TypeAlias = tuple[int, int]
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_TRANSPARENT = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
_NAMING = frozenset({"again", "key"})
_PARSED_CELLS = 64

# Parts of a command: quotes and braces keep blanks together.
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\{[^{}]*\}|[^\s"'{])+|\S""")
_NUMBER = re.compile(r"\d+|\{[^{}]*\}|\$\w+")
_CONTINUED = re.compile(r"\\[^\S\n]*\n")
_DASHED = re.compile(rf"(?<!\S)[-{DASHES}\uff0d]{{1,3}}(?=(?:again|key)\b)")
# The same inside a string literal, where a backslash begins an escape.
_NAMED_IN_STRING = re.compile(
    r"""
      \s+--again ( [ =] ( \d+ | \{[^{}]*\} | \$\w+ ) )? (?! [^\s\\'";] )
    | \s+--key [ =] ( "[^"]*" | '[^']*' | [^\s\\'";]+ )
    | ,\s* (again|key) \s*=\s* ( "[^"]*" | '[^']*' | [^,()\\]+ )
    """,
    re.VERBOSE,
)


def digest(text: str) -> str:
    """Return a short digest of ``text``, the same in every process."""
    # Python's own hash differs from process to process, and the journal outlives the kernel.
    return hashlib.blake2b(_bytes(text), digest_size=10).hexdigest()


def cell_digest(text: str) -> str:
    """Return the digest of a cell's text.

    Blanks at the ends of lines and blank lines at the end of the cell do not count.
    """
    # A change of invisible blanks must not make the text another cell's.
    return digest("\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n"))


@dataclass(frozen=True)
class Written:
    """The expression that a stack frame executes, as it is written in the source."""

    text: str
    """The normalised source. For code in a comprehension or lambda: the code around it."""
    magic: str | None = None
    """The name of the magic that the expression runs. None for other Python code."""
    argument: str = ""
    """The text that was typed after the magic's name."""
    shown: bool = False
    """True when the cell displays the expression's value as its result."""
    silent: bool = False
    """True when the line of the expression ends with a semicolon."""


def written_at(frame: FrameType, interactivity: str) -> Written:
    """Return the expression that ``frame`` executes, as it is written in its cell.

    ``frame`` is the outermost stack frame of cell code. ``interactivity`` is IPython's
    ``ast_node_interactivity``. Without a source, the text is the file and the line.
    """
    span = span_of(frame)
    cell = _cell_of(frame.f_code.co_filename)
    written = cell.written(span, interactivity) if cell and span else None
    return written or Written(_segment(frame, span))


def written_in_module(frame: FrameType) -> Written:
    """Return the expression that ``frame``, a stack frame of a module, executes, as it is written.

    Only this expression is parsed, because a module may be long and the event loop waits meanwhile.
    """
    text = _segment(frame, span_of(frame))
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return Written(text)
    return Written(_normalised(_without_await(tree.body)))


def command_text(words: str) -> str:
    """Return a ``%kis`` command without ordinal and name. One blank joins its words."""
    kept: list[str] = []
    all_words = _WORD.findall(_plain(words).rstrip().rstrip(";"))
    position = 0
    while position < len(all_words):
        word = all_words[position]
        # --again needs no number. A next word that is not a number belongs to the order.
        following = all_words[position + 1] if position + 1 < len(all_words) else ""
        position += 1
        if word == "--key" or (word == "--again" and _NUMBER.fullmatch(following)):
            position += 1
        elif word != "--again" and not word.startswith(("--again=", "--key=")):
            kept.append(word)
    return f"%kis {' '.join(kept)}"


def is_typed_in(words: str, argument: str) -> bool:
    """Return whether ``words`` are part of the text after a magic, before braces are expanded."""
    return " ".join(_plain(words).split()) in " ".join(_plain(argument).split())


def _plain(words: str) -> str:
    """Return words in one standard spelling, so that two spellings of a command compare equal.

    Blanks are single, continued lines are joined, and ``again`` and ``key`` have two hyphens.
    """
    return _DASHED.sub("--", tidy(_CONTINUED.sub(" ", words)))


class _Cell:
    """The syntax tree of a cell. It finds the code at a position."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self._lines = list(map(_bytes, text.split("\n")))
        self._tree = tree
        self._known: dict[tuple[Span, str], Written | None] = {}

    def written(self, span: Span, interactivity: str) -> Written | None:
        """Return the code at ``span``. None when there is no expression or simple statement."""
        key = span, interactivity
        if key not in self._known:
            self._known[key] = self._read(span, interactivity)
        return self._known[key]

    def _read(self, span: Span, interactivity: str) -> Written | None:
        path = list(_path(self._tree, span))
        found = _executed(path)
        if found is None:
            return None
        node = _without_await(found)
        statements = [n for n in path if isinstance(n, ast.stmt)]
        silent = self._ends_with_semicolon(statements[-1])
        magic, argument = _magic(node)
        if argument.rstrip().endswith(";"):
            silent = True
        return Written(
            text=_normalised(_around(path, node)),
            magic=magic,
            argument=argument,
            shown=not silent and self._is_result(node, interactivity),
            silent=silent,
        )

    def _is_result(self, node: ast.AST, interactivity: str) -> bool:
        """Return whether IPython displays the value of ``node`` as a result of this cell."""
        if interactivity == "none":
            return False
        candidates = self._tree.body if interactivity == "all" else self._tree.body[-1:]
        for statement in candidates:
            if isinstance(statement, ast.Expr) and _without_await(statement.value) is node:
                return True
            assigned = isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value
            if interactivity == "last_expr_or_assign" and assigned:
                return _without_await(assigned) is node
        return False

    def _ends_with_semicolon(self, statement: ast.stmt) -> bool:
        line = statement.end_lineno or 0
        if b";" not in self._lines[line - 1][statement.end_col_offset :]:
            return False
        # One line may have several statements. The last of them decides.
        ends = [
            node.end_col_offset or 0
            for node in ast.walk(self._tree)
            if isinstance(node, ast.stmt) and node.end_lineno == line
        ]
        after = self._lines[line - 1][max(ends, default=0) :]
        return after.partition(b"#")[0].strip() == b";"


_cells: OrderedDict[str, _Cell | None] = OrderedDict()
"""Parsed cells by their text, the most recently used last.

The key is the text and not the file name, because a file may later have another text.
"""
_lock = threading.Lock()


def _cell_of(filename: str) -> _Cell | None:
    """Return the parsed cell that IPython keeps as file ``filename``. None: it cannot be parsed."""
    text = "".join(linecache.getlines(filename))
    if not text:
        return None
    with _lock:
        if text in _cells:
            _cells.move_to_end(text)
            return _cells[text]
    try:
        with warnings.catch_warnings():
            # Python has shown the warnings of this text once, when the cell was run.
            warnings.simplefilter("ignore")
            tree = compile(text, filename, "exec", _FLAGS, dont_inherit=True)
    except (SyntaxError, ValueError):
        cell = None
    else:
        cell = _Cell(text, tree)
    with _lock:
        _cells[text] = cell
        if len(_cells) > _PARSED_CELLS:
            _cells.popitem(last=False)
    return cell


def _path(tree: ast.AST, span: Span) -> Iterator[ast.AST]:
    """Yield the nodes from ``tree`` down to the innermost one that contains ``span``."""
    node: ast.AST | None = tree
    while node is not None:
        yield node
        node = next((child for child in _placed(node) if _contains(child, span)), None)


def _placed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nearest nodes below ``node`` that have a position.

    ``comprehension``, ``withitem``, ``arguments`` and ``match_case`` have none.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr | ast.stmt | ast.keyword | ast.excepthandler):
            yield child
        else:
            yield from _placed(child)


def _contains(node: ast.AST, span: Span) -> bool:
    start: _Marks = node.lineno, node.col_offset  # type: ignore[attr-defined]
    end: _Marks = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
    return start <= (span[0], span[2]) and (span[1], span[3]) <= end


def _executed(path: list[ast.AST]) -> ast.expr | ast.stmt | None:
    """Return the last expression of a path, or else its last simple statement."""
    for node in reversed(path):
        if isinstance(node, ast.Expr):
            return node.value
        if isinstance(node, ast.With | ast.AsyncWith):
            # Python 3.11 enters a context at the position of the whole statement.
            return node.items[0].context_expr
        if isinstance(node, ast.stmt):
            return None if hasattr(node, "body") else node
        if isinstance(node, ast.expr):
            return node
    return None


def _around(path: list[ast.AST], node: ast.expr | ast.stmt) -> ast.AST:
    """Return ``node``, or the call around it when ``node`` is inside a comprehension or lambda.

    Without a call around it, return the outermost comprehension or lambda. Python 3.11 runs
    comprehensions in frames of their own, later versions do not. So the result is the same on all.
    """
    scopes = [at for at, n in enumerate(path) if isinstance(n, ast.stmt)]
    expressions = path[scopes[-1] + 1 :] if scopes else path
    inside = [at for at, n in enumerate(expressions) if isinstance(n, _TRANSPARENT)]
    if not inside:
        return node
    outermost = inside[0]
    calls = [n for n in expressions[:outermost] if isinstance(n, ast.Call)]
    return calls[-1] if calls else expressions[outermost]


def _without_await(node: ast.expr | ast.stmt) -> ast.expr | ast.stmt:
    """Return the expression behind ``await``. With and without ``await`` a call is the same."""
    while isinstance(node, ast.Await):
        node = node.value
    return node


class _Unnamed(ast.NodeTransformer):
    """Removes the keyword arguments ``again`` and ``key`` from calls."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if k.arg not in _NAMING]
        return self.generic_visit(node)


def _normalised(node: ast.AST) -> str:
    """Return the source of ``node`` without ordinals and names, in Python's standard layout."""
    # A copy, because the transformer changes the tree, and the tree is kept for the cell's next
    # call.
    text = ast.unparse(_Unnamed().visit(copy.deepcopy(node)))
    # Code that is run from a string, as by ``%time`` and ``exec``, is in no syntax tree.
    return _NAMED_IN_STRING.sub("", text)


def _magic(node: ast.AST) -> tuple[str | None, str]:
    """Return the name and the argument of the magic that ``node`` runs. None for other code.

    A magic is found in two forms: IPython's own call of a magic, and the awaited call of ``%kis``.
    """
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(func=ast.Name(id="get_ipython")),
                attr="run_line_magic" | "run_cell_magic",
            ),
            args=[ast.Constant(value=str(name)), *rest],
        ):
            return name, _constants(rest)
        case ast.Call(
            func=ast.Attribute(
                value=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=name),
                attr="line" | "cell",
            ),
            args=rest,
        ):
            return name, _constants(rest)
    return None, ""


def _constants(nodes: list[ast.expr]) -> str:
    constants = [n.value for n in nodes if isinstance(n, ast.Constant)]
    return "\n".join(value for value in constants if isinstance(value, str))


def _bytes(text: str) -> bytes:
    # Columns of syntax trees and of code count the bytes of UTF-8.
    return text.encode(errors="surrogatepass")


def _segment(frame: FrameType, span: Span | None) -> str:
    """Return the source text of ``span``. Without a span, return the file and the current line."""
    filename = frame.f_code.co_filename
    if span is not None:
        first, last, start, end = span
        lines = list(map(_bytes, linecache.getlines(filename)[first - 1 : last]))
        if lines:
            lines[-1] = lines[-1][:end]
            lines[0] = lines[0][start:]
            return b"".join(lines).decode(errors="replace").strip()
    line = linecache.getline(filename, frame.f_lineno).strip()
    return f"{filename}:{frame.f_lineno} {line}"
