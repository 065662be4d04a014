"""JSON: from files that anybody may have written, with errors that name them, and of arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


def as_json_value(what: str, value: Any) -> Any:
    """`value` in JSON's own types: arrays and tensors as lists, numpy's numbers as Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [as_json_value(what, item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json_value(what, item) for key, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{what}: must be text, numbers or lists of them, got {type(value).__name__}")
