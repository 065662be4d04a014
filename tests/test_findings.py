"""The page of findings holds what its command writes, for the models that are bundled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import contlm
import pytest
from contlm import zoo
from contlm.loading.fingerprint import BASE_FILES, files_digest
from contlm.zoo.findings import Findings, fill

PAGE = Path(__file__).parent.parent / "docs" / "findings.md"
NAMES = re.findall(r"<!-- (\w[\w ]*) -->", PAGE.read_text(encoding="utf-8"))


def test_fill_replaces_the_table_alone() -> None:
    page = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n<!-- b -->\n<!-- /b -->\n"
    filled = fill(page, {"a": "new \\1\n", "b": "| x |\n"})
    assert filled == (
        "before\n<!-- a -->\nnew \\1\n<!-- /a -->\nafter\n<!-- b -->\n| x |\n<!-- /b -->\n"
    )
    assert fill(filled, {"a": "old\n", "b": ""}) == page


def test_fill_wants_a_place() -> None:
    with pytest.raises(ValueError, match="must hold <!-- c -->"):
        fill("nothing here", {"c": "table"})


def test_the_page_is_of_these_models() -> None:
    """Models trained anew need the page written anew: python -m contlm.zoo.findings --write."""
    page = PAGE.read_text(encoding="utf-8")
    base = files_digest(zoo.base_path(), BASE_FILES)[:12]
    assert f"base model `{base}`" in page


def test_geometry() -> None:
    table = Findings(1, 1, 0).geometry()["geometry"]
    rows = [line.strip("| \n").split(" | ") for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == list(zoo.adapter_pairs())
    for row in rows:
        assert all(abs(float(cosine)) < 0.5 for cosine in row[1:4])
        assert all(float(distance) > 0 for distance in row[4:])


def test_setting_names_the_models() -> None:
    said = Findings(2, 1, 3).setting()
    assert said.startswith("2 prompts, 1 samples of 32 new tokens each, seed 3")
    assert files_digest(zoo.base_path(), BASE_FILES)[:12] in said


@pytest.mark.slow
def test_the_command_fills_every_table(tmp_path: Path) -> None:
    page = tmp_path / "findings.md"
    shutil.copy(PAGE, page)
    before = page.read_text(encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "contlm.zoo.findings", "--prompts", "2", "--samples", "1",
         "--write", str(page)],
        check=True, capture_output=True, timeout=900, env=environment(),
    )  # fmt: skip
    after = page.read_text(encoding="utf-8")
    assert "2 prompts, 1 samples" in after
    for name in NAMES:
        table = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", after, re.S)
        assert table and table[1].strip()
    empty = dict.fromkeys(NAMES, "")
    assert fill(before, empty) == fill(after, empty)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(contlm.__file__).parents[1])}
