"""Unknown arguments are answered with the known one that was meant, where one is near."""

from __future__ import annotations

import pytest
from contlm._common.arguments import _ALIASES, nearest, unknown_argument

GENERATE = (
    "alpha", "lam", "point", "max_new_tokens", "do_sample", "temperature", "top_k", "top_p",
    "num_return_sequences", "stop_strings", "eos_token_id", "seed", "mode",
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("topk", "top_k"), ("top-k", "top_k"), ("Top_P", "top_p"), ("temp", "temperature"),
        ("temprature", "temperature"), ("max_tokens", "max_new_tokens"),
        ("max_length", "max_new_tokens"), ("samples", "num_return_sequences"),
        ("n", "num_return_sequences"), ("lambda_", "lam"), ("lambda", "lam"),
        ("stop", "stop_strings"), ("random_seed", "seed"), ("points", "point"), ("alhpa", "alpha"),
        ("wavelength", None), ("x", None), ("torch_dtype", None),
    ],
)  # fmt: skip
def test_what_was_meant(typed: str, meant: str | None) -> None:
    assert nearest(typed, GENERATE) == meant


def test_an_alias_is_no_name_of_its_own() -> None:
    """It only speaks where the call does not know the name, and only of names that the call has."""
    assert nearest("max_length", ("max_length", "stride")) == "max_length"
    assert nearest("torch_dtype", ("dtype", "device")) == "dtype"
    assert all(name not in meant for name, meant in _ALIASES.items())


def test_the_error() -> None:
    error = unknown_argument("generate", "topk", ("top_k", "seed"))
    assert isinstance(error, TypeError)
    said = "generate: unknown argument 'topk', did you mean top_k? known: top_k, seed"
    assert str(error) == said
    far = unknown_argument("generate", "rainbow", ("top_k", "seed"))
    assert str(far) == "generate: unknown argument 'rainbow'; known: top_k, seed"
