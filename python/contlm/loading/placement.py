"""What a model computes in, and where: dtypes and devices by the names that the core knows."""

from __future__ import annotations

import torch

_SHORT_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}


def compute_dtype(dtype: str | torch.dtype) -> str:
    """ "auto", "float32" or "bfloat16"; ValueError for anything else."""
    name = _dtype_name("dtype", dtype)
    if name == "float16":
        raise ValueError(
            "dtype: must be 'auto', 'float32' or 'bfloat16', got float16: float16 checkpoints are "
            "read, and computed in one of those"
        )
    if name not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"dtype: must be 'auto', 'float32' or 'bfloat16', got {dtype!r}")
    return name


def saved_dtype(dtype: str | torch.dtype | None) -> str:
    """ "float32", "bfloat16", "float16", or "" for the checkpoint's own."""
    if dtype is None:
        return ""
    name = _dtype_name("dtype", dtype)
    if name not in ("float32", "bfloat16", "float16"):
        raise ValueError(f"dtype: must be None, 'float32', 'bfloat16' or 'float16', got {dtype!r}")
    return name


def device_name(device: str | torch.device) -> str:
    """ "cpu" or a CUDA device that is there; "auto" prefers CUDA."""
    if isinstance(device, str) and device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        parsed = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device: must be 'auto', 'cpu' or 'cuda[:index]', got {device!r}"
        ) from None
    if parsed.type not in ("cpu", "cuda"):
        raise ValueError(f"device: must be 'auto', 'cpu' or 'cuda[:index]', got {device!r}")
    if parsed.type == "cuda" and (parsed.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: {str(device)!r} is not there, torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices; use 'cpu'"
        )
    return str(parsed)


def _dtype_name(what: str, dtype: str | torch.dtype) -> str:
    if isinstance(dtype, torch.dtype):
        return str(dtype).removeprefix("torch.")
    if not isinstance(dtype, str):
        raise TypeError(f"{what}: must be a str or a torch.dtype, got {type(dtype).__name__}")
    return _SHORT_NAMES.get(dtype, dtype.removeprefix("torch."))
