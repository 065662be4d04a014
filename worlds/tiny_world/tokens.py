"""Byte-level BPE tokenizers for the base model and for the classifiers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

BASE_SPECIALS = ("<bos>", "<eos>", "<pad>")
ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def _byte_level_bpe(texts: Sequence[str], vocab_size: int, specials: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[AddedToken(x, special=True) for x in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    ))
    return tokenizer


def train_base_tokenizer(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """``<bos>`` is put in front of every text; ``<eos>`` is for the trainer to add."""
    tokenizer = _byte_level_bpe(texts, vocab_size, BASE_SPECIALS)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<bos> $A", pair="<bos> $A <bos> $B",
                                      special_tokens=[("<bos>", token_id(tokenizer, "<bos>"))]),
    ])
    return tokenizer


def train_classifier_tokenizer(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """RoBERTa's layout: ``<s> text </s>``, ``<pad>`` at 1."""
    tokenizer = _byte_level_bpe(texts, vocab_size, ROBERTA_SPECIALS)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", token_id(tokenizer, "</s>")), ("<s>", token_id(tokenizer, "<s>")),
        trim_offsets=True, add_prefix_space=False)
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the vocabulary must have.

    Raises:
        KeyError: it does not.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        size = tokenizer.get_vocab_size()
        raise KeyError(f"vocabulary: must contain {token!r}, none of its {size} tokens is that")
    return found


def save_base_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int) -> None:
    _save(tokenizer, directory, {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": "<eos>",
        "pad_token": "<pad>", "padding_side": "left", "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
    })


def save_classifier_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int) -> None:
    _save(tokenizer, directory, {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
        "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
        "mask_token": "<mask>", "padding_side": "right", "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
    })


def _save(tokenizer: Tokenizer, directory: Path, config: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    named = {key: value for key, value in config.items() if key.endswith("_token")}
    (directory / "special_tokens_map.json").write_text(json.dumps(named, indent=2) + "\n")
