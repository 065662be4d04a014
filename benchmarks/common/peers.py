"""The peers: PEFT and transformers at what they do best here, and Python."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import torch

from .models import coefficients, pairs


class Peft:
    """PEFT: AutoModelForCausalLM.from_pretrained, PeftModel.from_pretrained and load_adapter for
    each of ten adapters; model.generate with a KV cache and one batch of prompts of one length."""

    def __init__(self, directory: Path, dtype: torch.dtype, device: str = "cpu") -> None:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base: Any = AutoModelForCausalLM.from_pretrained(directory / "base", dtype=dtype)
        base.to(device)
        self.device = device
        self.names = [path.name for ends in pairs(directory).values() for path in ends]
        first, *others = self.names
        model: Any = PeftModel.from_pretrained(base, directory / first, adapter_name=first)
        for name in others:
            model.load_adapter(directory / name, adapter_name=name)
        self.model = model.eval()
        self.model.base_model.set_adapter(self.names)
        self.layers = [m for m in model.modules() if hasattr(m, "lora_A") and len(m.lora_A)]

    def retarget(self, point: contlm.Point) -> Peft:
        """All ten adapters active, each layer's set_scale with the point's coefficients."""
        scales = coefficients(point)
        for layer in self.layers:
            for name in self.names:
                layer.set_scale(name, scales.get(name, 0.0))
        return self

    def combine(self, point: contlm.Point) -> Peft:
        """add_weighted_adapter(combination_type="cat"), of the adapters whose coefficient is not
        0."""
        scales = coefficients(point)
        self.model.add_weighted_adapter(
            list(scales), list(scales.values()), "point", combination_type="cat"
        )
        self.model.set_adapter("point")
        return self

    def merge(self) -> Peft:
        """merge_and_unload of that `cat` adapter: what is left is a plain transformers model."""
        self.model = self.model.merge_and_unload()
        return self

    @torch.inference_mode()
    def generate(self, ids: torch.Tensor, new_tokens: int, **sampling: Any) -> torch.Tensor:
        """New tokens [rows x samples, new_tokens], drawn at temperature 1 unless told otherwise."""
        if sampling.get("do_sample", True):
            sampling |= {"do_sample": True, "top_k": 0}
        found = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            pad_token_id=0,
            **sampling,
        )
        return found[:, ids.size(1) :]

    @torch.inference_mode()
    def logits(self, ids: list[list[int]]) -> torch.Tensor:
        tokens = torch.tensor(ids, device=self.device)
        return self.model(input_ids=tokens).logits.float().cpu()


@torch.inference_mode()
def perplexity(model: Any, ids: list[int], window: int, stride: int) -> float:
    """The loop of transformers' guide to the perplexity of fixed-length models, a window at a
    time."""
    losses, seen = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        tokens = torch.tensor([ids[begin:end]])
        labels = tokens.clone()
        labels[:, : -(end - seen)] = -100
        losses.append(model(input_ids=tokens, labels=labels).loss.item())
        seen = end
        if end == len(ids):
            break
    return math.exp(sum(losses) / len(losses))


@torch.inference_mode()
def scores(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    """RobertaForSequenceClassification over padded batches of 32 texts of like lengths."""
    found = np.zeros(len(texts))
    for batch in np.array_split(np.argsort([len(t) for t in texts]), -(-len(texts) // 32)):
        inputs = tokenizer(
            [texts[i] for i in batch],
            padding=True,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        found[batch] = torch.sigmoid(model(**inputs).logits[:, 1].float()).numpy()
    return found


def dist_n(texts: list[str], n: int, samples: int) -> float:
    """dist-n with Python's sets, of prompts that have `samples` texts each."""
    ratios = []
    for first in range(0, len(texts), samples):
        grams: set[tuple[str, ...]] = set()
        words = 0
        for text in texts[first : first + samples]:
            split = text.split(" ")
            words += len(split)
            grams.update(tuple(split[i : i + n]) for i in range(len(split) - n + 1))
        ratios.append(len(grams) / words)
    return sum(ratios) / len(ratios)


def description(*code: Any) -> str:
    """What a peer runs, in the words of its code."""
    return " ".join(" ".join((inspect.getdoc(c) or "").split()) for c in code)
