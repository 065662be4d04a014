"""Heatmaps: alpha x lambda (the paper's Fig. 5), alpha x alpha, entanglement (Fig. 8), similarity
(Figs. 32-33)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from contlm import analysis
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
from contlm.plot.columns import map_columns, moved_attributes, score_columns
from contlm.plot.labels import fixed, number, place_label, value_label
from contlm.plot.scales import SIGNED, MapOptions, Panel, Scale, colour_bar, map_panels, scale_of
from contlm.plot.style import PAGE, figure_of, one_axes, styled

if TYPE_CHECKING:
    from typing_extensions import Unpack

# points: numbers are written as large as their cells allow, up to the first, and not below the last
_LARGEST, _SMALLEST = 7.0, 4.5
# of the letters' size: a digit's width, with room beside it
_DIGIT = 0.66


@styled
def alpha_lambda(
    sweep: Any,
    attr: str | None = None,
    value: str | None = None,
    *,
    ax: Axes | None = None,
    **options: Unpack[MapOptions],
) -> Axes:
    """One value over an attribute's alpha (across) and lambda (up), the other attributes sharing
    1 - lambda (the paper's Fig. 5).

    sweep: a Sweep over `contlm.grid.alpha_lambda`, a union of such grids, or a summary. attr: the
    attribute; None takes the sweep's only one. value: a column; None is the attribute's score.
    options: vmin, vmax, cmap, annotate, colorbar (`MapOptions`).
    """
    table = summary_of(sweep)
    name = attr or _only(alpha_lambda_attributes(sweep))
    require_attribute(table, name)
    column = value or f"score_{name}"
    require_columns(table, [column])
    rows = _own_rows(table, name)
    if rows.empty:
        raise ValueError(
            f"alpha_lambda: needs points where the attributes beside {name} share alpha and "
            "lambda, the sweep has none; sweep over contlm.grid.alpha_lambda"
        )
    return _plane(ax, rows, (f"alpha_{name}", f"lam_{name}"), column, options)


@styled
def alpha_lambda_panels(
    sweep: Any, value: str | None = None, *, ax: Any = None, **options: Unpack[MapOptions]
) -> np.ndarray:
    """An `alpha_lambda` heatmap for each attribute, with one scale and one colour bar: [panels] of
    Axes.

    sweep: one sweep with the grids of several attributes, or a mapping attribute -> sweep. A sweep
    of one attribute gives a panel for each score instead, its own first. value: a column to draw
    for every attribute in place of its own score. ax: as many Axes as there are panels.
    """
    jobs = [
        Panel(
            column,
            _own_rows(table, name)[column].to_numpy(dtype=np.float64),
            partial(alpha_lambda, table, name, column),
        )
        for table, name, column in _panel_jobs(sweep, value)
    ]
    return map_panels(jobs, ax, options, whole_scores=True)


@styled
def product(
    sweep: Any,
    value: str | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    **options: Unpack[MapOptions],
) -> Axes:
    """One value over two attributes' alphas, the first across (`contlm.grid.product`).

    attributes: the two; None takes those that vary, of which there must be two. value: a column;
    None is the first one's score. options: vmin, vmax, cmap, annotate, colorbar (`MapOptions`).
    ValueError where something else varies too.
    """
    table = summary_of(sweep)
    names = _crossed(sweep, table, attributes)
    column = value or f"score_{names[0]}"
    held = [f"lam_{n}" for n in attributes_of(table)]
    held += [f"alpha_{n}" for n in attributes_of(table) if n not in names]
    require_columns(table, [column, *held])
    for other in held:
        if table[other].round(9).nunique(dropna=False) > 1:
            raise ValueError(
                f"product: {other} must be the same at all points but varies; select the rows of "
                "one value first"
            )
    return _plane(ax, table, (f"alpha_{names[0]}", f"alpha_{names[1]}"), column, options)


@styled
def product_panels(
    sweep: Any,
    values: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Any = None,
    **options: Unpack[MapOptions],
) -> np.ndarray:
    """A `product` heatmap for each value, side by side: [panels] of Axes.

    values: the columns to draw; None takes the sweep's scores (the two attributes' first), and
    perplexity where there is one. All scores share one scale and one colour bar. ax: as many Axes
    as there are values.
    """
    table = summary_of(sweep)
    names = _crossed(sweep, table, attributes)
    columns = list(values) if values is not None else map_columns(table, names)
    require_columns(table, columns)
    jobs = [
        Panel(
            column,
            table[column].to_numpy(dtype=np.float64),
            partial(product, table, column, names),
        )
        for column in columns
    ]
    wide = 2 if len(jobs) == 4 else 3
    return map_panels(jobs, ax, options, whole_scores=True, wide=wide)


@styled
def entanglement(
    source: Any, held: float | None = None, *, ax: Axes | None = None, vmax: float | None = None
) -> Axes:
    """Entanglement of each moved attribute (across) on each held one (up): the paper's Fig. 8.

    source: a Sweep over `contlm.grid.entangle`, its summary, or the table of
    `contlm.analysis.entanglement`. held: as there. vmax: where the colours end, to compare
    pictures.
    """
    if isinstance(source, pd.DataFrame) and source.index.name == "moved":
        areas, level = source, held
    else:
        areas = analysis.entanglement(source, held)
        level = held if held is not None else getattr(grid_of(source), "axes", {}).get("held", 1.0)
    cells = areas.T
    axes = one_axes(ax, height=3.0)
    scale = scale_of("entanglement", cells.to_numpy(), {"vmin": 0.0, "vmax": vmax})
    _heat(axes, cells, scale)
    colour_bar([axes], scale, value_label("entanglement"), below=False)
    at = "" if level is None else f" at α = {number(float(level))}"
    axes.set(xlabel="attribute moved", ylabel=f"attribute held{at} and scored")
    axes.invert_yaxis()
    _slant(axes)
    return axes


@styled
def similarity(source: Any, kind: str = "cosine", *, ax: Axes | None = None) -> Axes:
    """How the anchors' deltas compare: "cosine", "l2" or "frobenius" (the paper's Figs. 32-33).

    source: an Interpolator, or a table of `contlm.analysis.similarity`. The colours' limits are
    those off the diagonal, which is left grey: it holds no news.
    """
    table = source if isinstance(source, pd.DataFrame) else analysis.similarity(source, kind)
    kind = table.attrs.get("kind", kind)
    values = table.to_numpy(dtype=np.float64).copy()
    np.fill_diagonal(values, np.nan)
    axes = one_axes(ax, 0.62 * PAGE if len(table) <= 10 else PAGE, 0.36 * len(table) + 1.2)
    if kind == "cosine":
        reach = max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-3)
        scale = Scale(Normalize(-reach, reach), mpl.colormaps[SIGNED])
    else:
        scale = scale_of(kind, values, {})
    _heat(axes, pd.DataFrame(values, index=table.index, columns=table.columns), scale)
    colour_bar([axes], scale, value_label(kind), below=False)
    axes.set(xlabel="anchor", ylabel="anchor")
    axes.invert_yaxis()
    _slant(axes)
    return axes


def alpha_lambda_attributes(sweep: Any) -> tuple[str, ...]:
    """The attributes whose alpha and lambda a sweep moves while all others share the rest."""
    axes = getattr(grid_of(sweep), "axes", {})
    if "attribute" in axes and "lams" in axes:
        return (str(axes["attribute"]),)
    table = summary_of(sweep)
    found = []
    for name in attributes_of(table):
        try:
            rows = _own_rows(table, name)
        except ValueError:
            # the others do not stand still: no plane of this attribute's
            continue
        plane = rows[[f"alpha_{name}", f"lam_{name}"]].round(9).drop_duplicates()
        size = plane.nunique()
        # a plane, and not a few points that happen to lie in one
        if size.min() > 1 and len(plane) > max(3, size.prod() / 2):
            found.append(name)
    return tuple(found)


def _own_rows(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows where the other attributes share one lambda and one alpha (which says nothing where
    that lambda is zero), and add up to 1 with `name`'s."""
    names = attributes_of(table)
    others = [n for n in names if n != name]
    lam = lam_of(table, names)
    kept = np.abs(lam.sum(axis=1) - 1.0) <= 1e-6
    if others:
        rest = lam_of(table, others)
        spread = np.ptp(rest, axis=1)
        alphas = np.nan_to_num(alpha_of(table, others), nan=0.0)
        kept &= (spread <= 1e-6) & (
            (np.abs(rest).max(axis=1) <= SAME) | (np.ptp(alphas, axis=1) <= SAME)
        )
    rows = table[kept]
    if others and len(rows):
        held = rows.loc[lam_of(rows, others).max(axis=1) > SAME, f"alpha_{others[0]}"]
        if held.round(9).nunique() > 1:
            raise ValueError(
                f"alpha_lambda: the attributes beside {name} must stand at one alpha, they take "
                f"{', '.join(f'{a:g}' for a in sorted(held.unique()))}; select one first"
            )
    return rows


def _panel_jobs(sweep: Any, value: str | None) -> list[tuple[pd.DataFrame, str, str]]:
    """(table, attribute, column) per panel."""
    if isinstance(sweep, Mapping):
        return [(summary_of(s), name, value or f"score_{name}") for name, s in sweep.items()]
    table, names = summary_of(sweep), alpha_lambda_attributes(sweep)
    if not names:
        _only(names)
    if len(names) > 1 or value is not None:
        jobs = [(table, name, value or f"score_{name}") for name in names]
    else:
        columns = score_columns(table, names) or [f"score_{names[0]}"]
        jobs = [(table, names[0], column) for column in columns]
    for _, _, column in jobs:
        require_columns(table, [column])
    return jobs


def _only(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise ValueError(
            f"attr: the sweep moves alpha and lambda of {', '.join(names) or 'no attribute'}; "
            + ("name one" if names else "sweep over contlm.grid.alpha_lambda")
        )
    return names[0]


def _crossed(sweep: Any, table: pd.DataFrame, attributes: Sequence[str] | None) -> tuple[str, ...]:
    """The two attributes of a product."""
    known = getattr(grid_of(sweep), "axes", {}).get("alphas", {})
    moved = tuple(known) if isinstance(known, Mapping) and known else moved_attributes(table)
    names = tuple(attributes) if attributes is not None else moved
    if len(names) != 2:
        raise ValueError(
            f"attributes: a heatmap has two axes, got {len(names)} ({', '.join(names) or 'none'}); "
            "name two with attributes= and select the rows where all others stand still"
        )
    for name in names:
        require_attribute(table, name)
    return names


def _plane(
    ax: Axes | None,
    rows: pd.DataFrame,
    keys: tuple[str, str],
    column: str,
    options: MapOptions,
) -> Axes:
    """A column over two others, the first across."""
    rounded = rows.assign(**{key: rows[key].round(9) for key in keys})
    across, up = keys
    cells = rounded.pivot_table(index=up, columns=across, values=column, aggfunc="mean")
    axes = one_axes(ax, height=2.7)
    scale = scale_of(column, cells.to_numpy(dtype=np.float64), options, whole_scores=True)
    _heat(axes, cells, scale, annotate=options.get("annotate", True))
    if options.get("colorbar", True):
        colour_bar([axes], scale, below=False)
    axes.set(xlabel=place_label(across), ylabel=place_label(up), title=value_label(column))
    return axes


def _heat(axes: Axes, cells: pd.DataFrame, scale: Scale, *, annotate: bool = True) -> None:
    """Cells of one size, whatever the values on the axes, each with its number where it fits."""
    values = cells.to_numpy(dtype=np.float64)
    tall, wide = values.shape
    axes.set_facecolor("0.92")
    axes.pcolormesh(
        np.arange(wide + 1) - 0.5, np.arange(tall + 1) - 0.5, np.ma.masked_invalid(values),
        cmap=scale.cmap, norm=scale.norm, edgecolors="white", linewidth=0.6,
    )  # fmt: skip
    axes.set_xticks(range(wide), [_tick(c) for c in cells.columns])
    axes.set_yticks(range(tall), [_tick(r) for r in cells.index])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal")
    texts = {
        at: fixed(value, scale.form) for at, value in np.ndenumerate(values) if np.isfinite(value)
    }
    size = _letters(axes, (tall, wide), max(map(len, texts.values()), default=1))
    if not annotate or size < _SMALLEST:
        return
    for (row, column), text in texts.items():
        axes.text(
            column, row, text, ha="center", va="center", fontsize=size,
            color=scale.ink_on(values[row, column]),
        )  # fmt: skip


def _letters(axes: Axes, shape: tuple[int, int], digits: int) -> float:
    """Points: the letters' size at which that many digits fit into a square cell of the grid."""
    figure, place = figure_of(axes), axes.get_position()
    across, up = figure.get_size_inches() * 72
    cell = min(place.width * across / shape[1], place.height * up / shape[0])
    return float(min(_LARGEST, cell / (_DIGIT * digits)))


def _tick(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)


def _slant(axes: Axes) -> None:
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")
