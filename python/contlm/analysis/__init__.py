"""What a sweep and the anchors say: geometry, entanglement, stable ranges, errors."""

from __future__ import annotations

from contlm.analysis.geometry import mds, positions, similarity
from contlm.analysis.response import (
    entanglement,
    limits_reached,
    mae,
    stable_limits,
    stable_range,
)

__all__ = [
    "entanglement",
    "limits_reached",
    "mae",
    "mds",
    "positions",
    "similarity",
    "stable_limits",
    "stable_range",
]
