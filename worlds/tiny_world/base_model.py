"""The base model: a small Llama with grouped-query attention, trained on stories of every kind."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from tiny_world.corpora import STORY_SEPARATOR, base_corpus, source
from tiny_world.recipe import Recipe
from tiny_world.tokens import save_base_tokenizer, token_id, train_base_tokenizer
from tiny_world.training import Schedule, batches_by_length, collate, fit, pack

NAME = "contlm-zoo-base"
CONTEXT = 512


def encode_story(tokenizer: Tokenizer, text: str) -> list[int]:
    """``<bos> text <eos>``."""
    return [*tokenizer.encode(text).ids, token_id(tokenizer, "<eos>")]


def config(tokenizer: Tokenizer, recipe: Recipe) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size, num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads, num_key_value_heads=recipe.kv_heads,
        head_dim=recipe.hidden_size // recipe.heads, max_position_embeddings=CONTEXT,
        tie_word_embeddings=True, initializer_range=0.02,
        bos_token_id=token_id(tokenizer, "<bos>"), eos_token_id=token_id(tokenizer, "<eos>"),
        pad_token_id=token_id(tokenizer, "<pad>"),
    )


def train_base(directory: Path, recipe: Recipe, seed: int) -> None:
    """Train tokenizer and model and save both to ``directory`` in bfloat16."""
    texts = base_corpus(seed, recipe.base_stories)
    tokenizer = train_base_tokenizer(texts[:20_000], recipe.vocab_size)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config(tokenizer, recipe))
    fit(model, _batches(texts, tokenizer, recipe, seed), lambda batch: model(**batch).loss,
        Schedule(recipe.base_learning_rate, weight_decay=0.05), "base model")
    model.bfloat16()
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id, eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id, do_sample=True, max_new_tokens=32)
    model.save_pretrained(directory)
    save_base_tokenizer(tokenizer, directory, CONTEXT)


def _batches(texts: list[str], tokenizer: Tokenizer, recipe: Recipe, seed: int
             ) -> list[dict[str, Tensor]]:
    """Single stories, and among them whole windows of stories so that every position is trained."""
    rng = source(seed, "base order")
    pad = token_id(tokenizer, "<pad>")
    packed_count = round(len(texts) * recipe.packed_share)
    single = [encode_story(tokenizer, text) for text in texts[packed_count:]]
    window = recipe.batch_size * 8
    texts_in_windows = [
        tokenizer.encode(STORY_SEPARATOR.join(texts[at:at + window])).ids
        for at in range(0, packed_count, window)
    ]
    windows = [ids for text in texts_in_windows for ids in pack([text], CONTEXT)]
    rows = max(1, recipe.batch_size // 4)
    batches = batches_by_length(single, recipe.batch_size, rng, pad)
    batches += [collate(windows[at:at + rows], pad) for at in range(0, len(windows), rows)]
    rng.shuffle(batches)
    return batches
