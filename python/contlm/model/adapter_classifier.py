"""A classifier that is an adapter: LoRA and a `score` head on a decoder that is loaded already."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from contlm._native import SequenceClassifiers
from contlm.loading.target_patterns import match_names
from contlm.loading.tokenizer import Tokenizer
from contlm.model.interpolated import InterpolatedModel


@dataclass(frozen=True)
class AdapterNetwork:
    """One classifier beside `lm`, which is not changed by it: they share the base's weights, and
    the classifier's factors stand in a bank of its own."""

    lm: InterpolatedModel
    native: SequenceClassifiers

    @property
    def num_labels(self) -> int:
        return self.native.num_labels[0]

    @property
    def context_length(self) -> int:
        return self.native.context_length

    def logits(self, input_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """[N, num_labels] float32."""
        return self.native.logits(input_ids)[0]


def is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file()


def open_adapter(folder: Path, lm: InterpolatedModel) -> AdapterNetwork:
    """Reads a PEFT adapter of task_type SEQ_CLS; what its reader warns of is a UserWarning."""
    native = SequenceClassifiers(lm.engine)
    for warning in native.add_adapter(folder, match_names):
        warnings.warn(warning, UserWarning, stacklevel=4)
    return AdapterNetwork(lm, native)


def tokenizer_of(lm: InterpolatedModel) -> Tokenizer:
    if lm.tokenizer is None:
        raise ValueError("base: must have a tokenizer to read texts with, it has none")
    return lm.tokenizer


def first_token(lm: InterpolatedModel) -> int | None:
    """What a text without tokens is read as: where the model's texts begin, or else end."""
    if lm.bos_token_id is not None:
        return lm.bos_token_id
    return next(iter(lm.eos_token_ids), None)


def scored_together(networks: Sequence[AdapterNetwork]) -> SequenceClassifiers:
    """Several classifiers on one base as one, whose logits take one pass."""
    native = SequenceClassifiers(networks[0].lm.engine)
    for network in networks:
        native.add(network.native)
    return native
