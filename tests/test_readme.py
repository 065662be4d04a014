"""README's first snippet runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_first_snippet_runs(capsys: pytest.CaptureFixture[str]) -> None:
    snippet = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[0]
    exec(compile(snippet, "README.md", "exec"), {})
    assert len([line for line in capsys.readouterr().out.split("\n") if line.strip()]) >= 5
