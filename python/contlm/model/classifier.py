"""Attribute classifiers: a RoBERTa sequence classifier over the native encoder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from contlm import _native
from contlm._common.arguments import suggests_arguments
from contlm._common.checks import positive_or_zero
from contlm._common.json_text import read_object
from contlm._common.notebook import fact_table
from contlm._native import CheckpointError, TensorSource
from contlm.loading.fingerprint import CLASSIFIER_FILES, files_digest
from contlm.loading.hub import resolve_directory
from contlm.loading.placement import compute_dtype, device_name
from contlm.loading.spec import ClassifierSpec
from contlm.loading.tokenizer import Tokenizer

_HEADS = ("sigmoid", "softmax", "regression")
_HEAD_OF_PROBLEM = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "regression",
}


@dataclass(frozen=True)
class _OpenedClassifier:
    native: _native.Classifier
    tokenizer: Tokenizer
    folder: Path
    spec: ClassifierSpec


class Classifier:
    """Scores how strongly texts show an attribute; made by `from_pretrained`."""

    def __init__(self, opened: _OpenedClassifier, *others: object, **options: object) -> None:
        if others or options or not isinstance(opened, _OpenedClassifier):
            raise TypeError(
                "Classifier: is made by Classifier.from_pretrained(directory), not by calling it"
            )
        self._native = opened.native
        self._tokenizer = opened.tokenizer.truncated(opened.native.context_length)
        self._folder = opened.folder
        self._spec = opened.spec

    @classmethod
    @suggests_arguments
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
        config_file = folder / "config.json"
        if not config_file.is_file():
            raise FileNotFoundError(f"classifier: no config.json in {folder}")
        tokenizer = Tokenizer.find(folder)
        if tokenizer is None:
            raise FileNotFoundError(f"classifier: no tokenizer.json in {folder}")
        config = read_object(config_file, CheckpointError)
        computed = compute_dtype(dtype)
        placed = device_name(device)
        native = _native.Classifier(
            json.dumps(config),
            TensorSource.open_checkpoint(folder),
            where=str(folder),
            dtype=computed,
            device=placed,
            threads=positive_or_zero("threads", threads),
        )
        chosen = _head_of(head, config, native.num_labels)
        spec = ClassifierSpec(directory, chosen, computed, placed, threads)
        return cls(_OpenedClassifier(native, tokenizer, folder, spec))

    @classmethod
    def from_spec(cls, spec: ClassifierSpec) -> Classifier:
        """Opens what another classifier's `.spec` names."""
        return cls.from_pretrained(
            spec.source,
            head=spec.head,
            dtype=spec.dtype,
            device=spec.device,
            threads=spec.threads,
        )

    @property
    def spec(self) -> ClassifierSpec:
        """How it was opened, as `from_spec` takes it."""
        return self._spec

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """{"from", "sha256" of its files, "head", "dtype"}; read once."""
        return {
            "from": str(self._spec.source),
            "sha256": files_digest(self._folder, CLASSIFIER_FILES),
            "head": self.head,
            "dtype": self._spec.dtype,
        }

    @property
    def head(self) -> str:
        """ "sigmoid" | "softmax" | "regression": what makes a score of the logits."""
        return self._spec.head

    @property
    def num_labels(self) -> int:
        return self._native.num_labels

    @property
    def context_length(self) -> int:
        """Tokens of a text that are read, special tokens included; the rest is cut."""
        return self._native.context_length

    def __repr__(self) -> str:
        name = Path(self._spec.source).name
        return f"Classifier({name}, {self.num_labels} labels, {self.head})"

    def _repr_html_(self) -> str:
        return fact_table(
            "Classifier",
            {
                "from": self._spec.source,
                "labels": self.num_labels,
                "score": self.head,
                "computes in": f"{self._spec.dtype} on {self._spec.device}",
                "reads": f"{self.context_length} tokens of a text",
            },
        )

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
        if self.head == "regression":
            return high
        if self.head == "softmax":
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
            return shifted[:, min(1, self.num_labels - 1)] / shifted.sum(axis=1)
        return 1.0 / (1.0 + np.exp(-high))


def _head_of(head: str, config: Mapping[str, Any], num_labels: int) -> str:
    if head not in ("auto", *_HEADS):
        raise ValueError(f'head: must be "auto" or one of {", ".join(_HEADS)}, got {head!r}')
    problem = config.get("problem_type")
    if head == "auto":
        head = _HEAD_OF_PROBLEM.get(str(problem), "sigmoid")
        if problem is None and num_labels == 1:
            head = "regression"
    if head == "regression" and num_labels != 1:
        raise ValueError(
            f"head: a regression has one value, the classifier has {num_labels}; "
            'use logits(), or head="sigmoid"'
        )
    return head
