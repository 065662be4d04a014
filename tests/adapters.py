"""Tiny base models, adapters that PEFT itself saves for them, and adapters made by hand."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from contlm import AdapterError
from contlm._native import TensorSource, _testing
from contlm.loading.target_patterns import match_names
from transformers.pytorch_utils import Conv1D

Modules = dict[str, tuple[str, int, int]]


def tiny_llama(tied: bool = False, bias: bool = False) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=48,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
        attention_bias=bias,
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).eval()


def tiny_gpt2() -> Any:
    config = transformers.GPT2Config(vocab_size=48, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(config).eval()


def modules_of(model: Any) -> Modules:
    """What a base offers to adapt: name -> (kind, in, out)."""
    modules: Modules = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv1D):
            modules[name] = ("conv1d", module.weight.shape[0], module.weight.shape[1])
        elif isinstance(module, torch.nn.Linear):
            modules[name] = ("linear", module.in_features, module.out_features)
        elif isinstance(module, torch.nn.Embedding):
            modules[name] = ("embedding", module.num_embeddings, module.embedding_dim)
    return modules


def base_weights(model: Any) -> dict[str, torch.Tensor]:
    """Of the embeddings and the output head, which are what PEFT saves copies of."""
    heads = (torch.nn.Embedding, torch.nn.Linear)
    return {n: m.weight.detach().clone() for n, m in model.named_modules() if isinstance(m, heads)}


def with_random_factors(model: Any, seed: int = 0) -> Any:
    """PEFT starts B (and an embedding's A) at zero, which would hide most mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(noise.to(parameter.dtype))
    return model


def peft_model(base: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = peft.LoraConfig(**{"task_type": "CAUSAL_LM", **options})
        return with_random_factors(peft.get_peft_model(base, config)).eval()


def save(model: Any, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return folder


def edit_config(folder: Path, **fields: Any) -> None:
    """Fields of adapter_config.json set; `None` writes null."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def factors_in(model: Any, adapter: str = "default") -> dict[str, dict[str, Any]]:
    """Every adapted module's A, B, bias and scaling, from PEFT's own layers."""
    found = {}
    for name, layer in model.base_model.model.named_modules():
        if not isinstance(layer, peft.tuners.lora.LoraLayer):
            continue
        if adapter in layer.lora_embedding_A:
            a, b, bias = layer.lora_embedding_A[adapter], layer.lora_embedding_B[adapter], None
        else:
            a, b = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
            bias = layer.lora_B[adapter].bias
        found[name] = {
            "A": a.detach(),
            "B": b.detach(),
            "bias": None if bias is None else bias.detach(),
            "scaling": layer.scaling[adapter],
            "r": layer.r[adapter],
        }
    return found


def base_of(kind: str) -> Any:
    return {"llama": tiny_llama, "tied": lambda: tiny_llama(tied=True), "gpt2": tiny_gpt2}[kind]()


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


LINEAR: Modules = {"model.layers.0.q": ("linear", 6, 4), "model.layers.1.q": ("linear", 6, 4)}


EMBEDDING: Modules = {"model.embed_tokens": ("embedding", 9, 4), **LINEAR}


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
    return _testing.read_peft_adapter_tensors(
        json.dumps(fields),
        source,
        LINEAR if modules is None else modules,
        match_names,
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
