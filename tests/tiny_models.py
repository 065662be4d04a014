"""Tiny models of every family with random weights, and PEFT adapters for them with random factors.

Weights are far larger than at a usual initialisation, so that attention, norms, biases and every
anchor move the logits by much more than the tolerance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model

VOCAB = 160
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
_SHAPE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": None,
}


def _llama(**options: Any) -> transformers.PretrainedConfig:
    return transformers.LlamaConfig(**{**_SHAPE, **options})


def _scaled(**rope: Any) -> transformers.PretrainedConfig:
    return _llama(rope_parameters={**_ROPE, **rope})


_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

FAMILIES: dict[str, Callable[[], transformers.PretrainedConfig]] = {
    "llama": lambda: _llama(tie_word_embeddings=False),
    "llama-tied": lambda: _llama(tie_word_embeddings=True),
    "llama-biased": lambda: _llama(attention_bias=True, mlp_bias=True, head_dim=16),
    "llama-rope-llama3": lambda: _scaled(**_LLAMA3),
    "llama-rope-linear": lambda: _scaled(rope_type="linear", factor=4.0),
    "llama-rope-dynamic": lambda: _scaled(rope_type="dynamic", factor=2.0),
    "mistral": lambda: transformers.MistralConfig(**_SHAPE, sliding_window=7),
    "qwen2": lambda: transformers.Qwen2Config(**_SHAPE, tie_word_embeddings=True),
    "qwen3": lambda: transformers.Qwen3Config(**_SHAPE, head_dim=16),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=VOCAB,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        bos_token_id=1,
        eos_token_id=None,
    ),
}


def is_gpt2(family: str) -> bool:
    return family.startswith("gpt2")


def randomize(module: torch.nn.Module, seed: int) -> None:
    """Every parameter anew: matrices of unit gain, norms around one, biases around zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                # a tied head multiplies by the embedding: at unit variance it would only repeat
                is_table = "wpe" in name or "wte" in name or "emb" in name
                value = noise * (0.4 if is_table else parameter.shape[-1] ** -0.5)
            elif name.endswith("bias"):
                value = 0.3 * noise
            else:
                value = 1.0 + 0.2 * noise
            parameter.copy_(value.to(parameter.dtype))


def make_model(
    config: transformers.PretrainedConfig, seed: int = 0, dtype: torch.dtype = torch.float32
) -> transformers.PreTrainedModel:
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    randomize(model, seed)
    return model.to(dtype)


def randomize_adapter(model: torch.nn.Module, seed: int, gain: float = 0.5) -> None:
    """A and B both random and far from zero, so that each moves its module by about `gain` of its
    weight."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" not in name:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            fan_in = parameter.shape[-1] if "lora_A" in name or "embedding" in name else 4
            parameter.copy_((noise * gain**0.5 * fan_in**-0.5).to(parameter.dtype))


def attach(model: torch.nn.Module, seed: int, name: str = "default", **lora: Any) -> Any:
    """A PeftModel of `model` with one random adapter."""
    peft_model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora), adapter_name=name)
    randomize_adapter(peft_model, seed)
    return peft_model.eval()


def make_adapter(
    base: Path, directory: Path, seed: int, dtype: torch.dtype = torch.float32, **lora: Any
) -> Path:
    """Saves a random adapter of the model in `base`."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    adapted = attach(model, seed, **lora)
    adapted.to(dtype).save_pretrained(directory)
    return directory


def sequence_model(base: Path, labels: int) -> Any:
    """transformers' classifier on the model in `base`, with a new head."""
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=labels, pad_token_id=0, dtype=torch.float32
    ).eval()


def make_judge(base: Path, directory: Path, seed: int, labels: int = 2, **lora: Any) -> Path:
    """Saves a random SEQ_CLS adapter of the model in `base`, with its head, as PEFT does."""
    config = LoraConfig(task_type="SEQ_CLS", **{"target_modules": "all-linear", **lora})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = get_peft_model(sequence_model(base, labels), config)
        randomize_adapter(adapted, seed)
        head = adapted.base_model.model.score.modules_to_save["default"].weight
        head.data.copy_(torch.randn(head.shape, generator=torch.Generator().manual_seed(seed)))
        adapted.save_pretrained(directory)
    return directory


def anchor_configs(family: str) -> dict[str, dict[str, Any]]:
    """Four anchors that differ in rank, scaling, rsLoRA, patterns, modules, embeddings and
    lora_bias."""
    if is_gpt2(family):
        attention, everything = ["c_attn"], ["c_attn", "c_proj", "c_fc"]
        embedding, last, first = "wte", "mlp.c_proj", r"h\.0\.attn\.c_attn"
    else:
        attention = ["q_proj", "v_proj"]
        everything = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        embedding, last, first = "embed_tokens", "down_proj", r"layers\.0\.self_attn\.q_proj"
    return {
        "tone.low": {"r": 4, "lora_alpha": 6, "target_modules": attention},
        "tone.high": {
            "r": 2,
            "lora_alpha": 3,
            "use_rslora": True,
            "lora_bias": True,
            "target_modules": everything,
        },
        "wit.low": {
            "r": 3,
            "lora_alpha": 4,
            "target_modules": "all-linear",
            "rank_pattern": {first: 6, last: 1},
            "alpha_pattern": {last: 2},
        },
        "wit.high": {"r": 5, "lora_alpha": 5, "target_modules": [embedding, "lm_head", last]},
    }
