"""csrc/io: adapters that we write are loaded by PEFT and read back as they were."""

from __future__ import annotations

import resource
import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import safetensors.torch
import torch
from adapters import (
    EMBEDDING,
    LINEAR,
    Modules,
    assert_same_factors,
    base_of,
    base_weights,
    factors_in,
    modules_of,
)
from contlm._native import _testing, read_peft_adapter
from contlm.loading.target_patterns import match_names


def factors(
    modules: Modules, ranks: dict[str, int], biases: tuple[str, ...] = ()
) -> dict[str, Any]:
    torch.manual_seed(2)
    made = {}
    for name, r in ranks.items():
        _, inputs, outputs = modules[name]
        bias = torch.randn(outputs) if name in biases else None
        made[name] = (torch.randn(r, inputs), torch.randn(outputs, r), bias)
    return made


LLAMA_RANKS = {
    "model.layers.0.self_attn.q_proj": 2,
    "model.layers.1.self_attn.q_proj": 3,
    "model.layers.1.mlp.down_proj": 2,
}
WRITTEN: dict[str, tuple[str, dict[str, int], tuple[str, ...]]] = {
    "one rank": ("llama", {"model.layers.0.self_attn.q_proj": 2}, ()),
    "mixed ranks": ("llama", LLAMA_RANKS, ()),
    "embeddings": ("llama", {**LLAMA_RANKS, "model.embed_tokens": 4, "lm_head": 1}, ()),
    "tied": ("tied", {"model.embed_tokens": 4, "lm_head": 2}, ()),
    "conv1d": ("gpt2", {"transformer.h.0.attn.c_attn": 2, "transformer.wte": 3, "lm_head": 2}, ()),
    "bias on some": (
        "gpt2",
        {"transformer.h.0.attn.c_attn": 2, "transformer.h.1.mlp.c_fc": 3},
        ("transformer.h.1.mlp.c_fc",),
    ),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_peft_loads_what_is_written(tmp_path: Path, case: str) -> None:
    kind, ranks, biases = WRITTEN[case]
    base = base_of(kind)
    modules, weights = modules_of(base), base_weights(base)
    made = factors(modules, ranks, biases)
    _testing.write_peft_adapter(tmp_path / "new" / "folder", made, modules, "some/base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.PeftModel.from_pretrained(base, tmp_path / "new" / "folder")
        keys = peft.set_peft_model_state_dict(
            model, safetensors.torch.load_file(tmp_path / "new/folder/adapter_model.safetensors")
        )
    assert keys.unexpected_keys == []
    assert not [key for key in keys.missing_keys if "lora_" in key]
    loaded = factors_in(model)
    assert sorted(loaded) == sorted(made)
    for name, (a, b, bias) in made.items():
        assert torch.equal(loaded[name]["A"], a) and torch.equal(loaded[name]["B"], b)
        assert loaded[name]["scaling"] == 1.0
        if biases:
            wanted = torch.zeros(b.shape[0]) if bias is None else bias
            assert torch.equal(loaded[name]["bias"], wanted)
    adapter = read_peft_adapter(tmp_path / "new" / "folder", modules, match_names, weights=weights)
    assert adapter.warnings == []
    assert_same_factors(adapter.modules(), loaded)


def test_names_that_end_alike(tmp_path: Path) -> None:
    """A short name must not drag in, nor give its rank to, a longer one that ends with it."""
    modules: Modules = {
        "head": ("linear", 6, 4),
        "x.head": ("linear", 6, 4),
        "y.head": ("linear", 6, 4),
    }
    _testing.write_peft_adapter(tmp_path, factors(modules, {"head": 2, "x.head": 3}), modules)
    read_back = read_peft_adapter(tmp_path, modules, match_names).modules()
    assert {name: module["r"] for name, module in read_back.items()} == {"head": 2, "x.head": 3}


def test_writing_over_an_adapter_fails_whole(tmp_path: Path) -> None:
    modules: Modules = {"q": ("linear", 600, 400)}
    _testing.write_peft_adapter(tmp_path / "a", factors(modules, {"q": 1}), modules)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        for folder in ("a", "b"):
            with pytest.raises(OSError, match="File too large"):
                _testing.write_peft_adapter(tmp_path / folder, factors(modules, {"q": 90}), modules)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert not (tmp_path / "b").exists()


def test_what_the_writer_refuses(tmp_path: Path) -> None:
    a, b = torch.ones(2, 6), torch.ones(4, 2)
    bad: list[tuple[str, dict[str, Any], Modules]] = [
        ("at least one module", {}, LINEAR),
        ("one of the base's", {"nothing": (a, b, None)}, LINEAR),
        (r"A must be \[r, 6\]", {"model.layers.0.q": (a.T, b, None)}, LINEAR),
        ("at least 1", {"model.layers.0.q": (a[:0], b[:, :0], None)}, LINEAR),
        ("bias must be", {"model.layers.0.q": (a, b, torch.ones(5))}, LINEAR),
        (
            "beside adapted embeddings",
            {
                "model.layers.0.q": (a, b, torch.ones(4)),
                "model.embed_tokens": (torch.ones(2, 9), b, None),
            },
            EMBEDDING,
        ),
    ]
    for words, made, modules in bad:
        with pytest.raises(ValueError, match=words):
            _testing.write_peft_adapter(tmp_path / "x", made, modules)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot create the folder"):
        _testing.write_peft_adapter(
            tmp_path / "file" / "x", {"model.layers.0.q": (a, b, None)}, LINEAR
        )
