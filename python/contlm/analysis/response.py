"""How scores answer to the point: entanglement, the stable range, the error against a truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contlm.analysis.tables import (
    SAME,
    alpha_of,
    attributes_of,
    diversities,
    grid_of,
    lam_of,
    line_of,
    require_columns,
    summary_of,
)

Floats = npt.NDArray[np.float64]

FACTOR = 1.5
# How much less likely than at the worse anchor the texts may be to the base model: 0.4 nats per
# token. An anchor's texts are as coherent as this model gets in a style that is not the base's, so
# style alone stays below. On the bundled models, what reads well lies below 1.45 at every attribute
# and end, and where words come apart it is 1.6 and more, doubling within the next half of alpha.
COHERENCE = 1.5
# how many standard errors of a difference are taken for noise where no tolerance is given
NOISE_ERRORS = 2.0


def entanglement(source: Any, held: float | None = None) -> pd.DataFrame:
    """Entanglement of the moved attribute j on the held attribute i: [moved, held], NaN where the
    sweep has no such pair.

    The area under |score_i(alpha_j) - score_i(alpha_j = 0)| over alpha_j (trapezoids), with
    lambda_i = lambda_j = .5 and alpha_i at `held` (the paper's section 3.2.2 and Fig. 8, whose rows
    are our columns). Over [0, 1] it is between 0 (independent) and 1.

    source: a Sweep over `contlm.grid.entangle`, its summary or its frame. held: which table, where
    the source has several; None takes the grid's, and 1 for a plain table. ValueError without a
    pair, for a pair without alpha_j = 0 or with fewer than two alphas, and for missing scores.
    """
    table = summary_of(source)
    if held is None:
        axes = getattr(grid_of(source), "axes", {})
        held = float(axes.get("held", 1.0))
    names = attributes_of(table)
    areas = {
        (j, i): _area(table, j, i, held)
        for j in names
        for i in names
        if j != i and _pair_rows(table, j, i, held).any()
    }
    if not areas:
        raise ValueError(
            "entanglement: needs rows with lambda .5 for two attributes and one alpha held at "
            f"{held:g}, the table has none; sweep over contlm.grid.entangle"
        )
    present = [name for name in names if any(name in pair for pair in areas)]
    found = pd.DataFrame(np.nan, index=present, columns=present)
    for (j, i), area in areas.items():
        found.loc[j, i] = area
    return found.rename_axis(index="moved", columns="held")


def stable_range(
    source: Any,
    attr: str,
    factor: float = FACTOR,
    tolerance: float | None = None,
    coherence: float = COHERENCE,
) -> tuple[float, float]:
    """(low, high): the largest interval around [0, 1], in the swept alphas, where the score stays
    monotone, the model sound and its texts coherent (the paper's Figs. 3-4, which look at the first
    two).

    Sound: perplexity at most `factor` times the worse anchor's, and each dist-n at least the worse
    anchor's divided by `factor`, the anchors being alpha = 0 and 1. Coherent: base_perplexity, of
    the generated texts under the base model, at most `coherence` times the worse anchor's.
    Columns that the summary lacks are not judged. Monotone: going outward, each score lies at or
    beyond every score between it and the far anchor, less a tolerance, in the direction from the
    low anchor's score to the high one's.

    tolerance: how far a score may step back and still count as monotone, in units of the score.
        None takes twice the standard error of the difference of the two scores compared, from
        score_<attr>_sem (0 where the summary has none): sampling noise is then not taken for the
        end of the range. Rows of one seed share their random numbers, which makes it generous.

    (NaN, NaN) where [0, 1] itself is not stable. ValueError unless alpha 0 and 1 were swept, for a
    factor or coherence below 1 or a negative tolerance, and for missing columns.
    """
    alphas, span = _stable_span(source, attr, factor, tolerance, coherence)
    if span is None:
        return math.nan, math.nan
    return float(alphas[span[0]]), float(alphas[span[1]])


def limits_reached(
    source: Any,
    attr: str,
    factor: float = FACTOR,
    tolerance: float | None = None,
    coherence: float = COHERENCE,
) -> tuple[bool, bool]:
    """(low, high): whether each end of `stable_range`, whose arguments these are, is where
    stability ends, and not merely where the sweep does.

    False says that no alpha was swept beyond that end, so that the range may go on. (True, True)
    where there is no range.
    """
    alphas, span = _stable_span(source, attr, factor, tolerance, coherence)
    return (True, True) if span is None else (span[0] > 0, span[1] + 1 < len(alphas))


def stable_limits(
    source: Any, attr: str, factor: float = FACTOR, coherence: float = COHERENCE
) -> dict[str, float]:
    """What `stable_range` allows: column -> the greatest perplexity and base_perplexity, and the
    least of each dist-n, for those that the summary has."""
    line = line_of(summary_of(source), attr)
    low, high = _anchor_rows(line[f"alpha_{attr}"].to_numpy(), attr)
    return _limits(line, low, high, factor, coherence)


def mae(source: Any, truth: Any, attr: str) -> float:
    """Mean absolute error of a method's scores against a truth, over the truth's alphas (the
    paper's Table 1).

    source: a Sweep along `attr`, or its summary. truth: alpha -> score, as a mapping, as a Series
    indexed by alpha, or as a Sweep or summary with the same columns; in the paper, the scores of
    models fine-tuned on a fraction alpha of high-class data. ValueError for an empty truth and for
    alphas that the source lacks.
    """
    found = _scores_by_alpha(source, attr)
    wanted = _scores_by_alpha(truth, attr)
    if not wanted:
        raise ValueError("truth: must have at least one alpha, got none")
    errors = []
    for alpha, score in wanted.items():
        near = [s for a, s in found.items() if abs(a - alpha) <= SAME]
        if not near:
            raise ValueError(
                f"mae: the sweep must have every alpha of the truth, it lacks {alpha:g}; it has "
                f"{', '.join(f'{a:g}' for a in found)}"
            )
        errors.append(abs(near[0] - score))
    return float(np.mean(errors))


def _pair_rows(table: pd.DataFrame, moved: str, held_name: str, held: float) -> npt.NDArray[Any]:
    names = attributes_of(table)
    expected = np.array([0.5 if name in (moved, held_name) else 0.0 for name in names])
    weighs: npt.NDArray[Any] = (np.abs(lam_of(table, names) - expected) <= SAME).all(axis=1)
    return weighs & (np.abs(alpha_of(table, [held_name])[:, 0] - held) <= SAME)


def _area(table: pd.DataFrame, moved: str, held_name: str, held: float) -> float:
    score, alpha = f"score_{held_name}", f"alpha_{moved}"
    require_columns(table, [score])
    rows = table[_pair_rows(table, moved, held_name, held)]
    curve = rows.groupby(rows[alpha].round(9))[score].mean().sort_index()
    if len(curve) < 2:
        # what the reversed pair happens to share with this one is no curve
        return math.nan
    if 0.0 not in curve.index:
        raise ValueError(
            f"entanglement: {moved} must be swept from alpha 0, its alphas are "
            f"{', '.join(f'{a:g}' for a in curve.index)}"
        )
    change = (curve - curve.loc[0.0]).abs().to_numpy()
    # np.trapz left numpy 2 and np.trapezoid is not in 1.26
    return float(((change[1:] + change[:-1]) / 2 * np.diff(curve.index.to_numpy())).sum())


def _anchor_rows(alphas: Floats, attr: str) -> tuple[int, int]:
    rows = []
    for anchor in (0.0, 1.0):
        near = np.flatnonzero(np.abs(alphas - anchor) <= SAME)
        if not len(near):
            raise ValueError(
                f"stable range of {attr}: the anchors alpha = 0 and 1 must be among the swept "
                f"alphas, got {', '.join(f'{a:g}' for a in alphas)}"
            )
        rows.append(int(near[0]))
    return rows[0], rows[1]


def _stable_span(
    source: Any, attr: str, factor: float, tolerance: float | None, coherence: float
) -> tuple[Floats, tuple[int, int] | None]:
    """The swept alphas, and which of them the stable range begins and ends at; None: none."""
    for what, ratio in (("factor", factor), ("coherence", coherence)):
        if not (math.isfinite(ratio) and ratio >= 1):
            raise ValueError(f"{what}: must be at least 1, got {ratio!r}")
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"tolerance: must not be negative, got {tolerance!r}")
    line = line_of(summary_of(source), attr)
    require_columns(line, [f"score_{attr}"])
    alphas = line[f"alpha_{attr}"].to_numpy()
    low, high = _anchor_rows(alphas, attr)
    scores = line[f"score_{attr}"].to_numpy(dtype=np.float64)
    errors = _errors(line, attr) if tolerance is None else None
    sound = _sound(line, _limits(line, low, high, factor, coherence))
    direction = 1.0 if scores[high] >= scores[low] else -1.0

    def holds(inner: int, outer: int) -> bool:
        """Is `outer` at or beyond `inner`, on the side that it lies?"""
        slack = tolerance if errors is None else NOISE_ERRORS * math.hypot(*errors[[inner, outer]])
        step = direction * (scores[outer] - scores[inner]) * (1 if outer > inner else -1)
        return bool(step >= -(slack or 0.0))

    middle = range(low, high + 1)
    if not all(sound[k] for k in middle) or not all(
        holds(a, b) for a in middle for b in middle if a < b
    ):
        return alphas, None
    first, last = low, high
    while (
        first > 0 and sound[first - 1] and all(holds(k, first - 1) for k in range(first, high + 1))
    ):
        first -= 1
    while (
        last + 1 < len(alphas)
        and sound[last + 1]
        and all(holds(k, last + 1) for k in range(low, last + 1))
    ):
        last += 1
    return alphas, (first, last)


def _limits(
    line: pd.DataFrame, low: int, high: int, factor: float, coherence: float
) -> dict[str, float]:
    anchors = line.iloc[[low, high]]
    limits = {
        column: allowed * float(anchors[column].max())
        for column, allowed in (("perplexity", factor), ("base_perplexity", coherence))
        if column in line.columns
    }
    return limits | {column: float(anchors[column].min()) / factor for column in diversities(line)}


def _sound(line: pd.DataFrame, limits: Mapping[str, float]) -> npt.NDArray[Any]:
    """[alphas]: within every limit, and a number at all."""
    sound = np.ones(len(line), dtype=bool)
    for column, limit in limits.items():
        values = line[column].to_numpy(dtype=np.float64)
        within = values >= limit if column in diversities(line) else values <= limit
        sound &= np.isfinite(values) & within
    return sound


def _errors(line: pd.DataFrame, attr: str) -> Floats:
    column = f"score_{attr}_sem"
    if column not in line.columns:
        return np.zeros(len(line))
    found: Floats = line[column].fillna(0.0).to_numpy(dtype=np.float64)
    return found


def _scores_by_alpha(source: Any, attr: str) -> dict[float, float]:
    if isinstance(source, pd.Series | Mapping):
        return {float(alpha): float(score) for alpha, score in source.items()}
    line = line_of(summary_of(source), attr)
    require_columns(line, [f"score_{attr}"])
    return dict(zip(line[f"alpha_{attr}"], line[f"score_{attr}"], strict=True))
