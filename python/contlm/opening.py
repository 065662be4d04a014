"""How a model was opened: enough to open the same one again, in another process or on another
machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contlm.classifier import Classifier
    from contlm.interpolator import Interpolator
    from contlm.sources import Anchor


@dataclass(frozen=True)
class ModelOpening:
    """The arguments of `Interpolator.from_pretrained`, with the dtype and device that came of
    them."""

    model: Any
    attributes: Mapping[str, tuple[Anchor, Anchor]]
    tokenizer: Any
    dtype: str
    device: str
    threads: int | None
    max_rows: int | None

    def portable(self, threads: int) -> ModelOpening:
        """This opening with absolute paths and `threads` where none were asked for.

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

    def open(self) -> Interpolator:
        from contlm.interpolator import Interpolator

        return Interpolator.from_pretrained(
            self.model,
            self.attributes,
            tokenizer=self.tokenizer,
            dtype=self.dtype,
            device=self.device,
            threads=self.threads,
            max_rows=self.max_rows,
        )


@dataclass(frozen=True)
class ClassifierOpening:
    """The arguments of `Classifier.from_pretrained`, and where the files were found."""

    source: str | os.PathLike[str]
    directory: Path
    head: str
    dtype: str
    device: str
    threads: int | None

    def portable(self, threads: int) -> ClassifierOpening:
        """As ModelOpening.portable."""
        return replace(
            self,
            source=_portable_path("classifier", self.source),
            device=_any_device(self.device),
            threads=self.threads or threads,
        )

    def open(self) -> Classifier:
        from contlm.classifier import Classifier

        return Classifier.from_pretrained(
            self.source,
            head=self.head,
            dtype=self.dtype,
            device=self.device,
            threads=self.threads,
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
    return str(path.absolute()) if path.is_dir() else os.fspath(source)


def _portable_tokenizer(tokenizer: Any) -> Any:
    if isinstance(tokenizer, str | os.PathLike):
        return str(Path(tokenizer).expanduser().absolute())
    return tokenizer


def _any_device(device: str) -> str:
    # which CUDA device another process sees first is its own matter
    return device.partition(":")[0]
