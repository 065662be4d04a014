"""SHA-256 fingerprints of models: of the files that are read, or of tensors in memory."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from contlm._native import TensorSource
from contlm.loading import hf_objects
from contlm.loading.adapters import held_adapter
from contlm.loading.checkpoint import BaseCheckpoint
from contlm.loading.hub import resolve_directory
from contlm.loading.spec import Anchor
from contlm.points.coefficients import anchor_names

BASE_FILES = ("config.json", "generation_config.json", "*.safetensors")
ADAPTER_FILES = ("adapter_config.json", "*.safetensors")
CLASSIFIER_FILES = ("config.json", "tokenizer.json", "*.safetensors")

_CHUNK_BYTES = 1 << 22


def model_fingerprint(
    base: BaseCheckpoint, attributes: Mapping[str, tuple[Anchor, Anchor]]
) -> dict[str, Any]:
    """{"base": {"from", "sha256"}, "tokenizer": sha256, "anchors": {name: {"from", "sha256"}}}."""
    if base.file is not None:
        digest = files_digest(base.file.parent, (glob.escape(base.file.name),))
    elif base.directory is not None:
        digest = files_digest(base.directory, BASE_FILES)
    else:
        digest = tensors_digest(base.weights, base.config_text)
    anchors = [anchor for pair in attributes.values() for anchor in pair]
    names = anchor_names(tuple(attributes))
    return {
        "base": {"from": base.name or base.where, "sha256": digest},
        "tokenizer": None if base.tokenizer is None else base.tokenizer.digest(),
        "anchors": {
            name: _anchor_fingerprint(name, anchor, base.model)
            for name, anchor in zip(names, anchors, strict=True)
        },
    }


def files_digest(directory: Path, patterns: Iterable[str]) -> str:
    """Of the names and contents of the files in `directory` that match one of `patterns`."""
    whole = hashlib.sha256()
    for file in sorted({f for pattern in patterns for f in directory.glob(pattern)}):
        whole.update(f"{file.name} {file_digest(file)}\n".encode())
    return whole.hexdigest()


def file_digest(file: Path) -> str:
    """Of a file's content alone."""
    content = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()


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


def _anchor_fingerprint(name: str, anchor: Anchor, model: Any) -> dict[str, str]:
    if (held := held_adapter(name, anchor, model)) is not None:
        carrier, adapter = held
        config, tensors = hf_objects.adapter(carrier, adapter)
        where = f"adapter {adapter!r} of {hf_objects.where_of(carrier)}"
        return {"from": where, "sha256": tensors_digest(tensors, config)}
    directory = resolve_directory(anchor, name)
    return {"from": str(anchor), "sha256": files_digest(directory, ADAPTER_FILES)}
