"""Values over the lambda simplex of three attributes (the paper's Figs. 6-7 and 27-30)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.tri import TriAnalyzer, Triangulation

from contlm.analysis.tables import (
    SAME,
    alpha_of,
    attributes_of,
    grid_of,
    lam_of,
    require_attribute,
    require_columns,
    summary_of,
)
from contlm.plot.columns import map_columns
from contlm.plot.labels import alpha_note, fixed, value_label
from contlm.plot.scales import MapOptions, Panel, Scale, colour_bar, map_panels, scale_of
from contlm.plot.style import one_axes, styled

if TYPE_CHECKING:
    from typing_extensions import Unpack

_HEIGHT = math.sqrt(3) / 2
# lambda = (1, 0, 0), (0, 1, 0), (0, 0, 1)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _HEIGHT]])
_BANDS = 48
_SUM_SLACK = 1e-6


@styled
def simplex(
    sweep: Any,
    value: str | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    **options: Unpack[MapOptions],
) -> Axes:
    """One value over the triangle of three attributes' lambda: a corner is one attribute alone, and
    the distance from the opposite side is its lambda.

    Each swept point is drawn in its own colour, and between them the surface is interpolated
    linearly on the triangles of neighbouring points: it shows nothing that was not measured.

    sweep: a Sweep over `contlm.grid.simplex`, or its summary. value: a column, "score_<attr>",
    "perplexity" ...; None is the first attribute's score. attributes: the three corners (left,
    right, top); None takes the sweep's own three. options: vmin, vmax, cmap, annotate, colorbar
    (`MapOptions`).

    ValueError where there are not three attributes, where the sweep has no lattice over them, or
    where their alphas differ between its points.
    """
    table = summary_of(sweep)
    corners = _corners(sweep, table, attributes)
    column = value or f"score_{corners[0]}"
    require_columns(table, [column])
    rows = _lattice(table, corners)
    values = rows[column].to_numpy(dtype=np.float64)
    scale, annotate = scale_of(column, values, options), options.get("annotate", False)
    axes = one_axes(ax, height=2.7)
    place = lam_of(rows, corners) @ CORNERS
    _surface(axes, place, values, scale)
    _frame(axes, corners, 0.07 if annotate else 0.0)
    axes.scatter(
        place[:, 0], place[:, 1], c=values, cmap=scale.cmap, norm=scale.norm, s=26,
        edgecolors="white", linewidths=0.9, zorder=3, clip_on=False,
    )  # fmt: skip
    if annotate:
        _annotate(axes, place, values, scale)
    axes.set_title(value_label(column))
    if options.get("colorbar", True):
        colour_bar([axes], scale, _at(rows, corners), below=True)
    return axes


@styled
def simplex_panels(
    sweep: Any,
    values: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Any = None,
    **options: Unpack[MapOptions],
) -> np.ndarray:
    """A `simplex` for each value, side by side: [panels] of Axes.

    values: the columns to draw; None takes the sweep's scores (the corners' first), and perplexity
    where there is one. All scores share one scale and one colour bar. ax: as many Axes as there are
    values. options: those of `simplex`.
    """
    table = summary_of(sweep)
    corners = _corners(sweep, table, attributes)
    columns = list(values) if values is not None else map_columns(table, corners)
    require_columns(table, columns)
    rows = _lattice(table, corners)
    jobs = [
        Panel(
            column,
            rows[column].to_numpy(dtype=np.float64),
            partial(simplex, table, column, corners),
        )
        for column in columns
    ]
    return map_panels(
        jobs, ax, options, whole_scores=False, wide=4 if len(jobs) == 4 else 3, below=True,
        label=_at(rows, corners),
    )  # fmt: skip


def faces_of(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The threes of attributes whose triangle a table covers, in its own order."""
    names = attributes_of(table)
    used = [n for n in names if (np.abs(table[f"lam_{n}"].fillna(0.0)) > SAME).any()]
    found = []
    for face in combinations(used, 3):
        try:
            rows = _lattice(table, face)
        except ValueError:
            continue
        weighs = lam_of(rows, face) > SAME
        # three corners of other triangles are no face: a swept one has points inside, or between
        # every two of its corners
        inside = weighs.all(axis=1).any()
        edges = [(weighs.sum(axis=1) == 2) & ~weighs[:, k] for k in range(3)]
        if inside or all(edge.any() for edge in edges) or len(used) == 3:
            found.append(face)
    return found


def _corners(sweep: Any, table: pd.DataFrame, attributes: Sequence[str] | None) -> tuple[str, ...]:
    if attributes is None:
        axes = getattr(grid_of(sweep), "axes", {})
        names = [n for n in attributes_of(table) if (table[f"lam_{n}"].abs() > SAME).any()]
        attributes = (
            axes.get("attributes", names)
            if set(names) >= set(axes.get("attributes", names))
            else names
        )
    for name in attributes:
        require_attribute(table, name)
    if len(attributes) != 3 or len(set(attributes)) != 3:
        raise ValueError(
            f"attributes: a triangle has three corners, got {len(attributes)} "
            f"({', '.join(attributes)}); name three with attributes="
        )
    return tuple(attributes)


def _lattice(table: pd.DataFrame, corners: Sequence[str]) -> pd.DataFrame:
    """The rows on the triangle of `corners`, one per point."""
    lam = lam_of(table, corners)
    others = lam_of(table, [n for n in attributes_of(table) if n not in corners])
    inside = (np.abs(others) <= SAME).all(axis=1) & (lam >= -SAME).all(axis=1)
    inside &= np.abs(lam.sum(axis=1) - 1.0) <= _SUM_SLACK
    rows = table[inside]
    if len(rows) < 3 or np.linalg.matrix_rank(lam[inside] - lam[inside][0], tol=1e-6) < 2:
        raise ValueError(
            f"simplex: needs points whose lambda over {', '.join(corners)} adds up to 1 and spans "
            f"a triangle, the sweep has {len(rows)} such; sweep over contlm.grid.simplex"
        )
    alphas = np.where(lam[inside] > SAME, alpha_of(rows, corners), np.nan)
    for name, column in zip(corners, alphas.T, strict=True):
        seen = np.unique(column[~np.isnan(column)].round(9))
        if len(seen) > 1:
            raise ValueError(
                f"simplex: {name} must have one alpha at all points, the sweep has "
                f"{', '.join(f'{a:g}' for a in seen)}; select the rows of one alpha first"
            )
    keys = [f"lam_{name}" for name in corners]
    rounded = rows.assign(**{key: rows[key].round(9) for key in keys})
    return rounded.groupby(keys, as_index=False).mean(numeric_only=True)


def _at(rows: pd.DataFrame, corners: Sequence[str]) -> str:
    note = alpha_note(rows, corners)
    return f"at {note}" if note else ""


def _surface(axes: Axes, place: npt.NDArray[Any], values: npt.NDArray[Any], scale: Scale) -> None:
    known = np.isfinite(values)
    if known.sum() < 3:
        return
    mesh = Triangulation(*place[known].T)
    # rounding leaves slivers between points of one side
    mesh.set_mask(TriAnalyzer(mesh).get_flat_tri_mask(0.01))
    low, high = scale.norm.vmin, scale.norm.vmax
    assert low is not None and high is not None
    bands = axes.tricontourf(
        mesh, values[known].clip(low, high), levels=np.linspace(low, high, _BANDS + 1),
        cmap=scale.cmap, norm=scale.norm,
    )  # fmt: skip
    # viewers show the page between two bands that only touch
    bands.set_edgecolor("face")
    bands.set_linewidth(0.4)


def _frame(axes: Axes, corners: Sequence[str], lift: float) -> None:
    outline = np.vstack([CORNERS, CORNERS[:1]])
    axes.plot(*outline.T, color="0.25", linewidth=0.8, zorder=2, label="_frame")
    # names hang inward from their corners, so that neighbouring triangles' names keep apart
    places = ((-0.06, -0.06, "left", "top"), (1.06, -0.06, "right", "top"),
              (0.5, _HEIGHT + 0.055, "center", "bottom"))  # fmt: skip
    for name, (x, y, across, upright) in zip(corners, places, strict=True):
        axes.text(x, y + (lift if y > 0 else 0), name, ha=across, va=upright, fontsize="small")
    axes.set(xlim=(-0.06, 1.06), ylim=(-0.06, _HEIGHT + 0.13 + lift), aspect="equal")
    axes.set_axis_off()


def _annotate(axes: Axes, place: npt.NDArray[Any], values: npt.NDArray[Any], scale: Scale) -> None:
    for (x, y), value in zip(place, values, strict=True):
        axes.annotate(
            fixed(value, scale.form), (x, y), xytext=(0, 5), textcoords="offset points",
            ha="center", va="bottom", fontsize="x-small", zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
        )  # fmt: skip
