"""Where a model stands: a point (alpha, lambda), and the one rule from a point to a coefficient
row."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


class Weights(Mapping[str, float]):
    """Attribute -> number; immutable, hashable and equal to any mapping with the same items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, float]) -> None:
        self._items = dict(items)

    def __getitem__(self, attribute: str) -> float:
        return self._items[attribute]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return Weights, (self._items,)


@dataclass(frozen=True, init=False)
class Point:
    """A point (alpha, lambda) of the model theta_base + sum_i lambda_i [alpha_i D_i(high) + (1 -
    alpha_i) D_i(low)].

    alpha: attribute -> any real number (0 is the low anchor, 1 the high one, outside extrapolates).
        A plain number stands for the only attribute of the interpolator that it is used with.
    lam: attribute -> any real number, the paper's lambda. Missing means an equal share, 1/n, for
        each attribute of `alpha`. Otherwise it names the same attributes as `alpha`.

    Attributes that are not named have lambda 0, so `Point()` is the base model. ValueError for NaN
    and infinities and for attributes that only one of the two names; TypeError for anything that is
    not a number.
    """

    alpha: Weights | float = field()
    lam: Weights | float = field()

    def __init__(
        self,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
    ) -> None:
        if alpha is None:
            if lam is not None and not (isinstance(lam, Mapping) and not lam):
                raise ValueError(
                    f"lam: needs an alpha for the same attributes, got lam={lam!r} alone"
                )
            alpha = {}
        if isinstance(alpha, Mapping):
            named = Weights({_name(a): as_number(f"alpha[{a!r}]", v) for a, v in alpha.items()})
            object.__setattr__(self, "alpha", named)
            object.__setattr__(self, "lam", _named_lam(named, lam))
        else:
            object.__setattr__(self, "alpha", as_number("alpha", alpha))
            object.__setattr__(self, "lam", _plain_lam(lam))

    def bind(self, attributes: Sequence[str]) -> Point:
        """This point with its attributes by name; ValueError unless all of them are in
        `attributes`."""
        if not isinstance(self.alpha, Weights):
            only = only_attribute(attributes, f"alpha={self.alpha!r}")
            return Point({only: self.alpha}, {only: self.lam})  # type: ignore[dict-item]
        require_known(attributes, self.alpha)
        return self

    def __repr__(self) -> str:
        return f"Point(alpha={self.alpha!r}, lam={self.lam!r})"


def coefficient_row(point: Point, attributes: Sequence[str]) -> npt.NDArray[np.float64]:
    """The coefficients [K] of a point, K = 2 len(attributes), in the order low, high of each
    attribute.

    c[i, high] = lambda_i alpha_i and c[i, low] = lambda_i (1 - alpha_i)   (Kangaslahti &
    Alvarez-Melis, arXiv 2404.07117)
    """
    bound = point.bind(attributes)
    assert isinstance(bound.alpha, Weights) and isinstance(bound.lam, Weights)
    row: list[float] = []
    for attribute in attributes:
        lam = bound.lam.get(attribute, 0.0)
        alpha = bound.alpha.get(attribute, 0.0)
        row += (lam * (1.0 - alpha), lam * alpha)
    if not all(map(math.isfinite, row)):
        raise ValueError(f"point: its coefficients must be finite, {bound!r} gives {row}")
    return np.array(row, dtype=np.float64)


def anchor_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """("sentiment.low", "sentiment.high", ...): the order of a coefficient row."""
    return tuple(f"{attribute}.{end}" for attribute in attributes for end in ("low", "high"))


def as_number(what: str, value: Any) -> float:
    """`value` as a finite float; TypeError unless it is a real number, ValueError when it is NaN or
    infinite."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: must be a number, got {type(value).__name__} {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{what}: must fit a double, got an int of more than 1e308") from None
    if not math.isfinite(number):
        raise ValueError(f"{what}: must be finite, got {number}")
    return number


def only_attribute(attributes: Sequence[str], given: str) -> str:
    """The attribute that a plain number stands for; ValueError unless there is exactly one."""
    if len(attributes) != 1:
        raise ValueError(
            f"{given}: a plain number stands for the only attribute, but there are "
            f"{len(attributes)}: "
            f"{', '.join(attributes)}; give a dict such as "
            f"{{{next(iter(attributes), 'name')!r}: 0.8}}"
        )
    return attributes[0]


def require_known(attributes: Sequence[str], named: Mapping[str, Any]) -> None:
    """ValueError, listing the known attributes, when `named` has another."""
    unknown = [name for name in named if name not in attributes]
    if unknown:
        known = ", ".join(attributes) or "none: this model has no anchors"
        raise ValueError(
            f"alpha: unknown attribute {', '.join(map(repr, unknown))}; known: {known}"
        )


def _named_lam(alpha: Weights, lam: Mapping[str, float] | float | None) -> Weights:
    if lam is None:
        return Weights({attribute: 1.0 / len(alpha) for attribute in alpha})
    if not isinstance(lam, Mapping):
        number = as_number("lam", lam)
        if len(alpha) != 1:
            raise ValueError(
                f"lam={number!r}: a plain number stands for the only attribute, but alpha names "
                f"{len(alpha)}: "
                f"{', '.join(alpha)}; give a dict"
            )
        return Weights({next(iter(alpha)): number})
    named = {_name(a): as_number(f"lam[{a!r}]", v) for a, v in lam.items()}
    extra = [a for a in named if a not in alpha]
    if extra:
        raise ValueError(
            f"lam: names {', '.join(map(repr, extra))} for which alpha says nothing; alpha names: "
            f"{', '.join(alpha) or 'none'}; give an alpha for the same attributes"
        )
    missing = [a for a in alpha if a not in named]
    if missing:
        raise ValueError(
            f"lam: must name every attribute of alpha or be left out (equal shares), but lacks "
            f"{', '.join(map(repr, missing))}"
        )
    return Weights({a: named[a] for a in alpha})


def _plain_lam(lam: Mapping[str, float] | float | None) -> float:
    if isinstance(lam, Mapping):
        raise TypeError(
            f"lam: must be a plain number like alpha, got {dict(lam)!r}; name the attributes in "
            f"both"
        )
    return 1.0 if lam is None else as_number("lam", lam)


def _name(attribute: Any) -> str:
    if not isinstance(attribute, str):
        raise TypeError(f"attribute: must be a str, got {type(attribute).__name__} {attribute!r}")
    return attribute
