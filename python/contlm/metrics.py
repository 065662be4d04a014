"""Metrics of generated texts. Words are what splitting on single spaces gives."""

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

    Raises ValueError for an empty list, n < 1, an unknown `per` or lengths that differ.
    """
    return _native.dist_n(list(texts), _groups(texts, per, prompt_index), n)


def self_bleu(
    texts: Sequence[str],
    n: int = 4,
    per: str = "prompt",
    prompt_index: Sequence[int] | None = None,
) -> float:
    """How much generations repeat each other, in [0, 1]: the mean BLEU-n of each text against the
    others of its prompt (Self-BLEU; Zhu et al., SIGIR 2018).

    BLEU with equal weights, the brevity penalty of the closest reference length, and 0.1 for an
    order without a match (Chen & Cherry 2014, method 1). The arguments are dist_n's; ValueError
    also where a prompt has one text only.
    """
    return _native.self_bleu(list(texts), _groups(texts, per, prompt_index), n)


def _groups(texts: Sequence[str], per: str, prompt_index: Sequence[int] | None) -> list[int]:
    if per not in ("prompt", "corpus"):
        raise ValueError(f'per: must be "prompt" or "corpus", got {per!r}')
    if per == "corpus" or prompt_index is None:
        return [0] * len(texts)
    return list(prompt_index)
