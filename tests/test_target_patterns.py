"""The patterns of an adapter's config select what Python's own `re` selects, in bounded time."""

from __future__ import annotations

import contextlib
import re
import time

import hypothesis.strategies as st
import pytest
from adapters import (
    LINEAR,
    lora,
    read,
    refused,
)
from contlm import AdapterError
from contlm._native import TensorSource, _testing
from contlm.loading.target_patterns import match_names
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
    "^*",
    r"model.*?\.q??",
    r"a**",
    r"(?#x)model.*",
    r"é",
    r".*[0-q]",
    r"[^\d]*\d[^\d]*",
    r"\.",
    "(^)*.*",
]
# of a repeat or of alternatives, which `re` may take exponential time for
NESTED = [r"(a*)*b", r"(.*)*q", r"(.?){30}q", r"(?:x|xy)+", r"(?:a{2}){2}"]


def python_selects(pattern: str) -> set[str] | None:
    try:
        return {name for name in LINEAR if re.fullmatch(pattern, name)}
    except re.error:
        return None


def is_refused(pattern: str, names: list[str]) -> bool:
    """Whether this may be refused: only what repeats a repeat or alternatives."""
    try:
        match_names("target_modules", [pattern], names, "a")
    except AdapterError as error:
        assert "repeats what holds" in str(error) or "more than" in str(error), error
        return True
    return False


def check_pattern(pattern: str) -> None:
    wanted = python_selects(pattern)
    tensors = lora(*(wanted or LINEAR))
    if wanted is None:
        refused("target_modules", "Python's re", tensors=tensors, target_modules=pattern)
    elif not wanted:
        refused("outside of what target_modules", tensors=tensors, target_modules=pattern)
    else:
        assert set(read(tensors, target_modules=pattern).modules()) == wanted


@pytest.mark.parametrize("pattern", PATTERNS)
def test_target_patterns(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize("pattern", NESTED)
def test_what_could_take_exponential_time_is_refused(pattern: str) -> None:
    refused("target_modules", "repeats what holds", "list the modules", target_modules=pattern)


# As people write them: unsloth's, PEFT's documentation's, EVA's
REAL = [
    r".*\.(q|k|v|o)_proj",
    r".*self_attn\.(q_proj|k_proj|v_proj|o_proj)$",
    r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?"
    r"(?:k_proj|v_proj|q_proj|out_proj|fc1|fc2|o_proj|down_proj|gate_proj|up_proj).*?)|"
    r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\."
    r"(?:(?:k_proj|v_proj|q_proj|out_proj|fc1|fc2|o_proj|down_proj|gate_proj|up_proj)))",
    r"^(?!.*patch_embed).*layers\.(?:[0-9]|1[0-9]|2[0-9])\.(?:.*)\.(?:down|up|gate)_proj",
    r"model\.layers\.(0|1|2|3|4|5|6|7|8|9|10|11|12|20|21)\.mlp\.down_proj",
]
LLAMA = [
    f"model.layers.{i}.{part}_proj"
    for i in range(80)
    for part in (
        *("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o"),
        *("mlp.gate", "mlp.up", "mlp.down"),
    )
]


@pytest.mark.parametrize("pattern", REAL)
def test_real_patterns(pattern: str) -> None:
    (found,) = match_names("target_modules", [pattern], LLAMA, "a")
    assert found == [i for i, name in enumerate(LLAMA) if re.fullmatch(pattern, name)]
    assert found


def test_a_key_for_every_module() -> None:
    keys = [re.escape(name) for name in LLAMA]
    assert match_names("rank_pattern", keys, LLAMA, "a") == [[i] for i in range(len(LLAMA))]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=r"q01model.s*+?|()[]^$\dw{},-", max_size=12))
@example(r"model\.layers\.[01]\.q")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_random_target_patterns(pattern: str) -> None:
    if python_selects(pattern) is None or not is_refused(pattern, list(LINEAR)):
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
    if is_refused(rf"(.*\.)?({key})$", list(LINEAR)):
        return
    tensors = {k: t for name, r in ranks.items() for k, t in lora(name, r=r).items()}
    modules = read(tensors, rank_pattern={key: 3}).modules()
    assert {name: module["r"] for name, module in modules.items()} == ranks


HOSTILE = {
    "open groups": "(" * 5000,
    "deep groups": "(" * 5000 + ")" * 5000,
    "counted": "(a?){4000}",
    "counted thrice": "((a{1000}){1000}){1000}",
    "empty body": "((){1000}){1000}",
    "large count": "a{99999999999}",
    "large empty count": "(){99999999}",
    "nested repeats": "(a+)+$",
    "starred repeats": "((a*)*)*b",
    "deep repeats": "(((((a*)*)*)*)*)*b",
    "repeats in a repeat": "(.*.*.*.*.*.*)*x",
    "alternatives in a repeat": "(x|x)*y",
    "longer alternatives": "(?:mo|mod|del|d|el)*!",
    "repeats in a row": ".*" * 30 + "!",
    "optional ones": "(.?)" * 40 + "!",
    "alternatives in a row": "(m|mo|.|..)" * 40 + "!",
    "repeat in a lookahead": "(?=(?:.*)*!)q",
    "possible repeats": ".*.*.*.*!",
    "lookaheads": "(?=" * 40 + ".*" + ")" * 40,
    "classes": "[a-z]{1000}" * 1000,
    "a megabyte": "q" * 1_000_000,
    "a megabyte of alternatives": "q|" * 500_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_patterns_are_refused_or_end_soon(case: str) -> None:
    """On names that make them slow, and at 560 modules."""
    names = ["m" * 20 + name for name in LLAMA]
    for field in ("target_modules", "rank_pattern"):
        start = time.thread_time()
        with contextlib.suppress(AdapterError):
            match_names(field, [HOSTILE[case]], names, "a")
        assert time.thread_time() - start < 2
    with pytest.raises(AdapterError, match="target_modules"):
        read(target_modules=HOSTILE[case])


def test_many_patterns_end_soon() -> None:
    start = time.thread_time()
    patterns = {f"(x|y{number}).*.*.*z": 2 for number in range(900)}
    with contextlib.suppress(AdapterError):
        match_names("rank_pattern", list(patterns), LLAMA, "a")
    assert time.thread_time() - start < 4
    refused("rank_pattern", "fewer", rank_pattern={f"q{number}": 2 for number in range(5000)})


def test_refusals_name_the_file_the_field_and_the_way_out() -> None:
    for field in ("target_modules", "exclude_modules"):
        refused("adapter_config.json", f'"{field}"', "(a+)+$", "list the", **{field: "(a+)+$"})
    for field in ("rank_pattern", "alpha_pattern"):
        refused("adapter_config.json", f'"{field}"', "(a+)+$", "simply", **{field: {"(a+)+$": 2}})
    refused('"layers_pattern"', "(a+)+$", layers_pattern="(a+)+$")


def test_other_errors_of_the_matcher_pass_through() -> None:
    def broken(*arguments: object) -> list[list[int]]:
        raise KeyError("mine")

    source = TensorSource.from_tensors(lora(*LINEAR), "memory")
    config = '{"peft_type": "LORA", "target_modules": ".*"}'
    with pytest.raises(KeyError, match="mine"):
        _testing.read_peft_adapter_tensors(config, source, LINEAR, broken)
