"""The pictures of a report, each with its title and what to look for."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.figure import Figure

from contlm import plot
from contlm.plot.choose import kind_of
from contlm.plot.style import bare_figures, figure_of

_TITLES = {
    "line": "Along alpha",
    "simplex": "Over the simplex of lambda",
    "alpha_lambda": "Alpha and lambda of each attribute",
    "entangle": "Entanglement",
    "product": "Alphas together",
    "random": "Scores of all points",
}
_CAPTIONS = {
    "line": "Mean score of the attribute, perplexity and diversity. Solid lines with filled marks "
    "lie inside the stable range: the largest interval around [0, 1] in which the score stays "
    "monotone, up to sampling noise, and the perplexities and diversity stay within their limits.",
    "simplex": "Each corner is one attribute alone; a point's distance from the opposite side is "
    "that attribute's lambda. Dots are swept points, the surface between them is linear.",
    "alpha_lambda": "The score over an attribute's alpha and lambda, while the other attributes "
    "share the rest of lambda equally.",
    "entangle": "Area under the absolute change of the held attribute's score while the other "
    "attribute's alpha moves, with lambda 1/2 each. Less is more independent.",
    "product": "Mean scores over both alphas, on one scale; perplexity on its own.",
    "random": "Each score against lambda alpha, the weight of the attribute's high anchor; bars "
    "are one standard error.",
}


class Picture(NamedTuple):
    title: str
    caption: str
    figure: Figure


def pictures_of(sweep: Any) -> list[Picture]:
    """What `contlm.plot.auto` draws, a Picture a figure, on figures that only the caller holds.

    ValueError where the sweep's columns allow no picture.
    """
    kind = kind_of(sweep)
    with bare_figures():
        panels = plot.auto(sweep)
    figures = dict.fromkeys(figure_of(panel) for panel in panels)
    count = f" ({len(figures)} faces)" if len(figures) > 1 else ""
    return [Picture(_TITLES[kind] + count, _CAPTIONS[kind], figure) for figure in figures]
