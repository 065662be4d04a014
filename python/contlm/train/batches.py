"""Rows of tokens, which of them a step sees, and how they stand in one padded tensor."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Row:
    """One text's tokens [T], and its class where a classifier is trained."""

    ids: tuple[int, ...]
    label: int = 0


@dataclass(frozen=True)
class Batch:
    """Rows of like length, padded on the right.

    input_ids [B,T], attention_mask [B,T], labels [B]; `predicts` [B,T] is true where the next
    token is one of the row's own.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor

    @property
    def predicts(self) -> Tensor:
        return torch.nn.functional.pad(self.attention_mask[:, 1:], (0, 1)).bool()

    @property
    def targets(self) -> Tensor:
        """The tokens to predict, [N], in the order of `predicts`."""
        return self.input_ids[:, 1:][self.attention_mask[:, 1:].bool()]

    def to(self, device: torch.device) -> Batch:
        return Batch(
            self.input_ids.to(device), self.attention_mask.to(device), self.labels.to(device)
        )


def language_rows(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Row]:
    """Each text and the end of text after it, so that stopping is learnt; what is longer than
    `max_length` is cut, and there is no end to learn."""
    end = tokenizer.eos_token_id
    rows = []
    for ids in _token_ids(tokenizer, texts):
        whole = ids if ids and ids[-1] == end else [*ids, end]
        if len(whole) > 1:
            rows.append(Row(tuple(whole[:max_length])))
    return rows


def labelled_rows(
    tokenizer: Any, texts: Sequence[str], labels: Sequence[int], max_length: int
) -> list[Row]:
    """Each text as the tokenizer gives it, since the classifier reads it at the last token."""
    return [
        Row(tuple(ids[:max_length]), label)
        for ids, label in zip(_token_ids(tokenizer, texts), labels, strict=True)
    ]


def collate(rows: Sequence[Row], pad: int) -> Batch:
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
    return Batch(ids, mask, torch.tensor([row.label for row in rows]))


class Order:
    """Which rows a step sees: a function of the seed and the step alone.

    Every epoch is another grouping of all rows into batches of like length, in random order.
    """

    def __init__(self, rows: Sequence[Row], batch_size: int, seed: int) -> None:
        self._rows = rows
        self._size = batch_size
        self._seed = seed
        self.batches_per_epoch = -(-len(rows) // batch_size)
        self._epoch = lru_cache(maxsize=1)(self._groups)

    def rows(self, step: int) -> list[Row]:
        epoch, index = divmod(step, self.batches_per_epoch)
        return [self._rows[i] for i in self._epoch(epoch)[index]]

    def _groups(self, epoch: int) -> list[list[int]]:
        draw = random.Random(f"{self._seed}/{epoch}")
        keys = [(len(row.ids), draw.random()) for row in self._rows]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        groups = [order[at : at + self._size] for at in range(0, len(order), self._size)]
        draw.shuffle(groups)
        return groups


def _token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return list(tokenizer(list(texts))["input_ids"]) if texts else []
