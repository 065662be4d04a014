"""Grids: how many points, that lambdas add up, that numbers read as they were meant, and what is
refused."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from contlm import Point, grid
from contlm.grid import Grid
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["a", "b", "c", "d", "e"]
FIVE = ["simplicity", "formality", "politeness", "sentiment", "humor"]


def lam_sum(point: Point) -> float:
    return math.fsum(point.lam.values())  # type: ignore[union-attr]


def shown(value: float) -> int:
    """Characters after the decimal point as Python prints it."""
    return len(repr(float(value)).partition(".")[2])


EVERY: dict[str, Grid] = {
    "line": grid.line("a", -1, 2, 0.1),
    "simplex": grid.simplex(NAMES[:3], alpha={"a": 1.0, "b": 0.5, "c": 0.0}),
    "product": grid.product({"a": [0, 1], "b": [0, 0.5, 1]}),
    "alpha_lambda": grid.alpha_lambda("b", NAMES),
    "entangle": grid.entangle(NAMES[:3]),
    "random": grid.random(NAMES[:3], 5),
    "custom": grid.custom([Point({"a": 0.3}), Point(), Point(0.5)]),
}


def test_a_line_has_both_ends_and_no_float_dirt() -> None:
    line = grid.line("a", -1, 2, 0.1)
    assert line.axes["alphas"] == [round(-1 + i / 10, 1) for i in range(31)]
    assert [p.alpha["a"] for p in line] == line.axes["alphas"]  # type: ignore[index]
    assert line[13] == Point({"a": 0.3}) and "-0.0" not in repr(list(line))
    assert [p.alpha["a"] for p in grid.line("a")] == [0, 0.25, 0.5, 0.75, 1]  # type: ignore[index]
    assert len(grid.line("a", 1, 1)) == 1
    assert {p.lam["a"] for p in grid.line("a", lam=0.5)} == {0.5}  # type: ignore[index]


@given(st.integers(-40, 40), st.integers(0, 60), st.sampled_from([1, 2, 4, 5, 8, 10, 20, 100]))
def test_lines(first: int, count: int, parts: int) -> None:
    start, stop = first / parts, (first + count) / parts
    alphas = grid.line("a", start, stop, 1 / parts).axes["alphas"]
    assert len(alphas) == count + 1 and alphas[0] == start and alphas[-1] == stop
    # the decimal is the exact fraction's: what was asked for, to the bit
    assert alphas == [(first + i) / parts for i in range(count + 1)]


def test_the_papers_simplex() -> None:
    points = grid.simplex(["humor", "formality", "simplicity"])
    assert len(points) == 21 and points.kind == "simplex"
    assert points.axes == {
        "attributes": ["humor", "formality", "simplicity"],
        "step": 0.2,
        "alpha": dict.fromkeys(["humor", "formality", "simplicity"], 1.0),
    }
    assert all(set(p.alpha.values()) == {1.0} for p in points)  # type: ignore[union-attr]
    corners = [p for p in points if 1.0 in p.lam.values()]  # type: ignore[union-attr]
    assert len(corners) == 3
    assert all(shown(v) <= 1 for p in points for v in p.lam.values())  # type: ignore[union-attr]


@given(st.integers(3, 5), st.sampled_from([1, 2, 3, 4, 5, 7, 10]))
def test_simplices(n: int, parts: int) -> None:
    points = grid.simplex(NAMES[:n], 1 / parts)
    assert len(points) == math.comb(parts + n - 1, n - 1) == len(set(points))
    assert all(abs(lam_sum(p) - 1) < 1e-12 for p in points)
    assert all(min(p.lam.values()) >= 0 for p in points)  # type: ignore[union-attr]


def test_products_go_through_every_combination() -> None:
    points = grid.product({"a": [0, 0.5], "b": np.array([0.1 + 0.2, 1])})
    assert [tuple(p.alpha.values()) for p in points] == [  # type: ignore[union-attr]
        *itertools.product([0, 0.5], [0.3, 1])
    ]
    assert points.axes == {
        "alphas": {"a": [0, 0.5], "b": [0.3, 1]},
        "lam": {"a": 0.5, "b": 0.5},
    }
    weighted = grid.product({"a": [0], "b": [1]}, lam={"a": 0.2, "b": 0.8})
    assert weighted[0].lam == {"a": 0.2, "b": 0.8}


def test_fig_5() -> None:
    points = grid.alpha_lambda("sentiment", FIVE, lams=(0.2, 0.4, 0.6, 0.8, 1.0))
    assert len(points) == 25
    for point in points:
        lam = dict(point.lam)  # type: ignore[arg-type]
        own = lam.pop("sentiment")
        assert set(lam.values()) == {grid.arguments.clean((1 - own) / 4)}
        assert abs(lam_sum(point) - 1) < 1e-12
        assert all(v == 0 for n, v in point.alpha.items() if n != "sentiment")  # type: ignore[union-attr]
        assert all(shown(v) <= 2 for v in lam.values())
    moved = [(p.alpha["sentiment"], p.lam["sentiment"]) for p in points]  # type: ignore[index]
    assert moved == list(itertools.product(points.axes["alphas"], points.axes["lams"]))


def test_the_papers_pairs() -> None:
    points = grid.entangle(FIVE)
    assert len(points) == 20 * 5
    assert len(points.axes["pairs"]) == 20 and ["humor", "formality"] in points.axes["pairs"]
    for (moved, held), alpha, point in zip(
        [pair for pair in points.axes["pairs"] for _ in range(5)],
        points.axes["alphas"] * 20,
        points,
        strict=True,
    ):
        assert point == Point({moved: alpha, held: 1.0}, {moved: 0.5, held: 0.5})
    chosen = grid.entangle([("a", "b"), ("c", "a")], alphas=[0, 1], held=0)
    assert len(chosen) == 4 and chosen[3] == Point({"c": 1, "a": 0})
    assert chosen.axes["held"] == 0


@given(
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from(["dirichlet", "sobol"]),
    st.integers(0, 99),
)
def test_random_points(n: int, count: int, method: str, seed: int) -> None:
    points = grid.random(NAMES[:n], count, method, seed)
    assert len(points) == count
    assert points == grid.random(NAMES[:n], count, method, seed)
    assert all(abs(lam_sum(p) - 1) < 1e-12 for p in points)
    for point in points:
        assert all(0 <= v <= 1 for v in point.lam.values())  # type: ignore[union-attr]
        assert all(0 <= v <= 1 for v in point.alpha.values())  # type: ignore[union-attr]
        assert all(shown(v) <= 6 for v in point.lam.values())  # type: ignore[union-attr]


def test_random_shares_are_flat_and_alphas_as_asked() -> None:
    for method in ("dirichlet", "sobol"):
        points = grid.random(NAMES[:3], 2000, method, alpha=(-1, 2))
        shares = np.array([list(p.lam.values()) for p in points])  # type: ignore[union-attr]
        alphas = np.array([list(p.alpha.values()) for p in points])  # type: ignore[union-attr]
        # a flat Dirichlet of three: means 1/3, variances 1/18
        assert np.allclose(shares.mean(0), 1 / 3, atol=0.02)
        assert np.allclose(shares.var(0), 1 / 18, atol=0.006)
        assert np.allclose(alphas.mean(0), 0.5, atol=0.06) and alphas.min() < -0.9
    kept = grid.random(["a", "b"], 3, alpha={"a": 1, "b": 0.5})
    assert {p.alpha for p in kept} == {Point({"a": 1, "b": 0.5}).alpha}
    assert grid.random(["a", "b"], 3, seed=1) != grid.random(["a", "b"], 3, seed=2)


@pytest.mark.parametrize("kind", EVERY)
def test_json_round_trip(kind: str) -> None:
    one = EVERY[kind]
    assert one.kind == kind
    again = Grid.from_json(one.to_json())
    assert again == one and hash(again) == hash(one)
    assert Grid.from_json(json.loads(one.to_json())) == one
    assert again.axes == one.axes and list(again) == list(one)


@pytest.mark.parametrize("kind", EVERY)
def test_frames(kind: str) -> None:
    one = EVERY[kind]
    frame = one.to_frame()
    names = list(one.attributes)
    assert list(frame) == [
        "point", *(f"alpha_{a}" for a in names), *(f"lam_{a}" for a in names),
    ]  # fmt: skip
    assert len(frame) == len(one) and list(frame["point"]) == list(range(len(one)))


def test_frames_say_what_a_point_does_not_name() -> None:
    frame = grid.entangle([("a", "b"), ("b", "c")], alphas=[0.25]).to_frame()
    assert frame["lam_c"].tolist() == [0, 0.5] and frame["alpha_a"].tolist()[0] == 0.25
    assert np.isnan(frame["alpha_c"][0]) and np.isnan(frame["alpha_a"][1])


def test_a_grid_is_an_immutable_sequence() -> None:
    one, other = EVERY["line"], EVERY["simplex"]
    both = one + other
    assert both.kind == "custom" and list(both) == [*one, *other] and both.axes == {}
    assert one[1:3] == grid.custom([one[1], one[2]]) and one[-1] == Point({"a": 2.0})
    assert one != list(one) and one != other and Point({"a": 0.3}) in one
    one.axes["alphas"].append(9)
    assert 9 not in one.axes["alphas"]
    assert repr(other) == "Grid(simplex, 21 points, a, b, c)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: grid.line("a", 0, 1, 0), ValueError, "step: must be above 0"),
        (lambda: grid.line("a", 0, 1, 0.3), ValueError, "step: must divide stop - start"),
        (lambda: grid.line("a", 1, 0), ValueError, "stop: must not lie below start"),
        (lambda: grid.line("a", 0, math.nan), ValueError, "stop: must be finite"),
        (lambda: grid.line(""), TypeError, "attribute: must be a non-empty str"),
        (lambda: grid.line(["a"]), TypeError, "attribute: must be a non-empty str"),
        (lambda: grid.simplex(["a", "b"]), ValueError, "attrs: must be at least 3, got 2"),
        (lambda: grid.simplex(["a", "b", "b"]), ValueError, "must differ"),
        (lambda: grid.simplex("abc"), TypeError, "must be a list of names"),
        (lambda: grid.simplex(NAMES, 0.3), ValueError, "step: must divide 1"),
        (lambda: grid.simplex(NAMES, -0.5), ValueError, "step: must divide 1"),
        (lambda: grid.simplex(NAMES[:3], alpha={"a": 1}), ValueError, "alpha: must name a, b, c"),
        (lambda: grid.product({}), TypeError, "alphas: must be a dict"),
        (lambda: grid.product({"a": []}), ValueError, "must hold at least one number"),
        (lambda: grid.product({"a": "01"}), TypeError, "must be a list of numbers"),
        (lambda: grid.product({"a": [0], "b": [1]}, {"a": 1}), ValueError, "lam: must name a, b"),
        (lambda: grid.alpha_lambda("x", NAMES), ValueError, "attr: must be among attributes"),
        (lambda: grid.alpha_lambda("a", ["a"]), ValueError, "must be at least 2"),
        (lambda: grid.entangle(["a"]), ValueError, "must be at least 2"),
        (lambda: grid.entangle([("a", "b", "c")]), ValueError, r"must be \(moved, held\)"),
        (lambda: grid.entangle(["a", ("a", "b")]), TypeError, "all names or all pairs"),
        (lambda: grid.random(["a"], 0), ValueError, "n: must be at least 1"),
        (lambda: grid.random(["a"], 1.5), TypeError, "n: must be an int"),
        (lambda: grid.random(["a"], 1, "uniform"), ValueError, 'method: must be "dirichlet"'),
        (lambda: grid.random(["a"], 1, alpha=(0, 1, 2)), ValueError, "must hold 2 numbers"),
        (lambda: grid.custom([]), ValueError, "at least one Point"),
        (lambda: grid.custom([0.5]), TypeError, r"points\[0\]: must be a Point"),
        (lambda: grid.custom(Point()), TypeError, "points: must be a list"),
        (lambda: Grid([Point()], "circle"), ValueError, "kind: must be one of line"),
        (lambda: Grid.from_json("[1"), ValueError, "grid: must be what Grid.to_json wrote"),
        (lambda: Grid.from_json('{"kind": "line"}'), ValueError, "grid: must be what"),
    ],
)  # fmt: skip
def test_mistakes(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_json_nested_too_deep_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"must be what Grid\.to_json wrote"):
        grid.Grid.from_json('{"points":' + "[" * 100_000 + "]" * 100_000 + "}")
