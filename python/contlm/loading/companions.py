"""What a model may be shown with: a world of the zoo brings prompts and classifiers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Companions:
    """What `explore` takes where it is given nothing.

    prompt: a text to continue. classifiers: attribute -> the folder of its classifier.
    """

    prompt: str
    classifiers: Mapping[str, Path] = field(default_factory=dict)
