"""Arguments of the Python face brought to plain numbers. Ranges of options are checked natively."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np


def as_int(what: str, value: Any) -> int:
    """`value` as an int; TypeError unless it is one (bool is not)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral | np.integer):
        raise TypeError(f"{what}: must be an int, got {type(value).__name__} {value!r}")
    return operator.index(value)


def as_number(what: str, value: Any) -> float:
    """`value` as a finite float; TypeError unless it is a real number, ValueError when it is NaN or
    infinite."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: must be a number, got {type(value).__name__} {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{what}: must fit a double, got an int of more than 1e308") from None
    if not math.isfinite(number):
        raise ValueError(f"{what}: must be finite, got {number}")
    return number


def positive_or_zero(what: str, value: int | None) -> int:
    """A positive count, or 0 (the engine's choice) for None."""
    if value is None:
        return 0
    count = as_int(what, value)
    if count < 1:
        raise ValueError(f"{what}: must be at least 1, or None, got {count}")
    return count
