"""The training loop that the base model, the anchors and the classifiers share."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

IGNORED = -100
"""The label that the language-model loss skips."""


@dataclass(frozen=True)
class Schedule:
    """Peak learning rate, linear warm-up as a share of the steps, then a cosine down to a tenth."""

    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.05

    def factor(self, step: int, steps: int) -> float:
        rise = max(1, round(steps * self.warmup))
        if step < rise:
            return (step + 1) / rise
        progress = (step - rise) / max(1, steps - rise)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))


def fit(model: nn.Module, batches: Sequence[dict[str, Tensor]],
        loss_of: Callable[[dict[str, Tensor]], Tensor], schedule: Schedule, label: str) -> float:
    """Train on every batch once, in order; returns the mean loss of the last tenth of the steps.

    The forward pass runs under bfloat16 autocast, the weights and the optimiser stay in float32.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=schedule.learning_rate, betas=(0.9, 0.98),
                                  weight_decay=schedule.weight_decay)
    steps = len(batches)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: schedule.factor(s, steps))
    losses: list[float] = []
    model.train()
    bar = tqdm(batches, desc=label, unit="step", mininterval=5.0)
    for batch in bar:
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(float(loss.detach()))
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    model.eval()
    tail = losses[-max(1, steps // 10):]
    return sum(tail) / len(tail)


def batches_by_length(rows: Sequence[Sequence[int]], batch_size: int, rng: random.Random,
                      pad: int) -> list[dict[str, Tensor]]:
    """Language-model batches of rows of like length, in random order, padded on the right."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rng.random()))
    groups = [order[at:at + batch_size] for at in range(0, len(order), batch_size)]
    rng.shuffle(groups)
    return [collate([rows[i] for i in group], pad) for group in groups]


def collate(rows: Sequence[Sequence[int]], pad: int) -> dict[str, Tensor]:
    """input_ids [B,T], attention_mask [B,T] and labels [B,T] for rows of token ids."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, :len(row)] = torch.tensor(row)
        mask[index, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, IGNORED)}


def pack(rows: Iterable[Sequence[int]], length: int) -> list[list[int]]:
    """Cut the concatenation of the rows into pieces of ``length``; an incomplete last piece is
    dropped."""
    stream = [token for row in rows for token in row]
    return [stream[at:at + length] for at in range(0, len(stream) - length + 1, length)]
