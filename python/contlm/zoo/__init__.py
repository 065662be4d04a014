"""The bundled world: a base model of a few million weights, five attributes, and everything to
steer and judge it.

Importing this package needs neither torch nor transformers. The modules that train (``build``,
``custom`` and what they use) need the extra ``contlm[zoo]``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contlm.interpolator import Interpolator

__all__ = [
    "adapter_pairs", "base_path", "classifier_path", "heldout_text", "load", "path", "prompts",
]

_ATTRIBUTES = ("simplicity", "formality", "politeness", "sentiment", "humor")


def path() -> Path:
    """The folder of the bundled files."""
    return Path(__file__).parent / "data"


def base_path() -> Path:
    """The base model's checkpoint directory."""
    return path() / "base"


def adapter_pairs() -> dict[str, tuple[Path, Path]]:
    """attribute -> (low, high) adapter directories; low is alpha = 0, high is alpha = 1."""
    adapters = path() / "adapters"
    return {name: (adapters / f"{name}-low", adapters / f"{name}-high") for name in _ATTRIBUTES}


def classifier_path(attribute: str) -> Path:
    """The directory of an attribute's classifier.

    Raises:
        ValueError: the zoo has no such attribute.
    """
    if attribute not in _ATTRIBUTES:
        raise ValueError(f"attribute: must be one of {', '.join(_ATTRIBUTES)}, got {attribute!r}")
    return path() / "classifiers" / attribute


def prompts() -> list[str]:
    """Story beginnings that no attribute colours."""
    found: list[str] = json.loads((path() / "prompts.json").read_text(encoding="utf-8"))
    return found


def heldout_text() -> str:
    """Stories that no training corpus contains, one per paragraph; for perplexity."""
    return (path() / "heldout.txt").read_text(encoding="utf-8")


def load(**kwargs: Any) -> Interpolator:
    """An `Interpolator` over the bundled base model and its five attributes; keyword arguments are
    those of `Interpolator.from_pretrained`."""
    from contlm.interpolator import Interpolator
    from contlm.loading.companions import Companions

    lm = Interpolator.from_pretrained(base_path(), attributes=adapter_pairs(), **kwargs)
    lm.companions = Companions(
        prompts()[0], {name: classifier_path(name) for name in lm.attributes}
    )
    return lm
