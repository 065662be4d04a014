"""What a model brings along for those who look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Companions:
    """A prompt that suits a model, and attribute -> the directory of its classifier."""

    prompt: str
    classifiers: Mapping[str, Path]
