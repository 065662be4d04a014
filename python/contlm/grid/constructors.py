"""The grids of the paper, and general ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from contlm._common.checks import as_int, as_number
from contlm.grid import arguments as given
from contlm.grid.arguments import Alphas
from contlm.grid.points import Grid
from contlm.points.point import Point

# drawn shares are whole millionths: they read well and add up to 1
_SHARE_DECIMALS = 6
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


def line(
    attr: str, start: float = 0.0, stop: float = 1.0, step: float = 0.25, lam: float = 1.0
) -> Grid:
    """One attribute from `start` to `stop`, both included, at weight `lam`.

    axes: attribute, alphas, lam. ValueError unless step > 0 divides stop - start.
    """
    name = given.attribute(attr)
    alphas = given.steps(
        as_number("start", start), as_number("stop", stop), as_number("step", step)
    )
    weight = as_number("lam", lam)
    points = [Point({name: alpha}, {name: weight}) for alpha in alphas]
    return Grid(points, "line", {"attribute": name, "alphas": alphas, "lam": weight})


def simplex(attrs: Sequence[str], step: float = 0.2, alpha: Alphas = 1.0) -> Grid:
    """Every lambda >= 0 in multiples of `step` that add up to 1, over three or more attributes.

    21 points for three attributes at 0.2, as in the paper's Figs. 6-7. alpha: one number, or
    attribute -> number, that all points keep. axes: attributes, step, alpha (attribute -> number).
    ValueError unless step divides 1.
    """
    names = given.attributes("attrs", attrs, at_least=3)
    held = given.alphas("alpha", alpha, names)
    width = as_number("step", step)
    parts = round(1.0 / width) if width > 0 else 0
    if parts < 1 or abs(parts * width - 1.0) > 1e-9:
        raise ValueError(f"step: must divide 1, such as 0.2 or 0.25, got {width:g}")
    # corners first along each attribute: the first attribute's share falls from 1 to 0
    shares = [
        (*head, parts - sum(head))
        for head in itertools.product(range(parts, -1, -1), repeat=len(names) - 1)
        if sum(head) <= parts
    ]
    points = [
        Point(held, {n: share / parts for n, share in zip(names, row, strict=True)})
        for row in shares
    ]
    axes = {"attributes": list(names), "step": 1.0 / parts, "alpha": held}
    return Grid(points, "simplex", axes)


def product(
    alphas: Mapping[str, Sequence[float]], lam: Mapping[str, float] | float | None = None
) -> Grid:
    """Every combination of the attributes' alphas, the last attribute fastest.

    alphas: attribute -> its values. lam: a number for each attribute, or attribute -> number; None
    gives equal shares. axes: alphas, lam.
    """
    if not isinstance(alphas, Mapping) or not alphas:
        raise TypeError(
            f"alphas: must be a dict attribute -> list of numbers, got {type(alphas).__name__} "
            f"{alphas!r}"
        )
    axes = {
        given.attribute(n): given.values(f"alphas[{n!r}]", values) for n, values in alphas.items()
    }
    names = tuple(axes)
    weights = given.alphas("lam", 1.0 / len(names) if lam is None else lam, names)
    points = [
        Point(dict(zip(names, row, strict=True)), weights)
        for row in itertools.product(*axes.values())
    ]
    return Grid(points, "product", {"alphas": axes, "lam": weights})


def alpha_lambda(
    attr: str,
    attributes: Sequence[str],
    alphas: Sequence[float] = _QUARTERS,
    lams: Sequence[float] = _FIFTHS,
    others: Alphas = 0.0,
) -> Grid:
    """One attribute's alpha against its lambda, the others sharing what lambda leaves: the paper's
    Fig. 5.

    `attr` stands at (alpha_i, lambda_i); each other j at alpha_j = others, lambda_j = (1 -
    lambda_i) / (n - 1). Points are alpha-major. attributes: all n of them, `attr` among them.
    axes: attribute, attributes, alphas, lams, others (attribute -> number).
    """
    names = given.attributes("attributes", attributes, at_least=2)
    moved = given.attribute(attr)
    if moved not in names:
        raise ValueError(f"attr: must be among attributes ({', '.join(names)}), got {moved!r}")
    rest = tuple(n for n in names if n != moved)
    held = given.alphas("others", others, rest)
    axis_alpha, axis_lam = given.values("alphas", alphas), given.values("lams", lams)
    points = []
    for alpha, lam in itertools.product(axis_alpha, axis_lam):
        share = given.clean((1.0 - lam) / len(rest))
        at = {n: alpha if n == moved else held[n] for n in names}
        points.append(Point(at, {n: lam if n == moved else share for n in names}))
    axes = {
        "attribute": moved,
        "attributes": list(names),
        "alphas": axis_alpha,
        "lams": axis_lam,
        "others": held,
    }
    return Grid(points, "alpha_lambda", axes)


def entangle(
    attributes: Sequence[str] | Sequence[tuple[str, str]],
    alphas: Sequence[float] = _QUARTERS,
    held: float = 1.0,
) -> Grid:
    """For every ordered pair (moved, held) lambda 1/2 each, one moved over `alphas` while the other
    stays at `held`: the paper's Fig. 8 (held = 1) and Fig. 16 (held = 0).

    attributes: names, of which every ordered pair is taken, or the pairs themselves. Points are
    pair-major. axes: pairs ([[moved, held], ...]), alphas, held.
    """
    pairs = given.pairs(attributes)
    axis, fixed = given.values("alphas", alphas), as_number("held", held)
    points = [
        Point({moved: alpha, other: fixed}, {moved: 0.5, other: 0.5})
        for moved, other in pairs
        for alpha in axis
    ]
    axes = {"pairs": [list(pair) for pair in pairs], "alphas": axis, "held": fixed}
    return Grid(points, "entangle", axes)


def random(
    attributes: Sequence[str],
    n: int,
    method: str = "dirichlet",
    seed: int = 0,
    alpha: Alphas | tuple[float, float] = (0.0, 1.0),
) -> Grid:
    """`n` points with lambda uniform on the simplex (a flat Dirichlet) and alpha in a range.

    method: "dirichlet" draws independently; "sobol" spreads the points evenly (a scrambled Sobol
    sequence: the gaps between sorted uniform coordinates are uniform on the simplex). alpha: (low,
    high) is drawn uniformly for each attribute; a number or attribute -> number is kept. axes:
    attributes, n, method, seed, alpha.
    """
    names = given.attributes("attributes", attributes, at_least=1)
    count, key = as_int("n", n), as_int("seed", seed)
    if count < 1:
        raise ValueError(f"n: must be at least 1, got {count}")
    if method not in ("dirichlet", "sobol"):
        raise ValueError(f'method: must be "dirichlet" or "sobol", got {method!r}')
    if isinstance(alpha, tuple | list):
        low, high = given.values("alpha", alpha, count=2)
    else:
        kept = given.alphas("alpha", alpha, names)
    cuts = len(names) - 1
    drawn = given.uniform(count, cuts + len(names), method, key)
    points = []
    for row in drawn:
        ends = [0.0, *np.sort(np.round(row[:cuts], _SHARE_DECIMALS)).tolist(), 1.0]
        shares = [round(b - a, _SHARE_DECIMALS) for a, b in itertools.pairwise(ends)]
        if isinstance(alpha, tuple | list):
            values = low + (high - low) * row[cuts:]
            kept = {a: round(v, _SHARE_DECIMALS) for a, v in zip(names, values, strict=True)}
        points.append(Point(kept, dict(zip(names, shares, strict=True))))
    said = [low, high] if isinstance(alpha, tuple | list) else kept
    axes = {"attributes": list(names), "n": count, "method": method, "seed": key, "alpha": said}
    return Grid(points, "random", axes)


def custom(points: Sequence[Point]) -> Grid:
    """Any points. axes: none."""
    return Grid(points)
