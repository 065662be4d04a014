"""Prompts, as text or token ids, brought to lists of token ids."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from contlm._common.checks import as_int
from contlm.loading.chat_template import Message, check_conversation, is_conversation
from contlm.loading.tokenizer import Tokenizer

Prompts: TypeAlias = (
    str
    | Sequence[str]
    | Sequence[Sequence[int]]
    | Sequence[Message]
    | Sequence[Sequence[Message]]
    | np.ndarray
    | torch.Tensor
)


def encode_prompts(
    prompts: Prompts, tokenizer: Tokenizer | None, bos_token_id: int | None, vocab_size: int
) -> list[list[int]]:
    """Token ids of every prompt. An empty prompt becomes the bos token, as transformers' generate
    has it.

    ValueError for no prompts, an id outside the vocabulary, text without a tokenizer, messages
    without a chat template, an empty prompt without a bos token; TypeError for anything but text,
    conversations (lists of messages) and lists of token ids.
    """
    single = isinstance(prompts, str) or is_conversation(prompts)
    items: list[Any] = [prompts] if single else _items(prompts)
    if not items:
        raise ValueError("prompts: must hold at least one prompt, got none")
    if all(isinstance(item, str) or is_conversation(item) for item in items):
        rows = _encode_texts(items, tokenizer)
    else:
        rows = [_ids(f"prompts[{i}]", item, vocab_size) for i, item in enumerate(items)]
    return [row or [_bos(f"prompts[{i}]", bos_token_id)] for i, row in enumerate(rows)]


def _encode_texts(items: list[Any], tokenizer: Tokenizer | None) -> list[list[int]]:
    """Texts as they are, conversations through the chat template."""
    for i, item in enumerate(items):
        if not isinstance(item, str):
            check_conversation(f"prompts[{i}]", item)
    if tokenizer is None:
        raise ValueError(
            "prompts: text needs a tokenizer and the model's folder has none; give tokenizer=, "
            "or token ids"
        )
    if all(isinstance(item, str) for item in items):
        return tokenizer.encode_batch(items)
    return [
        tokenizer.encode(item) if isinstance(item, str) else tokenizer.encode_chat(item)
        for item in items
    ]


def int_matrix(what: str, value: Any) -> torch.Tensor:
    """`value` as a contiguous int64 [B, T] tensor."""
    try:
        tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: must be a rectangle [B, T] of ints: {error}") from None
    if tensor.is_floating_point() or tensor.is_complex():
        raise TypeError(f"{what}: must hold ints, got {tensor.dtype}")
    if tensor.ndim != 2:
        raise ValueError(f"{what}: must be [B, T], got {list(tensor.shape)}")
    return tensor.to(torch.int64).contiguous()


def _items(prompts: Any) -> list[Any]:
    if isinstance(prompts, np.ndarray | torch.Tensor):
        prompts = prompts.tolist()
    if isinstance(prompts, dict) or not isinstance(prompts, Sequence):
        raise TypeError(
            "prompts: must be a str, a list of str, a list of token-id lists or conversations, got "
            f"{type(prompts).__name__}"
        )
    if prompts and all(isinstance(item, numbers.Integral) for item in prompts):
        raise TypeError(
            "prompts: must be a list of token-id lists, got one flat list of ints; wrap it: [ids]"
        )
    return list(prompts)


def _ids(what: str, prompt: Any, vocab_size: int) -> list[int]:
    if isinstance(prompt, np.ndarray | torch.Tensor):
        prompt = prompt.tolist()
    if isinstance(prompt, str):
        raise TypeError(f"{what}: is text among token-id lists; give all prompts the same way")
    if not isinstance(prompt, Sequence):
        raise TypeError(f"{what}: must be a list of token ids, got {type(prompt).__name__}")
    ids = [as_int(f"{what}[{i}]", item) for i, item in enumerate(prompt)]
    for i, token in enumerate(ids):
        if not 0 <= token < vocab_size:
            raise ValueError(f"{what}[{i}]: must be a token id in [0, {vocab_size}), got {token}")
    return ids


def _bos(what: str, bos_token_id: int | None) -> int:
    if bos_token_id is None:
        raise ValueError(
            f"{what}: is empty and the model has no bos token to start from; give at least one "
            f"token"
        )
    return bos_token_id
