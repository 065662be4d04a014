"""JSON from files that anybody may have written: whatever is wrong with one is an error that names
it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_object(file: Path, error: type[ValueError] = ValueError) -> dict[str, Any]:
    """The JSON object in a file; `error` naming the file for anything else."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as bad:
        raise error(f"{file}: must be UTF-8: {bad}") from None
    return parse_object(text, str(file), error)


def parse_object(text: str, where: str, error: type[ValueError] = ValueError) -> dict[str, Any]:
    """The JSON object in `text`; `error` beginning with `where` for anything else."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as bad:
        raise error(f"{where}: must be JSON: {bad}") from None
    except RecursionError:
        raise error(f"{where}: must be JSON, it is nested too deep to be read") from None
    if not isinstance(found, dict):
        raise error(f"{where}: must be a JSON object, got {type(found).__name__}")
    return found
