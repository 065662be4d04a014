"""csrc/io: the patterns of an adapter's config select what Python's own `re` selects."""

from __future__ import annotations

import re
import warnings

import hypothesis.strategies as st
import pytest
from adapters import (
    LINEAR,
    lora,
    read,
    refused,
)
from contlm import AdapterError
from hypothesis import example, given, settings

PATTERNS = [
    r".*q",
    r"q",
    r"(?:model)?.*\.[01]\.q",
    r"model\.layers\.\d+\.q",
    r"[^.]+\.layers\.1\.q",
    "",
    r"^model.layers.(0|1).q$",
    r".*(?<!0)\.q",
    r"(?i)MODEL.*",
    r"(?P<n>model).*(?P=n)?",
    r"(.*)\1",
    r"(?=.*1).*q",
    r"(?!.*1).*q",
    r"(?!(?=.*1)).*",
    r"\Amodel.*\Z",
    r"\bmodel\b.*",
    r".*\Bq",
    "m*+odel.*",
    r"model\.layers\.[0-9]{1}\.q",
    r".{16}",
    r".{,15}q",
    r".{3,2}",
    r"a{",
    r"{1}",
    r"x*",
    r"(",
    r")",
    "*",
    r"[",
    r"[]a]",
    r"[a-",
    r"[z-a]",
    r"\q",
    r"\x6dodel.*",
    r"[\w.]+",
    r"[\s\S]*",
    r"a|b|model.layers.0.q",
    r"(|model.*)",
    r"((((m))))odel.*",
    r"model.layers.0.q|",
    r"(a*)*b",
    r"(.*)*q",
    r"(.?){30}q",
    "^*",
    r"model.*?\.q??",
    r"a**",
    r"(?>a)",
    r"(?#x)model.*",
    r"é",
    r".*[0-q]",
    r"[^\d]*\d[^\d]*",
    r"\.",
    "(^)*.*",
]
UNSUPPORTED = re.compile(r"\(\?[<i>#]|\(\?P=|\\[1-9]|[*+?}]\+|é")


def python_selects(pattern: str) -> set[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {name for name in LINEAR if re.fullmatch(pattern, name)}
    except re.error:
        return None


def check_pattern(pattern: str) -> None:
    wanted = python_selects(pattern)
    tensors = lora(*(wanted or LINEAR))
    if wanted is None or UNSUPPORTED.search(pattern):
        refused("target_modules", "Python's re", tensors=tensors, target_modules=pattern)
    elif not wanted:
        refused("outside of what target_modules", tensors=tensors, target_modules=pattern)
    else:
        assert set(read(tensors, target_modules=pattern).modules()) == wanted


@pytest.mark.parametrize("pattern", PATTERNS)
def test_target_patterns(pattern: str) -> None:
    check_pattern(pattern)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=r"q01model.s*+?|()[]^$\dw{},-", max_size=12))
@example(r"model\.layers\.[01]\.q")
def test_random_target_patterns(pattern: str) -> None:
    if re.search(r"[*+?}]\+|\\[^.dw*+?|()\[\]^${},-]|\\$", pattern):
        return  # what versions of Python differ on, or what is not supported
    check_pattern(pattern)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=r"q01model.|()^$", max_size=10))
@example("a)|(.*q")
@example("^model.layers.0.q")
@example("layers.0.q|q")
def test_random_rank_patterns(key: str) -> None:
    def rank(name: str) -> int:
        return 3 if re.match(rf"(.*\.)?({key})$", name) else 2

    try:
        ranks = {name: rank(name) for name in LINEAR}
    except re.error:
        refused("rank_pattern", "Python's re", rank_pattern={key: 3})
        return
    tensors = {k: t for name, r in ranks.items() for k, t in lora(name, r=r).items()}
    modules = read(tensors, rank_pattern={key: 3}).modules()
    assert {name: module["r"] for name, module in modules.items()} == ranks


HOSTILE = [
    "(" * 5000,
    "(" * 5000 + ")" * 5000,
    "(a?){4000}",
    "((a{1000}){1000}){1000}",
    "((){1000}){1000}",
    "a{99999999999}",
    "(((((a*)*)*)*)*)*b",
    "(.*.*.*.*.*.*)*x",
    "(?=" * 40 + ".*" + ")" * 40,
    "[a-z]{1000}" * 1000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_patterns_end(number: int) -> None:
    with pytest.raises(AdapterError, match="target_modules"):
        read(target_modules=HOSTILE[number])
    with pytest.raises(AdapterError):
        read(rank_pattern={HOSTILE[number]: 9, "(.*)*": 7})


def test_the_cost_of_patterns_is_bounded() -> None:
    patterns = {f"(x|y{number}){{300}}": 2 for number in range(1000)}
    refused("rank_pattern", "fewer", rank_pattern=patterns)
