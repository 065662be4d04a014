"""The rooms of python/contlm and the arrows between them (python/contlm/README.md).

Every import counts: at the top of a module, inside a function and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python" / "contlm"

# What each room may import of the others. A single module at the top level is a room too.
BELOW = {
    "_common": set[str](),
    "metrics": set[str](),
    "points": {"_common"},
    "grid": {"_common", "points"},
    "loading": {"_common", "points"},
    "model": {"_common", "points", "loading"},
    "analysis": {"_common", "points", "grid", "loading", "model"},
    "plot": {"_common", "points", "grid", "analysis"},
    "reporting": {"_common", "points", "grid", "analysis", "plot"},
    "sweep": {
        "_common", "points", "grid", "loading", "model", "metrics", "analysis", "plot", "reporting",
    },
    "explore": {"_common", "points", "loading", "model"},
}  # fmt: skip
BELOW["interpolator"] = {"_common", "points", "grid", "loading", "model", "sweep", "explore"}
BELOW["train"] = {"_common", "loading"}
BELOW["zoo"] = {*BELOW["sweep"], "sweep", "interpolator", "train"}
BELOW["cli"] = {*BELOW["zoo"], "explore", "zoo"}
# the public face: it imports whatever it shows, and no room imports it
FACE = {"__init__", "__main__"}
# made by the build, or native: below everything
GROUND = {"_native", "_build_info"}


def modules() -> dict[str, Path]:
    """Dotted name without the package's own -> file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)] = file
    return found


def room_of(module: str) -> str:
    return module.partition(".")[0]


def arrows(name: str, file: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, imported module) for every import of our own, wherever it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "contlm":
                    yield node.lineno, alias.name.partition(".")[2] or "__init__"
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}:{node.lineno}: imports must be absolute"
            top, _, rest = (node.module or "").partition(".")
            if top != "contlm":
                continue
            for alias in node.names:
                inner = f"{rest}.{alias.name}" if rest else alias.name
                taken = inner if inner in known or inner in GROUND else rest
                yield node.lineno, taken or "__init__"


def all_arrows() -> list[tuple[str, int, str]]:
    known = modules()
    return [
        (name, line, target)
        for name, file in known.items()
        for line, target in arrows(name, file, set(known))
    ]


def test_every_module_has_a_room() -> None:
    rooms = {room_of(name) for name in modules()} - FACE - GROUND
    assert rooms == set(BELOW)


def test_arrows_point_downward() -> None:
    wrong = [
        f"{name}:{line} imports {target}"
        for name, line, target in all_arrows()
        if name not in FACE
        and room_of(target) not in BELOW[room_of(name)] | GROUND | {room_of(name)}
    ]
    assert not wrong


def test_no_room_imports_the_face() -> None:
    assert not [a for a in all_arrows() if a[2] in FACE and a[0] not in FACE]


def test_the_order_has_no_circle() -> None:
    """Rooms by the table, and modules by their own imports."""
    _topological({room: set(below) for room, below in BELOW.items()})
    graph: dict[str, set[str]] = {name: set() for name in modules() if name not in FACE}
    for name, _, target in all_arrows():
        if name in graph and target in graph and target != name:
            graph[name].add(target)
    _topological(graph)


def _topological(graph: dict[str, set[str]]) -> None:
    left = dict(graph)
    while left:
        free = [node for node, below in left.items() if not below & left.keys()]
        assert free, f"a circle among {', '.join(sorted(left))}"
        for node in free:
            del left[node]


def test_the_map_names_every_room() -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert not [room for room in BELOW if f"`{room}" not in text]


@pytest.mark.parametrize("heavy", ["pandas", "matplotlib", "transformers", "peft", "pyarrow"])
def test_import_is_light(heavy: str) -> None:
    code = f"import sys, contlm; raise SystemExit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_dir_shows_the_public_names_alone() -> None:
    code = "import contlm; print(*dir(contlm)); [getattr(contlm, n) for n in dir(contlm)]"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert shown == sorted(shown) and "Interpolator" in shown
    assert not [name for name in shown if name.startswith("_") and name != "__version__"]


def test_the_check_sees_hidden_imports(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from contlm.zoo import load\n"
        "def f():\n    from contlm import interpolator\n    import contlm\n",
        encoding="utf-8",
    )
    found = {target for _, target in arrows("m", file, {"zoo", "interpolator"})}
    assert found == {"zoo", "interpolator", "__init__"}
