"""Intervals of mean scores, which stay where scores are: within [0, 1].

Prompts are what is independent in a sweep: the texts of one prompt are alike.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

_RESAMPLES = 2000
_SEED = 0


def score_band(
    source: Any, line: pd.DataFrame, attribute: str, column: str, confidence: float
) -> tuple[Floats, Floats] | None:
    """(low, high), each [alphas of `line`]: an interval of the mean of a score column along an
    attribute; None where there is nothing to tell it from.

    source: a Sweep or a frame: the percentile bootstrap over prompts (2000 resamples of the prompts
    of the same line, one draw for all alphas, a fixed seed); it needs two prompts. A summary: the
    normal interval from <column>_sem, cut off at 0 and 1.
    """
    texts = _texts_of(source)
    if texts is not None and column in texts.columns:
        return _bootstrap(_line_texts(texts, line, attribute), line, attribute, column, confidence)
    errors = line.get(f"{column}_sem")
    if errors is None or errors.isna().all():
        return None
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * errors
    return clipped(line[column], reach)


def clipped(scores: Any, reach: Any) -> tuple[Floats, Floats]:
    """(low, high): scores less and plus `reach`, cut off at 0 and 1."""
    middle, half = np.asarray(scores, np.float64), np.asarray(reach, np.float64)
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def _texts_of(source: Any) -> pd.DataFrame | None:
    texts = getattr(source, "frame", source)
    return texts if isinstance(texts, pd.DataFrame) and "sample" in texts.columns else None


def _line_texts(texts: pd.DataFrame, line: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """The texts of a line's points: those that agree with it in all but the attribute's alpha."""
    held = [c for c in line.columns if str(c).startswith(("alpha_", "lam_"))]
    held.remove(f"alpha_{attribute}")
    here, there = texts[held].round(9), line[held].iloc[0].round(9)
    return texts[((here == there) | (here.isna() & there.isna())).all(axis=1)]


def _bootstrap(
    texts: pd.DataFrame, line: pd.DataFrame, attribute: str, column: str, confidence: float
) -> tuple[Floats, Floats] | None:
    alphas = texts[f"alpha_{attribute}"].round(9)
    groups = texts.groupby(["prompt_index", alphas])[column]
    # [prompts, alphas] each, so that a resampled mean weighs texts as the summary's does
    sums = groups.sum().unstack().reindex(columns=line[f"alpha_{attribute}"]).fillna(0.0)
    counts = groups.count().unstack().reindex(columns=sums.columns).fillna(0)
    prompts = len(sums)
    if prompts < 2:
        return None
    drawn = np.random.default_rng(_SEED).multinomial(
        prompts, np.full(prompts, 1 / prompts), _RESAMPLES
    )
    with np.errstate(invalid="ignore"):
        means = (drawn @ sums.to_numpy()) / (drawn @ counts.to_numpy())
    ends = 50 * (1 - confidence), 50 * (1 + confidence)
    low, high = np.nanpercentile(means, ends, axis=0)
    return low, high
