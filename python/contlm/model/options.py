"""Arguments of the Python face brought to what the native options hold. Ranges are checked
natively."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from contlm._common.checks import as_int

_SEED_BITS = 64
# drawn seeds stay short enough to be read and typed again
_DRAWN_SEED_BITS = 32


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
