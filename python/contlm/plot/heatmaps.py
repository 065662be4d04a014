"""Heatmaps: alpha x lambda (the paper's Fig. 5), alpha x alpha, entanglement (Fig. 8), similarity
(Figs. 32-33)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
    scored_attributes,
    summary_of,
)
from contlm.plot.labels import number, value_label
from contlm.plot.style import (
    PAGE,
    SCALE,
    SIGNED,
    WORSE_SCALE,
    colour_bar,
    one_axes,
    panel_axes,
    styled,
)

_KIND_LABELS = {
    "cosine": "cosine of the deltas",
    "l2": "squared L2 distance",
    "frobenius": "Frobenius distance",
}


# the luminance on which black and white read equally well: (1.05 * 0.05) ** 0.5 - 0.05
_MIDDLE = 0.179


class _Look(NamedTuple):
    """The colours of a heatmap and its numbers' format."""

    norm: Normalize
    scale: str
    form: str = ".2f"


@styled
def alpha_lambda(
    sweep: Any,
    attr: str | None = None,
    value: str | None = None,
    *,
    ax: Axes | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    annotate: bool = True,
    colorbar: bool = True,
) -> Axes:
    """One value over an attribute's alpha (across) and lambda (up), the other attributes sharing
    1 - lambda (the paper's Fig. 5).

    sweep: a Sweep over `contlm.grid.alpha_lambda`, a union of such grids, or a summary. attr: the
    attribute; None takes the sweep's only one. value: a column; None is the attribute's score.
    vmin, vmax: the colours' limits; scores have 0 and 1, others the data's.
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
    cells = _cells(rows, f"alpha_{name}", f"lam_{name}", column)
    axes = one_axes(ax, height=2.7)
    look = _look(column, cells.to_numpy(), vmin, vmax)
    _heat(axes, cells, look, annotate, value_label(column) if colorbar else None)
    axes.set(xlabel=f"α of {name}", ylabel=f"λ of {name}", title=value_label(column))
    return axes


@styled
def alpha_lambda_panels(
    sweep: Any, value: str | None = None, *, ax: Any = None, **options: Any
) -> np.ndarray:
    """An `alpha_lambda` heatmap for each attribute, with one scale and one colour bar: [panels] of
    Axes.

    sweep: one sweep with the grids of several attributes, or a mapping attribute -> sweep. A sweep
    of one attribute gives a panel for each score instead, its own first. value: a column to draw
    for every attribute in place of its own score. ax: as many Axes as there are panels.
    """
    jobs = _panel_jobs(sweep, value)
    panels = panel_axes(ax, len(jobs), height=2.25)
    found = [
        (column, _own_rows(table, name)[column].to_numpy(dtype=np.float64))
        for table, name, column in jobs
    ]
    columns = {column for column, _ in found}
    kind = "score" if all(c.startswith("score_") for c in columns) else value_label(jobs[0][2])
    look = _look(
        jobs[0][2], np.concatenate([v for _, v in found]),
        options.pop("vmin", None), options.pop("vmax", None),
    )  # fmt: skip
    for panel, (table, name, column) in zip(panels, jobs, strict=True):
        alpha_lambda(
            table, name, column, ax=panel, vmin=look.norm.vmin, vmax=look.norm.vmax,
            colorbar=False, **options,
        )  # fmt: skip
    _colorbar(list(panels), look, kind)
    return panels


@styled
def product(
    sweep: Any,
    value: str | None = None,
    attributes: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    annotate: bool = True,
    colorbar: bool = True,
) -> Axes:
    """One value over two attributes' alphas, the first across (`contlm.grid.product`).

    attributes: the two; None takes those that vary, of which there must be two. value: a column;
    None is the first one's score. ValueError where something else varies too.
    """
    table = summary_of(sweep)
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
    cells = _cells(table, f"alpha_{names[0]}", f"alpha_{names[1]}", column)
    axes = one_axes(ax, height=2.7)
    look = _look(column, cells.to_numpy(), vmin, vmax)
    _heat(axes, cells, look, annotate, value_label(column) if colorbar else None)
    axes.set(xlabel=f"α of {names[0]}", ylabel=f"α of {names[1]}", title=value_label(column))
    return axes


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
    look = _look("entanglement", cells.to_numpy(), 0.0, vmax)
    _heat(axes, cells, look, True, "area under |change of score|")
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
        look = _Look(Normalize(-reach, reach), SIGNED)
    else:
        look = _look(kind, values, None, None)
    cells = pd.DataFrame(values, index=table.index, columns=table.columns)
    # numbers that would touch each other say nothing
    _heat(axes, cells, look, len(table) <= 12, _KIND_LABELS.get(kind, kind), small=len(table) > 6)
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


def moved_attributes(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes whose alpha takes several values."""
    return tuple(
        n for n in attributes_of(table) if table[f"alpha_{n}"].dropna().round(9).nunique() > 1
    )


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
    """(table, attribute, column) a panel."""
    if isinstance(sweep, Mapping):
        return [(summary_of(s), name, value or f"score_{name}") for name, s in sweep.items()]
    table, names = summary_of(sweep), alpha_lambda_attributes(sweep)
    if not names:
        _only(names)
    if len(names) > 1 or value is not None:
        jobs = [(table, name, value or f"score_{name}") for name in names]
    else:
        scored = sorted(scored_attributes(table), key=lambda n: n != names[0])
        jobs = [(table, names[0], f"score_{n}") for n in scored or names]
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


def _cells(rows: pd.DataFrame, across: str, up: str, column: str) -> pd.DataFrame:
    keys = {key: rows[key].round(9) for key in (across, up)}
    return rows.assign(**keys).pivot_table(index=up, columns=across, values=column, aggfunc="mean")


def _look(column: str, values: np.ndarray, vmin: float | None, vmax: float | None) -> _Look:
    score = column.startswith("score_")
    finite = values[np.isfinite(values)]
    low = vmin if vmin is not None else (0.0 if score or not len(finite) else float(finite.min()))
    high = vmax if vmax is not None else (1.0 if score or not len(finite) else float(finite.max()))
    if high <= low:
        high = low + 1.0
    scale = SCALE if score or column.startswith("dist_") else WORSE_SCALE
    form = ".2f" if high < 10 else ".1f" if high < 100 else ".0f" if high < 1e4 else ".0e"
    return _Look(Normalize(low, high), scale, form)


def _heat(
    axes: Axes,
    cells: pd.DataFrame,
    look: _Look,
    annotate: bool,
    bar: str | None,
    small: bool = False,
) -> None:
    """Cells of one size, whatever the values on the axes, each with its number."""
    values = cells.to_numpy(dtype=np.float64)
    tall, wide = values.shape
    axes.set_facecolor("0.92")
    axes.pcolormesh(
        np.arange(wide + 1) - 0.5, np.arange(tall + 1) - 0.5, np.ma.masked_invalid(values),
        cmap=look.scale, norm=look.norm, edgecolors="white", linewidth=0.6,
    )  # fmt: skip
    axes.set_xticks(range(wide), [_tick(c) for c in cells.columns])
    axes.set_yticks(range(tall), [_tick(r) for r in cells.index])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal")
    if annotate:
        colours = mpl.colormaps[look.scale](look.norm(values))
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = _luminance(colours[row, column, :3]) < _MIDDLE
                axes.text(
                    column, row, f"{value:{look.form}}".replace("-", "−"),
                    ha="center", va="center", color="white" if dark else "black",
                    fontsize="x-small" if small else "small",
                )  # fmt: skip
    if bar is not None:
        _colorbar([axes], look, bar)


def _luminance(rgb: np.ndarray) -> float:
    """Relative luminance of an sRGB colour (WCAG 2)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _tick(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)


def _slant(axes: Axes) -> None:
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")


def _colorbar(hosts: list[Axes], look: _Look, label: str) -> None:
    # beside one heatmap the bar is as tall as its cells, whatever room they leave
    place: dict[str, Any] = (
        {"cax": hosts[0].inset_axes((1.04, 0.0, 0.05, 1.0))}
        if len(hosts) == 1
        else {"pad": 0.02, "shrink": 0.5}
    )
    colour_bar(hosts, look.norm, look.scale, label, **place)
