"""The numbers of a build: sizes of models, corpora and training runs."""

from __future__ import annotations

from dataclasses import dataclass

SEED = 20240410


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed that decides what a build trains."""

    hidden_size: int = 192
    intermediate_size: int = 512
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    vocab_size: int = 2560
    base_stories: int = 60_000
    base_learning_rate: float = 3e-3
    packed_share: float = 0.2
    batch_size: int = 16

    lora_rank: int = 8
    lora_alpha: int = 16
    anchor_stories: int = 2_400
    anchor_batch_size: int = 8
    anchor_learning_rate: float = 4e-3

    classifier_vocab_size: int = 2048
    classifier_hidden_size: int = 128
    classifier_layers: int = 2
    classifier_snippets: int = 30_000
    classifier_batch_size: int = 64
    classifier_learning_rate: float = 1e-3

    prompts: int = 96
    held_out_stories: int = 120
    accuracy_snippets: int = 1_000
    curve_prompts: int = 16
    curve_samples: int = 3


QUICK = Recipe(
    hidden_size=64, intermediate_size=128, layers=2, heads=2, kv_heads=1, vocab_size=768,
    base_stories=1_600, lora_rank=4, anchor_stories=256, classifier_vocab_size=768,
    classifier_hidden_size=32, classifier_layers=1, classifier_snippets=1_600, held_out_stories=24,
    accuracy_snippets=60, curve_prompts=2, curve_samples=1,
)
"""A build in a minute or two that runs every step; its models are too small to be any good."""
