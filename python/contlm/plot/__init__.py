"""Pictures of sweeps and anchors: matplotlib Axes in and out, made to be put into a paper.

Every function takes a `contlm.Sweep` or its summary (pictures of anchors: an Interpolator or a
table of `contlm.analysis`) and `ax=`, and returns the Axes that it drew on, or an array of
them. `save` writes the figure with its text as text.
"""

from __future__ import annotations

from contlm.plot.choose import auto
from contlm.plot.curves import alpha_curve, alpha_panels
from contlm.plot.heatmaps import (
    alpha_lambda,
    alpha_lambda_panels,
    entanglement,
    product,
    product_panels,
    similarity,
)
from contlm.plot.scatter import mds, response
from contlm.plot.style import STYLE, save
from contlm.plot.ternary import simplex, simplex_panels
from contlm.plot.texts import texts

__all__ = [
    "STYLE",
    "alpha_curve",
    "alpha_lambda",
    "alpha_lambda_panels",
    "alpha_panels",
    "auto",
    "entanglement",
    "mds",
    "product",
    "product_panels",
    "response",
    "save",
    "similarity",
    "simplex",
    "simplex_panels",
    "texts",
]
