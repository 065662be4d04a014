"""Grids: the points that a sweep visits, with the axes that a plot of them needs."""

from contlm.grid.constructors import (
    alpha_lambda,
    custom,
    entangle,
    line,
    product,
    random,
    simplex,
)
from contlm.grid.points import KINDS, Grid

__all__ = [
    "KINDS",
    "Grid",
    "alpha_lambda",
    "custom",
    "entangle",
    "line",
    "product",
    "random",
    "simplex",
]
