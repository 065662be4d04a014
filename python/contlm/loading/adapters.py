"""The anchors that from_pretrained is given, read into an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from contlm._native import AdapterError, Engine
from contlm.loading import hf_objects
from contlm.loading.hub import resolve_directory
from contlm.loading.spec import Anchor
from contlm.loading.target_patterns import match_names
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
    warnings += [
        f"{name}: the same adapter stands at both ends, so alpha changes nothing"
        for name, (low, high) in attributes.items()
        if _same(low, high)
    ]
    return warnings


def _same(low: Anchor, high: Anchor) -> bool:
    """Whether two anchors are one: the same object, name, or files."""
    if isinstance(low, str | os.PathLike) and isinstance(high, str | os.PathLike):
        return os.path.realpath(low) == os.path.realpath(high)
    return low is high or (isinstance(low, tuple) and low == high)


def _add_anchor(engine: Engine, name: str, anchor: Anchor, model: Any) -> list[str]:
    if (held := held_adapter(name, anchor, model)) is not None:
        carrier, adapter = held
        config, tensors = hf_objects.adapter(carrier, adapter)
        where = f"adapter {adapter!r} of {hf_objects.where_of(carrier)}"
        return engine.add_adapter_tensors(name, config, tensors, where, match_names)
    if hf_objects.is_transformers_model(anchor):
        raise AdapterError(_full_checkpoint(name, "a transformers model"))
    if not isinstance(anchor, str | os.PathLike):
        raise TypeError(
            f"{name}: must be an adapter's directory or hub id, the name of an adapter in the "
            "model, a peft.PeftModel, or (peft.PeftModel, the name of one of its adapters), got "
            f"{type(anchor).__name__}"
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
    return engine.add_adapter(name, directory, match_names)


def held_adapter(name: str, anchor: Anchor, model: Any) -> tuple[Any, str] | None:
    """The object in memory that carries an anchor, and the adapter's name there; None for an
    anchor that is a folder or hub id (or nothing that an anchor can be).

    AdapterError where a PeftModel leaves open which adapter is meant, or has none of that name.
    """
    if hf_objects.is_peft_model(anchor):
        return anchor, hf_objects.only_adapter(anchor, name)
    if isinstance(anchor, tuple) and len(anchor) == 2 and hf_objects.is_peft_model(anchor[0]):
        carrier, adapter = anchor
        known = hf_objects.adapter_names(carrier)
        if adapter not in known:
            raise AdapterError(
                f"{name}: the PeftModel must carry the adapter {adapter!r}, it has "
                f"{', '.join(known)}"
            )
        return carrier, adapter
    if isinstance(anchor, str) and anchor in hf_objects.adapter_names(model):
        return model, anchor
    return None


def _full_checkpoint(name: str, what: str) -> str:
    return (
        f"{name}: must be a PEFT LoRA adapter, got {what}, a full model: full checkpoints as "
        "anchors are not in this version; extract a LoRA adapter from the difference"
    )
