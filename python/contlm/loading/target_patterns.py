"""The patterns of an adapter's config (target_modules and its relatives), matched on module names
by Python's own `re`, as PEFT matches them.

They come from files that others wrote, and `re` backtracks: what could take exponential time is
refused before it runs, and the rest is bounded by how many ways there are to try.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from contlm._native import AdapterError

_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

MAX_PATTERNS = 1_000  # of one field; a key for every module of the largest models fits
MAX_CHARACTERS = 50_000  # of one field's patterns together
MAX_WAYS = 10_000_000  # in which one pattern may be tried on one name
MAX_SECONDS = 0.5  # of one field's matching, in the thread's own time
_WAYS_WORTH_TIMING = 10_000


class _Rule(NamedTuple):
    before: str
    after: str
    method: Callable[[re.Pattern[str], str], re.Match[str] | None]


_KEY = _Rule(r"(.*\.)?(", ")$", re.Pattern.match)
_WHOLE = _Rule("", "", re.Pattern.fullmatch)

# What PEFT puts around a field's patterns. layers_pattern: on the part of a name before the index.
RULES = {
    "target_modules": _WHOLE,
    "exclude_modules": _WHOLE,
    "layers_pattern": _Rule(r"(?:.*\.)?", "", re.Pattern.fullmatch),
    "rank_pattern": _KEY,
    "alpha_pattern": _KEY,
}


class _Refusal(Exception):
    """Why a pattern cannot be used."""


def match_names(
    field: str, patterns: Sequence[str], names: Sequence[str], where: str
) -> list[list[int]]:
    """For each of `field`'s patterns, the indices of the `names` that it matches.

    Raises AdapterError, opening with `where`, for a pattern that `re` does not take and for those
    that could take too long.
    """
    characters = sum(map(len, patterns))
    if len(patterns) > MAX_PATTERNS or characters > MAX_CHARACTERS:
        raise AdapterError(
            f'{where}: "{field}" must hold at most {MAX_PATTERNS} patterns of {MAX_CHARACTERS} '
            f"characters together, got {len(patterns)} of {characters}; write fewer or simpler ones"
        )
    end = time.thread_time() + MAX_SECONDS
    matched = []
    for pattern in patterns:
        try:
            matched.append(_matches(RULES[field], pattern, names, end))
        except _Refusal as refusal:
            shown = pattern if len(pattern) <= 200 else pattern[:200] + "..."
            raise AdapterError(
                f'{where}: "{field}" must hold patterns of Python\'s re that end in bounded time, '
                f'got "{shown}" ({refusal}); write it more simply or list the modules\' names'
            ) from None
    return matched


def _matches(rule: _Rule, pattern: str, names: Sequence[str], end: float) -> list[int]:
    text = rule.before + pattern + rule.after
    try:
        ways, repeats = _freedom(_parser.parse(text))
        compiled = re.compile(text)
    except (re.error, OverflowError) as error:
        raise _Refusal(str(error)) from None
    except RecursionError:
        raise _Refusal("its groups nest too deep") from None
    found = []
    for index, name in enumerate(names):
        tries = ways * math.comb(len(name) + repeats, repeats)
        if tries > MAX_WAYS:
            raise _Refusal(
                f"its {repeats} repeats and its alternatives could be tried in more than "
                f"{MAX_WAYS} ways on a name of {len(name)} characters"
            )
        if tries > _WAYS_WORTH_TIMING and time.thread_time() > end:
            raise _Refusal(f"the field's patterns took more than {MAX_SECONDS} s")
        if rule.method(compiled, name):
            found.append(index)
    return found


def _freedom(nodes: Iterable[tuple[Any, Any]]) -> tuple[int, int]:
    """(w, k) of a parsed pattern: on n characters `re` tries at most about w C(n + k, k) ways, k
    repeats sharing the characters out and w counting the choices among alternatives.

    Raises _Refusal for a repeat of what can itself match in several ways, whose number is
    exponential.
    """
    ways, repeats = 1, 0
    for operator, argument in nodes:
        w, k = 1, 0
        match operator.name:
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, body = argument
                w, k = _freedom(body)
                if most > 1 and (w, k) != (1, 0):
                    raise _Refusal("it repeats what holds a repeat or alternatives itself")
                if most > 1:
                    w, k = max(least, 1), 1
                elif least < most:
                    w *= 2
            case "BRANCH":
                w, k = _freedom_of_alternatives(argument[1])
            case "GROUPREF_EXISTS":
                w, k = _freedom_of_alternatives([argument[1], argument[2] or []])
            case "SUBPATTERN":
                w, k = _freedom(argument[3])
            case "ASSERT" | "ASSERT_NOT":
                w, k = _freedom(argument[1])
            case "ATOMIC_GROUP":
                w, k = _freedom(argument)
        ways, repeats = ways * w, repeats + k
    return ways, repeats


def _freedom_of_alternatives(alternatives: Sequence[Any]) -> tuple[int, int]:
    """Those that begin with different characters exclude each other: one of them goes on."""
    inner = [_freedom(nodes) for nodes in alternatives]
    firsts = [nodes[0] if len(nodes) else (None, None) for nodes in alternatives]
    literals = Counter(value for operator, value in firsts if str(operator) == "LITERAL")
    rivals = len(firsts) - literals.total() + max(literals.values(), default=0)
    return rivals * max(w for w, _ in inner), max(k for _, k in inner)
