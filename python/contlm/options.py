"""Arguments of the Python face brought to what the native options hold. Ranges are checked
natively."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import torch

from contlm.prompts import as_int

_SEED_BITS = 64
# drawn seeds stay short enough to be read and typed again
_DRAWN_SEED_BITS = 32
_SHORT_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}


def compute_dtype(dtype: str | torch.dtype) -> str:
    """ "auto", "float32" or "bfloat16"; ValueError for anything else."""
    name = _dtype_name("dtype", dtype)
    if name == "float16":
        raise ValueError(
            "dtype: must be 'auto', 'float32' or 'bfloat16', got float16: float16 checkpoints are "
            "read, and computed in "
            "one of those"
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
            f"{torch.cuda.device_count()} CUDA "
            "devices; use 'cpu'"
        )
    return str(parsed)


def positive_or_zero(what: str, value: int | None) -> int:
    """A positive count, or 0 (the engine's choice) for None."""
    if value is None:
        return 0
    count = as_int(what, value)
    if count < 1:
        raise ValueError(f"{what}: must be at least 1, or None, got {count}")
    return count


def seed_of(seed: int | None) -> int:
    """The seed, or a fresh random one for None; ValueError outside [0, 2^64)."""
    if seed is None:
        return secrets.randbits(_DRAWN_SEED_BITS)
    number = as_int("seed", seed)
    if not 0 <= number < 1 << _SEED_BITS:
        raise ValueError(f"seed: must be in [0, 2^{_SEED_BITS}), got {number}")
    return number


def eos_ids(given: int | Sequence[int] | None, own: Sequence[int], vocab_size: int) -> list[int]:
    """The ids that end a row: the given ones, or the model's own."""
    if given is None:
        return list(own)
    if isinstance(given, str):
        raise TypeError(f"eos_token_id: must be an int or a list of ints, got {given!r}")
    many = given if isinstance(given, Sequence) else [given]
    ids = [as_int("eos_token_id", item) for item in many]
    for token in ids:
        if not 0 <= token < vocab_size:
            raise ValueError(
                f"eos_token_id: must be in [0, {vocab_size}), got {token}; [] for none"
            )
    return ids


def stop_list(stop_strings: str | Sequence[str] | None) -> list[str]:
    """Stop strings as a list of non-empty strings."""
    if stop_strings is None:
        return []
    many = [stop_strings] if isinstance(stop_strings, str) else list(stop_strings)
    for item in many:
        if not isinstance(item, str):
            raise TypeError(
                f"stop_strings: must be a str or a list of str, got {type(item).__name__} {item!r}"
            )
        if not item:
            raise ValueError("stop_strings: must not be empty strings, which every text holds")
    return many


def _dtype_name(what: str, dtype: str | torch.dtype) -> str:
    if isinstance(dtype, torch.dtype):
        return str(dtype).removeprefix("torch.")
    if not isinstance(dtype, str):
        raise TypeError(f"{what}: must be a str or a torch.dtype, got {type(dtype).__name__}")
    return _SHORT_NAMES.get(dtype, dtype.removeprefix("torch."))
