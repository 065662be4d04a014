"""Checks of values that a TOML file holds; every message names the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from contlm._common.arguments import known_hint

Check: TypeAlias = Callable[[str, Any], Any]


def text(where: str, value: Any) -> str:
    return _of_type(where, value, str, "a string")


def boolean(where: str, value: Any) -> bool:
    return _of_type(where, value, bool, "true or false")


def integer(where: str, value: Any) -> int:
    return _of_type(where, value, int, "a whole number")


def number(where: str, value: Any) -> float:
    return float(_of_type(where, value, (int, float), "a number"))


def list_of(item: Check) -> Check:
    """A check of a list, each item by `item`."""

    def check(where: str, value: Any) -> list[Any]:
        found = _of_type(where, value, list, "a list")
        return [item(f"{where}[{i}]", one) for i, one in enumerate(found)]

    return check


def pair_of(item: Check) -> Check:
    """A check of a list of two."""

    def check(where: str, value: Any) -> tuple[Any, Any]:
        found = list_of(item)(where, value)
        if len(found) != 2:
            raise ValueError(f"{where}: must be a list of two, got {len(found)}")
        return found[0], found[1]

    return check


def table_of(item: Check) -> Check:
    """A check of a table with any keys, each value by `item`."""

    def check(where: str, value: Any) -> dict[str, Any]:
        found = _of_type(where, value, dict, "a table")
        return {key: item(f"{where}.{key}", one) for key, one in found.items()}

    return check


def either(*checks: Check) -> Check:
    """The first of `checks` that passes; the last one's error."""

    def check(where: str, value: Any) -> Any:
        for one in checks[:-1]:
            try:
                return one(where, value)
            except ValueError:
                continue
        return checks[-1](where, value)

    return check


def table(where: str, value: Any, fields: Mapping[str, Check]) -> dict[str, Any]:
    """A table with keys of `fields` only; ValueError naming an unknown key and the known ones."""
    found = _of_type(where or "the file", value, dict, "a table")
    for key in found:
        if key not in fields:
            hint = known_hint(key, sorted(fields))
            raise ValueError(f"{_inside(where, key)}: unknown key{hint}")
    return {key: fields[key](_inside(where, key), one) for key, one in found.items()}


def _inside(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _of_type(where: str, value: Any, kind: Any, wanted: str) -> Any:
    # a bool is an int to Python and to nobody who writes a file
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: must be {wanted}, got {value!r}")
    return value
