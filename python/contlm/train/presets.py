"""How a run is trained: the paper's settings, and settings for two processor cores."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Settings of one run; `dataclasses.replace` makes others.

    target_modules: names of modules, "all-linear" (every linear layer but the head), or None for
    PEFT's own choice for the family. epochs counts passes over the texts where `steps` is None.
    max_length is in tokens, the end of text included. quantized: a 4-bit base where a CUDA device
    and bitsandbytes are there.
    """

    name: str
    r: int
    lora_alpha: int
    lora_dropout: float
    target_modules: tuple[str, ...] | str | None
    learning_rate: float
    batch_size: int
    max_length: int = 128
    epochs: int = 1
    steps: int | None = None
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    quantized: bool = False

    def factor(self, step: int, steps: int) -> float:
        """The learning rate's share of its peak at a step: one cycle, up in a line over the first
        `warmup` of the steps, then down along a cosine to zero."""
        rise = max(1, round(steps * self.warmup))
        if step < rise:
            return (step + 1) / rise
        return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / (steps - rise))


# Tables 2 and 3 of the paper, which name neither modules nor a schedule; its sentiment anchors saw
# 20 epochs (recipes), the others one.
PAPER = Preset(
    name="paper",
    r=32,
    lora_alpha=16,
    lora_dropout=0.1,
    target_modules=None,
    learning_rate=5e-5,
    batch_size=64,
    quantized=True,
)

CPU = Preset(
    name="cpu",
    r=16,
    lora_alpha=32,
    lora_dropout=0.0,
    target_modules="all-linear",
    learning_rate=3e-4,
    batch_size=32,
    steps=120,
)

PRESETS = {preset.name: preset for preset in (CPU, PAPER)}


def preset_of(preset: str | Preset) -> Preset:
    """A preset by name, or as it is."""
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        names = " or ".join(repr(name) for name in PRESETS)
        raise ValueError(f"preset: must be {names} or a train.Preset, got {preset!r}")
    return PRESETS[preset]
