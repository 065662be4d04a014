"""How a model was opened: plain data, enough to open the same one again in another process or on
another machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch

# A directory or hub id; the name of an adapter that the model carries; a peft.PeftModel, or
# (peft.PeftModel, the name of one of its adapters)
Anchor: TypeAlias = str | os.PathLike[str] | Any


@dataclass(frozen=True)
class ModelSpec:
    """The arguments of `Interpolator.from_pretrained`; `.spec` of what it returns holds the dtype
    and device that came of them."""

    model: Any
    attributes: Mapping[str, tuple[Anchor, Anchor]]
    tokenizer: Any = None
    dtype: str | torch.dtype = "auto"
    device: str | torch.device = "auto"
    threads: int | None = None
    max_rows: int | None = None

    def base_alone(self) -> ModelSpec:
        """This spec without its anchors."""
        return replace(self, attributes={})

    def portable(self, threads: int) -> ModelSpec:
        """This spec with absolute paths, and `threads` where none were asked for.

        ValueError naming what was given in memory, which no other process can open.
        """
        return replace(
            self,
            model=_portable_path("model", self.model),
            attributes={
                name: (_portable_path(f"{name}.low", low), _portable_path(f"{name}.high", high))
                for name, (low, high) in self.attributes.items()
            },
            tokenizer=_portable_tokenizer(self.tokenizer),
            device=_any_device(self.device),
            threads=self.threads or threads,
        )


@dataclass(frozen=True)
class ClassifierSpec:
    """The arguments of `Classifier.from_pretrained`; of an adapter, `base` opens the model that it
    stands on, and dtype, device and threads are that model's."""

    source: str | os.PathLike[str]
    head: str = "auto"
    dtype: str = "auto"
    device: str = "auto"
    threads: int | None = None
    base: ModelSpec | None = None

    def portable(self, threads: int) -> ClassifierSpec:
        """As ModelSpec.portable."""
        return replace(
            self,
            source=_portable_path("classifier", self.source),
            device=_any_device(self.device),
            threads=self.threads or threads,
            base=None if self.base is None else self.base.portable(threads),
        )


def _portable_path(what: str, source: Any) -> str:
    """A directory's absolute path, or a hub id as it is."""
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            f"{what}: must be a directory or a hub id for other processes to open it, got a "
            f"{type(source).__name__} in memory; save it and give its folder, or sweep without "
            "executor="
        )
    path = Path(source).expanduser()
    return str(path.absolute()) if path.exists() else os.fspath(source)


def _portable_tokenizer(tokenizer: Any) -> Any:
    if isinstance(tokenizer, str | os.PathLike):
        return str(Path(tokenizer).expanduser().absolute())
    return tokenizer


def _any_device(device: str | torch.device) -> str:
    # which CUDA device another process sees first is its own matter
    return str(device).partition(":")[0]
