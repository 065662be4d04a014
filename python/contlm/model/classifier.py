"""Attribute classifiers: RoBERTa over the native encoder, or an adapter on a loaded decoder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from contlm import _native
from contlm._common.arguments import suggests_arguments
from contlm._common.checks import positive_or_zero
from contlm._common.json_text import read_object
from contlm._common.notebook import fact_table
from contlm._native import CheckpointError, TensorSource
from contlm.loading.fingerprint import (
    ADAPTER_FILES,
    CLASSIFIER_FILES,
    files_digest,
    text_digest,
)
from contlm.loading.hub import resolve_directory
from contlm.loading.placement import compute_dtype, device_name
from contlm.loading.spec import ClassifierSpec, ModelSpec
from contlm.loading.tokenizer import Tokenizer
from contlm.model.adapter_classifier import (
    AdapterNetwork,
    first_token,
    is_adapter,
    open_adapter,
    scored_together,
    tokenizer_of,
)
from contlm.model.interpolated import InterpolatedModel

_HEADS = ("sigmoid", "softmax", "regression")
_HEAD_OF_PROBLEM = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "regression",
}


class _Network(Protocol):
    @property
    def num_labels(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    def logits(self, input_ids: Sequence[Sequence[int]]) -> torch.Tensor: ...


@dataclass(frozen=True)
class _OpenedClassifier:
    network: _Network
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
        self._network = opened.network
        self._tokenizer = opened.tokenizer.truncated(opened.network.context_length)
        self._folder = opened.folder
        self._spec = opened.spec

    @classmethod
    @suggests_arguments
    def from_pretrained(
        cls,
        directory: str | os.PathLike[str],
        *,
        base: InterpolatedModel | None = None,
        head: str = "auto",
        dtype: str | torch.dtype = "auto",
        device: str | torch.device = "auto",
        threads: int | None = None,
    ) -> Classifier:
        """Opens a directory or hub id: a RoBERTa sequence classifier (config.json,
        model.safetensors, tokenizer.json), or a PEFT adapter of task_type SEQ_CLS on a decoder.

        base: for an adapter, the model that it was trained on, as it is loaded; its anchors take
            no part. The base's weights are shared, and `base` is not changed. Texts are read by its
            tokenizer up to its context, and judged at their last token; one without tokens is read
            as the token that begins a text, or else ends it.
        head: what makes a score of the logits, see `score`. "auto" goes by the config's
            problem_type: "single_label_classification" is "softmax", "regression" (and one label
            without a problem_type, as in transformers) is "regression", everything else "sigmoid".
            An adapter names no problem_type.
        dtype: what is computed in: "auto" (float32), "float32" or "bfloat16". An adapter computes
            as its base does: dtype, device and threads are not for it.

        FileNotFoundError for what is missing, CheckpointError for what is not a RoBERTa sequence
        classifier, AdapterError for an adapter that is no classifier or another base's.
        """
        folder = resolve_directory(directory, "classifier")
        if base is not None:
            if (dtype, device, threads) != ("auto", "auto", None):
                raise ValueError(
                    "dtype, device, threads: must be left out with base=, a classifier that is an "
                    "adapter computes as its base does"
                )
            return cls(_open_on(base, directory, folder, head))
        if is_adapter(folder):
            raise ValueError(
                f"base: must be the model that the adapter {folder} was trained on, got None; "
                "give the loaded model, base=lm"
            )
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
    def from_spec(cls, spec: ClassifierSpec, base: InterpolatedModel | None = None) -> Classifier:
        """Opens what another classifier's `.spec` names. base: what `spec.base` names, where it is
        open already."""
        if spec.base is not None:
            lm = base or InterpolatedModel.from_spec(spec.base)
            return cls.from_pretrained(spec.source, base=lm, head=spec.head)
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
        """{"from", "sha256" of its files (of an adapter, with those of its base), "head", "dtype"};
        read once."""
        return {
            "from": str(self._spec.source),
            "sha256": self._digest(),
            "head": self.head,
            "dtype": self._spec.dtype,
        }

    def _digest(self) -> str:
        if not isinstance(self._network, AdapterNetwork):
            return files_digest(self._folder, CLASSIFIER_FILES)
        base = self._network.lm.fingerprint
        files = files_digest(self._folder, ADAPTER_FILES)
        return text_digest([files, base["base"]["sha256"], base["tokenizer"]])

    @property
    def head(self) -> str:
        """ "sigmoid" | "softmax" | "regression": what makes a score of the logits."""
        return self._spec.head

    @property
    def num_labels(self) -> int:
        return self._network.num_labels

    @property
    def context_length(self) -> int:
        """Tokens of a text that are read, special tokens included; the rest is cut."""
        return self._network.context_length

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
        many = _checked(texts)
        if not many:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        return self._network.logits(self._tokens(many)).numpy()

    def score(self, texts: str | Sequence[str]) -> npt.NDArray[np.float64]:
        """[N]: how strongly each text shows the attribute, by the classifier's head.

        "sigmoid": the sigmoid of the class-1 logit, the paper's attribute score. "softmax": the
        probability of class 1. "regression": the value itself. (Of a single label, class 1 is that
        label.)
        """
        return self._scores(self.logits(texts))

    def _scores(self, of_texts: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        logits = of_texts.astype(np.float64)
        high = logits[:, min(1, self.num_labels - 1)]
        if self.head == "regression":
            return high
        if self.head == "softmax":
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
            return shifted[:, min(1, self.num_labels - 1)] / shifted.sum(axis=1)
        return 1.0 / (1.0 + np.exp(-high))

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        """[N]: at least one token of each text."""
        rows = self._tokenizer.encode_batch(texts)
        if isinstance(self._network, AdapterNetwork) and not all(rows):
            first = first_token(self._network.lm)
            if first is None:
                raise ValueError(
                    f"texts[{rows.index([])}]: has no tokens, and the base has neither a bos nor "
                    "an eos token to read in their place; leave empty texts out"
                )
            rows = [row or [first] for row in rows]
        return rows


class Panel:
    """Classifiers that score the same texts: those on one base in one pass."""

    def __init__(self, classifiers: Mapping[str, Classifier]) -> None:
        self._classifiers = dict(classifiers)
        sharing: dict[int, dict[str, AdapterNetwork]] = {}
        for name, classifier in self._classifiers.items():
            if isinstance(network := classifier._network, AdapterNetwork):
                sharing.setdefault(id(network.lm), {})[name] = network
        self._together = [
            (list(networks), scored_together(list(networks.values())))
            for networks in sharing.values()
        ]

    def score(self, texts: str | Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """name -> [N], each as `Classifier.score` has it, in the order of the classifiers."""
        many = _checked(texts)
        found: dict[str, npt.NDArray[np.float64]] = {}
        if many:
            for names, native in self._together:
                members = [self._classifiers[name] for name in names]
                logits = native.logits(members[0]._tokens(many))
                for name, member, own in zip(names, members, logits, strict=True):
                    found[name] = member._scores(own.numpy())
        return {
            name: found[name] if name in found else classifier.score(many)
            for name, classifier in self._classifiers.items()
        }


def open_classifier(
    source: str | os.PathLike[str], lm: InterpolatedModel | None, **placed: Any
) -> Classifier:
    """The classifier in a folder, whichever it is: an adapter on `lm`, or a whole model with the
    dtype, device and threads of `placed`."""
    if lm is not None and is_adapter(resolve_directory(source, "classifier")):
        return Classifier.from_pretrained(source, base=lm)
    return Classifier.from_pretrained(source, **placed)


def open_specs(
    specs: Mapping[str, ClassifierSpec], opened: Iterable[tuple[ModelSpec, InterpolatedModel]]
) -> dict[str, Classifier]:
    """Every spec's classifier. A base that is among the models in `opened`, each beside the spec
    that it was opened by, is taken from there; any other is opened once."""
    bases = [(spec.base_alone(), lm) for spec, lm in opened]
    found = {}
    for name, spec in specs.items():
        lm = next((lm for known, lm in bases if known == spec.base), None)
        if lm is None and spec.base is not None:
            lm = InterpolatedModel.from_spec(spec.base)
            bases.append((spec.base, lm))
        found[name] = Classifier.from_spec(spec, lm)
    return found


def _open_on(
    lm: InterpolatedModel, directory: str | os.PathLike[str], folder: Path, head: str
) -> _OpenedClassifier:
    if not isinstance(lm, InterpolatedModel):
        raise TypeError(f"base: must be a contlm.Interpolator, got {type(lm).__name__}")
    if not is_adapter(folder) and (folder / "config.json").is_file():
        raise ValueError(
            f"base: is for a classifier that is an adapter, {folder} holds a whole model; leave it "
            "out"
        )
    tokenizer = tokenizer_of(lm)
    network = open_adapter(folder, lm)
    chosen = _head_of(head, {}, network.num_labels)
    spec = ClassifierSpec(
        directory, chosen, lm.dtype, lm.device, lm.spec.threads, lm.spec.base_alone()
    )
    return _OpenedClassifier(network, tokenizer, folder, spec)


def _checked(texts: str | Sequence[str]) -> list[str]:
    many = [texts] if isinstance(texts, str) else list(texts)
    for i, text in enumerate(many):
        if not isinstance(text, str):
            raise TypeError(f"texts[{i}]: must be a str, got {type(text).__name__}")
    return many


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
