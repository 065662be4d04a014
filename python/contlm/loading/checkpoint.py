"""Base models wherever they come from: config, weights, tokenizer and special tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contlm._common.json_text import read_object
from contlm._native import CheckpointError, TensorSource
from contlm.loading import hf_objects
from contlm.loading.gguf import is_gguf, read_gguf
from contlm.loading.hub import resolve_directory
from contlm.loading.tokenizer import Tokenizer


@dataclass(frozen=True)
class BaseCheckpoint:
    """A base model, wherever it came from."""

    config_text: str
    weights: TensorSource
    where: str  # for messages
    name: str  # what an exported adapter says its base is
    directory: Path | None  # None for a model in memory
    model: Any  # the object in memory, or None
    tokenizer: Tokenizer | None
    eos_token_ids: tuple[int, ...]
    bos_token_id: int | None
    file: Path | None = None  # of a GGUF model, whose `model` was read from it


def open_checkpoint(model: Any, tokenizer: Any = None) -> BaseCheckpoint:
    """Opens a directory, a hub id, a GGUF file, a transformers.PreTrainedModel or a
    peft.PeftModel."""
    if is_gguf(model):
        return _from_gguf(Path(model).expanduser(), tokenizer)
    if hf_objects.is_model_object(model):
        return _from_memory(model, tokenizer)
    if isinstance(model, str | os.PathLike):
        return _from_directory(resolve_directory(model, "model"), os.fspath(model), tokenizer)
    raise TypeError(
        "model: must be a directory, a hub id, a .gguf file, a transformers.PreTrainedModel or a "
        f"peft.PeftModel, got {type(model).__name__}"
    )


def _from_directory(directory: Path, name: str, tokenizer: Any) -> BaseCheckpoint:
    config_file = directory / "config.json"
    if not config_file.is_file():
        hint = ""
        if (directory / "adapter_config.json").is_file():
            hint = "; it is a PEFT adapter: give its base model here and the adapter in attributes="
        raise FileNotFoundError(f"model: no config.json in {directory}{hint}")
    config = read_object(config_file, CheckpointError)
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{config_file}: has a quantization_config, but the weights must be float32, bfloat16 "
            "or float16; give the checkpoint that was quantized"
        )
    return BaseCheckpoint(
        config_text=json.dumps(config),
        weights=TensorSource.open_checkpoint(directory),
        where=str(directory),
        name=name,
        directory=directory,
        model=None,
        tokenizer=Tokenizer.of(tokenizer) if tokenizer is not None else Tokenizer.find(directory),
        eos_token_ids=_eos_of(_generation_config(directory), config),
        bos_token_id=config.get("bos_token_id"),
    )


def _from_gguf(file: Path, tokenizer: Any) -> BaseCheckpoint:
    model, own = read_gguf(file)
    base = _from_memory(model, own if tokenizer is None else tokenizer)
    return replace(base, where=str(file), name=str(file), file=file)


def _from_memory(model: Any, tokenizer: Any) -> BaseCheckpoint:
    config_text = hf_objects.config_text(model)
    config = json.loads(config_text)
    name = getattr(hf_objects.base_model(model), "name_or_path", "") or ""
    return BaseCheckpoint(
        config_text=config_text,
        weights=hf_objects.weights(model),
        where=hf_objects.where_of(model),
        name=name,
        directory=None,
        model=model,
        tokenizer=Tokenizer.of(tokenizer) if tokenizer is not None else _tokenizer_of(name),
        eos_token_ids=_eos_of({"eos_token_id": hf_objects.own_eos(model)}, config),
        bos_token_id=config.get("bos_token_id"),
    )


def _tokenizer_of(name: str) -> Tokenizer | None:
    """The tokenizer in the folder that a model in memory was loaded from, where it still is."""
    return Tokenizer.find(Path(name)) if name and Path(name).is_dir() else None


def _generation_config(directory: Path) -> dict[str, Any]:
    file = directory / "generation_config.json"
    if not file.is_file():
        return {}
    return read_object(file, CheckpointError)


def _eos_of(generation: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[int, ...]:
    """The model's end-of-sequence ids, those of the generation config first; ids outside the
    vocabulary never occur."""
    eos = generation.get("eos_token_id")
    if eos is None:
        eos = config.get("eos_token_id")
    ids = [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
    size = config.get("vocab_size")
    return tuple(int(i) for i in ids if size is None or 0 <= i < size)
