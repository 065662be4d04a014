"""SHA-256 fingerprints of models: of the files that are read, or of tensors in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from contlm import memory
from contlm._native import TensorSource
from contlm.hub import resolve_directory
from contlm.opening import ModelOpening
from contlm.point import anchor_names
from contlm.sources import ModelSource

BASE_FILES = ("config.json", "generation_config.json", "*.safetensors")
ADAPTER_FILES = ("adapter_config.json", "*.safetensors")
CLASSIFIER_FILES = ("config.json", "tokenizer.json", "*.safetensors")

_CHUNK_BYTES = 1 << 22


def model_fingerprint(source: ModelSource, opening: ModelOpening) -> dict[str, Any]:
    """{"base": {"from", "sha256"}, "tokenizer": sha256, "anchors": {name: {"from", "sha256"}}}."""
    if source.directory is not None:
        base = files_digest(source.directory, BASE_FILES)
    else:
        base = tensors_digest(source.weights, source.config_text)
    anchors = [anchor for pair in opening.attributes.values() for anchor in pair]
    names = anchor_names(tuple(opening.attributes))
    return {
        "base": {"from": source.name or source.where, "sha256": base},
        "tokenizer": None if source.tokenizer is None else source.tokenizer.digest(),
        "anchors": {
            name: _anchor_fingerprint(name, anchor, source.model)
            for name, anchor in zip(names, anchors, strict=True)
        },
    }


def files_digest(directory: Path, patterns: Iterable[str]) -> str:
    """Of the names and contents of the files in `directory` that match one of `patterns`."""
    whole = hashlib.sha256()
    for file in sorted({f for pattern in patterns for f in directory.glob(pattern)}):
        content = hashlib.sha256()
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                content.update(chunk)
        whole.update(f"{file.name} {content.hexdigest()}\n".encode())
    return whole.hexdigest()


def tensors_digest(tensors: TensorSource, config: str) -> str:
    """Of a config and of named tensors: names, types, shapes and contents."""
    whole = hashlib.sha256(config.encode())
    for name in sorted(tensors.names()):
        tensor = tensors.tensor(name).detach()
        whole.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        whole.update(tensor.reshape(-1).cpu().contiguous().view(torch.uint8).numpy().data)
    return whole.hexdigest()


def text_digest(text: Any) -> str:
    """Of a str, or of anything that JSON can hold."""
    plain = text if isinstance(text, str) else json.dumps(text)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _anchor_fingerprint(name: str, anchor: Any, model: Any) -> dict[str, str]:
    if memory.is_peft_model(anchor):
        return _memory_fingerprint(anchor, memory.only_adapter(anchor, name))
    if isinstance(anchor, str) and anchor in memory.adapter_names(model):
        return _memory_fingerprint(model, anchor)
    directory = resolve_directory(anchor, name)
    return {"from": str(anchor), "sha256": files_digest(directory, ADAPTER_FILES)}


def _memory_fingerprint(model: Any, adapter: str) -> dict[str, str]:
    config, tensors = memory.adapter(model, adapter)
    where = f"adapter {adapter!r} of {memory.where_of(model)}"
    return {"from": where, "sha256": tensors_digest(tensors, config)}
