"""How a map (a heatmap or a triangle) colours its value: the limits, the colour map, the numbers'
format, and panels that share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypedDict

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize

from contlm.plot.style import figure_of, panel_axes

Floats = npt.NDArray[np.float64]

SCALE = "viridis"
# for what grows worse as it grows, so that a picture of it is not taken for one of scores
WORSE_SCALE = "cividis_r"
SIGNED = "PuOr_r"

_BAR_COLOURS = 48
# the luminance on which black and white read equally well: (1.05 * 0.05) ** 0.5 - 0.05
_MIDDLE = 0.179


class MapOptions(TypedDict, total=False):
    """What every map of a value takes.

    vmin, vmax: the colours' limits; None takes 0 and 1 for scores on heatmaps, else the data's.
    cmap: a colour map; None takes viridis, or a reversed cividis for what is better small.
    annotate: write each number at its place (by default on heatmaps alone). colorbar: draw one.
    """

    vmin: float | None
    vmax: float | None
    cmap: str | Colormap | None
    annotate: bool
    colorbar: bool


class Scale(NamedTuple):
    """A value's colours, and its numbers' format."""

    norm: Normalize
    cmap: Colormap
    form: str = ".2f"

    def ink_on(self, value: float) -> str:
        """ "black" or "white", whichever reads better on the colour of `value`: their contrast to
        it is at least 4.5 (WCAG 2's AA) on every colour."""
        rgb = np.asarray(self.cmap(self.norm(value))[:3])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return "white" if linear @ (0.2126, 0.7152, 0.0722) < _MIDDLE else "black"


def scale_of(
    column: str, values: Floats, options: MapOptions, *, whole_scores: bool = False
) -> Scale:
    """The scale of a column's values. whole_scores: the colours of scores span 0 to 1.

    TypeError for an option that `MapOptions` lacks.
    """
    unknown = set(options) - set(MapOptions.__annotations__)
    if unknown:
        raise TypeError(
            f"options: must be among {', '.join(MapOptions.__annotations__)}, got "
            f"{', '.join(sorted(unknown))}"
        )
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if whole_scores and column.startswith("score_"):
        low, high = 0.0, 1.0
    vmin, vmax = options.get("vmin"), options.get("vmax")
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    if high - low < 1e-12:
        # a constant has a colour too
        low, high = low - 0.5, low + 0.5
    better_large = column.startswith(("score_", "dist_"))
    cmap = options.get("cmap") or (SCALE if better_large else WORSE_SCALE)
    form = ".2f" if high < 10 else ".1f" if high < 100 else ".0f" if high < 1e4 else ".0e"
    return Scale(Normalize(low, high), mpl.colormaps.get_cmap(cmap), form)


def colour_bar(hosts: Sequence[Axes], scale: Scale, label: str = "", *, below: bool) -> Colorbar:
    """A scale's bar beside the last of `hosts`, as tall as it, or below the middle one; drawn as
    vectors, which matplotlib does for no more than 48 colours.

    The title of a map names its value, so a label holds only what no title says.
    """
    mappable = ScalarMappable(scale.norm, scale.cmap.resampled(_BAR_COLOURS))
    host = hosts[(len(hosts) - 1) // 2] if below else hosts[-1]
    place = (0.1, -0.2, 0.8, 0.05) if below else (1.04, 0.0, 0.05, 1.0)
    bar = figure_of(host).colorbar(
        mappable, label=label, cax=host.inset_axes(place),
        orientation="horizontal" if below else "vertical",
    )  # fmt: skip
    if bar.solids is not None:
        # viewers show the page between two colours that only touch
        bar.solids.set_edgecolor("face")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return bar


class Panel(NamedTuple):
    """One map of several: its column, the values that its colours cover, and what draws it."""

    column: str
    values: Floats
    draw: Callable[..., Any]


def map_panels(
    jobs: Sequence[Panel],
    ax: Any,
    options: MapOptions,
    *,
    whole_scores: bool,
    wide: int = 3,
    below: bool = False,
    label: str = "",
) -> np.ndarray:
    """Maps side by side: [panels] of Axes. All scores share one scale and one bar, each other
    column has its own. vmin and vmax hold for the scores or, without any, for what there is.

    `draw(ax=, vmin=, vmax=, cmap=, annotate=, colorbar=False)` draws one.
    """
    panels = panel_axes(ax, len(jobs), wide=wide)
    groups: dict[str, list[int]] = {}
    for k, job in enumerate(jobs):
        groups.setdefault("score" if job.column.startswith("score_") else job.column, []).append(k)
    leading = "score" if "score" in groups else next(iter(groups))
    for group, members in groups.items():
        own: MapOptions = {**options, "colorbar": False}
        if group != leading:
            own |= {"vmin": None, "vmax": None}
        values = np.concatenate([jobs[k].values.ravel() for k in members])
        scale = scale_of(jobs[members[0]].column, values, own, whole_scores=whole_scores)
        own |= {"vmin": scale.norm.vmin, "vmax": scale.norm.vmax}
        for k in members:
            jobs[k].draw(ax=panels[k], **own)
        if options.get("colorbar", True):
            text = f"all scores {label}".strip() if below and len(members) > 1 else label
            for row in _rows(members, len(jobs) if below or ax is not None else wide):
                colour_bar([panels[k] for k in row], scale, text, below=below)
    if ax is None:
        # bars hang on axes of a fixed aspect: the layout settles in its second pass
        figure_of(panels[0]).draw_without_rendering()
    return panels


def _rows(members: Sequence[int], wide: int) -> list[list[int]]:
    return [list(row) for _, row in groupby(members, lambda k: k // wide)]
