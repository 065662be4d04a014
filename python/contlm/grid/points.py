"""A grid: an immutable sequence of points with its axes."""

from __future__ import annotations

import copy
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from contlm.points.point import Point, Weights

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("line", "simplex", "product", "alpha_lambda", "entangle", "random", "custom")

# in a notebook
_SHOWN_POINTS = 12


class Grid(Sequence[Point]):
    """An immutable sequence of points that knows its axes; made by the functions of `contlm.grid`.

    kind: one of `KINDS`. attributes: the names that its points use, in order of appearance.
    axes: plain JSON values; which keys there are, each constructor says.
    A slice and `a + b` are grids of kind "custom".
    """

    def __init__(
        self,
        points: Sequence[Point],
        kind: str = "custom",
        axes: Mapping[str, Any] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind: must be one of {', '.join(KINDS)}, got {kind!r}")
        if isinstance(points, Point | str | Mapping) or not isinstance(points, Sequence):
            raise TypeError(f"points: must be a list of Points, got {type(points).__name__}")
        for i, point in enumerate(points):
            if not isinstance(point, Point):
                raise TypeError(
                    f"points[{i}]: must be a Point, got {type(point).__name__} {point!r}"
                )
        if not points:
            raise ValueError("points: must hold at least one Point, got none")
        self._points = tuple(points)
        self._kind = kind
        self._axes = copy.deepcopy(dict(axes or {}))

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def axes(self) -> dict[str, Any]:
        """A copy of the axes."""
        return copy.deepcopy(self._axes)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that the points name; points with a plain number name none."""
        named = (p.alpha for p in self._points if isinstance(p.alpha, Weights))
        return tuple(dict.fromkeys(attribute for alpha in named for attribute in alpha))

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Grid: ...
    def __getitem__(self, index: int | slice) -> Point | Grid:
        if isinstance(index, slice):
            return Grid(self._points[index])
        return self._points[index]

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        mine, theirs = (self._kind, self._axes), (other._kind, other._axes)
        return self._points == other._points and mine == theirs

    def __hash__(self) -> int:
        return hash((self._kind, self._points))

    def __add__(self, other: Sequence[Point]) -> Grid:
        return Grid([*self._points, *other])

    def __repr__(self) -> str:
        names = ", ".join(self.attributes) or "no attributes"
        return f"Grid({self._kind}, {len(self)} points, {names})"

    def _repr_html_(self) -> str:
        shown = self[:_SHOWN_POINTS].to_frame().to_html(index=False, na_rep="", border=0)
        more = len(self) - _SHOWN_POINTS
        tail = f"<p>{more} more points</p>" if more > 0 else ""
        return f"<p><b>{html.escape(repr(self))}</b></p>{shown}{tail}"

    def to_frame(self) -> pd.DataFrame:
        """One row per point: point, alpha_<attribute>..., lam_<attribute>...; alpha is NaN and lam
        0 where a point does not name the attribute."""
        import pandas as pd

        columns = point_columns(self._points, self.attributes)
        return pd.DataFrame({"point": np.arange(len(self)), **columns})

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes: kind, axes and points as plain JSON values."""
        points = [{"alpha": _plain(p.alpha), "lam": _plain(p.lam)} for p in self._points]
        return {"kind": self._kind, "axes": self.axes, "points": points}

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> Grid:
        """The grid that `to_json` (or `to_dict`) wrote; ValueError for anything else."""
        try:
            found = json.loads(source) if isinstance(source, str) else source
            points = [Point(item["alpha"], item["lam"]) for item in found["points"]]
            return cls(points, found["kind"], found["axes"])
        except (KeyError, TypeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(
                f"grid: must be what Grid.to_json wrote (kind, axes, points): {error!r}"
            ) from None


def point_columns(
    points: Sequence[Point], attributes: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """alpha_<attribute> [P]... and lam_<attribute> [P]...: NaN alpha and 0 lam where a point does
    not name the attribute."""
    columns = {}
    for kind, absent in (("alpha", np.nan), ("lam", 0.0)):
        for attribute in attributes:
            values = [_weight(getattr(p, kind), attribute, absent) for p in points]
            columns[f"{kind}_{attribute}"] = np.array(values, dtype=np.float64)
    return columns


def _weight(weights: Weights | float, attribute: str, absent: float) -> float:
    return weights.get(attribute, absent) if isinstance(weights, Weights) else absent


def _plain(weights: Weights | float) -> dict[str, float] | float:
    return dict(weights) if isinstance(weights, Weights) else weights
