"""Small RoBERTa classifiers, one per attribute; their score is the sigmoid of the class-1 logit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import RobertaConfig, RobertaForSequenceClassification

from tiny_world.corpora import (
    Snippet,
    base_corpus,
    classifier_corpus,
    labelled_bodies,
    source,
)
from tiny_world.recipe import Recipe
from tiny_world.tokens import save_classifier_tokenizer, train_classifier_tokenizer
from tiny_world.training import Schedule, fit

MAX_TOKENS = 256


def tokenizer_for(recipe: Recipe, seed: int) -> Tokenizer:
    """All classifiers share one vocabulary, learnt from stories of every kind."""
    texts = base_corpus(seed, min(recipe.base_stories, 20_000))
    return train_classifier_tokenizer(texts, recipe.classifier_vocab_size)


def train_classifier(directory: Path, attribute: str, tokenizer: Tokenizer, recipe: Recipe,
                     seed: int) -> None:
    """Binary cross-entropy on the class-1 logit, and on the class-0 logit with the complement.

    So each sigmoid is a probability by itself, and the softmax over both agrees with it. Stories on
    which the attribute is silent are trained towards one half.
    """
    torch.manual_seed(seed)
    model = RobertaForSequenceClassification(RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=recipe.classifier_hidden_size,
        num_hidden_layers=recipe.classifier_layers, num_attention_heads=4,
        intermediate_size=4 * recipe.classifier_hidden_size, max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1, layer_norm_eps=1e-5, bos_token_id=0, pad_token_id=1,
        eos_token_id=2, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
        id2label={0: f"low {attribute}", 1: f"high {attribute}"},
        label2id={f"low {attribute}": 0, f"high {attribute}": 1},
    ))
    snippets = classifier_corpus(seed, attribute, recipe.classifier_snippets)
    rng = source(seed, f"classifier order/{attribute}")
    batches = _batches(snippets, tokenizer, recipe.classifier_batch_size, rng)

    def loss_of(batch: dict[str, Tensor]) -> Tensor:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        high = batch["target"]
        both = torch.stack([1 - high, high], dim=1)
        return binary_cross_entropy_with_logits(logits.float(), both)

    fit(model, batches, loss_of, Schedule(recipe.classifier_learning_rate, 0.01, 0.1),
        f"{attribute} classifier")
    model.bfloat16()
    model.save_pretrained(directory)
    save_classifier_tokenizer(tokenizer, directory, MAX_TOKENS)


def _batches(snippets: Sequence[Snippet], tokenizer: Tokenizer, size: int, rng: random.Random
             ) -> list[dict[str, Tensor]]:
    rows = [(encoding.ids[:MAX_TOKENS], snippet.target) for encoding, snippet in
            zip(tokenizer.encode_batch([s.text for s in snippets]), snippets, strict=True)]
    # Like lengths share a batch within windows of fifty batches: little padding, a random mix.
    rng.shuffle(rows)
    window = 50 * size
    batches = []
    for at in range(0, len(rows), window):
        near = sorted(rows[at:at + window], key=lambda row: len(row[0]))
        groups = [near[start:start + size] for start in range(0, len(near), size)]
        rng.shuffle(groups)
        batches += [_collate(group) for group in groups]
    return batches


def _collate(rows: Sequence[tuple[list[int], float]]) -> dict[str, Tensor]:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.ones((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, (row, _) in enumerate(rows):
        ids[index, :len(row)] = torch.tensor(row)
        mask[index, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask,
            "target": torch.tensor([target for _, target in rows])}


class Scorer:
    """A saved classifier at work, in float32."""

    def __init__(self, directory: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.model = RobertaForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32).eval()

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The sigmoid of the class-1 logit of each text, [N]."""
        scores = []
        for at in range(0, len(texts), 64):
            rows = [(encoding.ids[:MAX_TOKENS], 0.0)
                    for encoding in self.tokenizer.encode_batch(list(texts[at:at + 64]))]
            batch = _collate(rows)
            logits = self.model(input_ids=batch["input_ids"],
                                attention_mask=batch["attention_mask"]).logits
            scores.append(torch.sigmoid(logits[:, 1]).numpy())
        return np.concatenate(scores)


def accuracy(directory: Path, attribute: str, recipe: Recipe, seed: int) -> dict[str, float]:
    """Share of held-out low and high texts on the right side of one half, by how much of them is
    seen."""
    scorer = Scorer(directory)
    result = {}
    for name, words in (("story", None), ("24 words", 24), ("12 words", 12)):
        texts = labelled_bodies(seed, attribute, recipe.accuracy_snippets, words)
        scores = scorer.score([s.text for s in texts])
        truth = np.array([s.target for s in texts])
        result[name] = round(float(np.mean((scores > 0.5) == (truth > 0.5))), 4)
    return result
