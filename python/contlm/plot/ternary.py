"""Values over the lambda simplex of three attributes (the paper's Figs. 6-7 and 27-30)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.tri import TriAnalyzer, Triangulation

from contlm.analysis.tables import (
    SAME,
    alpha_of,
    attributes_of,
    grid_of,
    lam_of,
    require_attribute,
    require_columns,
    scored_attributes,
    summary_of,
)
from contlm.plot.labels import alpha_note, number, value_label
from contlm.plot.style import (
    SCALE,
    WORSE_SCALE,
    colour_bar,
    figure_of,
    one_axes,
    panel_axes,
    styled,
)

_HEIGHT = math.sqrt(3) / 2
# lambda = (1, 0, 0), (0, 1, 0), (0, 0, 1)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _HEIGHT]])
_BANDS = 48
_SUM_SLACK = 1e-6
_BELOW: dict[str, Any] = {"location": "bottom", "pad": 0.06}


@styled
def simplex(
    sweep: Any,
    value: str | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | None = None,
    colorbar: bool = True,
    annotate: bool = False,
) -> Axes:
    """One value over the triangle of three attributes' lambda: a corner is one attribute alone, and
    the distance from the opposite side is its lambda.

    Each swept point is drawn in its own colour, and between them the surface is interpolated
    linearly on the triangles of neighbouring points: it shows nothing that was not measured.

    sweep: a Sweep over `contlm.grid.simplex`, or its summary. value: a column, "score_<attr>",
    "perplexity" ...; None is the first attribute's score. attributes: the three corners (left,
    right, top); None takes the sweep's own three. vmin, vmax: the colours' limits, the data's by
    default. annotate: writes each value at its point.

    ValueError where there are not three attributes, where the sweep has no lattice over them, or
    where their alphas differ between its points.
    """
    table = summary_of(sweep)
    corners = _corners(sweep, table, attributes)
    column = value or f"score_{corners[0]}"
    require_columns(table, [column])
    rows = _lattice(table, corners)
    norm = _norm(rows[[column]], vmin, vmax)
    scale = cmap or (WORSE_SCALE if column.endswith("perplexity") else SCALE)
    axes = one_axes(ax, height=2.7)
    place = lam_of(rows, corners) @ CORNERS
    values = rows[column].to_numpy(dtype=np.float64)
    _surface(axes, place, values, norm, scale)
    _frame(axes, corners, 0.07 if annotate else 0.0)
    axes.scatter(
        place[:, 0], place[:, 1], c=values, cmap=scale, norm=norm, s=26,
        edgecolors="white", linewidths=0.9, zorder=3, clip_on=False,
    )  # fmt: skip
    if annotate:
        _annotate(axes, place, values)
    note = alpha_note(rows, corners)
    axes.set_title(f"{value_label(column)}, {note}" if note else value_label(column))
    if colorbar:
        colour_bar([axes], norm, scale, value_label(column), shrink=0.8, pad=0.08)
    return axes


@styled
def simplex_panels(
    sweep: Any,
    values: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Any = None,
    **options: Any,
) -> np.ndarray:
    """A `simplex` for each value, side by side: [panels] of Axes.

    values: the columns to draw; None takes the sweep's scores (the corners' first), and perplexity
    where there is one. All scores share one scale and one colour bar. ax: as many Axes as there are
    values. options: those of `simplex`.
    """
    table = summary_of(sweep)
    corners = _corners(sweep, table, attributes)
    columns = list(values) if values is not None else _panel_columns(table, corners)
    require_columns(table, columns)
    rows = _lattice(table, corners)
    scores = [c for c in columns if c.startswith("score_")]
    panels = panel_axes(ax, len(columns), wide=4 if len(columns) == 4 else 3, height=2.3)
    note = alpha_note(rows, corners)
    at = f" at {note}" if note else ""
    limits = {"vmin": options.pop("vmin", None), "vmax": options.pop("vmax", None)}
    shared = _norm(rows[scores], **limits) if scores else None
    for panel, column in zip(panels, columns, strict=True):
        norm = shared if column in scores and shared else _norm(rows[[column]], None, None)
        simplex(
            table, column, corners, ax=panel, vmin=norm.vmin, vmax=norm.vmax,
            colorbar=False, **options,
        )  # fmt: skip
        panel.set_title(value_label(column))
        if column not in scores:
            scale = options.get("cmap") or _scale_of(column)
            text = value_label(column) + at
            colour_bar([panel], norm, scale, text, **_BELOW, aspect=12, shrink=0.8)
    if shared is not None:
        hosts = [p for p, c in zip(panels, columns, strict=True) if c in scores]
        size = {"aspect": 12 * len(hosts), "shrink": 0.8 if len(hosts) == 1 else 0.6}
        # under several rows it would run into the bar of a panel in the last one
        place = {"shrink": 0.5, "pad": 0.02} if _rows_of(panels) > 1 else {**_BELOW, **size}
        colour_bar(hosts, shared, options.get("cmap") or SCALE, "score" + at, **place)
    if ax is None:
        # Colour bars under axes of a fixed aspect: the layout settles in its second pass.
        figure_of(panels[0]).draw_without_rendering()
    return panels


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


def _corners(
    sweep: Any, table: pd.DataFrame, attributes: Sequence[str] | None
) -> tuple[str, ...]:
    if attributes is None:
        axes = getattr(grid_of(sweep), "axes", {})
        names = [n for n in attributes_of(table) if (table[f"lam_{n}"].abs() > SAME).any()]
        attributes = axes.get("attributes", names) if set(names) >= set(
            axes.get("attributes", names)
        ) else names
    for name in attributes:
        require_attribute(table, name)
    if len(attributes) != 3 or len(set(attributes)) != 3:
        raise ValueError(
            f"attributes: a triangle has three corners, got {len(attributes)} "
            f"({', '.join(attributes)}); name three with attributes="
        )
    return tuple(attributes)


def _lattice(table: pd.DataFrame, corners: Sequence[str]) -> pd.DataFrame:
    """The rows on the triangle of `corners`, one a point."""
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


def _panel_columns(table: pd.DataFrame, corners: Sequence[str]) -> list[str]:
    scored = scored_attributes(table)
    ordered = [n for n in corners if n in scored] + [n for n in scored if n not in corners]
    found = [f"score_{n}" for n in ordered] + ["perplexity"] * ("perplexity" in table.columns)
    if not found:
        require_columns(table, [f"score_{corners[0]}"])
    return found


def _norm(values: pd.DataFrame, vmin: float | None, vmax: float | None) -> Normalize:
    finite = values.to_numpy(dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    low = vmin if vmin is not None else (float(finite.min()) if len(finite) else 0.0)
    high = vmax if vmax is not None else (float(finite.max()) if len(finite) else 1.0)
    if high - low < 1e-12:
        # a constant has a colour too
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high)


def _surface(
    axes: Axes, place: npt.NDArray[Any], values: npt.NDArray[Any], norm: Normalize, scale: str
) -> None:
    known = np.isfinite(values)
    if known.sum() < 3:
        return
    mesh = Triangulation(*place[known].T)
    # rounding leaves slivers between points of one side
    mesh.set_mask(TriAnalyzer(mesh).get_flat_tri_mask(0.01))
    assert norm.vmin is not None and norm.vmax is not None
    levels = np.linspace(norm.vmin, norm.vmax, _BANDS + 1)
    bands = axes.tricontourf(
        mesh, values[known].clip(norm.vmin, norm.vmax), levels=levels, cmap=scale, norm=norm
    )
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


def _annotate(
    axes: Axes, place: npt.NDArray[Any], values: npt.NDArray[Any]
) -> None:
    form = "{:.2f}".format if np.nanmax(np.abs(values)) < 10 else number
    for (x, y), value in zip(place, values, strict=True):
        axes.annotate(
            form(value), (x, y), xytext=(0, 5), textcoords="offset points", ha="center",
            va="bottom", fontsize="x-small", zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
        )  # fmt: skip


def _rows_of(panels: npt.NDArray[Any]) -> int:
    specs = [panel.get_subplotspec() for panel in panels]
    return len({spec.rowspan.start for spec in specs if spec is not None})


def _scale_of(column: str) -> str:
    return WORSE_SCALE if column.endswith("perplexity") else SCALE

