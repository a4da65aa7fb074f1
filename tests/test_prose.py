"""Names and docstrings keep rules that let a stranger read the code."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kisnb

PACKAGE = Path(kisnb.__file__).parent
RIDDLES = re.compile(r"(who|what|whether|so many|why|how|when|where)\b", re.IGNORECASE)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def public(node: ast.AST, name: str = "") -> Iterator[tuple[str, Definition]]:
    """Every public class, function and method below ``node``, by its dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition) and not child.name.startswith("_"):
            dotted = f"{name}.{child.name}".lstrip(".")
            yield dotted, child
            if isinstance(child, ast.ClassDef):
                yield from public(child, dotted)


def is_explained_elsewhere(node: Definition) -> bool:
    """A setter or an overload is explained by the definition that it belongs to."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(mark.endswith((".setter", "overload")) for mark in marks)


def test_every_public_name_has_a_docstring() -> None:
    silent = [
        f"{file}: {name}"
        for file, tree in trees().items()
        for name, node in public(tree)
        if not ast.get_docstring(node) and not is_explained_elsewhere(node)
    ]
    assert silent == []


def test_a_docstring_says_first_what_the_thing_does_or_is() -> None:
    riddles = [
        f"{file}: {name}: {text.splitlines()[0]}"
        for file, tree in trees().items()
        for name, node in public(tree)
        if RIDDLES.match(text := ast.get_docstring(node) or "")
    ]
    assert riddles == []


def test_a_class_name_exists_once_in_the_package() -> None:
    names = Counter(
        node.name
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_class_has_more_than_25_public_methods_and_no_folder_more_than_20_files() -> None:
    big = [
        f"{file}: {node.name}"
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and len({m.name for _, m in public(node) if not isinstance(m, ast.ClassDef)}) > 25
    ]
    assert big == []
    folders = Counter(Path(file).parent for file in trees() if not file.endswith("__init__.py"))
    assert [str(folder) for folder, count in folders.items() if count > 20] == []
