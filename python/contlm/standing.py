"""What all that an interpolator can do stands on: its engine, anchors and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from contlm._native import Engine
from contlm.broadcast import Floats, points_for
from contlm.companions import Companions
from contlm.fingerprint import model_fingerprint
from contlm.opening import ModelOpening
from contlm.point import Point, anchor_names, coefficient_row
from contlm.sources import ModelSource


class Standing:
    """A base model with two anchors an attribute. A point is an argument of a call, never state."""

    def __init__(
        self,
        engine: Engine,
        attributes: Sequence[str],
        source: ModelSource,
        notes: Sequence[str] = (),
        opening: ModelOpening | None = None,
    ) -> None:
        self._engine = engine
        self._attributes = tuple(attributes)
        self._source = source
        self._notes = tuple(notes)
        self._opening = opening
        # a prompt and classifiers that suit it, where whoever opened it knows some
        self.companions: Companions | None = None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes' names."""
        return self._attributes

    @property
    def anchors(self) -> tuple[str, ...]:
        """("sentiment.low", "sentiment.high", ...): what a coefficient row's columns are."""
        return anchor_names(self._attributes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the adapter reader warned of."""
        return self._notes

    @property
    def opening(self) -> ModelOpening | None:
        """How it was opened."""
        return self._opening

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """SHA-256 of the base, the tokenizer and every anchor: of their files, or of their tensors
        in memory. {"base": {"from", "sha256"}, "tokenizer", "anchors": {name: {"from",
        "sha256"}}}; read once."""
        if self._opening is None:
            raise ValueError("fingerprint: the interpolator must be made by from_pretrained")
        return model_fingerprint(self._source, self._opening)

    @property
    def engine(self) -> Engine:
        """The native engine."""
        return self._engine

    @property
    def tokenizer(self) -> Any:
        """The tokenizer (encode, decode), or None."""
        return self._source.tokenizer

    @property
    def dtype(self) -> str:
        """What is computed in: "float32" or "bfloat16"."""
        return self._engine.dtype

    @property
    def device(self) -> str:
        return self._engine.device

    @property
    def context_length(self) -> int:
        """Tokens that fit: a prompt with its new ones."""
        return self._engine.context_length

    def __repr__(self) -> str:
        names = ", ".join(self._attributes) or "no attributes"
        kind = type(self).__name__
        return f"{kind}({self._engine.model_type}, {names}; {self.dtype} on {self.device})"

    def coefficients(
        self,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        *,
        point: Point | None = None,
    ) -> Floats:
        """The coefficient row [K] of a point, in the order of `.anchors`: lambda_i (1 - alpha_i),
        lambda_i alpha_i, ..."""
        (bound,) = points_for(self._attributes, 1, alpha, lam, point)
        return coefficient_row(bound, self._attributes)
