"""GGUF files as base models: read and dequantised by the `gguf` package, their tensors renamed by
transformers, so that a model is what transformers makes of the same file."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import torch

from contlm._native import CheckpointError

# general.architecture of the families that contlm runs; a Mistral's is "llama"
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gpt2")
# tokenizer.ggml.model: byte-level BPE, SentencePiece
TOKENIZERS = ("gpt2", "llama")

# from_pretrained changes global state while it loads: two threads would leave it changed
_LOADING = threading.Lock()

_INSTALL = "pip install 'contlm[gguf]'"


def is_gguf(model: object) -> bool:
    """Whether `model` names a GGUF file."""
    return isinstance(model, str | Path) and str(model).endswith(".gguf")


def read_gguf(file: Path) -> tuple[Any, Any]:
    """(transformers model in float32, transformers tokenizer) of a GGUF file.

    FileNotFoundError where it is not there; CheckpointError naming the architecture, tensor type or
    tokenizer that is not honoured; ModuleNotFoundError, with the command to install them, without
    the packages that read it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"model: no file {str(file)!r}")
    gguf, transformers = gguf_packages(file.name)
    _check(file, gguf)
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        with _LOADING:
            model, loaded = transformers.AutoModelForCausalLM.from_pretrained(
                str(file.parent), dtype=torch.float32, output_loading_info=True, **where
            )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(file.parent), **where)
    # every version of the two packages raises errors of its own for what it cannot make out
    except Exception as error:
        raise CheckpointError(f"{file}: must be a GGUF model: {error}") from error
    if loaded["missing_keys"]:
        missing = ", ".join(sorted(loaded["missing_keys"]))
        raise CheckpointError(f"{file}: must have all weights of the model, it lacks {missing}")
    # the weights are plain numbers now
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    # GPT-2's matrices come as transposed views of the file's
    for parameter in model.parameters():
        parameter.data = parameter.data.contiguous()
    return model, tokenizer


def gguf_packages(name: str) -> tuple[Any, Any]:
    """The modules gguf and transformers; ModuleNotFoundError for one without which the file `name`
    cannot be read."""
    for package in ("gguf", "transformers", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(
                f"model: reading {name} needs {package}, which is not installed; {_INSTALL}",
                name=package,
            )
    import gguf
    import transformers

    return gguf, transformers


def _check(file: Path, gguf: Any) -> None:
    """CheckpointError unless the file's architecture, tensor types and tokenizer are honoured."""
    try:
        reader = gguf.GGUFReader(file)
        architecture = _text(reader, "general.architecture")
        tokenizer = _text(reader, "tokenizer.ggml.model")
        kinds = {tensor.tensor_type for tensor in reader.tensors}
        scaled = _text(reader, f"{architecture}.rope.scaling.type") not in (None, "none")
        scaled |= any(tensor.name.startswith("rope_") for tensor in reader.tensors)
    # whatever a damaged file makes the package raise
    except Exception as error:
        raise CheckpointError(f"{file}: must be a GGUF file: {error}") from error
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{file}: general.architecture must be one of {', '.join(ARCHITECTURES)}, got "
            f"{architecture!r}"
        )
    if tokenizer not in TOKENIZERS:
        raise CheckpointError(
            f"{file}: tokenizer.ggml.model must be one of {', '.join(TOKENIZERS)}, got "
            f"{tokenizer!r}"
        )
    if scaled:
        raise CheckpointError(
            f"{file}: has scaled rotary positions, which transformers does not read from a GGUF "
            "file; give the checkpoint that it was made of"
        )
    unread = sorted(kind.name for kind in kinds if not _dequantises(kind, gguf))
    if unread:
        raise CheckpointError(
            f"{file}: has tensors of type {', '.join(unread)}, which the gguf package does not "
            "dequantise; give the file in another quantization"
        )


def _text(reader: Any, key: str) -> str | None:
    entry = reader.get_field(key)
    return None if entry is None else str(entry.contents())


def _dequantises(kind: Any, gguf: Any) -> bool:
    """Asked of the package itself, with one block of zeros."""
    import numpy as np

    if kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
        return True
    _, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    try:
        gguf.quants.dequantize(np.zeros((1, block_bytes), dtype=np.uint8), kind)
    except NotImplementedError:
        return False
    return True
