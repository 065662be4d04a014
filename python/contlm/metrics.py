"""Metrics of generated texts."""

from __future__ import annotations

from collections.abc import Sequence

from contlm import _native


def dist_n(
    texts: Sequence[str],
    n: int,
    per: str = "prompt",
    prompt_index: Sequence[int] | None = None,
) -> float:
    """Distinct n-grams over total words (dist-n; Li et al., NAACL 2016).

    Args:
        texts: the generations, [N].
        n: the n-gram length, at least 1.
        per: "prompt" takes the ratio over the generations of one prompt and then the mean over
            prompts, as DExperts does; "corpus" pools everything.
        prompt_index: [N], which prompt each text continues (`Generation.prompt_index`). None: all
            texts continue the same prompt.

    Words are what splitting on single spaces gives. Raises ValueError for an empty list, n < 1, an
    unknown `per` or lengths that differ.
    """
    if per not in ("prompt", "corpus"):
        raise ValueError(f'per: must be "prompt" or "corpus", got {per!r}')
    pooled = per == "corpus" or prompt_index is None
    groups = [0] * len(texts) if pooled or prompt_index is None else list(prompt_index)
    return _native.dist_n(list(texts), groups, n)
