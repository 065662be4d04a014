"""Scores, perplexity and diversity along one attribute (the paper's Figs. 2-4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from contlm.analysis.response import COHERENCE, FACTOR, limits_reached, stable_limits, stable_range
from contlm.analysis.tables import (
    attributes_of,
    diversities,
    line_of,
    lines_of,
    require_columns,
    summary_of,
)
from contlm.plot.bands import score_band
from contlm.plot.labels import place_label, range_label, value_label
from contlm.plot.style import (
    GREY,
    STABLE,
    colour,
    figure_of,
    marker,
    one_axes,
    panel_axes,
    styled,
)

# a perplexity that grows by more than this along a line is drawn on a logarithmic axis
_LOG_RATIO = 8.0
# inches of a legend's letter, and of what stands beside the texts of two columns
_LETTER, _HANDLES = 0.05, 0.5


class _Stable(NamedTuple):
    """How an attribute's stable range is found: `analysis.stable_range`'s parameters."""

    factor: float
    tolerance: float | None


class _Look(NamedTuple):
    """A curve's colour, its marker and what the legend calls it."""

    ink: str
    shape: str
    text: str


@styled
def alpha_curve(
    sweep: Any,
    attr: str | Sequence[str] | None = None,
    value: str = "score",
    *,
    ax: Axes | None = None,
    confidence: float = 0.95,
    factor: float = FACTOR,
    tolerance: float | None = None,
    color: str | None = None,
    label: str | None = None,
) -> Axes:
    """One value against alpha: solid with filled markers inside the stable range, dashed with open
    ones outside.

    sweep: a Sweep or its summary, with rows that move one attribute alone. attr: which, or several;
        None draws every attribute that the sweep moves alone. A single attribute's stable range is
        shaded.
    value: "score" (of the attribute itself), a column such as "perplexity", "dist_1" or
        "score_<other>", or, for a single attribute, "dist": every dist-n together. Perplexity and
        dist-n of a single attribute show the limit that `factor` sets.
    confidence: of the band around mean scores: a percentile bootstrap over prompts where `sweep`
        holds the texts (a Sweep, its frame); from a summary alone the normal interval of
        score_<attr>_sem, cut off at 0 and 1.
    factor, tolerance: of `contlm.analysis.stable_range`; without alpha 0 and 1 in the sweep no
        range is marked.
    color, label: for a single attribute, to lay methods or truths over one another on one `ax`.

    ValueError for an attribute or a column that the sweep lacks.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: must lie between 0 and 1, got {confidence!r}")
    table = summary_of(sweep)
    attrs = _attributes(table, attr)
    axes = one_axes(ax, height=2.6 if len(attrs) == 1 else 3.0)
    rule = _Stable(factor, tolerance)
    single = len(attrs) == 1
    for name in attrs:
        line = line_of(table, name)
        columns = _columns(line, name, value, single)
        stable = _stable(line, name, rule)
        for k, column in enumerate(columns):
            rank = k if single else attributes_of(table).index(name)
            text = value_label(column) if len(columns) > 1 else (label if single else name)
            look = _Look(color or colour(rank), marker(rank), text or "_curve")
            _draw(axes, line, (name, column), stable, look)
            if column.startswith("score_"):
                _band(axes, line, name, score_band(sweep, line, name, column, confidence), look.ink)
            if single:
                ink = look.ink if len(columns) > 1 else GREY
                _mark_limit(axes, line, (name, column), rule, ink)
        if single:
            _mark_range(axes, line, name, rule, stable)
    _dress(axes, attrs, value)
    _scale(axes, value)
    _legend(axes, single, confidence)
    return axes


@styled
def alpha_panels(
    sweep: Any,
    attr: str | Sequence[str] | None = None,
    values: Sequence[str] | None = None,
    *,
    ax: Any = None,
    **options: Any,
) -> np.ndarray:
    """Score, perplexity and diversity beside each other, an `alpha_curve` each: [panels] of Axes.

    values: what to draw, as `alpha_curve` takes it; None takes what the sweep has of score,
    perplexity, base_perplexity (of the texts, under the base) and dist-n ("dist" of one attribute,
    dist_2 of several).
    ax: as many Axes as there are values. options: those of `alpha_curve`.
    """
    table = summary_of(sweep)
    if values is None:
        values = _panel_values(table, _attributes(table, attr))
    if not values:
        raise ValueError(
            "values: the sweep has neither scores nor perplexity nor dist-n along its lines; "
            "give sweep() classifiers or a perplexity_text"
        )
    panels = panel_axes(ax, len(values), wide=2 if len(values) == 4 else 3, height=2.2)
    for panel, value in zip(panels, values, strict=True):
        alpha_curve(sweep, attr, value, ax=panel, **options)
    if len(panels) > 1:
        _share_legend(panels, ours=ax is None)
    return panels


def _attributes(table: pd.DataFrame, attr: str | Sequence[str] | None) -> tuple[str, ...]:
    if attr is not None:
        return (attr,) if isinstance(attr, str) else tuple(attr)
    found = lines_of(table)
    if not found:
        raise ValueError(
            "attr: the sweep moves no attribute alone; say which alpha to draw against, of "
            f"{', '.join(attributes_of(table)) or 'none'}, or sweep over contlm.grid.line"
        )
    return found


def _panel_values(table: pd.DataFrame, attrs: Sequence[str]) -> list[str]:
    values = ["score"] if all(f"score_{name}" in table.columns for name in attrs) else []
    values += [c for c in ("perplexity", "base_perplexity") if c in table.columns]
    found = diversities(table)
    if found:
        several = "dist_2" if "dist_2" in found else found[0]
        values.append("dist" if len(attrs) == 1 else several)
    return values


def _columns(line: pd.DataFrame, name: str, value: str, single: bool) -> tuple[str, ...]:
    if value != "dist":
        columns: tuple[str, ...] = (f"score_{name}" if value == "score" else value,)
    elif single:
        columns = diversities(line) or ("dist_1",)
    else:
        raise ValueError(
            'value: "dist" draws several curves for one attribute, got several attributes; name '
            'one column, such as "dist_2"'
        )
    require_columns(line, columns)
    return columns


def _stable(line: pd.DataFrame, name: str, rule: _Stable) -> tuple[float, float] | None:
    """The stable range; None where the line cannot say, NaNs where there is none."""
    alphas = line[f"alpha_{name}"]
    if f"score_{name}" not in line.columns or not {0.0, 1.0} <= set(alphas):
        return None
    return stable_range(line, name, rule.factor, rule.tolerance)


def _draw(
    axes: Axes,
    line: pd.DataFrame,
    what: tuple[str, str],
    stable: tuple[float, float] | None,
    look: _Look,
) -> None:
    (name, column), (ink, shape, text) = what, look
    x, y = line[f"alpha_{name}"].to_numpy(), line[column].to_numpy(dtype=np.float64)
    if stable is None:
        axes.plot(x, y, color=ink, marker=shape, label=text)
        return
    inside = (x >= stable[0]) & (x <= stable[1])
    if not inside.all():
        axes.plot(
            x, y, color=ink, marker=shape, markerfacecolor="white", linestyle=(0, (3, 2)),
            linewidth=1.0, markersize=3.5, label="_outside" if inside.any() else text,
        )  # fmt: skip
    if inside.any():
        axes.plot(x[inside], y[inside], color=ink, marker=shape, label=text)


def _band(
    axes: Axes, line: pd.DataFrame, name: str, band: tuple[Any, Any] | None, ink: str
) -> None:
    if band is not None:
        axes.fill_between(
            line[f"alpha_{name}"], *band, color=ink, alpha=0.15, linewidth=0, label="_band"
        )


def _mark_range(
    axes: Axes, line: pd.DataFrame, name: str, rule: _Stable, stable: tuple[float, float] | None
) -> None:
    if stable is None:
        return
    if math.isnan(stable[0]):
        axes.plot([], [], linestyle="none", label="no stable range")
        return
    text = range_label(stable, limits_reached(line, name, rule.factor, rule.tolerance))
    axes.axvspan(
        *stable, color=STABLE, alpha=0.16, linewidth=0, zorder=0, label=f"stable range {text}"
    )


def _mark_limit(
    axes: Axes, line: pd.DataFrame, what: tuple[str, str], rule: _Stable, ink: str
) -> None:
    name, column = what
    if not {0.0, 1.0} <= set(line[f"alpha_{name}"]):
        return
    limit = stable_limits(line, name, rule.factor).get(column)
    if limit is not None:
        sign = "×" if "perplexity" in column else "÷"
        factor = COHERENCE if column == "base_perplexity" else rule.factor
        text = f"limit: worse anchor {sign} {factor:g}"
        known = {str(line.get_label()) for line in axes.lines}
        axes.axhline(
            limit, color=ink, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1,
            label="_limit" if text in known else text,
        )  # fmt: skip


def _dress(axes: Axes, attrs: Sequence[str], value: str) -> None:
    single = len(attrs) == 1
    axes.set_xlabel(place_label(f"alpha_{attrs[0]}") if single else "α")
    axes.set_ylabel(value_label(f"score_{attrs[0]}" if single and value == "score" else value))
    for anchor in (0.0, 1.0):
        axes.axvline(
            anchor, color="0.7", linewidth=0.7, zorder=0.5,
            label="anchors (α = 0, 1)" if anchor == 0 else "_anchor",
        )  # fmt: skip


def _scale(axes: Axes, value: str) -> None:
    if np.ptp(axes.get_xlim()) > 3:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if value.startswith("score"):
        axes.set_ylim(-0.03, 1.03)
    elif value.startswith("dist"):
        axes.set_ylim(0, 1.03)
    elif value.endswith("perplexity"):
        drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in _curves(axes)])
        drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
        if len(drawn) and drawn.max() / drawn.min() > _LOG_RATIO:
            axes.set_yscale("log")
            decades = math.log10(drawn.max() / drawn.min())
            axes.yaxis.set_major_locator(
                LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=12)
            )
            if decades < 4:
                axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_formatter(NullFormatter())


def _curves(axes: Axes) -> list[Line2D]:
    """The lines that hold data: a vertical or horizontal mark has two points."""
    return [line for line in axes.lines if _is_curve(line)]


def _legend(axes: Axes, single: bool, confidence: float) -> None:
    found = list(zip(*axes.get_legend_handles_labels(), strict=True))
    # curves first: what marks ranges and limits explains them
    found.sort(key=lambda pair: not _is_curve(pair[0]))
    if not single and any(line.get_label() == "_outside" for line in axes.lines):
        outside = Line2D(
            [], [], color=GREY, marker="o", markerfacecolor="white", linestyle=(0, (3, 2)),
            linewidth=1.0, markersize=3.5,
        )  # fmt: skip
        found.append((outside, "outside stable range"))
    if any(c.get_label() == "_band" for c in axes.collections):
        found.append((Patch(facecolor=GREY, alpha=0.25), f"{100 * confidence:g} % interval"))
    _put_legend(axes, found)


def _put_legend(axes: Axes, found: list[tuple[Any, str]]) -> None:
    """Above the Axes, where no curve passes under it."""
    if found:
        inches = axes.get_position().width * figure_of(axes).get_figwidth()
        longest = sum(sorted(len(text) for _, text in found)[-2:])
        axes.legend(
            *zip(*found, strict=True), loc="lower left", bbox_to_anchor=(0.0, 1.01),
            ncols=2 if inches > _HANDLES + _LETTER * longest else 1, borderaxespad=0.0,
            handlelength=1.4, columnspacing=0.8, fontsize=7,
        )  # fmt: skip


def _is_curve(handle: Any) -> bool:
    return isinstance(handle, Line2D) and handle.get_marker() not in ("None", None, "")


def _share_legend(panels: np.ndarray, ours: bool) -> None:
    """Says each thing once: in one legend under all panels of our own figure, on the caller's in
    the first panel where it stands."""
    seen: dict[str, Any] = {}
    for panel in panels:
        legend = panel.get_legend()
        if legend is None:
            continue
        texts = [text.get_text() for text in legend.get_texts()]
        new = [
            (handle, text)
            for handle, text in zip(legend.legend_handles, texts, strict=True)
            if text not in seen
        ]
        seen.update({text: handle for handle, text in new})
        legend.remove()
        if not ours:
            _put_legend(panel, new)
    if ours and seen:
        figure_of(panels).legend(
            list(seen.values()), list(seen), loc="outside lower center",
            ncols=min(len(seen), 4), handlelength=1.8,
        )  # fmt: skip
