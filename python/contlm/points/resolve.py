"""Arguments that are "one, or one per prompt": points and prompts brought to one row per prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from contlm._common.checks import as_number
from contlm.points.coefficients import anchor_names, coefficient_row
from contlm.points.point import Point, only_attribute, require_known

Floats: TypeAlias = npt.NDArray[np.float64]
PerPrompt: TypeAlias = float | Sequence[float] | npt.NDArray[np.floating[Any]]
Weighting: TypeAlias = Mapping[str, PerPrompt] | PerPrompt
Schedule: TypeAlias = npt.ArrayLike | Callable[[int], Point]


def resolve_coefficients(
    attributes: Sequence[str],
    count: int,
    alpha: Weighting | None,
    lam: Weighting | None,
    point: Point | Sequence[Point] | None,
    coeffs: npt.ArrayLike | None,
    schedule: Schedule | None = None,
    steps: int = 0,
) -> tuple[Floats, list[Point | None]]:
    """Where `count` prompts stand: coefficients [P, K], or [P, steps, K] for a schedule, and the
    points, None where none was named.
    """
    only_one_way(alpha=alpha, point=point, coeffs=coeffs, schedule=schedule)
    if coeffs is not None or schedule is not None:
        only_one_way(lam=lam, coeffs=coeffs, schedule=schedule)
    if coeffs is not None:
        return coeffs_rows(coeffs, count, anchor_names(attributes)), [None] * count
    if schedule is not None:
        return schedule_rows(schedule, count, steps, attributes), [None] * count
    points = resolve_points(attributes, count, alpha, lam, point)
    return coefficient_rows(points, attributes), list(points)


def resolve_points(
    attributes: Sequence[str],
    count: int,
    alpha: Weighting | None,
    lam: Weighting | None,
    point: Point | Sequence[Point] | None,
) -> list[Point]:
    """A bound point for each of `count` prompts, from `point` or from alpha and lam; none of them:
    the base model."""
    if point is not None:
        if alpha is not None or lam is not None:
            raise ValueError("point: give either point= or alpha=/lam=, got both")
        return _given_points(attributes, count, point)
    if alpha is None:
        if lam is not None:
            raise ValueError(f"lam: needs an alpha for the same attributes, got lam={lam!r} alone")
        return [Point()] * count
    alphas = _columns("alpha", attributes, alpha, count)
    require_known(attributes, alphas)
    lams = None if lam is None else _columns("lam", list(alphas), lam, count)
    if not any(isinstance(v, list) for v in [*alphas.values(), *(lams or {}).values()]):
        return [Point(alphas, lams).bind(attributes)] * count  # type: ignore[arg-type]
    return [
        Point(_at(alphas, i), None if lams is None else _at(lams, i)).bind(attributes)
        for i in range(count)
    ]


def coefficient_rows(points: Sequence[Point], attributes: Sequence[str]) -> Floats:
    """[P, K]: the coefficient row of each point."""
    known: dict[Point, Floats] = {}
    for point in points:
        if point not in known:
            known[point] = coefficient_row(point, attributes)
    if not points:
        return np.zeros((0, 2 * len(attributes)), dtype=np.float64)
    return np.ascontiguousarray(np.stack([known[point] for point in points]))


def coeffs_rows(coeffs: npt.ArrayLike, count: int, anchors: Sequence[str]) -> Floats:
    """`coeffs` [K], or [P, K], as [P, K] float64."""
    array = _finite_array("coeffs", coeffs)
    k = len(anchors)
    if array.shape not in ((k,), (count, k)):
        raise ValueError(
            f"coeffs: must be [{k}] (one number per anchor: {', '.join(anchors)}) or [{count}, "
            f"{k}] (one row per prompt), got {list(array.shape)}"
        )
    return np.ascontiguousarray(np.broadcast_to(array, (count, k)))


def schedule_rows(schedule: Schedule, count: int, steps: int, attributes: Sequence[str]) -> Floats:
    """A schedule as [P, steps, K]; row t of it makes new token t. A longer schedule is cut to
    `steps`.

    schedule: [S, K], or [P, S, K] for a schedule per prompt, with S >= steps; or a callable that is
    asked for steps 0 .. steps - 1 before generation starts and returns a Point each time.
    """
    k = 2 * len(attributes)
    if callable(schedule):
        array = np.stack([_scheduled_row(schedule, step, attributes) for step in range(steps)])
    else:
        array = _finite_array("schedule", schedule)
    fits = array.ndim in (2, 3) and array.shape[-1] == k
    if not fits or (array.ndim == 3 and array.shape[0] != count):
        raise ValueError(
            f"schedule: must be [steps, {k}] or [{count}, steps, {k}], or a callable(step) -> "
            f"Point, got {list(array.shape)}"
        )
    if array.shape[-2] < steps:
        raise ValueError(
            f"schedule: must have a row for each of the max_new_tokens={steps} steps, got "
            f"{array.shape[-2]} rows"
        )
    return np.ascontiguousarray(np.broadcast_to(array[..., :steps, :], (count, steps, k)))


def only_one_way(**given: object) -> None:
    """ValueError when more than one of the ways to say where to stand is given."""
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{', '.join(named)}: give one of them, got {len(named)}")


def _given_points(
    attributes: Sequence[str], count: int, point: Point | Sequence[Point]
) -> list[Point]:
    if isinstance(point, Point):
        return [point.bind(attributes)] * count
    if isinstance(point, str | Mapping) or not isinstance(point, Sequence):
        raise TypeError(f"point: must be a Point or a list of Points, got {type(point).__name__}")
    if len(point) != count:
        raise ValueError(f"point: must be one Point or one per prompt ({count}), got {len(point)}")
    for item in point:
        if not isinstance(item, Point):
            raise TypeError(
                f"point: every item must be a Point, got {type(item).__name__} {item!r}"
            )
    return [item.bind(attributes) for item in point]


def _columns(
    what: str, attributes: Sequence[str], value: Weighting, count: int
) -> dict[str, float | list[float]]:
    if not isinstance(value, Mapping):
        value = {only_attribute(attributes, f"{what}={value!r}"): value}
    return {name: _column(f"{what}[{name!r}]", item, count) for name, item in value.items()}


def _column(what: str, value: Any, count: int) -> float | list[float]:
    if isinstance(value, np.ndarray) or (hasattr(value, "tolist") and hasattr(value, "shape")):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return as_number(what, value)
    if len(value) != count:
        raise ValueError(
            f"{what}: must be a number or one per prompt ({count}), got {len(value)} numbers"
        )
    return [as_number(f"{what}[{i}]", item) for i, item in enumerate(value)]


def _at(columns: Mapping[str, float | list[float]], i: int) -> dict[str, float]:
    return {name: value[i] if isinstance(value, list) else value for name, value in columns.items()}


def _finite_array(what: str, value: npt.ArrayLike) -> Floats:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{what}: must be an array of numbers, got {type(value).__name__} ({error})"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError(f"{what}: must be finite, got NaN or infinity")
    return array


def _scheduled_row(
    schedule: Callable[[int], Point], step: int, attributes: Sequence[str]
) -> Floats:
    point = schedule(step)
    if not isinstance(point, Point):
        raise TypeError(
            f"schedule: must return a Point for step {step}, got {type(point).__name__}"
        )
    return coefficient_row(point, attributes)
