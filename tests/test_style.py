"""The Python face is ruff and mypy clean, and no file or function outgrows its room."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# tests mirror their sources, of whatever length that is
FILES = sorted((ROOT / "python").rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef


def run_tool(*arguments: str) -> None:
    if importlib.util.find_spec(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    rooms = ("python", "tests", "benchmarks", "notebooks", "worlds")
    run_tool("ruff", "check", "--no-cache", *(room for room in rooms if (ROOT / room).is_dir()))


def test_formatted() -> None:
    run_tool("ruff", "format", "--check", "--no-cache", "python", "tests", "benchmarks")


def test_mypy() -> None:
    run_tool("mypy")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_sizes(file: Path) -> None:
    """Of code: docstrings explain, and do not make a room too full."""
    text = file.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    documented = [n for n in nodes if isinstance(n, DOCUMENTED)]
    assert len(text.splitlines()) - sum(map(docstring_lines, documented)) <= MAX_FILE_LINES
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1 - docstring_lines(node)
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


def docstring_lines(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> int:
    if ast.get_docstring(node) is None or not isinstance(first := node.body[0], ast.Expr):
        return 0
    return (first.end_lineno or 0) - first.lineno + 1


def test_every_public_thing_says_what_it_is() -> None:
    silent = []
    for file in sorted((ROOT / "python" / "contlm").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if ast.get_docstring(tree) is None and file.name != "__main__.py":
            silent.append(file.name)
        public = (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        )
        silent += [f"{file.name}: {n.name}" for n in public if ast.get_docstring(n) is None]
    assert not silent
