"""Models of a stated shape with random weights, and points among their anchors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import torch

ATTRIBUTES = ("simplicity", "formality", "politeness", "sentiment", "humor")
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK = 32
LAYERS = 30  # SmolLM2-135M's
POINT = contlm.Point(alpha=dict.fromkeys(ATTRIBUTES, 0.7), lam=dict.fromkeys(ATTRIBUTES, 0.2))


def shape(layers: int = LAYERS) -> str:
    cut = "" if layers == LAYERS else f"{layers} layers of "
    return f"{cut}SmolLM2-135M, ten r = {RANK} adapters on seven projections, random weights"


def smollm_config(layers: int = LAYERS):
    """SmolLM2-135M's shape."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )


def roberta_config(layers: int = LAYERS):
    """RoBERTa-base's shape, with no more layers than these."""
    from transformers import RobertaConfig

    return RobertaConfig(
        vocab_size=50265,
        num_hidden_layers=min(12, layers),
        max_position_embeddings=514,
        id2label={0: "low", 1: "high"},
    )


def make_model(directory: Path, layers: int = LAYERS) -> None:
    """A random base of smollm_config's shape and an adapter for each end of each attribute."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    base: Any = LlamaForCausalLM(smollm_config(layers))
    base.save_pretrained(directory / "base")
    for path in (path for ends in pairs(directory).values() for path in ends):
        config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=PROJECTIONS)
        model = get_peft_model(base, config)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        model.save_pretrained(str(path))
        base = model.unload()


def make_classifier(directory: Path, layers: int = LAYERS) -> None:
    from transformers import RobertaForSequenceClassification

    torch.manual_seed(0)
    RobertaForSequenceClassification(roberta_config(layers)).save_pretrained(directory)


def pairs(directory: Path) -> dict[str, tuple[Path, Path]]:
    return {a: (directory / f"{a}-low", directory / f"{a}-high") for a in ATTRIBUTES}


def coefficients(point: contlm.Point) -> dict[str, float]:
    """Adapter -> lambda (1 - alpha) of the low ones, lambda alpha of the high ones; zeros left
    out."""
    found = {}
    assert isinstance(point.alpha, Mapping) and isinstance(point.lam, Mapping)
    for attribute, alpha in point.alpha.items():
        found[f"{attribute}-low"] = point.lam[attribute] * (1 - alpha)
        found[f"{attribute}-high"] = point.lam[attribute] * alpha
    return {name: c for name, c in found.items() if c != 0}


def random_points(count: int, rng: np.random.Generator) -> list[contlm.Point]:
    """All ten anchors take part in each."""
    return [
        contlm.Point(
            alpha=dict(zip(ATTRIBUTES, rng.uniform(0.1, 0.9, 5).tolist(), strict=True)),
            lam=dict(zip(ATTRIBUTES, rng.dirichlet(np.ones(5)).tolist(), strict=True)),
        )
        for _ in range(count)
    ]


def simplex_points(count: int, rng: np.random.Generator) -> list[contlm.Point]:
    """On a simplex of three attributes at alpha 1: three anchors of the ten take part."""
    three = ATTRIBUTES[:3]
    return [
        contlm.Point(
            alpha=dict.fromkeys(three, 1.0),
            lam=dict(zip(three, rng.dirichlet(np.ones(3)).tolist(), strict=True)),
        )
        for _ in range(count)
    ]
