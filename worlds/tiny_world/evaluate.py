"""What the model card reports: perplexity of held-out text and how scores follow alpha, generated
with PEFT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from peft import LoraModel, PeftModel
from peft.tuners.lora import LoraLayer
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import LlamaForCausalLM

from tiny_world.classifiers import Scorer
from tiny_world.corpora import STORY_SEPARATOR
from tiny_world.tokens import token_id
from tiny_world.training import IGNORED, collate

ALPHAS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
NEW_TOKENS = 32


class Zoo:
    """The base model with every adapter loaded, each at a weight of its own."""

    def __init__(self, base: Path, adapters: Mapping[str, Path]) -> None:
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        first, *others = adapters.items()
        model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
        self.model = PeftModel.from_pretrained(model, first[1], adapter_name=first[0])
        for name, path in others:
            self.model.load_adapter(path, adapter_name=name)
        self.model.eval()

    def weigh(self, weights: Mapping[str, float]) -> None:
        """theta = base + sum of weight * scaling * B A; adapters without a weight are off."""
        cast(LoraModel, self.model.base_model).set_adapter(list(weights))
        for module in self.model.modules():
            if isinstance(module, LoraLayer):
                for name, weight in weights.items():
                    module.set_scale(name, weight)

    @torch.inference_mode()
    def generate(self, prompts: Sequence[str], samples: int, seed: int) -> list[str]:
        """Continuations of 32 tokens, sampled at temperature 1, prompt by prompt."""
        torch.manual_seed(seed)
        pad = token_id(self.tokenizer, "<pad>")
        rows = [list(reversed(e.ids)) for e in self.tokenizer.encode_batch(list(prompts))]
        batch = collate(rows, pad)
        # Reversed, padded on the right and reversed again: padded on the left.
        ids = self.model.generate(
            input_ids=batch["input_ids"].flip(1), attention_mask=batch["attention_mask"].flip(1),
            do_sample=True, top_k=0, max_new_tokens=NEW_TOKENS, num_return_sequences=samples)
        new = ids[:, batch["input_ids"].shape[1]:]
        return [self.tokenizer.decode(row).strip() for row in new.tolist()]

    @torch.inference_mode()
    def perplexity(self, text: str) -> float:
        """exp of the mean loss per token, every story by itself behind ``<bos>``."""
        stories = [part.strip() for part in text.split(STORY_SEPARATOR) if part.strip()]
        loss, count = 0.0, 0
        for at in range(0, len(stories), 32):
            rows = [e.ids for e in self.tokenizer.encode_batch(stories[at:at + 32])]
            batch = collate(rows, token_id(self.tokenizer, "<pad>"))
            tokens = int((batch["labels"][:, 1:] != IGNORED).sum())
            loss += float(self.model(**batch).loss) * tokens
            count += tokens
        return math.exp(loss / count)

    @torch.inference_mode()
    def window_perplexity(self, text: str) -> float:
        """The paper's protocol: the text in windows of 512 tokens, exp of the mean of their
        losses."""
        ids = self.tokenizer.encode(text).ids
        losses = []
        for at in range(0, len(ids), 512):
            window = torch.tensor([ids[at:at + 512]])
            if window.shape[1] > 1:
                losses.append(float(self.model(input_ids=window, labels=window).loss))
        return math.exp(sum(losses) / len(losses))


def alpha_curve(zoo: Zoo, scorer: Scorer, attribute: str, prompts: Sequence[str], samples: int,
                text: str, seed: int, alphas: Iterable[float] = ALPHAS) -> list[dict[str, float]]:
    """For each alpha: the mean and the spread of the scores, and the perplexity of held-out
    text."""
    curve = []
    for alpha in tqdm(tuple(alphas), desc=f"{attribute} curve", unit="point"):
        zoo.weigh({f"{attribute}-low": 1 - alpha, f"{attribute}-high": alpha})
        scores = scorer.score(zoo.generate(prompts, samples, seed))
        curve.append({
            "alpha": alpha, "score": round(float(np.mean(scores)), 3),
            "deviation": round(float(np.std(scores)), 3),
            "perplexity": round(zoo.perplexity(text), 2),
        })
    return curve
