"""csrc/io: PEFT adapters against PEFT itself, and every rejection of docs/peft-format.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from adapters import (
    BOTH,
    EMBEDDING,
    LINEAR,
    Modules,
    assert_same_factors,
    base_of,
    base_weights,
    edit_config,
    factors_in,
    lora,
    modules_of,
    peft_model,
    read,
    refused,
    save,
    tiny_gpt2,
    tiny_llama,
    warned,
)
from contlm import AdapterError
from contlm._native import Engine, TensorSource, _testing, read_peft_adapter
from contlm.loading.target_patterns import match_names
from fuzz import run_fuzz

# What PEFT saves is what is read

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "defaults": ("llama", {"target_modules": ["q_proj", "v_proj"]}),
    "list": ("llama", {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "mlp.down_proj"]}),
    "pattern": (
        "llama",
        {"target_modules": r".*layers\.(?:0|1)\.(self_attn|mlp)\.(?!down).*_proj"},
    ),
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
            "rank_pattern": {
                "q_proj": 3,
                r"^model\.layers\.1\.mlp\.\w+": 5,
                "layers.0.mlp.up_proj": 1,
            },
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
    "embedding by pattern": ("gpt2", {"target_modules": r"transformer\.(wte|wpe|h\.0.*c_attn)"}),
    "head": ("llama", {"target_modules": ["lm_head", "v_proj"], "r": 4}),
    "embedding and head": ("llama", {"target_modules": ["embed_tokens", "lm_head"]}),
    "tied embedding and head": ("tied", {"target_modules": ["embed_tokens", "lm_head"]}),
    "eva": ("llama", {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"}),
    "other fields": (
        "llama",
        {
            "target_modules": ["q_proj"],
            "lora_dropout": 0.3,
            "revision": "x",
            "inference_mode": True,
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reads_what_peft_saves(tmp_path: Path, case: str) -> None:
    kind, options = CASES[case]
    base = base_of(kind)
    modules, weights = modules_of(base), base_weights(base)
    model = peft_model(base, **options)
    save(model, tmp_path)
    adapter = read_peft_adapter(
        tmp_path, modules, match_names, output_head="lm_head", name="", weights=weights
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
    read = read_peft_adapter(tmp_path, modules, match_names, output_head="lm_head").modules()
    assert "lm_head" not in read and len(read) == 14
    with pytest.raises(AdapterError, match=r"missing.*lm_head"):
        read_peft_adapter(tmp_path, modules, match_names)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_factors(tmp_path: Path, dtype: torch.dtype) -> None:
    base = tiny_llama().to(dtype)
    modules, weights = modules_of(base), base_weights(base)
    model = peft_model(base, target_modules=["q_proj", "embed_tokens"]).to(dtype)
    save(model, tmp_path)
    adapter = read_peft_adapter(tmp_path, modules, match_names, weights=weights)
    assert_same_factors(adapter.modules(), factors_in(model))
    assert {m["A"].dtype for m in adapter.modules().values()} == {dtype}


def test_factors_are_views_of_the_file(tmp_path: Path) -> None:
    base = tiny_llama()
    modules = modules_of(base)
    save(peft_model(base, target_modules=["q_proj"]), tmp_path)
    adapter = read_peft_adapter(tmp_path, modules, match_names)
    first, second = adapter.modules(), adapter.modules()
    assert all(first[name]["A"].data_ptr() == second[name]["A"].data_ptr() for name in first)


def test_a_named_adapter_lies_in_its_subfolder(tmp_path: Path) -> None:
    base = tiny_llama()
    modules = modules_of(base)
    model = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"]), "formal")
    save(model, tmp_path)
    assert len(read_peft_adapter(tmp_path / "formal", modules, match_names).modules()) == 2
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json.*formal"):
        read_peft_adapter(tmp_path, modules, match_names)


# Adapters made by hand


def test_a_plain_adapter() -> None:
    adapter = read()
    assert adapter.warnings == []
    module = adapter.modules()["model.layers.1.q"]
    assert module["scaling"] == 2.0 and module["r"] == 2 and module["bias"] is None
    assert torch.equal(module["A"], BOTH["base_model.model.model.layers.1.q.lora_A.weight"])


def test_defaults_of_a_bare_config() -> None:
    source = TensorSource.from_tensors(lora(*LINEAR, r=8), "memory")
    adapter = _testing.read_peft_adapter_tensors(
        '{"peft_type": "LORA"}', source, LINEAR, match_names
    )
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
        "init_lora_weights",
        init,
        "path_initial_model_for_weight_conversion",
        init_lora_weights=init,
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
    assert (
        len(_testing.read_peft_adapter_tensors(config, source, LINEAR, match_names).modules()) == 2
    )


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"peft_type": "LORA"} x', "\xff", '"LORA"'])
def test_config_that_is_no_object(text: str) -> None:
    with pytest.raises(AdapterError, match=r"adapter: adapter_config\.json.*JSON object"):
        _testing.read_peft_adapter_tensors(
            text, TensorSource.from_tensors(BOTH, "m"), LINEAR, match_names
        )


def test_config_that_nests_deep() -> None:
    """In a field whose value a message would show, and closed, so that all of it is JSON."""
    for field in ("r", "target_modules", "new"):
        deep = "[" * 1_000_000 + "]" * 1_000_000
        text = f'{{"peft_type": "LORA", "{field}": {deep}}}'
        with pytest.raises(AdapterError, match=r"adapter: adapter_config\.json.*levels deep"):
            source = TensorSource.from_tensors(BOTH, "m")
            _testing.read_peft_adapter_tensors(text, source, LINEAR, match_names)


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


def first_line(**arguments: Any) -> str:
    return refused(**arguments).splitlines()[0]


def test_an_adapter_of_another_base_is_called_that_first() -> None:
    """Whether its names or its shapes show it; the tensors come after."""
    gpt2 = lora("transformer.h.0.attn.c_attn", "transformer.h.1.attn.c_attn")
    text = first_line(tensors=gpt2, base_model_name_or_path="gpt2", name="my/llama")
    assert text.startswith('my-adapter: trained for "gpt2", this base is "my/llama"; give the base')
    assert "trained for another base" in first_line(tensors=gpt2)
    assert "c_attn.lora_A" in refused(tensors=gpt2).splitlines()[1]
    wide = lora(*LINEAR, size=(8, 16))
    text = first_line(tensors=wide, base_model_name_or_path="wide/llama", name="my/llama")
    assert text.startswith('my-adapter: trained for "wide/llama", this base is "my/llama"; give')
    refused("model.layers.0.q: 6 -> 4 in the base, 8 -> 16 in the adapter", tensors=wide)


def test_a_fault_of_one_tensor_does_not_speak_of_another_base() -> None:
    mixed = {**BOTH, **lora("model.layers.1.q", size=(8, 16))}
    assert "trained for" not in refused("model.layers.1.q", tensors=mixed)
    odd = {**BOTH, **lora("model.layers.2.q")}
    assert "trained for" not in refused("unexpected", tensors=odd)


def test_the_engine_says_what_its_base_is(tmp_path: Path) -> None:
    save(peft_model(tiny_gpt2(), target_modules=["c_attn"]), tmp_path / "a")
    edit_config(tmp_path / "a", base_model_name_or_path="gpt2")
    llama = tiny_llama()
    weights = TensorSource.from_tensors(dict(llama.state_dict()), "memory")
    engine = Engine(llama.config.to_json_string(use_diff=False), weights)
    with pytest.raises(AdapterError, match='a: trained for "gpt2", this base is llama; give'):
        engine.add_adapter("a", tmp_path / "a", match_names)


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
        "unexpected",
        "missing",
        "lora_embedding_B",
        modules=embedding,
        tensors=lora("model.layers.0.q"),
    )


def test_bias_needs_lora_bias() -> None:
    bias = {f"base_model.model.{name}.lora_B.bias": torch.ones(4) for name in LINEAR}
    refused("unexpected", "lora_B.bias", tensors={**BOTH, **bias})
    refused("missing", "layers.0.q.lora_B.bias", lora_bias=True)
    modules = read({**BOTH, **bias}, lora_bias=True).modules()
    assert torch.equal(modules["model.layers.0.q"]["bias"], torch.ones(4))
    bias["base_model.model.model.layers.0.q.lora_B.bias"] = torch.ones(5)
    refused("lora_B.bias", "[4]", "[5]", tensors={**BOTH, **bias}, lora_bias=True)


STEM = "base_model.model.model.embed_tokens"


def embedding(vocab: int = 9) -> dict[str, torch.Tensor]:
    factors = {
        f"{STEM}.lora_embedding_A": torch.ones(2, vocab),
        f"{STEM}.lora_embedding_B": torch.ones(4, 2),
    }
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
    refused(
        "unexpected", "norm.weight", tensors={**BOTH, "base_model.model.norm.weight": torch.ones(4)}
    )


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
    tensors = {
        key.replace(".weight", ".one.weight"): t for key, t in lora("model.layers.0.q").items()
    }
    tensors |= {
        key.replace(".weight", ".two.weight"): t for key, t in lora("model.layers.1.q").items()
    }
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
    assert (
        adapter["model.layers.0.q"]["scaling"] == 1 and adapter["model.layers.1.q"]["scaling"] == 4
    )


def test_a_different_base() -> None:
    warned("base_model_name_or_path", "x/a", "x/b", base_model_name_or_path="x/a", name="x/b")
    for trained, given_name in [("x/a", "x/a"), ("x/a", "/home/a/"), ("", "x/a"), (None, "x")]:
        assert read(base_model_name_or_path=trained, name=given_name).warnings == []


# Files


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json.*save_pretrained"):
        read_peft_adapter(tmp_path, LINEAR, match_names)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(FileNotFoundError, match=r"adapter_model\.safetensors"):
        read_peft_adapter(tmp_path, LINEAR, match_names)
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(AdapterError, match=r"adapter_model\.bin.*weights_only=True"):
        read_peft_adapter(tmp_path, LINEAR, match_names)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors.*valid safetensors"):
        read_peft_adapter(tmp_path, LINEAR, match_names)


def test_kinds_of_modules() -> None:
    with pytest.raises(ValueError, match='linear, conv1d or embedding, got "conv2d"'):
        read(modules={"model.layers.0.q": ("conv2d", 6, 4)})


def test_a_thousand_mutated_adapters(tmp_path: Path) -> None:
    """In a process of its own, so that a crash would be seen as one."""
    base = tiny_llama()
    save(peft_model(base, target_modules=["q_proj"], rank_pattern={"0.*q_proj": 4}), tmp_path / "a")
    (tmp_path / "modules.json").write_text(json.dumps(modules_of(tiny_llama())))
    counts = run_fuzz("fuzz_adapters.py", tmp_path, 1200)
    assert sum(counts.values()) == 1200 and counts["refused"] > 600 and counts["read"] > 50, counts
