"""What from_pretrained is given, opened: the base model's config, weights and tokenizer, and its
anchors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from contlm import memory
from contlm._native import AdapterError, CheckpointError, Engine, TensorSource
from contlm.hub import resolve_directory
from contlm.point import anchor_names
from contlm.target_patterns import match_names
from contlm.tokenization import Tokenizer

# A directory or hub id; the name of an adapter that the model carries; a peft.PeftModel
Anchor: TypeAlias = str | os.PathLike[str] | Any


@dataclass(frozen=True)
class ModelSource:
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


def open_model(model: Any, tokenizer: Any = None) -> ModelSource:
    """Opens a directory, a hub id, a transformers.PreTrainedModel or a peft.PeftModel."""
    if memory.is_model_object(model):
        return _from_memory(model, tokenizer)
    if isinstance(model, str | os.PathLike):
        return _from_directory(resolve_directory(model, "model"), os.fspath(model), tokenizer)
    raise TypeError(
        "model: must be a directory, a hub id, a transformers.PreTrainedModel or a peft.PeftModel, "
        "got "
        f"{type(model).__name__}"
    )


def check_attributes(attributes: Mapping[str, Any]) -> dict[str, tuple[Anchor, Anchor]]:
    """`attributes` as name -> (low, high); TypeError or ValueError where it is anything else."""
    if not isinstance(attributes, Mapping):
        raise TypeError(
            f"attributes: must be a dict name -> (low, high), got {type(attributes).__name__}"
        )
    checked: dict[str, tuple[Anchor, Anchor]] = {}
    for name, pair in attributes.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"attributes: every name must be a non-empty str, got {name!r}")
        if isinstance(pair, str) or not isinstance(pair, Sequence):
            raise TypeError(
                f"attributes[{name!r}]: must be a pair (low, high) of adapters, got "
                f"{type(pair).__name__}"
            )
        if len(pair) != 2:
            raise ValueError(
                f"attributes[{name!r}]: must be a pair (low, high), got {len(pair)} adapters"
            )
        checked[name] = (pair[0], pair[1])
    return checked


def add_anchors(
    engine: Engine, attributes: Mapping[str, tuple[Anchor, Anchor]], model: Any
) -> list[str]:
    """Adds every anchor to the engine in the order of a coefficient row; returns the reader's
    warnings."""
    warnings: list[str] = []
    anchors = [anchor for pair in attributes.values() for anchor in pair]
    for name, anchor in zip(anchor_names(tuple(attributes)), anchors, strict=True):
        warnings += _add_anchor(engine, name, anchor, model)
    return warnings


def _add_anchor(engine: Engine, name: str, anchor: Anchor, model: Any) -> list[str]:
    if memory.is_peft_model(anchor):
        return _add_from_memory(engine, name, anchor, memory.only_adapter(anchor, name))
    if memory.is_transformers_model(anchor):
        raise AdapterError(_full_checkpoint(name, "a transformers model"))
    if isinstance(anchor, str) and anchor in memory.adapter_names(model):
        return _add_from_memory(engine, name, model, anchor)
    if not isinstance(anchor, str | os.PathLike):
        raise TypeError(
            f"{name}: must be an adapter's directory or hub id, the name of an adapter in the "
            f"model, or a "
            f"peft.PeftModel, got {type(anchor).__name__}"
        )
    try:
        directory = resolve_directory(anchor, name)
    except FileNotFoundError as error:
        carried = memory.adapter_names(model)
        if not carried:
            raise
        raise FileNotFoundError(f"{error}; adapters in the model: {', '.join(carried)}") from error
    if not any(directory.glob("adapter_*")) and (directory / "config.json").is_file():
        raise AdapterError(_full_checkpoint(name, str(directory)))
    return engine.add_adapter(name, directory, match_names)


def _add_from_memory(engine: Engine, name: str, model: Any, adapter: str) -> list[str]:
    config, tensors = memory.adapter(model, adapter)
    where = f"adapter {adapter!r} of {memory.where_of(model)}"
    return engine.add_adapter_tensors(name, config, tensors, where, match_names)


def _full_checkpoint(name: str, what: str) -> str:
    return (
        f"{name}: must be a PEFT LoRA adapter, got {what}, a full model: full checkpoints as "
        f"anchors are not in this "
        "version; extract a LoRA adapter from the difference"
    )


def _from_directory(directory: Path, name: str, tokenizer: Any) -> ModelSource:
    config_file = directory / "config.json"
    if not config_file.is_file():
        hint = ""
        if (directory / "adapter_config.json").is_file():
            hint = "; it is a PEFT adapter: give its base model here and the adapter in attributes="
        raise FileNotFoundError(f"model: no config.json in {directory}{hint}")
    text = config_file.read_text(encoding="utf-8")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{config_file}: must be JSON: {error}") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{config_file}: must be a JSON object, got {type(config).__name__}")
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{config_file}: has a quantization_config, but the weights must be float32, bfloat16 "
            f"or float16; give the "
            "checkpoint that was quantized"
        )
    return ModelSource(
        config_text=text,
        weights=TensorSource.open_checkpoint(directory),
        where=str(directory),
        name=name,
        directory=directory,
        model=None,
        tokenizer=Tokenizer.of(tokenizer) if tokenizer is not None else Tokenizer.find(directory),
        eos_token_ids=_eos_of(_generation_config(directory), config),
        bos_token_id=config.get("bos_token_id"),
    )


def _from_memory(model: Any, tokenizer: Any) -> ModelSource:
    config_text = memory.config_text(model)
    config = json.loads(config_text)
    name = getattr(memory.base_model(model), "name_or_path", "") or ""
    return ModelSource(
        config_text=config_text,
        weights=memory.weights(model),
        where=memory.where_of(model),
        name=name,
        directory=None,
        model=model,
        tokenizer=Tokenizer.of(tokenizer) if tokenizer is not None else _tokenizer_of(name),
        eos_token_ids=_eos_of({"eos_token_id": memory.own_eos(model)}, config),
        bos_token_id=config.get("bos_token_id"),
    )


def _tokenizer_of(name: str) -> Tokenizer | None:
    """The tokenizer in the folder that a model in memory was loaded from, where it still is."""
    return Tokenizer.find(Path(name)) if name and Path(name).is_dir() else None


def _generation_config(directory: Path) -> dict[str, Any]:
    file = directory / "generation_config.json"
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{file}: must be JSON: {error}") from None
    return found if isinstance(found, dict) else {}


def _eos_of(generation: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[int, ...]:
    """The model's end-of-sequence ids, those of the generation config first; ids outside the
    vocabulary never occur."""
    eos = generation.get("eos_token_id")
    if eos is None:
        eos = config.get("eos_token_id")
    ids = [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
    size = config.get("vocab_size")
    return tuple(int(i) for i in ids if size is None or 0 <= i < size)
