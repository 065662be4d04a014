"""What the planner chooses (csrc/engine/planner.h), and that its choice changes no token."""

from __future__ import annotations

from collections.abc import Sequence

import contlm
import numpy as np
import pytest
from conftest import Case

PROMPT = [5, 6, 7, 8]


def rows(
    lm: contlm.Interpolator,
    points: Sequence[Sequence[float]],
    new_tokens: int = 24,
    mode: str = "auto",
):
    return lm.generate(
        [PROMPT] * len(points),
        coeffs=np.array(points),
        max_new_tokens=new_tokens,
        eos_token_id=[],
        seed=1,
        mode=mode,
    )


def different(count: int) -> list[list[float]]:
    return [[0.1 + i / count, 0.5, 0.3 - i / count, 0.2] for i in range(count)]


ONE = [0.3, 0.4, -0.2, 0.5]


@pytest.mark.parametrize(
    ("points", "new_tokens", "chosen"),
    [
        ([ONE] * 64, 24, "merged"),
        ([ONE], 1, "bank"),
        (different(64), 2, "bank"),
        ([[0.0] * 4] * 8, 24, "bank"),
        # two points, each with rows enough to pay for a merge of its own
        ([ONE] * 64 + [[-c for c in ONE]] * 64, 24, "merged"),
        # what all share is merged, what differs is banked
        ([[0.4, 0.5, 0.01 * i, 0.0] for i in range(64)], 24, "hybrid"),
    ],
)
def test_the_choice_follows_the_cost(
    llama: Case, points: list[list[float]], new_tokens: int, chosen: str
) -> None:
    generated = rows(llama.lm(), points, new_tokens)
    assert generated.stats["mode"] == chosen
    assert generated.token_ids == rows(llama.lm(), points, new_tokens, "bank").token_ids


def test_what_is_merged_already_does_not_sway_the_choice(llama: Case) -> None:
    lm = llama.lm()
    before = rows(lm, [ONE], 1)
    rows(lm, [ONE], mode="merged")
    after = rows(lm, [ONE], 1)
    assert before.stats["mode"] == after.stats["mode"] == "bank"
    assert before.token_ids == after.token_ids


def test_a_mode_that_is_asked_for_is_used(llama: Case) -> None:
    for mode in ("bank", "merged", "hybrid"):
        points = [[0.4, 0.5, 0.01 * i, 0.0] for i in range(8)]
        assert rows(llama.lm(), points, mode=mode).stats["mode"] == mode


def test_rows_come_back_in_order_whatever_the_groups(llama: Case) -> None:
    """Points that are grouped apart, interleaved."""
    lm = llama.lm()
    points = [ONE if i % 2 else [0.5, 0.01 * i, 0.0, 0.1] for i in range(96)]
    together = rows(lm, points)
    for i in (0, 1, 42, 95):
        assert (
            together.token_ids[i]
            == lm.generate(
                [PROMPT] * (1 + points[:i].count(points[i])),
                coeffs=np.array(points[i]),
                max_new_tokens=24,
                eos_token_id=[],
                seed=1,
            ).token_ids[-1]
        )
