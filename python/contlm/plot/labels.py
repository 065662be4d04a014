"""What axes, values and points are called, and how numbers are written, in pictures and pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from contlm.analysis.tables import SAME

_NAMES = {
    "perplexity": "perplexity",
    "base_perplexity": "perplexity under the base",
    "conditional_perplexity": "conditional perplexity",
    "self_bleu": "self-BLEU",
    "length": "length (words)",
    "tokens_per_s": "tokens/s",
    "score": "score of the attribute",
    "dist": "dist-n (diversity)",
    "cosine": "cosine of the deltas",
    "l2": "squared L2 distance",
    "frobenius": "Frobenius distance",
    "entanglement": "area under |change of score|",
}


def value_label(column: str) -> str:
    """ "score_humor" as "humor score", "dist_1" as "dist-1"."""
    if column.startswith("score_"):
        return f"{column.removeprefix('score_')} score"
    if column.startswith("dist_"):
        return f"dist-{column.removeprefix('dist_')}"
    return _NAMES.get(column, column)


def place_label(column: str) -> str:
    """ "alpha_humor" as "α of humor", "lam_humor" as "λ of humor"."""
    kind, _, name = column.partition("_")
    return f"{'α' if kind == 'alpha' else 'λ'} of {name}"


def weight_label(attribute: str) -> str:
    return f"λ α of {attribute}"


def number(value: float) -> str:
    """At most three digits, with a true minus sign and no negative zero; "" for NaN."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return _signed(f"{value:.3g}")


def fixed(value: float, form: str = ".2f") -> str:
    """In a format of Python's, such as ".2f", with a true minus sign and no negative zero; "" for
    NaN."""
    return number(value) if not math.isfinite(value) else _signed(f"{value:{form}}")


def _signed(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def range_label(stable: tuple[float, float], reached: tuple[bool, bool]) -> str:
    """ "[−1, 2]"; "[−1, 4], upper limit not reached" where `analysis.limits_reached` says so: no
    unstable point was seen on that side."""
    open_ends = [end for end, known in zip(("lower", "upper"), reached, strict=True) if not known]
    if not open_ends:
        return interval(*stable)
    which = f"{open_ends[0]} limit" if len(open_ends) == 1 else "limits"
    return f"{interval(*stable)}, {which} not reached"


def alpha_note(table: pd.DataFrame, attributes: Sequence[str]) -> str:
    """ "α = 1", or one alpha per attribute; "" where an attribute's alpha is not one number."""
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


def point_lines(row: Mapping[Any, Any], attributes: Sequence[str]) -> list[str]:
    """A line per attribute of a summary's row: "humor α 1 λ 0.4", without the lambda where it is 1;
    "base" where nothing weighs."""
    lines = []
    for name in attributes:
        lam = row[f"lam_{name}"]
        if abs(lam) > SAME:
            weight = "" if abs(lam - 1) <= SAME else f" λ {number(lam)}"
            lines.append(f"{name} α {number(row[f'alpha_{name}'])}{weight}")
    return lines or ["base"]
