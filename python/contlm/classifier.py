"""Attribute classifiers: a RoBERTa sequence classifier over the native encoder."""

from __future__ import annotations

import json
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

_HEADS = ("sigmoid", "softmax", "regression")
_HEAD_OF_PROBLEM = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "regression",
}


class Classifier:
    """Scores how strongly texts show an attribute; made by `from_pretrained`."""

    def __init__(
        self,
        native: _native.Classifier,
        tokenizer: Tokenizer,
        head: str = "sigmoid",
        opening: ClassifierOpening | None = None,
    ) -> None:
        self._native = native
        self._opening = opening
        self._tokenizer = tokenizer.truncated(native.context_length)
        self._head = head

    @classmethod
    def from_pretrained(
        cls,
        directory: str | os.PathLike[str],
        *,
        head: str = "auto",
        dtype: str | torch.dtype = "auto",
        device: str | torch.device = "auto",
        threads: int | None = None,
    ) -> Classifier:
        """Opens a directory or hub id with config.json, model.safetensors and tokenizer.json.

        head: what makes a score of the logits, see `score`. "auto" goes by the config's
            problem_type: "single_label_classification" is "softmax", "regression" (and one label
            without a problem_type, as in transformers) is "regression", everything else "sigmoid".
        dtype: what is computed in: "auto" (float32), "float32" or "bfloat16".

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
        config_text = config.read_text(encoding="utf-8")
        device = device_name(device)
        opening = ClassifierOpening(directory, folder, head, compute_dtype(dtype), device, threads)
        native = _native.Classifier(
            config_text,
            TensorSource.open_checkpoint(folder),
            where=str(folder),
            dtype=opening.dtype,
            device=opening.device,
            threads=positive_or_zero("threads", threads),
        )
        return cls(native, tokenizer, _head_of(head, config_text, native.num_labels), opening)

    @property
    def opening(self) -> ClassifierOpening | None:
        """How it was opened."""
        return self._opening

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """{"from", "sha256" of its files, "head", "dtype"}; read once."""
        if self._opening is None:
            raise ValueError("fingerprint: the classifier must be made by from_pretrained")
        return {
            "from": str(self._opening.source),
            "sha256": files_digest(self._opening.directory, CLASSIFIER_FILES),
            "head": self._head,
            "dtype": self._opening.dtype,
        }

    @property
    def head(self) -> str:
        """ "sigmoid" | "softmax" | "regression": what makes a score of the logits."""
        return self._head

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
        """[N]: how strongly each text shows the attribute, by the classifier's head.

        "sigmoid": the sigmoid of the class-1 logit, the paper's attribute score. "softmax": the
        probability of class 1. "regression": the value itself. (Of a single label, class 1 is that
        label.)
        """
        logits = self.logits(texts).astype(np.float64)
        high = logits[:, min(1, self.num_labels - 1)]
        if self._head == "regression":
            return high
        if self._head == "softmax":
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
            return shifted[:, min(1, self.num_labels - 1)] / shifted.sum(axis=1)
        return 1.0 / (1.0 + np.exp(-high))


def _head_of(head: str, config_text: str, num_labels: int) -> str:
    if head not in ("auto", *_HEADS):
        raise ValueError(f'head: must be "auto" or one of {", ".join(_HEADS)}, got {head!r}')
    problem = json.loads(config_text).get("problem_type")
    if head == "auto":
        head = _HEAD_OF_PROBLEM.get(problem, "sigmoid")
        if problem is None and num_labels == 1:
            head = "regression"
    if head == "regression" and num_labels != 1:
        raise ValueError(
            f"head: a regression has one value, the classifier has {num_labels}; "
            'use logits(), or head="sigmoid"'
        )
    return head
