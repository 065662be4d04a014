"""Attribute classifiers: a RoBERTa sequence classifier over the native encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from contlm import _native
from contlm._native import TensorSource
from contlm.fingerprint import CLASSIFIER_FILES, files_digest
from contlm.hub import resolve_directory
from contlm.opening import ClassifierOpening
from contlm.options import compute_dtype, device_name, positive_or_zero
from contlm.tokenization import Tokenizer


class Classifier:
    """Scores how strongly texts show an attribute; made by `from_pretrained`."""

    def __init__(
        self,
        native: _native.Classifier,
        tokenizer: Tokenizer,
        opening: ClassifierOpening | None = None,
    ) -> None:
        self._native = native
        self._opening = opening
        self._tokenizer = tokenizer.truncated(native.context_length)

    @classmethod
    def from_pretrained(
        cls,
        directory: str | os.PathLike[str],
        *,
        dtype: str | torch.dtype = "auto",
        device: str | torch.device = "auto",
        threads: int | None = None,
    ) -> Classifier:
        """Opens a directory or hub id with config.json, model.safetensors and tokenizer.json.

        FileNotFoundError for what is missing, CheckpointError for what is not a RoBERTa sequence
        classifier.
        """
        folder = resolve_directory(directory, "classifier")
        config = folder / "config.json"
        if not config.is_file():
            raise FileNotFoundError(f"classifier: no config.json in {folder}")
        tokenizer = Tokenizer.find(folder)
        if tokenizer is None:
            raise FileNotFoundError(f"classifier: no tokenizer.json in {folder}")
        opening = ClassifierOpening(
            directory, folder, compute_dtype(dtype), device_name(device), threads
        )
        native = _native.Classifier(
            config.read_text(encoding="utf-8"),
            TensorSource.open_checkpoint(folder),
            where=str(folder),
            dtype=opening.dtype,
            device=opening.device,
            threads=positive_or_zero("threads", threads),
        )
        return cls(native, tokenizer, opening)

    @property
    def opening(self) -> ClassifierOpening | None:
        """How it was opened."""
        return self._opening

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """{"from", "sha256" of its files, "dtype"}; read once."""
        if self._opening is None:
            raise ValueError("fingerprint: the classifier must be made by from_pretrained")
        return {
            "from": str(self._opening.source),
            "sha256": files_digest(self._opening.directory, CLASSIFIER_FILES),
            "dtype": self._opening.dtype,
        }

    @property
    def num_labels(self) -> int:
        return self._native.num_labels

    @property
    def context_length(self) -> int:
        """Tokens of a text that are read, special tokens included; the rest is cut."""
        return self._native.context_length

    def logits(self, texts: str | Sequence[str]) -> npt.NDArray[np.float32]:
        """[N, num_labels] float32."""
        many = [texts] if isinstance(texts, str) else list(texts)
        for i, text in enumerate(many):
            if not isinstance(text, str):
                raise TypeError(f"texts[{i}]: must be a str, got {type(text).__name__}")
        if not many:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        return self._native.logits(self._tokenizer.encode_batch(many)).numpy()

    def score(self, texts: str | Sequence[str]) -> npt.NDArray[np.float64]:
        """[N]: sigmoid of the class-1 logit, the attribute score of the paper."""
        if self.num_labels < 2:
            raise ValueError(
                f"score: needs a class 1, the classifier has {self.num_labels} label; use logits()"
            )
        high = self.logits(texts)[:, 1].astype(np.float64)
        return 1.0 / (1.0 + np.exp(-high))
