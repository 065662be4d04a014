"""csrc/io: PEFT adapters against PEFT itself, and every rejection of docs/peft-format.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import peft
import pytest
import safetensors.torch
import torch
from adapters import (
    Modules,
    base_weights,
    edit_config,
    factors_in,
    modules_of,
    peft_model,
    save,
    tiny_gpt2,
    tiny_llama,
)
from hypothesis import example, given, settings

from contlm import AdapterError
from contlm._native import (
    TensorSource,
    read_peft_adapter,
    read_peft_adapter_tensors,
    write_peft_adapter,
)

LINEAR: Modules = {"model.layers.0.q": ("linear", 6, 4), "model.layers.1.q": ("linear", 6, 4)}


def assert_same_factors(read: dict[str, dict[str, Any]], wanted: dict[str, dict[str, Any]]) -> None:
    assert sorted(read) == sorted(wanted)
    for name, theirs in wanted.items():
        ours = read[name]
        assert ours["r"] == theirs["r"]
        assert ours["scaling"] == pytest.approx(theirs["scaling"], rel=1e-15)
        for factor in ("A", "B"):
            assert ours[factor].dtype == theirs[factor].dtype
            assert torch.equal(ours[factor], theirs[factor]), (name, factor)
        assert (ours["bias"] is None) == (theirs["bias"] is None)
        if theirs["bias"] is not None:
            assert torch.equal(ours["bias"], theirs["bias"])


# What PEFT saves is what is read

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "defaults": ("llama", {"target_modules": ["q_proj", "v_proj"]}),
    "list": ("llama", {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "mlp.down_proj"]}),
    "pattern": ("llama", {"target_modules": r".*layers\.(?:0|1)\.(self_attn|mlp)\.(?!down).*_proj"}),
    "all-linear": ("llama", {"r": 3, "target_modules": "all-linear"}),
    "exclude list": (
        "llama",
        {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["layers.0.self_attn.q_proj"]},
    ),
    "exclude pattern": (
        "llama",
        {"target_modules": "all-linear", "exclude_modules": r".*\.1\..*|.*down_proj"},
    ),
    "rank and alpha patterns": (
        "llama",
        {
            "r": 2,
            "lora_alpha": 5,
            "target_modules": "all-linear",
            "rank_pattern": {"q_proj": 3, r"^model\.layers\.1\.mlp\.\w+": 5, "layers.0.mlp.up_proj": 1},
            "alpha_pattern": {"model.layers.0.self_attn.k_proj": 7, "(gate|up)_proj": 9},
        },
    ),
    "rslora": (
        "llama",
        {
            "r": 5,
            "use_rslora": True,
            "target_modules": ["o_proj"],
            "rank_pattern": {r"layers\.0\.self_attn\.o_proj": 3},
        },
    ),
    "layers_to_transform": (
        "llama",
        {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers"},
    ),
    "one layer": ("gpt2", {"target_modules": ["c_attn", "c_proj"], "layers_to_transform": 1}),
    "lora_bias": ("gpt2", {"target_modules": ["c_attn", "c_fc"], "lora_bias": True}),
    "conv1d": ("gpt2", {"target_modules": "all-linear", "fan_in_fan_out": True}),
    "embedding": ("llama", {"target_modules": ["embed_tokens", "q_proj"], "r": 4}),
    "embedding by pattern": ("gpt2", {"target_modules": r"transformer\.(wte|wpe|h\.0\.attn\.c_attn)"}),
    "head": ("llama", {"target_modules": ["lm_head", "v_proj"], "r": 4}),
    "embedding and head": ("llama", {"target_modules": ["embed_tokens", "lm_head"]}),
    "tied embedding and head": ("tied", {"target_modules": ["embed_tokens", "lm_head"]}),
    "eva": ("llama", {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"}),
    "other fields": (
        "llama",
        {"target_modules": ["q_proj"], "lora_dropout": 0.3, "revision": "x", "inference_mode": True},
    ),
}


def base_of(kind: str) -> Any:
    return {"llama": tiny_llama, "tied": lambda: tiny_llama(tied=True), "gpt2": tiny_gpt2}[kind]()


@pytest.mark.parametrize("case", CASES)
def test_reads_what_peft_saves(tmp_path: Path, case: str) -> None:
    kind, options = CASES[case]
    base = base_of(kind)
    modules, weights = modules_of(base), base_weights(base)
    model = peft_model(base, **options)
    save(model, tmp_path)
    adapter = read_peft_adapter(
        tmp_path, modules, output_head="lm_head", name="", weights=weights
    )
    wanted = factors_in(model)
    assert len(wanted) >= 1
    assert_same_factors(adapter.modules(), wanted)
    assert adapter.warnings == [] or "patterns" in case


def test_all_linear_stands_for_itself_in_a_config(tmp_path: Path) -> None:
    base = tiny_llama()
    modules = modules_of(base)
    model = peft_model(base, target_modules="all-linear")
    save(model, tmp_path)
    edit_config(tmp_path, target_modules="All-Linear")
    read = read_peft_adapter(tmp_path, modules, output_head="lm_head").modules()
    assert "lm_head" not in read and len(read) == 14
    with pytest.raises(AdapterError, match="missing.*lm_head"):
        read_peft_adapter(tmp_path, modules)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_factors(tmp_path: Path, dtype: torch.dtype) -> None:
    base = tiny_llama().to(dtype)
    modules, weights = modules_of(base), base_weights(base)
    model = peft_model(base, target_modules=["q_proj", "embed_tokens"]).to(dtype)
    save(model, tmp_path)
    adapter = read_peft_adapter(tmp_path, modules, weights=weights)
    assert_same_factors(adapter.modules(), factors_in(model))
    assert {m["A"].dtype for m in adapter.modules().values()} == {dtype}


def test_factors_are_views_of_the_file(tmp_path: Path) -> None:
    base = tiny_llama()
    modules = modules_of(base)
    save(peft_model(base, target_modules=["q_proj"]), tmp_path)
    adapter = read_peft_adapter(tmp_path, modules)
    first, second = adapter.modules(), adapter.modules()
    assert all(first[name]["A"].data_ptr() == second[name]["A"].data_ptr() for name in first)


def test_a_named_adapter_lies_in_its_subfolder(tmp_path: Path) -> None:
    base = tiny_llama()
    modules = modules_of(base)
    model = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"]), "formal")
    save(model, tmp_path)
    assert len(read_peft_adapter(tmp_path / "formal", modules).modules()) == 2
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json.*formal"):
        read_peft_adapter(tmp_path, modules)


# Adapters made by hand


def lora(
    *names: str, r: int = 2, size: tuple[int, int] = (6, 4), prefix: str = "base_model.model."
) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    tensors = {}
    for name in names:
        tensors[f"{prefix}{name}.lora_A.weight"] = torch.randn(r, size[0])
        tensors[f"{prefix}{name}.lora_B.weight"] = torch.randn(size[1], r)
    return tensors


BOTH = lora(*LINEAR)


def read(
    tensors: dict[str, torch.Tensor] | None = None,
    modules: Modules | None = None,
    *,
    name: str = "",
    output_head: str = "",
    weights: dict[str, torch.Tensor] | None = None,
    **config: Any,
) -> Any:
    fields = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q"], **config}
    source = TensorSource.from_tensors(BOTH if tensors is None else tensors, "memory")
    return read_peft_adapter_tensors(
        json.dumps(fields),
        source,
        LINEAR if modules is None else modules,
        output_head=output_head,
        name=name,
        where="my-adapter",
        weights=weights or {},
    )


def refused(*words: str, **arguments: Any) -> str:
    """The message, which names the adapter and each of `words`."""
    with pytest.raises(AdapterError) as caught:
        read(**arguments)
    text = str(caught.value)
    assert text.startswith("my-adapter"), text
    for word in words:
        assert word in text, text
    assert ";" in text, f"no remedy: {text}"
    return text


def warned(*words: str, **arguments: Any) -> None:
    found = read(**arguments).warnings
    assert len(found) == 1, found
    for word in ("my-adapter", *words):
        assert word in found[0], found


def test_a_plain_adapter() -> None:
    adapter = read()
    assert adapter.warnings == []
    module = adapter.modules()["model.layers.1.q"]
    assert module["scaling"] == 2.0 and module["r"] == 2 and module["bias"] is None
    assert torch.equal(module["A"], BOTH["base_model.model.model.layers.1.q.lora_A.weight"])


def test_defaults_of_a_bare_config() -> None:
    source = TensorSource.from_tensors(lora(*LINEAR, r=8), "memory")
    adapter = read_peft_adapter_tensors('{"peft_type": "LORA"}', source, LINEAR)
    assert [m["scaling"] for m in adapter.modules().values()] == [1.0, 1.0]


# Rejections: each names the field and what to do

REJECTED_FIELDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "peft_type": ({"peft_type": "IA3"}, ("IA3", "LORA", "train")),
    "no peft_type": ({"peft_type": None}, ('"peft_type"', "null")),
    "use_dora": ({"use_dora": True}, ("not linear", "use_dora=False")),
    "bias all": ({"bias": "all"}, ('"bias"', '"all"', 'bias="none"')),
    "bias lora_only": ({"bias": "lora_only"}, ('"bias"', "lora_only", 'bias="none"')),
    "modules_to_save": ({"modules_to_save": ["lm_head"]}, ("lm_head", "without modules_to_save")),
    "trainable_token_indices": ({"trainable_token_indices": [1]}, ("embedding with LoRA",)),
    "target_parameters": ({"target_parameters": ["w"]}, ("target_modules instead",)),
    "layer_replication": ({"layer_replication": [[0, 2]]}, ("stack of layers",)),
    "alora": ({"alora_invocation_tokens": [1]}, ("alora_invocation_tokens", "plain LoRA")),
    "qalora": ({"use_qalora": True}, ("use_qalora", "plain LoRA")),
    "bdlora": ({"use_bdlora": {"nblocks": 2}}, ("use_bdlora", "plain LoRA")),
    "arrow": ({"arrow_config": {"top_k": 3}}, ("arrow_config", "separate anchors")),
    "kasa": ({"kasa_config": {"beta": 1}}, ("kasa_config", "plain LoRA")),
    "monteclora": ({"monteclora_config": {"num_samples": 8}}, ("monteclora_config", "plain LoRA")),
    "megatron": ({"megatron_config": {"a": 1}}, ("megatron_config", "unsharded")),
    "megatron module": ({"megatron_module": "m"}, ("megatron_module", "unsharded")),
    "custom class": ({"parent_library": "mine"}, ("parent_library", "transformers")),
    "unknown": ({"use_flux": {"k": [1, 2]}}, ('"use_flux"', '{"k":[1,2]}', "remove it")),
    "unknown true": ({"new_thing": True}, ('"new_thing"', "true")),
    "unknown number": ({"new_number": 0.5}, ('"new_number"', "0.5")),
    "old fused LoRA": ({"enable_lora": [True, False]}, ('"enable_lora"',)),
    "unknown init": ({"init_lora_weights": "brand_new"}, ('"init_lora_weights"', "brand_new")),
    "init of no kind": ({"init_lora_weights": 3}, ('"init_lora_weights"',)),
    "r zero": ({"r": 0}, ('"r"', "at least 1", "got 0")),
    "r fraction": ({"r": 2.5}, ('"r"', "2.5")),
    "r text": ({"r": "2"}, ('"r"', '"2"')),
    "lora_alpha text": ({"lora_alpha": "x"}, ('"lora_alpha"',)),
    "use_rslora text": ({"use_rslora": "yes"}, ('"use_rslora"', "true or false")),
    "rank_pattern list": ({"rank_pattern": [1]}, ('"rank_pattern"', "object")),
    "rank_pattern value": ({"rank_pattern": {"q": -1}}, ("rank_pattern: q", "-1")),
    "alpha_pattern value": ({"alpha_pattern": {"q": None}}, ("alpha_pattern: q", "null")),
    "target_modules number": ({"target_modules": 3}, ('"target_modules"',)),
    "target_modules of numbers": ({"target_modules": [3]}, ('"target_modules"',)),
    "exclude_modules object": ({"exclude_modules": {"a": 1}}, ('"exclude_modules"',)),
    "layers_to_transform": ({"layers_to_transform": ["a"]}, ('"layers_to_transform"',)),
}


@pytest.mark.parametrize("case", REJECTED_FIELDS)
def test_rejected_fields(case: str) -> None:
    config, words = REJECTED_FIELDS[case]
    text = refused("adapter_config.json", next(iter(config)), *words, **config)
    assert "adapter_config.json" in text


@pytest.mark.parametrize(
    "init", ["pissa", "pissa_niter_16", "olora", "OLoRA", "corda", "loftq", "lora_ga"]
)
def test_initialisations_that_change_the_base(init: str) -> None:
    refused(
        "init_lora_weights", init, "path_initial_model_for_weight_conversion", init_lora_weights=init
    )


@pytest.mark.parametrize("init", [True, False, None, "gaussian", "eva", "orthogonal", "mica"])
def test_initialisations_that_do_not(init: Any) -> None:
    assert read(init_lora_weights=init).warnings == []


IGNORED = {
    "lora_dropout": 0.1,
    "inference_mode": True,
    "runtime_config": {"ephemeral_gpu_offload": True},
    "megatron_core": "megatron.core",
    "revision": "main",
    "auto_mapping": {"base_model_class": "X"},
    "task_type": "CAUSAL_LM",
    "peft_version": "0.21.2",
    "fan_in_fan_out": True,
    "qalora_group_size": 16,
    "velora_config": {"num_groups": 2},
    "loftq_config": {"loftq_bits": 4},
    "eva_config": {"rho": 2.0},
    "corda_config": {"verbose": True},
    "lora_ga_config": {"a": 1},
    "layers_to_transform": [0, 1],
    "layers_pattern": "layers",
    "future_null": None,
    "future_false": False,
    "future_empty": [],
    "future_object": {},
    "future_text": "",
    "use_dora": False,
    "modules_to_save": [],
    "ensure_weight_tying": True,
}


@pytest.mark.parametrize("field", IGNORED)
def test_fields_without_effect(field: str) -> None:
    adapter = read(**{field: IGNORED[field]})
    assert adapter.warnings == [] and adapter.modules()["model.layers.0.q"]["scaling"] == 2.0


def test_no_field_of_peft_is_unknown(tmp_path: Path) -> None:
    """A config with every field that PEFT writes at its default is one that is read."""
    fields = peft.LoraConfig(target_modules=["q"], r=2).to_dict()
    fields["peft_type"] = "LORA"
    fields["target_modules"] = ["q"]
    source = TensorSource.from_tensors(BOTH, "memory")
    config = json.dumps(fields, default=str)
    assert len(read_peft_adapter_tensors(config, source, LINEAR).modules()) == 2


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"peft_type": "LORA"} x', "\xff", '"LORA"'])
def test_config_that_is_no_object(text: str) -> None:
    with pytest.raises(AdapterError, match=r"adapter: adapter_config\.json.*JSON object"):
        read_peft_adapter_tensors(text, TensorSource.from_tensors(BOTH, "m"), LINEAR)


# Rejections: tensors


def test_dora_tensors_without_the_flag() -> None:
    key = "base_model.model.model.layers.0.q.lora_magnitude_vector"
    refused(key, "DoRA", "use_dora=False", tensors={**BOTH, key: torch.ones(4)})


def test_missing_and_unexpected_keys_are_listed() -> None:
    tensors = dict(BOTH)
    del tensors["base_model.model.model.layers.0.q.lora_B.weight"]
    tensors["base_model.model.model.norm.lora_A.weight"] = torch.ones(2, 6)
    text = refused("unexpected", "missing", "model.norm.lora_A", tensors=tensors)
    assert '"base_model.model.model.layers.0.q.lora_B.weight"' in text


def test_a_targeted_module_without_tensors() -> None:
    text = refused("missing", "layers.1.q.lora_A", tensors=lora("model.layers.0.q"))
    assert "layers.1.q.lora_B" in text and "base model" in text
    assert len(read(lora("model.layers.0.q"), target_modules=["layers.0.q"]).modules()) == 1
    only_first = read(lora("model.layers.0.q"), layers_to_transform=0)
    assert len(only_first.modules()) == 1


def test_tensors_of_a_module_that_is_not_targeted() -> None:
    refused("target_modules", "layers.1.q.lora_A", target_modules=["layers.0.q"])
    refused("target_modules", "layers.1.q.lora_A", exclude_modules=["layers.1.q"])


def test_long_lists_are_cut() -> None:
    names = [f"x.{i}.q" for i in range(40)]
    assert "and 72 more" in refused("unexpected", tensors={**BOTH, **lora(*names)})


@pytest.mark.parametrize("head", ["score", "classifier"])
def test_classification_heads(head: str) -> None:
    key = f"base_model.model.{head}.weight"
    refused("unexpected", key, "CAUSAL_LM", tensors={**BOTH, key: torch.ones(2, 4)})


def test_an_adapter_without_modules() -> None:
    refused("at least one adapted module", tensors={}, target_modules=[])


def test_ranks_must_agree_with_the_config() -> None:
    text = refused("rank", "must be 3", "[2, 6]", "[4, 2]", r=3)
    assert "layers.0.q.lora_A" in text and "layers.0.q.lora_B" in text
    refused("rank_pattern", "must be 5", rank_pattern={"layers.1.q": 5})
    tensors = dict(BOTH)
    tensors["base_model.model.model.layers.0.q.lora_B.weight"] = torch.ones(4, 3)
    refused("[2, 6]", "[4, 3]", tensors=tensors)


def test_shapes_must_agree_with_the_base() -> None:
    wider = {**LINEAR, "model.layers.0.q": ("linear", 7, 4)}
    text = refused("model.layers.0.q", "[2, 7]", "[4, 2]", "got [2, 6]", modules=wider)
    assert "trained on" in text
    flat = dict(BOTH)
    flat["base_model.model.model.layers.0.q.lora_A.weight"] = torch.ones(12)
    refused("2 dimensions", "[12]", tensors=flat)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int8, torch.float8_e4m3fn])
def test_factors_must_be_of_a_float_dtype(dtype: torch.dtype) -> None:
    key = "base_model.model.model.layers.0.q.lora_A.weight"
    refused(key, "float32", tensors={**BOTH, key: torch.ones(2, 6).to(dtype)})


def test_factors_of_the_wrong_kind() -> None:
    refused(
        "unexpected",
        "lora_embedding_A",
        tensors={"base_model.model.model.layers.0.q.lora_embedding_A": torch.ones(2, 6), **BOTH},
    )
    embedding: Modules = {"model.layers.0.q": ("embedding", 6, 4)}
    refused(
        "unexpected", "missing", "lora_embedding_B", modules=embedding, tensors=lora("model.layers.0.q")
    )


def test_bias_needs_lora_bias() -> None:
    bias = {f"base_model.model.{name}.lora_B.bias": torch.ones(4) for name in LINEAR}
    refused("unexpected", "lora_B.bias", tensors={**BOTH, **bias})
    refused("missing", "layers.0.q.lora_B.bias", lora_bias=True)
    modules = read({**BOTH, **bias}, lora_bias=True).modules()
    assert torch.equal(modules["model.layers.0.q"]["bias"], torch.ones(4))
    bias["base_model.model.model.layers.0.q.lora_B.bias"] = torch.ones(5)
    refused("lora_B.bias", "[4]", "[5]", tensors={**BOTH, **bias}, lora_bias=True)


EMBEDDING: Modules = {"model.embed_tokens": ("embedding", 9, 4), **LINEAR}
STEM = "base_model.model.model.embed_tokens"


def embedding(vocab: int = 9) -> dict[str, torch.Tensor]:
    factors = {f"{STEM}.lora_embedding_A": torch.ones(2, vocab), f"{STEM}.lora_embedding_B": torch.ones(4, 2)}
    return {**BOTH, **factors}


def test_vocabulary_must_be_the_bases() -> None:
    refused(
        "vocabulary",
        "[2, 9]",
        "[2, 11]",
        tensors=embedding(11),
        modules=EMBEDDING,
        target_modules=["q", "embed_tokens"],
    )


@pytest.mark.parametrize("ending", [".base_layer.weight", ".weight"])
def test_saved_copies_of_base_weights(ending: str) -> None:
    base = torch.arange(36.0).reshape(9, 4) / 7
    arguments: dict[str, Any] = {
        "modules": EMBEDDING,
        "target_modules": ["q", "embed_tokens"],
        "weights": {"model.embed_tokens": base},
    }
    for copy in (base, base.bfloat16(), base.double()):
        tensors = {**embedding(), STEM + ending: copy}
        assert read(tensors, **arguments).warnings == []
    tensors = {**embedding(), STEM + ending: base + 1}
    refused(STEM + ending, "equal the base's", "another base", tensors=tensors, **arguments)
    tensors = {**embedding(), STEM + ending: torch.ones(11, 4)}
    refused(STEM + ending, "[9, 4]", "[11, 4]", "resized", tensors=tensors, **arguments)
    arguments["weights"] = {}
    warned(STEM + ending, "could not be compared", tensors=tensors, **arguments)


def test_weight_of_no_module_of_the_base() -> None:
    refused("unexpected", "norm.weight", tensors={**BOTH, "base_model.model.norm.weight": torch.ones(4)})


def test_shared_factors_of_tied_embeddings() -> None:
    refused(
        "ensure_weight_tying",
        "model.embed_tokens",
        "ensure_weight_tying=False",
        tensors=embedding(),
        modules=EMBEDDING,
        target_modules=["q", "embed_tokens"],
        ensure_weight_tying=True,
    )


def test_two_adapters_in_one_file() -> None:
    tensors = {key.replace(".weight", ".one.weight"): t for key, t in lora("model.layers.0.q").items()}
    tensors |= {key.replace(".weight", ".two.weight"): t for key, t in lora("model.layers.1.q").items()}
    refused("one adapter", '"one"', '"two"', tensors=tensors)
    same = {**BOTH, **{key.replace(".weight", ".one.weight"): t for key, t in BOTH.items()}}
    refused("stand once", "lora_A.one.weight", tensors=same)


# Warnings


def test_keys_without_prefix() -> None:
    warned("prefix", "base_model.model.", tensors=lora(*LINEAR, prefix=""))


def test_keys_with_the_adapters_name() -> None:
    named = {key.replace(".weight", ".formal.weight"): tensor for key, tensor in BOTH.items()}
    warned("formal", "name", tensors=named)
    named = {key.replace("embedding_A", "embedding_A.x").replace("embedding_B", "embedding_B.x"): t
             for key, t in embedding().items() if "embed" in key}  # fmt: skip
    warned('"x"', tensors=named, modules=EMBEDDING, target_modules=["embed_tokens"])


def test_a_level_of_base_prefix_less() -> None:
    warned("one level", "model.", tensors=lora("layers.0.q", "layers.1.q"))
    read_with_pattern = read(lora("layers.0.q"), target_modules=r"layers\.0\.q")
    assert list(read_with_pattern.modules()) == ["model.layers.0.q"]


def test_a_level_of_base_prefix_more() -> None:
    names = [f"language.{name}" for name in LINEAR]
    warned("one level", "language.", tensors=lora(*names), rank_pattern={r"^language\..*": 2})


def test_prefixes_that_are_ambiguous() -> None:
    modules: Modules = {"a.q": ("linear", 6, 4), "b.q": ("linear", 6, 4)}
    refused("could stand for", "a.q", "b.q", modules=modules, tensors=lora("q"))


def test_two_names_for_one_module() -> None:
    names = ["layers.0.q", "model.layers.0.q", "layers.1.q"]
    refused("adapted once", '"layers.0.q"', '"model.layers.0.q"', tensors=lora(*names))


def test_several_patterns_that_match() -> None:
    patterns = {"q": 2, r"layers\.1\.q": 3}
    warned("rank_pattern", '"q"', r"layers\.1\.q", "model.layers.1.q", rank_pattern=patterns)
    alphas = {r"layers\.1\.q": 8, ".*": 2}
    adapter = read(alpha_pattern=alphas).modules()
    assert adapter["model.layers.0.q"]["scaling"] == 1 and adapter["model.layers.1.q"]["scaling"] == 4


def test_a_different_base() -> None:
    warned("base_model_name_or_path", "x/a", "x/b", base_model_name_or_path="x/a", name="x/b")
    for trained, given_name in [("x/a", "x/a"), ("x/a", "/home/a/"), ("", "x/a"), (None, "x")]:
        assert read(base_model_name_or_path=trained, name=given_name).warnings == []


# Patterns, against Python's re

PATTERNS = [
    r".*q", r"q", r"(?:model)?.*\.[01]\.q", r"model\.layers\.\d+\.q", r"[^.]+\.layers\.1\.q", "",
    r"^model.layers.(0|1).q$", r".*(?<!0)\.q", r"(?i)MODEL.*", r"(?P<n>model).*(?P=n)?", r"(.*)\1",
    r"(?=.*1).*q", r"(?!.*1).*q", r"(?!(?=.*1)).*", r"\Amodel.*\Z", r"\bmodel\b.*", r".*\Bq", "m*+odel.*",
    r"model\.layers\.[0-9]{1}\.q", r".{16}", r".{,15}q", r".{3,2}", r"a{", r"{1}", r"x*", r"(", r")", "*",
    r"[", r"[]a]", r"[a-", r"[z-a]", r"\q", r"\x6dodel.*", r"[\w.]+", r"[\s\S]*", r"a|b|model.layers.0.q",
    r"(|model.*)", r"((((m))))odel.*", r"model.layers.0.q|", r"(a*)*b", r"(.*)*q", r"(.?){30}q", "^*",
    r"model.*?\.q??", r"a**", r"(?>a)", r"(?#x)model.*", r"é", r".*[0-q]", r"[^\d]*\d[^\d]*", r"\.", "(^)*.*",
]  # fmt: skip
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
    "(" * 5000, "(" * 5000 + ")" * 5000, "(a?){4000}", "((a{1000}){1000}){1000}", "((){1000}){1000}", "a{99999999999}",
    "(((((a*)*)*)*)*)*b", "(.*.*.*.*.*.*)*x", "(?=" * 40 + ".*" + ")" * 40, "[a-z]{1000}" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_patterns_end(number: int) -> None:
    with pytest.raises(AdapterError, match="target_modules"):
        read(target_modules=HOSTILE[number])
    with pytest.raises(AdapterError):
        read(rank_pattern={HOSTILE[number]: 9, "(.*)*": 7})


def test_the_cost_of_patterns_is_bounded() -> None:
    patterns = {f"(x|y{number}){{300}}": 2 for number in range(1000)}
    refused("rank_pattern", "fewer", rank_pattern=patterns)


# Files


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json.*save_pretrained"):
        read_peft_adapter(tmp_path, LINEAR)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(FileNotFoundError, match=r"adapter_model\.safetensors"):
        read_peft_adapter(tmp_path, LINEAR)
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(AdapterError, match=r"adapter_model\.bin.*weights_only=True"):
        read_peft_adapter(tmp_path, LINEAR)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors.*valid safetensors"):
        read_peft_adapter(tmp_path, LINEAR)


def test_kinds_of_modules() -> None:
    with pytest.raises(ValueError, match='linear, conv1d or embedding, got "conv2d"'):
        read(modules={"model.layers.0.q": ("conv2d", 6, 4)})


def test_a_thousand_mutated_adapters(tmp_path: Path) -> None:
    """In a process of its own, so that a crash would be seen as one."""
    base = tiny_llama()
    save(peft_model(base, target_modules=["q_proj"], rank_pattern={"0.*q_proj": 4}), tmp_path / "a")
    (tmp_path / "modules.json").write_text(json.dumps(modules_of(tiny_llama())))
    worker = Path(__file__).with_name("fuzz_adapters.py")
    done = subprocess.run(
        [sys.executable, str(worker), str(tmp_path), "1200"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert sum(counts.values()) == 1200 and counts["refused"] > 600 and counts["read"] > 50, counts


# Writing


def factors(modules: Modules, ranks: dict[str, int], biases: tuple[str, ...] = ()) -> dict[str, Any]:
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
    write_peft_adapter(tmp_path / "new" / "folder", made, modules, "some/base")
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
    adapter = read_peft_adapter(tmp_path / "new" / "folder", modules, weights=weights)
    assert adapter.warnings == []
    assert_same_factors(adapter.modules(), loaded)


def test_names_that_end_alike(tmp_path: Path) -> None:
    """A short name must not drag in, nor give its rank to, a longer one that ends with it."""
    modules: Modules = {"head": ("linear", 6, 4), "x.head": ("linear", 6, 4), "y.head": ("linear", 6, 4)}
    write_peft_adapter(tmp_path, factors(modules, {"head": 2, "x.head": 3}), modules)
    read_back = read_peft_adapter(tmp_path, modules).modules()
    assert {name: module["r"] for name, module in read_back.items()} == {"head": 2, "x.head": 3}


def test_writing_over_an_adapter_fails_whole(tmp_path: Path) -> None:
    import resource

    modules: Modules = {"q": ("linear", 600, 400)}
    write_peft_adapter(tmp_path / "a", factors(modules, {"q": 1}), modules)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        for folder in ("a", "b"):
            with pytest.raises(OSError, match="File too large"):
                write_peft_adapter(tmp_path / folder, factors(modules, {"q": 90}), modules)
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
            write_peft_adapter(tmp_path / "x", made, modules)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot create the folder"):
        write_peft_adapter(tmp_path / "file" / "x", {"model.layers.0.q": (a, b, None)}, LINEAR)
