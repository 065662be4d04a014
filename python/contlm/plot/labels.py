"""What columns and points are called in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from contlm.analysis.tables import SAME

_NAMES = {
    "perplexity": "perplexity",
    "conditional_perplexity": "conditional perplexity",
    "self_bleu": "self-BLEU",
    "length": "length (words)",
    "tokens_per_s": "tokens/s",
}


def value_label(column: str) -> str:
    """ "score_humor" as "humor score", "dist_1" as "dist-1"."""
    if column.startswith("score_"):
        return f"{column.removeprefix('score_')} score"
    if column.startswith("dist_"):
        return f"dist-{column.removeprefix('dist_')}"
    return _NAMES.get(column, column)


def number(value: float) -> str:
    """At most three digits, with a true minus sign; "" for NaN."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.3g}".replace("-", "−")


def interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def alpha_note(table: pd.DataFrame, attributes: Sequence[str]) -> str:
    """ "α = 1", or one alpha an attribute; "" where an attribute's alpha is not one number."""
    alphas = []
    for name in attributes:
        weighs = table[f"lam_{name}"].abs() > SAME
        values = table.loc[weighs, f"alpha_{name}"].round(9).dropna().unique()
        if len(values) != 1:
            return ""
        alphas.append(float(values[0]))
    if np.ptp(alphas) <= SAME:
        return f"α = {number(alphas[0])}"
    return "α = " + ", ".join(
        f"{number(a)} ({name})" for a, name in zip(alphas, attributes, strict=True)
    )
