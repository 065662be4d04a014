from __future__ import annotations

import math
from collections import Counter

import pytest
from contlm.metrics import dist_n, self_bleu
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


def bleu(text: list[str], others: list[list[str]], n: int) -> float:
    """Sentence BLEU as its papers state it, smoothed by Chen & Cherry's method 1."""
    logs = []
    for k in range(1, n + 1):
        grams = [Counter(tuple(t[i : i + k]) for i in range(len(t) - k + 1)) for t in others]
        own = Counter(tuple(text[i : i + k]) for i in range(len(text) - k + 1))
        matched = sum(min(c, max(other[g] for other in grams)) for g, c in own.items())
        if k == 1 and matched == 0:
            return 0.0
        logs.append(math.log((matched or 0.1) / max(1, sum(own.values()))))
    closest = min((abs(len(o) - len(text)), len(o)) for o in others)[1]
    penalty = 1.0 if len(text) > closest else math.exp(1 - closest / len(text))
    return penalty * math.exp(sum(logs) / n)


def self_bleu_reference(texts: list[str], n: int) -> float:
    split = [t.split(" ") for t in texts]
    values = [bleu(t, split[:i] + split[i + 1 :], n) for i, t in enumerate(split)]
    return sum(values) / len(values)


@given(st.lists(words.map(" ".join), min_size=2, max_size=7), st.integers(1, 5))
def test_self_bleu_equals_the_reference(texts: list[str], n: int) -> None:
    assert self_bleu(texts, n) == pytest.approx(self_bleu_reference(texts, n))
    pairs = texts + texts[:2]
    groups = [0] * len(texts) + [1, 1]
    expected = (self_bleu_reference(texts, n) + self_bleu_reference(texts[:2], n)) / 2
    assert self_bleu(pairs, n, prompt_index=groups) == pytest.approx(expected)
    pooled = self_bleu_reference(pairs, n)
    assert self_bleu(pairs, n, per="corpus", prompt_index=groups) == pytest.approx(pooled)


def test_self_bleu_of_copies_and_of_strangers() -> None:
    assert self_bleu(["the cat sat on the mat"] * 3) == pytest.approx(1.0)
    assert self_bleu(["a b c d e", "f g h i j"]) == 0.0


def test_joined_words_are_not_confused() -> None:
    assert dist_n(["a_b c a b_c"], 2) == 3 / 4


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: dist_n([], 1), "at least one text"),
        (lambda: dist_n(["a"], 0), "n: must be at least 1, got 0"),
        (lambda: self_bleu(["a", "b"], prompt_index=[0, 7]), "two texts to compare, got one for"),
        (lambda: self_bleu(["a", "b"], 0), "n: must be at least 1, got 0"),
        (lambda: dist_n(["a"], 1, per="word"), 'must be "prompt" or "corpus"'),
        (lambda: dist_n(["a"], 1, prompt_index=[0, 1]), "a value for each of the 1 texts, got 2"),
    ],
)
def test_mistakes_are_explained(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
