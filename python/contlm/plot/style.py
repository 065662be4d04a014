"""How every picture looks: colours, sizes, and figures that need no pyplot.

Nothing here touches matplotlib's global state: settings hold inside `rc_context` alone, and a
figure is given to pyplot only where a person works with pyplot already.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from contlm._common.files import whole_file

# Okabe & Ito's palette, which readers of every colour vision tell apart, darkest hues first; its
# yellow is left out, for it vanishes on white
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

GREY = "0.45"
STABLE = "#56B4E9"

# inches: one column of a two-column paper, and its full width
COLUMN, PAGE = 3.4, 7.0

# 8 pt at the size at which a paper prints the figure; text stays text in vector files
STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "normal",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.dpi": 144,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}

P = ParamSpec("P")
R = TypeVar("R")

_bare: ContextVar[bool] = ContextVar("contlm_plot_bare", default=False)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A plotting function whose artists are made under STYLE; the caller's keep their own."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        _wake_pyplot()
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@contextmanager
def bare_figures() -> Iterator[None]:
    """Inside, new figures never go to pyplot: for pages and files made in the background."""
    token = _bare.set(True)
    try:
        yield
    finally:
        _bare.reset(token)


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches: pyplot's, so that a notebook shows it, where pyplot or a notebook is in
    use; otherwise one that nothing else holds."""
    size = (width, height)
    if not _bare.get() and ("matplotlib.pyplot" in sys.modules or _in_notebook()):
        import matplotlib.pyplot as plt

        return plt.figure(figsize=size, layout="constrained")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def one_axes(ax: Axes | None, width: float = COLUMN, height: float = 2.5) -> Axes:
    """`ax`, or the Axes of a new figure. TypeError where `ax` is something else."""
    if ax is None:
        return new_figure(width, height).add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(f"ax: must be a matplotlib Axes or None, got {type(ax).__name__}")
    return ax


def panel_axes(ax: Any, count: int, wide: int = 3, height: float = 2.3) -> np.ndarray:
    """[count] of Axes: those given, which must be as many, or a new figure's, at most `wide` a row.

    height: inches of a new figure's panel; panels share the width of a page.
    """
    if ax is None:
        columns = min(count, wide)
        rows = -(-count // columns)
        width = min(COLUMN, PAGE / columns)
        figure = new_figure(width * columns, height * rows)
        found: np.ndarray = figure.subplots(rows, columns, squeeze=False).ravel()
        for spare in found[count:]:
            spare.remove()
        return found[:count]
    given = np.array([ax] if isinstance(ax, Axes) else ax, dtype=object).ravel()
    if len(given) != count or not all(isinstance(a, Axes) for a in given):
        raise ValueError(
            f"ax: must be {count} Axes for this picture, got {len(given)} things; make them with "
            f"plt.subplots(1, {count})"
        )
    return given


def colour(k: int) -> str:
    """The k-th category's colour."""
    return OKABE_ITO[k % len(OKABE_ITO)]


def marker(k: int) -> str:
    """The k-th category's marker; it changes with the colours' second round, so that no two of 49
    categories look the same."""
    return MARKERS[(k + k // len(OKABE_ITO)) % len(MARKERS)]


def figure_of(ax: Any) -> Figure:
    """The figure of an Axes, or of the first of several."""
    first = ax if isinstance(ax, Axes | Figure) else np.asarray(ax, dtype=object).ravel()[0]
    found = first if isinstance(first, Figure) else first.figure
    while isinstance(found, SubFigure):
        found = found.figure
    if not isinstance(found, Figure):
        raise TypeError(f"ax: must be Axes on a figure, or a figure, got {type(ax).__name__}")
    return found


def save(ax: Any, path: str | os.PathLike[str], **options: Any) -> None:
    """Writes the figure that `ax` (Axes, several, or a Figure) stands on, by the suffix of `path`
    (.pdf, .svg, .png ...), whole or not at all.

    Text stays text in PDF and SVG, so that a paper's reader can search it and an editor change it.
    options: those of matplotlib's savefig.
    """
    target = Path(path)
    if not target.suffix:
        raise ValueError(f"path: must end in .pdf, .svg, .png or the like, got {str(path)!r}")
    with whole_file(target) as beside, mpl.rc_context(STYLE):
        figure_of(ax).savefig(beside, **{"bbox_inches": "tight", "pad_inches": 0.02, **options})


def _wake_pyplot() -> None:
    """Loads a notebook's backend. That sets rcParams["interactive"], which the end of an rc_context
    around it would undo: every figure but the first would stay hidden."""
    if _in_notebook() and not _bare.get():
        import matplotlib.pyplot as plt

        plt.draw_if_interactive()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
