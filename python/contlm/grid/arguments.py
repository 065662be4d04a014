"""What the constructors of grids are given, checked and brought to lists of names and numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from contlm._common.checks import as_number

Alphas: TypeAlias = float | Mapping[str, float]

_DECIMALS = 10


def clean(value: float) -> float:
    """`value`, or the number of ten decimals that it misses by rounding alone: 0.1 + 0.2 is 0.3, so
    that equal places on two grids are equal points."""
    short = round(value, _DECIMALS)
    # + 0.0 turns a negative zero into zero
    return (short if abs(short - value) <= 1e-14 * max(1.0, abs(value)) else value) + 0.0


def steps(start: float, stop: float, step: float) -> list[float]:
    """From `start` to `stop`, both included; ValueError unless step > 0 divides what is between."""
    if step <= 0:
        raise ValueError(f"step: must be above 0, got {step:g}")
    if stop < start:
        raise ValueError(f"stop: must not lie below start, got {stop:g} and start {start:g}")
    count = round((stop - start) / step)
    if abs(start + count * step - stop) > 1e-9 * max(1.0, abs(start), abs(stop)):
        raise ValueError(
            f"step: must divide stop - start, so that both ends are points, got {step:g} for "
            f"{start:g} to {stop:g}"
        )
    return [clean(start + i * step) for i in range(count)] + [clean(stop)]


def values(what: str, values: Sequence[float], count: int | None = None) -> list[float]:
    """`values` as finite floats: at least one, or exactly `count`."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str | Mapping) or not isinstance(values, Sequence):
        raise TypeError(f"{what}: must be a list of numbers, got {type(values).__name__}")
    if not values or (count is not None and len(values) != count):
        wanted = "at least one number" if count is None else f"{count} numbers"
        raise ValueError(f"{what}: must hold {wanted}, got {len(values)}")
    return [clean(as_number(f"{what}[{i}]", value)) for i, value in enumerate(values)]


def alphas(what: str, given: Alphas, names: Sequence[str]) -> dict[str, float]:
    """A number for each of `names`: the same one, or what a dict says."""
    if not isinstance(given, Mapping):
        return {name: as_number(what, given) for name in names}
    if set(given) != set(names):
        raise ValueError(f"{what}: must name {', '.join(names)}, got {', '.join(map(str, given))}")
    return {name: as_number(f"{what}[{name!r}]", given[name]) for name in names}


def attribute(name: Any) -> str:
    """`name`; TypeError unless it is a non-empty str."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"attribute: must be a non-empty str, got {type(name).__name__} {name!r}")
    return name


def attributes(what: str, names: Sequence[str], at_least: int) -> tuple[str, ...]:
    """`names`, which must differ from each other and be `at_least` as many."""
    if isinstance(names, str | Mapping) or not isinstance(names, Sequence):
        raise TypeError(f"{what}: must be a list of names, got {type(names).__name__} {names!r}")
    found = tuple(attribute(name) for name in names)
    if len(set(found)) != len(found):
        raise ValueError(f"{what}: must differ from each other, got {', '.join(found)}")
    if len(found) < at_least:
        raise ValueError(f"{what}: must be at least {at_least}, got {len(found)}")
    return found


def pairs(given: Sequence[Any]) -> list[tuple[str, str]]:
    """(moved, held) pairs: the given ones, or every ordered pair of the given names."""
    if isinstance(given, Sequence) and all(isinstance(item, str) for item in given):
        return list(itertools.permutations(attributes("attributes", given, at_least=2), 2))
    found = []
    for item in given:
        if isinstance(item, str) or not isinstance(item, Sequence):
            raise TypeError(f"attributes: must be all names or all pairs, got {item!r} among pairs")
        pair = attributes(f"pair {item!r}", item, at_least=2)
        if len(pair) != 2:
            raise ValueError(f"pair {item!r}: must be (moved, held), got {len(pair)} names")
        found.append((pair[0], pair[1]))
    return found


def uniform(count: int, dim: int, method: str, seed: int) -> npt.NDArray[np.float64]:
    """[count, dim] numbers in [0, 1), drawn independently or from a scrambled Sobol sequence."""
    if method == "dirichlet":
        return np.random.default_rng(seed).random((count, dim))
    import torch

    engine = torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed)
    return engine.draw(count, dtype=torch.float64).numpy()
