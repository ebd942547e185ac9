"""The project's own source, as trees and lists, for the tests that hold rules over it. Runs none of it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BARE_PATH = f"{ROOT / 'tests/bare'}:{ROOT}"
"""PYTHONPATH of a process without what only an admin has; securesystemslib loads boto3 wherever there is one."""
ROOMS = ("firmware", "models", "board", "ota")


def _sources() -> dict[str, ast.Module]:
    """Every module of the rooms, by its path from the root."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


SOURCES = _sources()


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of every module, with the module's path."""
    return ((path, node) for path, tree in SOURCES.items() for node in ast.walk(tree))


def imports(tree: ast.Module) -> Iterator[str]:
    """The full name of every imported module, or of what is imported from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named_here(node: ast.AST) -> str:
    """The identifier that a node brings into being, or ``""``; names of other people's making are not ours to judge."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return node.attr
    return ""


def words(identifier: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


def project_files() -> list[Path]:
    """What the repository holds or is about to hold."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listing.returncode != 0:  # an unpacked archive
        top = [ROOT / room for room in (*ROOMS, "tests", "requirements", ".ci")]
        return [path for folder in (*top, ROOT) for path in folder.glob("*") if path.is_file()]
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]
