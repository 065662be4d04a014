"""How a sweep is split: everything once, equal prompts together, equal points apart."""

from __future__ import annotations

from collections import Counter

import pytest
from contlm.sweep.units import MAX_ROWS, MIN_ROWS, split_into_units
from hypothesis import given
from hypothesis import strategies as st


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.lists(st.integers(0, 8), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_laws(
    points: list[int], prompts: list[int], samples: int, min_rows: int, max_rows: int
) -> None:
    units = split_into_units(points, prompts, samples, min_rows, max_rows)
    assert [unit.index for unit in units] == list(range(len(units)))
    rows = Counter((p, i) for unit in units for p in unit.points for i in unit.prompts)
    assert rows == Counter((p, i) for p in range(len(points)) for i in range(len(prompts)))
    assert sorted(p for unit in units for p in unit.measured) == list(range(len(points)))
    for unit in units:
        assert len({points[p] for p in unit.points}) == len(unit.points)
        inside = {prompts[i] for i in unit.prompts}
        assert all((prompts[i] in inside) == (i in unit.prompts) for i in range(len(prompts)))
        assert set(unit.measured) <= set(unit.points)
        assert list(unit.prompts) == sorted(unit.prompts)
        # the last point was taken in because there were not rows enough without it
        assert (len(unit.points) - 1) * len(unit.prompts) * samples < min_rows


def test_points_are_put_together_until_there_are_rows_enough() -> None:
    units = split_into_units(range(21), range(16), 3)
    assert [unit.rows(3) for unit in units] == [6 * 48, 6 * 48, 6 * 48, 3 * 48]
    assert all(unit.measured == unit.points for unit in units)


def test_a_large_point_is_split_into_even_blocks() -> None:
    units = split_into_units(range(2), range(1000), 3)
    assert len(units) == 12 and {len(unit.points) for unit in units} == {1}
    assert max(unit.rows(3) for unit in units) <= MAX_ROWS
    assert min(unit.rows(3) for unit in units) >= MIN_ROWS
    assert [unit.measured for unit in units[:7]] == [(0,), (), (), (), (), (), (1,)]


@pytest.mark.parametrize("samples", [MAX_ROWS, 3 * MAX_ROWS])
def test_one_prompt_is_never_split(samples: int) -> None:
    units = split_into_units([0], ["a", "b", "a"], samples)
    assert [unit.prompts for unit in units] == [(0, 2), (1,)]
