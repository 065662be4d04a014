"""Anchor geometry: how the deltas stand to each other, from their inner products alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from contlm.points.coefficients import coefficient_row
from contlm.points.point import Point

if TYPE_CHECKING:
    from contlm.model.interpolated import InterpolatedModel

Floats = npt.NDArray[np.float64]

KINDS = ("cosine", "l2", "frobenius")
BASE = "base"

# the part of the largest entry that rounding may take from symmetry and from zero
_ROUNDING = 1e-6
# of the stress-1, which lies between 0 and 1
_STILL = 1e-9
_MAX_TRANSFORMS = 3000


def similarity(
    lm: InterpolatedModel, kind: str = "cosine", points: Mapping[str, Point] | None = None
) -> pd.DataFrame:
    """Compares the anchors' deltas D_k, all adapted modules taken together: [K, K], named by
    `lm.anchors`.

    kind: "cosine", <D_i, D_j> / (|D_i| |D_j|); "l2", |D_i - D_j|^2, the squared L2 (Frobenius)
        distance; "frobenius", its root, which is the distance that `mds` wants.
    points: further rows and columns, name -> Point, for the deltas of interpolated models.

    Inner products come from `lm.engine.gram()`, in low-rank form; a point's delta is a combination
    of the anchors', so its products are C G C^T. The paper's Figs. 32-33 average the same
    quantities over layers instead of taking the whole model. The cosine with a delta of zero (the
    base) is NaN. `.attrs["kind"]` keeps the kind. ValueError for an unknown kind and
    for names that are taken.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: must be one of {', '.join(KINDS)}, got {kind!r}")
    names, rows = list(lm.anchors), [np.eye(len(lm.anchors), dtype=np.float64)]
    for name, point in (points or {}).items():
        if name in names:
            raise ValueError(f"points: {name!r} is taken by an anchor; choose another name")
        names.append(name)
        rows.append(coefficient_row(point, lm.attributes)[None, :])
    combinations = np.concatenate(rows)
    gram = combinations @ lm.engine.gram().double().cpu().numpy() @ combinations.T
    found = pd.DataFrame(_compared((gram + gram.T) / 2, kind), index=names, columns=names)
    found.attrs["kind"] = kind
    return found


def mds(distances: pd.DataFrame, dim: int = 2, method: str = "classical") -> pd.DataFrame:
    """Multidimensional scaling of distances [N, N] (`similarity` with kind="frobenius"):
    coordinates [N, dim], columns mds_1, mds_2, ...

    method: "classical" (Torgerson, 1952) takes the leading eigenvectors of -1/2 J d^2 J times the
        roots of their eigenvalues; it is exact where the distances fit into `dim` dimensions, and
        `.attrs["explained"]` holds each axis' share of the sum of the positive eigenvalues.
        "stress" starts there and moves the points until their distances fit best in least squares
        (SMACOF, de Leeuw, 1977), which keeps apart what a projection lays over one another;
        `.attrs["stress"]` holds Kruskal's stress-1.

    The coordinate of largest magnitude of each axis is positive, so the picture does not depend on
    the solver. Classical axes past the configuration's rank are zero. ValueError unless distances
    are square, symmetric, finite, non-negative and zero on the diagonal, and 1 <= dim <= N.
    """
    if method not in ("classical", "stress"):
        raise ValueError(f'method: must be "classical" or "stress", got {method!r}')
    d = _checked_distances(distances)
    n = len(d)
    if not 1 <= dim <= n:
        raise ValueError(f"dim: must be in 1..{n} for {n} things, got {dim}")
    centering = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centering @ (d**2) @ centering)
    values, vectors = values[::-1], vectors[:, ::-1]
    # noise of a zero eigenvalue would come out as a coordinate of its root
    values = np.where(values > values[0] * n * np.finfo(np.float64).eps, values, 0.0)
    coordinates = vectors[:, :dim] * np.sqrt(values[:dim])
    if method == "stress":
        coordinates = _least_stress(coordinates, d)
    largest = coordinates[np.abs(coordinates).argmax(axis=0), np.arange(dim)]
    coordinates = coordinates * np.where(largest < 0, -1.0, 1.0)
    total = values.sum()
    found = pd.DataFrame(
        coordinates, index=distances.index, columns=[f"mds_{k + 1}" for k in range(dim)]
    )
    if method == "stress":
        found.attrs["stress"] = _stress(coordinates, d)
    else:
        found.attrs["explained"] = [float(v / total) if total > 0 else 0.0 for v in values[:dim]]
    return found


def positions(
    lm: InterpolatedModel, step: float = 0.1, dim: int = 2, method: str = "stress"
) -> pd.DataFrame:
    """Where the base, the anchors and the models between each pair lie: MDS of their Frobenius
    distances (the paper's Fig. 31).

    One row per model: its name, mds_1 ... mds_dim, attribute and alpha; the base comes first, as
    "base" with attribute "" and alpha NaN. step: between neighbouring alphas; it must divide 1.
    method: of `mds`. Near-orthogonal anchors need as many dimensions as there are: all models of an
    attribute fall on one point of the first classical axes, which is why "stress" is the default.
    """
    count = round(1 / step) if step > 0 else 0
    if count < 1 or abs(count * step - 1) > 1e-9:
        raise ValueError(f"step: must divide 1 (such as 0.1 or 0.25), got {step!r}")
    inner = [round(k / count, 12) for k in range(1, count)]
    between = {(a, alpha): Point({a: alpha}) for a in lm.attributes for alpha in inner}
    named = {f"{a}@{alpha:g}": point for (a, alpha), point in between.items()}
    found = mds(similarity(lm, "frobenius", {BASE: Point(), **named}), dim, method)
    ends = [(a, alpha) for a in lm.attributes for alpha in (0.0, 1.0)]
    place = [*ends, ("", np.nan), *between]
    found["attribute"] = [a for a, _ in place]
    found["alpha"] = [alpha for _, alpha in place]
    base_first = found.loc[[BASE, *(name for name in found.index if name != BASE)]]
    base_first.attrs.update(found.attrs)
    return base_first


def _least_stress(coordinates: Floats, d: Floats) -> Floats:
    """Guttman transforms, x <- B(x) x / N, until the stress stands still; each lowers it."""
    n, before = len(d), np.inf
    # coincident points attract no force; a fixed tiny shift sets them apart
    scale = float(d.max()) or 1.0
    x = coordinates + 1e-3 * scale * np.random.default_rng(0).standard_normal(coordinates.shape)
    for _ in range(_MAX_TRANSFORMS):
        between = _between(x)
        ratio = np.divide(d, between, out=np.zeros_like(d), where=between > 0)
        x = (np.diag(ratio.sum(axis=1)) - ratio) @ x / n
        stress = _stress(x, d)
        if before - stress < _STILL:
            break
        before = stress
    # the axes along which the points spread most, as the classical ones are
    _, _, turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    turned: Floats = (x - x.mean(axis=0)) @ turn.T
    return turned


def _stress(coordinates: Floats, d: Floats) -> float:
    """Kruskal's stress-1: sqrt(sum (|x_i - x_j| - d_ij)^2 / sum d_ij^2)."""
    total = float((d**2).sum())
    return float(np.sqrt(((_between(coordinates) - d) ** 2).sum() / total)) if total > 0 else 0.0


def _between(coordinates: Floats) -> Floats:
    apart: Floats = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1)
    return apart


def _compared(gram: Floats, kind: str) -> Floats:
    squared = np.diagonal(gram).clip(min=0.0)
    if kind == "cosine":
        norms = np.sqrt(squared)
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine: Floats = np.clip(gram / np.outer(norms, norms), -1.0, 1.0)
        np.fill_diagonal(cosine, np.where(norms > 0, 1.0, np.nan))
        return cosine
    distance: Floats = (squared[:, None] + squared[None, :] - 2.0 * gram).clip(min=0.0)
    np.fill_diagonal(distance, 0.0)
    return distance if kind == "l2" else np.sqrt(distance)


def _checked_distances(distances: pd.DataFrame) -> Floats:
    if not isinstance(distances, pd.DataFrame):
        raise TypeError(
            'distances: must be a DataFrame as similarity(lm, "frobenius") gives, got '
            f"{type(distances).__name__}"
        )
    d: Floats = distances.to_numpy(dtype=np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or not len(d):
        raise ValueError(f"distances: must be square, got {list(d.shape)}")
    if not np.isfinite(d).all() or (d < 0).any():
        raise ValueError(f"distances: must be finite and not negative, the least is {d.min()}")
    slack = _ROUNDING * d.max()
    if np.abs(d - d.T).max() > slack or np.diagonal(d).max() > slack:
        raise ValueError(
            "distances: must be symmetric with a zero diagonal, the diagonal holds up to "
            f'{np.diagonal(d).max():g}; use similarity(lm, "frobenius")'
        )
    return (d + d.T) / 2
