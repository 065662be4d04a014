"""Perplexity of known text: the windows of each protocol, and what is made of their losses."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from contlm._common.checks import as_int
from contlm.loading.tokenizer import Tokenizer
from contlm.model.prompts import encode_prompts

PROTOCOLS = ("paper", "token", "word")
DEFAULT_STRIDE = 512
Corpus: TypeAlias = str | Sequence[str] | Sequence[int] | npt.NDArray[np.integer] | torch.Tensor
Losses: TypeAlias = Callable[[list[list[int]], list[int]], npt.NDArray[np.float64]]
"""(sequences, first target of each) -> -log p of every target, one sequence after the other."""


class Window(NamedTuple):
    """Tokens [begin, end) of a text, of which those from `first_target` on (absolute) are new."""

    begin: int
    end: int
    first_target: int


def sliding_windows(length: int, max_length: int, stride: int) -> list[Window]:
    """Windows of max_length tokens every `stride`; a token is a target in the first window that
    holds it, and a window's own first token never is.

    The paper's evaluation and the transformers guide to the perplexity of fixed-length models.
    """
    windows: list[Window] = []
    seen = 0
    for begin in range(0, length, stride):
        end = min(begin + max_length, length)
        windows.append(Window(begin, end, max(seen, begin + 1)))
        seen = end
        if end == length:
            break
    return windows


def rolling_windows(length: int, max_length: int) -> list[Window]:
    """Windows that predict every token of ids[1:] once, max_length at a time; the last one reaches
    back for as much context as fits. ids[0] is the prefix token.

    lm-evaluation-harness's rolling log-likelihood with one token of context. A window reads
    max_length tokens and predicts the one behind its last.
    """
    windows = []
    for first in range(1, length, max_length):
        end = min(first + max_length, length)
        windows.append(Window(max(0, end - max_length - 1), end, first))
    return windows


def perplexity(
    corpus: Corpus,
    tokenizer: Tokenizer | None,
    prefix: int | None,
    context: int,
    losses: Losses,
    options: tuple[int | None, int, str],
) -> float:
    """Interpolator.perplexity without its point: `losses` knows where it stands.

    prefix: the token that starts a document under the "word" protocol. options: max_length, stride
    and protocol.
    """
    max_length, stride, protocol = check_options(*options, context)
    if protocol == "word":
        return _word_perplexity(_documents(corpus), tokenizer, prefix, max_length, losses)
    ids = _token_ids(corpus, tokenizer)
    if len(ids) < 2:
        raise ValueError(
            f"text: must have at least 2 tokens, got {len(ids)}; the first one has none before it "
            "to be predicted from"
        )
    windows = [w for w in sliding_windows(len(ids), max_length, stride) if w.first_target < w.end]
    sequences = [ids[w.begin : w.end] for w in windows]
    nll = losses(sequences, [w.first_target - w.begin for w in windows])
    if protocol == "token":
        return float(np.exp(nll.mean()))
    # A window without targets has no loss: the mean over windows leaves it out, as nanmean does.
    counts = np.array([w.end - w.first_target for w in windows])
    sums = np.add.reduceat(nll, np.concatenate([[0], np.cumsum(counts)[:-1]]))
    return float(np.exp((sums / counts).mean()))


def joined(
    prompts: Sequence[Any], texts: Sequence[Any], tokenizer: Tokenizer | None, vocab_size: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of the prompts, and of the prompts with their texts behind them."""
    if len(prompts) != len(texts):
        raise ValueError(
            f"texts: there must be one for each of the {len(prompts)} prompts, got {len(texts)}"
        )
    if len(texts) == 0:
        return [], []
    if not all(isinstance(item, str) for item in [*prompts, *texts]):
        first = encode_prompts(prompts, None, None, vocab_size)
        return first, [[*p, *t] for p, t in zip(first, texts, strict=True)]
    wholes = [p + t for p, t in zip(prompts, texts, strict=True)]
    # An empty prompt is what the tokenizer makes of it: the tokens that start any text.
    if tokenizer is None:
        raise ValueError("texts: text needs a tokenizer and the model has none; give tokenizer=")
    return tokenizer.encode_batch(prompts), tokenizer.encode_batch(wholes)


def conditional_perplexity(
    prompts: Sequence[Sequence[int]], wholes: Sequence[Sequence[int]], losses: Losses
) -> npt.NDArray[np.float64]:
    """[N]: exp of the mean loss of the tokens of wholes[i] behind the first len(prompts[i]), NaN
    where there are none."""
    firsts = [max(1, len(prompt)) for prompt in prompts]
    counts = np.array([max(0, len(w) - f) for w, f in zip(wholes, firsts, strict=True)])
    kept = np.flatnonzero(counts)
    found = np.full(len(wholes), np.nan)
    if len(kept):
        nll = losses([list(wholes[int(i)]) for i in kept], [firsts[int(i)] for i in kept])
        starts = np.concatenate([[0], np.cumsum(counts[kept])[:-1]])
        found[kept] = np.exp(np.add.reduceat(nll, starts) / counts[kept])
    return found


def pooled_perplexity(
    perplexities: Sequence[float], new_tokens: Sequence[int], finish_reasons: Sequence[str]
) -> float:
    """The perplexity of all texts together: exp of their whole loss over all their tokens.

    perplexities, new_tokens, finish_reasons: [N], of a sweep's frame. The end-of-sequence token is
    among the new tokens and not among those that `base_perplexity` counts. NaN where no text has
    any.
    """
    ended = np.asarray(finish_reasons, dtype=object) == "eos"
    counts = np.asarray(new_tokens, dtype=np.int64) - ended
    kept = counts > 0
    if not kept.any():
        return float("nan")
    losses = np.log(np.asarray(perplexities, dtype=np.float64)[kept])
    return float(np.exp(losses @ counts[kept] / counts[kept].sum()))


def check_options(
    max_length: int | None, stride: int, protocol: str, context: int
) -> tuple[int, int, str]:
    """max_length (the context where it is None), stride and protocol, checked."""
    if protocol not in PROTOCOLS:
        known = ", ".join(map(repr, PROTOCOLS))
        raise ValueError(f"protocol: must be one of {known}, got {protocol!r}")
    length = context if max_length is None else as_int("max_length", max_length)
    if not 2 <= length <= context:
        raise ValueError(
            f"max_length: must lie in [2, {context}], the model's context, got {length}"
        )
    step = as_int("stride", stride)
    if step < 1:
        raise ValueError(f"stride: must be at least 1, got {step}")
    # the default is the paper's: nobody chose it for a context that it does not fit
    if step > length and step != DEFAULT_STRIDE and protocol != "word":
        warnings.warn(
            f"stride: {step} is longer than max_length, {length}: the tokens between windows are "
            "left out",
            UserWarning,
            stacklevel=5,
        )
    return length, step, protocol


def _word_perplexity(
    documents: list[str],
    tokenizer: Tokenizer | None,
    prefix: int | None,
    max_length: int,
    losses: Losses,
) -> float:
    if tokenizer is None:
        raise ValueError('protocol "word": needs a tokenizer, the model has none; give tokenizer=')
    if prefix is None:
        raise ValueError(
            'protocol "word": starts documents with the bos or eos token, the model has neither'
        )
    sequences: list[list[int]] = []
    firsts: list[int] = []
    for ids in tokenizer.encode_batch(documents, special_tokens=False):
        whole = [prefix, *ids]
        for window in rolling_windows(len(whole), max_length):
            sequences.append(whole[window.begin : window.end])
            firsts.append(window.first_target - window.begin)
    if not sequences:
        raise ValueError("text: must have at least one token, got none")
    words = sum(len(re.split(r"\s+", document)) for document in documents)
    return float(np.exp(losses(sequences, firsts).sum() / words))


def _documents(corpus: Corpus) -> list[str]:
    documents = [corpus] if isinstance(corpus, str) else list(corpus)  # type: ignore[arg-type]
    if not documents or not all(isinstance(document, str) for document in documents):
        raise TypeError(
            'text: protocol "word" counts words, so it needs a str or a list of str, got token ids'
        )
    return documents


def _token_ids(corpus: Any, tokenizer: Tokenizer | None) -> list[int]:
    if not isinstance(corpus, str):
        items = corpus.tolist() if hasattr(corpus, "tolist") else list(corpus)
        if not items or not all(isinstance(item, str) for item in items):
            return [as_int(f"text[{i}]", item) for i, item in enumerate(items)]
        corpus = "\n\n".join(items)
    if tokenizer is None:
        raise ValueError("text: needs a tokenizer and the model has none; give tokenizer= or ids")
    return tokenizer.encode(corpus)
