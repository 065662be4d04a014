"""The one rule from a point to a coefficient row, and the order of a row's columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contlm.points.point import Point, Weights


def coefficient_row(point: Point, attributes: Sequence[str]) -> npt.NDArray[np.float64]:
    """The coefficients [K] of a point, K = 2 len(attributes), in the order low, high of each
    attribute.

    c[i, high] = lambda_i alpha_i and c[i, low] = lambda_i (1 - alpha_i)   (Kangaslahti &
    Alvarez-Melis, arXiv 2404.07117)
    """
    bound = point.bind(attributes)
    assert isinstance(bound.alpha, Weights) and isinstance(bound.lam, Weights)
    row: list[float] = []
    for attribute in attributes:
        lam = bound.lam.get(attribute, 0.0)
        alpha = bound.alpha.get(attribute, 0.0)
        row += (lam * (1.0 - alpha), lam * alpha)
    if not all(map(math.isfinite, row)):
        raise ValueError(f"point: its coefficients must be finite, {bound!r} gives {row}")
    return np.array(row, dtype=np.float64)


def anchor_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """("sentiment.low", "sentiment.high", ...): the order of a coefficient row."""
    return tuple(f"{attribute}.{end}" for attribute in attributes for end in ("low", "high"))
