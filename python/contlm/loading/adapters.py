"""The anchors that from_pretrained is given, read into an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from contlm._native import AdapterError, Engine
from contlm.loading import hf_objects
from contlm.loading.hub import resolve_directory
from contlm.loading.spec import Anchor
from contlm.points.coefficients import anchor_names


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


def add_adapters(
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
    if hf_objects.is_peft_model(anchor):
        return _add_from_memory(engine, name, anchor, hf_objects.only_adapter(anchor, name))
    if hf_objects.is_transformers_model(anchor):
        raise AdapterError(_full_checkpoint(name, "a transformers model"))
    if isinstance(anchor, str) and anchor in hf_objects.adapter_names(model):
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
        carried = hf_objects.adapter_names(model)
        if not carried:
            raise
        raise FileNotFoundError(f"{error}; adapters in the model: {', '.join(carried)}") from error
    if not any(directory.glob("adapter_*")) and (directory / "config.json").is_file():
        raise AdapterError(_full_checkpoint(name, str(directory)))
    return engine.add_adapter(name, directory)


def _add_from_memory(engine: Engine, name: str, model: Any, adapter: str) -> list[str]:
    config, tensors = hf_objects.adapter(model, adapter)
    where = f"adapter {adapter!r} of {hf_objects.where_of(model)}"
    return engine.add_adapter_tensors(name, config, tensors, where)


def _full_checkpoint(name: str, what: str) -> str:
    return (
        f"{name}: must be a PEFT LoRA adapter, got {what}, a full model: full checkpoints as "
        f"anchors are not in this "
        "version; extract a LoRA adapter from the difference"
    )
