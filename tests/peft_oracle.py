"""The oracle: PEFT with every anchor active and each layer's scaling multiplied by the anchor's
coefficient."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM


class PeftOracle:
    """What PEFT and transformers compute at a coefficient row. One row at a time, never padded."""

    def __init__(
        self, base: Path, anchors: Mapping[str, Path], dtype: torch.dtype = torch.float32
    ) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype).eval()
        self._greedy: dict[tuple[tuple[int, ...], bytes, int], tuple[list[int], float]] = {}
        self.names = [name.replace(".", "_") for name in anchors]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, directory in zip(self.names, anchors.values(), strict=True):
                if isinstance(self.model, PeftModel):
                    self.model.load_adapter(str(directory), adapter_name=name)
                else:
                    self.model = PeftModel.from_pretrained(
                        self.model, str(directory), adapter_name=name
                    )
        if not self.names:
            return
        self.model.eval()
        self.model.base_model.set_adapter(self.names)
        self.layers = [m for m in self.model.modules() if isinstance(m, LoraLayer)]
        self.own_scaling = [dict(layer.scaling) for layer in self.layers]

    def stand_at(self, coefficients: Sequence[float] | np.ndarray) -> None:
        for layer, own in zip(self.layers, self.own_scaling, strict=True):
            for name, coefficient in zip(self.names, coefficients, strict=True):
                if name in own:
                    # not set_scale: it forgets rsLoRA's square root in several releases
                    layer.scaling[name] = float(coefficient) * own[name]

    @torch.no_grad()
    def logits(self, ids: Sequence[int], coefficients: Any = None) -> torch.Tensor:
        """[T, V] float32 of one sequence."""
        if coefficients is not None:
            self.stand_at(coefficients)
        out = self.model(input_ids=torch.tensor([list(ids)]), use_cache=False)
        return out.logits[0].float()

    @torch.no_grad()
    def greedy(
        self, prompt: Sequence[int], coefficients: np.ndarray, steps: int
    ) -> tuple[list[int], float]:
        """New tokens of a greedy continuation with a KV cache, and the smallest lead of a winner.

        coefficients: [K], or [steps, K]: row t is what the forward that makes token t runs with.
        """
        key = (tuple(prompt), np.asarray(coefficients).tobytes(), steps)
        if key not in self._greedy:
            self._greedy[key] = self._run_greedy(prompt, coefficients, steps)
        return self._greedy[key]

    def _run_greedy(
        self, prompt: Sequence[int], coefficients: np.ndarray, steps: int
    ) -> tuple[list[int], float]:
        schedule = np.broadcast_to(coefficients, (steps, np.shape(coefficients)[-1]))
        fed, cache, tokens, lead = list(prompt), None, [], float("inf")
        for row in schedule:
            self.stand_at(row)
            out = self.model(input_ids=torch.tensor([fed]), past_key_values=cache, use_cache=True)
            best = out.logits[0, -1].float().topk(2)
            lead = min(lead, float(best.values[0] - best.values[1]))
            cache = out.past_key_values
            fed = [int(best.indices[0])]
            tokens += fed
        return tokens, lead
