"""Points, and the rule from (alpha, lambda) to coefficients."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from contlm import Point
from contlm.points.coefficients import anchor_names, coefficient_row
from contlm.points.resolve import coefficient_rows, resolve_points
from hypothesis import given
from hypothesis import strategies as st

ATTRIBUTES = ("sentiment", "humor", "formality")


def test_missing_lam_is_an_equal_share() -> None:
    point = Point(alpha={"sentiment": 0.8, "humor": 0.1})
    assert point.lam == {"sentiment": 0.5, "humor": 0.5}
    assert point == Point({"humor": 0.1, "sentiment": 0.8}, {"humor": 0.5, "sentiment": 0.5})
    assert point != Point({"humor": 0.1, "sentiment": 0.8}, {"humor": 0.5, "sentiment": 0.6})


def test_coefficients_by_hand() -> None:
    point = Point({"sentiment": 0.8, "formality": -1.0}, {"sentiment": 0.5, "formality": 2.0})
    expected = [0.5 * 0.2, 0.5 * 0.8, 0, 0, 2.0 * 2.0, 2.0 * -1.0]
    np.testing.assert_allclose(coefficient_row(point, ATTRIBUTES), expected, atol=1e-15)
    assert anchor_names(ATTRIBUTES)[:3] == ("sentiment.low", "sentiment.high", "humor.low")


def test_plain_numbers_stand_for_the_only_attribute() -> None:
    assert Point(alpha=0.8).bind(["sentiment"]) == Point({"sentiment": 0.8}, {"sentiment": 1.0})
    row = coefficient_row(Point(alpha=0.25, lam=2.0), ["sentiment"])
    np.testing.assert_array_equal(row, [1.5, 0.5])
    with pytest.raises(ValueError, match=r"plain number.*sentiment, humor, formality"):
        coefficient_row(Point(alpha=0.8), ATTRIBUTES)
    assert Point({"humor": 0.5}, 0.3).lam == {"humor": 0.3}


def test_the_empty_point_is_the_base() -> None:
    assert not coefficient_row(Point(), ATTRIBUTES).any()


def test_points_are_frozen_hashable_and_picklable() -> None:
    point = Point({"sentiment": 0.8, "humor": 2})
    twin = Point({"humor": 2.0, "sentiment": np.float32(0.5) + 0.3})
    assert hash(twin) == hash(Point({"sentiment": np.float32(0.5) + 0.3, "humor": 2}))
    assert pickle.loads(pickle.dumps(point)) == point
    assert {point: 1}[Point({"humor": 2.0, "sentiment": 0.8})] == 1
    assert eval(repr(point)) == point
    assert repr(Point(0.8)) == "Point(alpha=0.8, lam=1.0)"
    with pytest.raises(AttributeError):
        point.alpha = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        point.alpha["sentiment"] = 1.0  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": {"a": float("nan")}}, ValueError, r"alpha\['a'\]: must be finite, got nan"),
        (
            {"alpha": {"a": 1}, "lam": {"a": float("inf")}},
            ValueError,
            r"lam\['a'\]: must be finite",
        ),
        ({"alpha": {"a": "1"}}, TypeError, r"alpha\['a'\]: must be a number, got str"),
        ({"alpha": {"a": True}}, TypeError, "must be a number, got bool"),
        ({"alpha": {"a": None}}, TypeError, "must be a number, got NoneType"),
        ({"alpha": [0.5]}, TypeError, "alpha: must be a number, got list"),
        ({"alpha": {1: 0.5}}, TypeError, "attribute: must be a str, got int"),
        ({"alpha": {"a": 1}, "lam": {"b": 1}}, ValueError, "lam: names 'b'.*alpha names: a"),
        ({"alpha": {"a": 1, "b": 1}, "lam": {"a": 1}}, ValueError, "lacks 'b'"),
        ({"alpha": {"a": 1, "b": 1}, "lam": 0.5}, ValueError, "alpha names 2: a, b"),
        ({"lam": {"a": 1}}, ValueError, "needs an alpha"),
        ({"alpha": 0.5, "lam": {"a": 1}}, TypeError, "lam: must be a plain number like alpha"),
    ],
)
def test_mistakes(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Point(**arguments)


def test_unknown_attributes_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown attribute 'mood'; known: sentiment, humor"):
        Point({"mood": 1.0}).bind(ATTRIBUTES)


def test_coefficients_that_overflow() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        coefficient_row(Point({"humor": 1e200}, {"humor": 1e200}), ATTRIBUTES)


reals = st.floats(-1e3, 1e3, allow_nan=False)


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), st.tuples(reals, reals)))
def test_the_rule_in_exact_arithmetic(items: dict[str, tuple[float, float]]) -> None:
    point = Point({a: x for a, (x, _) in items.items()}, {a: y for a, (_, y) in items.items()})
    row = coefficient_row(point, ATTRIBUTES)
    for i, attribute in enumerate(ATTRIBUTES):
        alpha, lam = (Fraction(v) for v in items.get(attribute, (0.0, 0.0)))
        assert row[2 * i] == pytest.approx(float(lam * (1 - alpha)), rel=1e-12, abs=1e-12)
        assert row[2 * i + 1] == pytest.approx(float(lam * alpha), rel=1e-12, abs=1e-12)


def test_one_value_or_one_per_prompt() -> None:
    points = resolve_points(ATTRIBUTES, 3, {"humor": [0.0, 0.5, 1.0], "sentiment": 0.2}, None, None)
    assert [p.alpha["humor"] for p in points] == [0.0, 0.5, 1.0]  # type: ignore[index]
    assert {p.alpha["sentiment"] for p in points} == {0.2}  # type: ignore[index]
    both = resolve_points(ATTRIBUTES, 2, {"humor": 1}, {"humor": np.array([0.25, 0.5])}, None)
    np.testing.assert_array_equal(coefficient_rows(both, ATTRIBUTES)[:, 3], [0.25, 0.5])
    assert resolve_points(["humor"], 2, [0.1, 0.2], None, None)[1] == Point({"humor": 0.2})
    assert resolve_points(ATTRIBUTES, 2, None, None, None) == [Point(), Point()]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({"humor": [0.1, 0.2]}, None, None), ValueError, r"one per prompt \(3\), got 2"),
        (({"humor": 1}, {"humor": [1.0]}, None), ValueError, r"lam\['humor'\].*got 1 numbers"),
        (({"mood": 1}, None, None), ValueError, "known: sentiment"),
        (
            ({"humor": ["x", 1, 2]}, None, None),
            TypeError,
            r"alpha\['humor'\]\[0\]: must be a number",
        ),
        ((None, {"humor": 1}, None), ValueError, "needs an alpha"),
        (({"humor": 1}, None, Point()), ValueError, "either point= or alpha="),
        ((None, None, [Point()]), ValueError, r"one per prompt \(3\), got 1"),
        ((None, None, [Point(), 1, 2]), TypeError, "every item must be a Point, got int"),
        ((None, None, 0.5), TypeError, "must be a Point or a list of Points, got float"),
        ((0.5, None, None), ValueError, "plain number stands for the only attribute"),
    ],
)
def test_broadcasting_mistakes(
    arguments: tuple[Any, Any, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        resolve_points(ATTRIBUTES, 3, *arguments)
