"""Scattered points: the anchors on a map (the paper's Fig. 31), and scores of any set of points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from contlm import analysis
from contlm.analysis.geometry import BASE
from contlm.analysis.tables import (
    alpha_of,
    attributes_of,
    lam_of,
    require_columns,
    scored_attributes,
    summary_of,
)
from contlm.plot.bands import clipped
from contlm.plot.labels import fixed, value_label, weight_label
from contlm.plot.style import PAGE, colour, marker, one_axes, panel_axes, styled


@styled
def mds(source: Any, step: float = 0.1, *, ax: Axes | None = None) -> Axes:
    """The base, the anchors (low open, high filled) and the models between them, in the plane.

    source: an Interpolator (models at every `step` of alpha), or a table of
    `contlm.analysis.positions` or `contlm.analysis.mds`; names "<attr>.low" and "<attr>.high" are
    read as anchors.
    """
    table = source if isinstance(source, pd.DataFrame) else analysis.positions(source, step)
    require_columns(table, ["mds_1", "mds_2"])
    axes = one_axes(ax, 0.62 * PAGE, 3.0)
    placed = _placed(table)
    attributes = list(dict.fromkeys(a for a in placed["attribute"] if a))
    for k, name in enumerate(attributes):
        path = placed[placed["attribute"] == name].sort_values("alpha")
        axes.plot(
            path["mds_1"], path["mds_2"], color=colour(k), linewidth=0.9, marker=".",
            markersize=3.5, label="_path", zorder=2,
        )  # fmt: skip
        for end, face in ((0.0, "white"), (1.0, colour(k))):
            at = path[path["alpha"] == end]
            axes.plot(
                at["mds_1"], at["mds_2"], linestyle="none", marker=marker(k), markersize=7,
                color=colour(k), markerfacecolor=face, markeredgewidth=1.2, zorder=3,
                label=f"{name} ({'low' if end == 0 else 'high'})",
            )  # fmt: skip
    for name, row in placed[placed["attribute"] == ""].iterrows():
        star = {"marker": "*", "markersize": 11} if name == BASE else {"marker": "x"}
        axes.plot(
            row["mds_1"], row["mds_2"], linestyle="none", color="black", zorder=4, label=str(name),
            **star,
        )  # fmt: skip
    shares = table.attrs.get("explained", [])
    for axis, k in ((axes.xaxis, 0), (axes.yaxis, 1)):
        share = f" ({100 * shares[k]:.0f} % of variance)" if len(shares) > k else ""
        axis.set_label_text(f"MDS {k + 1}{share}")
    if "stress" in table.attrs:
        axes.set_title(f"stress {fixed(table.attrs['stress'])}", loc="right", fontsize="small")
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=1.2)
    return axes


@styled
def response(sweep: Any, *, ax: Any = None) -> np.ndarray:
    """Each score against the weight lambda alpha of its own attribute's high anchor, a dot per
    point: for sweeps with no plainer picture (random points, products of many); bars are one
    standard error, cut off at 0 and 1. [panels] of Axes.

    ax: as many Axes as the sweep has scores of attributes that it moves.
    """
    table = summary_of(sweep)
    names = [n for n in attributes_of(table) if n in scored_attributes(table)]
    if not names:
        require_columns(table, [f"score_{n}" for n in attributes_of(table)] or ["score_<attr>"])
    panels = panel_axes(ax, len(names), height=2.1)
    for panel, name in zip(panels, names, strict=True):
        rank = attributes_of(table).index(name)
        weight = lam_of(table, [name]) * np.nan_to_num(alpha_of(table, [name]))
        scores, bars = table[f"score_{name}"], None
        if f"score_{name}_sem" in table.columns:
            low, high = clipped(scores, table[f"score_{name}_sem"])
            bars = np.stack([scores - low, high - scores]).clip(min=0.0)
        panel.errorbar(
            weight[:, 0], scores, yerr=bars, fmt=marker(rank), color=colour(rank),
            markersize=3.5, elinewidth=0.7, alpha=0.85,
        )  # fmt: skip
        panel.set(
            xlabel=weight_label(name), ylabel=value_label(f"score_{name}"), ylim=(-0.03, 1.03)
        )
    return panels


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with attribute and alpha, read off the anchors' names where they are not there."""
    if {"attribute", "alpha"} <= set(table.columns):
        return table
    parts = [str(name).rpartition(".") for name in table.index]
    ends = {"low": 0.0, "high": 1.0}
    return table.assign(
        attribute=[name if end in ends else "" for name, _, end in parts],
        alpha=[ends.get(end, np.nan) for _, _, end in parts],
    )
