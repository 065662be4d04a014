from __future__ import annotations

import pytest
from contlm.metrics import dist_n
from hypothesis import given
from hypothesis import strategies as st


def reference(texts: list[str], groups: list[int], n: int) -> float:
    ratios = []
    for group in sorted(set(groups)):
        grams, words = set(), 0
        for text, of in zip(texts, groups, strict=True):
            if of == group:
                split = text.split(" ")
                words += len(split)
                grams |= {tuple(split[i : i + n]) for i in range(len(split) - n + 1)}
        ratios.append(len(grams) / words)
    return sum(ratios) / len(ratios)


words = st.lists(st.sampled_from(["a", "b", "ab", "é", "日本", "", "_", "a_b"]), max_size=12)


@given(st.lists(st.tuples(words.map(" ".join), st.integers(0, 3)), min_size=1), st.integers(1, 5))
def test_dist_n_equals_the_reference(rows: list[tuple[str, int]], n: int) -> None:
    texts, groups = [t for t, _ in rows], [g for _, g in rows]
    assert dist_n(texts, n, prompt_index=groups) == pytest.approx(reference(texts, groups, n))
    assert dist_n(texts, n, per="corpus") == pytest.approx(reference(texts, [0] * len(texts), n))


def test_joined_words_are_not_confused() -> None:
    assert dist_n(["a_b c a b_c"], 2) == 3 / 4


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: dist_n([], 1), "at least one text"),
        (lambda: dist_n(["a"], 0), "n: must be at least 1, got 0"),
        (lambda: dist_n(["a"], 1, per="word"), 'must be "prompt" or "corpus"'),
        (lambda: dist_n(["a"], 1, prompt_index=[0, 1]), "a value for each of the 1 texts, got 2"),
    ],
)
def test_mistakes_are_explained(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
