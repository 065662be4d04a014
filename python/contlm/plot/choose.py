"""The pictures that fit a sweep, by its grid or, for a plain table, by its points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from contlm.analysis.tables import SAME, attributes_of, grid_of, lam_of, lines_of, summary_of
from contlm.plot.columns import moved_attributes
from contlm.plot.curves import alpha_panels
from contlm.plot.heatmaps import (
    alpha_lambda_attributes,
    alpha_lambda_panels,
    entanglement,
    product_panels,
)
from contlm.plot.scatter import response
from contlm.plot.style import styled
from contlm.plot.ternary import faces_of, simplex_panels

KINDS = ("line", "simplex", "alpha_lambda", "entangle", "product", "random")


def kind_of(sweep: Any) -> str:
    """What a sweep's points make up, one of KINDS: its grid's kind, or, where that is "custom" or
    unknown, what the points themselves show."""
    kind = getattr(grid_of(sweep), "kind", None)
    table = summary_of(sweep)
    if kind not in KINDS:
        kind = _shown(table)
    if kind == "product" and len(moved_attributes(table)) != 2:
        return "line" if _all_on_lines(table) else "random"
    return kind


@styled
def auto(sweep: Any) -> np.ndarray:
    """The pictures that fit a sweep's grid: [panels] of Axes, on one or several new figures.

    line: score, perplexity and diversity against alpha. simplex: triangles of every score and of
    perplexity, a figure per face where there are more than three attributes. alpha_lambda: Fig. 5's
    heatmaps. entangle: the entanglement's heatmap. product: a heatmap of each score over two
    alphas. Anything else: each score against its own attribute's weight.
    """
    kind, table = kind_of(sweep), summary_of(sweep)
    if kind == "line":
        return alpha_panels(sweep)
    if kind == "simplex":
        faces = faces_of(table)
        if len(faces) > 1:
            return np.concatenate([simplex_panels(sweep, attributes=face) for face in faces])
        return simplex_panels(sweep)
    if kind == "alpha_lambda":
        return alpha_lambda_panels(sweep)
    if kind == "entangle":
        return np.array([entanglement(sweep)], dtype=object)
    if kind == "product":
        return product_panels(sweep)
    return response(sweep)


def _shown(table: pd.DataFrame) -> str:
    names = attributes_of(table)
    lam = lam_of(table, names)
    if _all_on_lines(table):
        return "line"
    halves = (np.abs(lam - 0.5) <= SAME).sum(axis=1) == 2
    if halves.all() and len(names) > 2 and (np.abs(lam).sum(axis=1) <= 1 + SAME).all():
        return "entangle"
    still = (np.ptp(lam, axis=0) <= SAME).all()
    if still:
        return "product"
    if len(alpha_lambda_attributes(table)) > 0:
        return "alpha_lambda"
    if not moved_attributes(table) and len(faces_of(table)) > 0:
        return "simplex"
    return "random"


def _all_on_lines(table: pd.DataFrame) -> bool:
    lam = lam_of(table, attributes_of(table))
    return bool(lines_of(table)) and bool(((np.abs(lam) > SAME).sum(axis=1) == 1).all())
