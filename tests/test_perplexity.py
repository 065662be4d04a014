"""Perplexity against plain loops over transformers and PEFT, protocol by protocol."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import contlm
import numpy as np
import pytest
import torch
from conftest import Case, load_transformers
from contlm import zoo
from contlm.model.perplexity import rolling_windows, sliding_windows
from hypothesis import given
from hypothesis import strategies as st
from test_parity import POINTS, token_rows
from tiny_models import FAMILIES

TOLERANCE = 1e-3  # relative, of a perplexity


def hf_loop(
    logits: Callable[[torch.Tensor], torch.Tensor], ids: list[int], max_length: int, stride: int
) -> tuple[list[float], list[int]]:
    """The loop of transformers' guide: each window's mean loss over its new tokens, and their
    count."""
    losses, counts, seen = [], [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + max_length, len(ids))
        window = torch.tensor([ids[begin:end]])
        labels = window.clone()
        labels[:, : -(end - seen)] = -100
        if labels.shape[1] > 1:
            loss = torch.nn.functional.cross_entropy(logits(window)[0, :-1], labels[0, 1:])
            losses.append(loss.item())
        else:
            losses.append(math.nan)
        counts.append(int((labels[0, 1:] != -100).sum()))
        seen = end
        if end == len(ids):
            break
    return losses, counts


def paper(losses: Sequence[float]) -> float:
    return float(np.exp(np.nanmean(losses)))


def by_token(losses: Sequence[float], counts: Sequence[int]) -> float:
    kept = [(loss, n) for loss, n in zip(losses, counts, strict=True) if n]
    return float(np.exp(sum(loss * n for loss, n in kept) / sum(n for _, n in kept)))


@pytest.mark.parametrize("family", FAMILIES)
def test_protocols_for_every_family(case: Callable[..., Case], family: str, device: str) -> None:
    tiny = case(family)
    lm, (ids,) = tiny.lm(device=device), token_rows(2, (57,))
    for point in POINTS[:3]:
        row = lm.coefficients(point=point)

        def logits(window: torch.Tensor, row: np.ndarray = row) -> torch.Tensor:
            return tiny.oracle.logits(window[0].tolist(), row)[None]

        for max_length, stride in ((24, 8), (24, 24), (64, 512), (7, 3)):
            losses, counts = hf_loop(logits, ids, max_length, stride)
            for mode in ("bank", "merged"):
                options = dict(point=point, max_length=max_length, stride=stride, mode=mode)
                if max_length > lm.context_length or stride > max_length:
                    continue
                found = lm.perplexity(ids, **options)
                assert found == pytest.approx(paper(losses), rel=TOLERANCE)
                found = lm.perplexity(ids, protocol="token", **options)
                assert found == pytest.approx(by_token(losses, counts), rel=TOLERANCE)


def test_a_last_window_without_targets_is_left_out(llama: Case) -> None:
    (ids,) = token_rows(3, (25,))
    model = load_transformers(llama.base)
    with torch.no_grad():
        losses, _ = hf_loop(lambda w: model(w).logits, ids, 24, 24)
    assert math.isnan(losses[-1])
    found = llama.base_lm.perplexity(ids, max_length=24, stride=24)
    assert found == pytest.approx(paper(losses), rel=TOLERANCE)


def test_gaps_between_windows_are_warned_of(llama: Case) -> None:
    (ids,) = token_rows(4, (60,))
    model = load_transformers(llama.base)
    with torch.no_grad():
        losses, _ = hf_loop(lambda w: model(w).logits, ids, 16, 40)
    with pytest.warns(UserWarning, match="tokens between windows are left out"):
        found = llama.base_lm.perplexity(ids, max_length=16, stride=40)
    assert found == pytest.approx(paper(losses), rel=TOLERANCE)


def lm_eval_word_perplexity(lm: contlm.Interpolator, documents: list[str], length: int) -> float:
    """Rolling log-likelihoods by hand: windows of `length` targets, context cut so that a window
    reads `length` tokens."""
    model = load_transformers(zoo.base_path())
    total, words = 0.0, 0
    prefix = model.config.bos_token_id
    for document in documents:
        ids = lm.tokenizer.encode_batch([document], special_tokens=False)[0]
        for begin in range(0, len(ids), length):
            targets = ids[begin : begin + length]
            end = begin + len(targets)
            context = [prefix, *ids[:-1]][max(0, end - length) : end]
            with torch.no_grad():
                logits = model(torch.tensor([context])).logits[0, -len(targets) :]
            nll = torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="sum")
            total += nll.item()
        words += len(re.split(r"\s+", document))
    return math.exp(total / words)


@pytest.fixture(scope="module")
def world() -> contlm.Interpolator:
    return zoo.load(dtype="float32")


def test_word_protocol(world: contlm.Interpolator) -> None:
    documents = [*zoo.heldout_text().split("\n\n")[:3], "one"]
    for length in (64, 17):
        found = world.perplexity(documents, protocol="word", max_length=length)
        expected = lm_eval_word_perplexity(world, documents, length)
        assert found == pytest.approx(expected, rel=TOLERANCE)
    alone = world.perplexity(documents[0], protocol="word", max_length=64)
    expected = lm_eval_word_perplexity(world, documents[:1], 64)
    assert alone == pytest.approx(expected, rel=TOLERANCE)


def test_documents_are_joined_by_a_blank_line(world: contlm.Interpolator) -> None:
    documents = zoo.heldout_text().split("\n\n")[:4]
    options = dict(alpha={"humor": 1.0}, stride=64, max_length=128)
    joined = world.perplexity("\n\n".join(documents), **options)
    assert world.perplexity(documents, **options) == joined
    ids = world.tokenizer.encode("\n\n".join(documents))
    assert world.perplexity(ids, **options) == joined
    assert world.perplexity(torch.tensor(ids), **options) == joined


def test_conditional_perplexity(world: contlm.Interpolator) -> None:
    model = load_transformers(zoo.base_path())
    prompts = zoo.prompts()[:5]
    texts = [" and then she laughed.", " It was late", "", ".", " The rain came down on the town"]
    found = world.conditional_perplexity(prompts, texts)
    assert found.shape == (5,) and math.isnan(found[2])
    for i in (0, 1, 3, 4):
        first = len(world.tokenizer.encode(prompts[i]))
        ids = torch.tensor([world.tokenizer.encode(prompts[i] + texts[i])])
        with torch.no_grad():
            logits = model(ids).logits[0, first - 1 : -1]
        expected = torch.nn.functional.cross_entropy(logits, ids[0, first:]).exp().item()
        assert found[i] == pytest.approx(expected, rel=TOLERANCE)


def test_conditional_perplexity_of_token_ids(llama: Case) -> None:
    lm = llama.lm()
    prompts, texts = token_rows(5, (6, 1, 9)), token_rows(6, (4, 7, 1))
    point = contlm.Point(alpha={"tone": 0.4})
    found = lm.conditional_perplexity(prompts, texts, point=point)
    for prompt, text, value in zip(prompts, texts, found, strict=True):
        logits = lm.logits([prompt + text], point=point)[0, len(prompt) - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(text))
        assert value == pytest.approx(loss.exp().item(), rel=TOLERANCE)
    assert lm.conditional_perplexity([], []).shape == (0,)


def test_the_whole_context_and_one_token_more(llama: Case) -> None:
    lm = llama.base_lm
    (ids,) = token_rows(7, (lm.context_length + 1,))
    nll = lm.engine.target_nll([ids], [1], np.zeros((1, 0)))
    assert nll.shape == (lm.context_length,)
    logits = lm.logits([ids[:-1]])[0]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    torch.testing.assert_close(nll, expected, rtol=1e-4, atol=1e-4)


def test_losses_do_not_depend_on_company(llama: Case) -> None:
    lm = llama.lm()
    sequences = token_rows(8, (30, 5, 17, 2))
    rows = np.random.default_rng(0).uniform(-0.5, 1, (4, 4))
    together = lm.engine.target_nll(sequences, [3, 1, 1, 1], rows, "bank")
    alone = [
        lm.engine.target_nll([s], [f], rows[i : i + 1], "bank")
        for i, (s, f) in enumerate(zip(sequences, [3, 1, 1, 1], strict=True))
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


@given(st.integers(2, 200), st.integers(2, 40), st.integers(1, 40))
def test_sliding_windows_cover_every_token_once(length: int, size: int, stride: int) -> None:
    stride = min(stride, size)
    windows = sliding_windows(length, size, stride)
    assert windows[0].begin == 0 and windows[-1].end == length
    targets = [t for w in windows for t in range(w.first_target, w.end)]
    assert len(targets) == len(set(targets))
    # Where windows do not overlap, a window's first token has none before it.
    missing = set(range(1, length)) - set(targets)
    assert missing == ({w.begin for w in windows[1:]} if stride == size else set())


@given(st.integers(2, 200), st.integers(2, 40))
def test_rolling_windows_predict_every_token_once(length: int, size: int) -> None:
    windows = rolling_windows(length, size)
    assert [t for w in windows for t in range(w.first_target, w.end)] == list(range(1, length))
    assert all(w.end - w.begin <= size + 1 and w.first_target > w.begin for w in windows)


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ([5], {}, ValueError, "at least 2 tokens, got 1"),
        ([5, 10**6, 7], {}, ValueError, "token ids must lie in"),
        ([5, 6, 10**6], {}, ValueError, "token ids must lie in"),
        ([5, 6], {"protocol": "page"}, ValueError, "protocol: must be one of 'paper'"),
        ([5, 6], {"max_length": 1}, ValueError, r"max_length: must lie in \[2, "),
        ([5, 6], {"max_length": 10**6}, ValueError, r"max_length: must lie in \[2, "),
        ([5, 6], {"stride": 0}, ValueError, "stride: must be at least 1"),
        ([5, 6], {"protocol": "word"}, TypeError, "needs a str or a list of str"),
        ("text", {}, ValueError, "needs a tokenizer and the model has none"),
        ([5, 6], {"alpha": {"age": 1.0}}, ValueError, "unknown attribute 'age'"),
    ],
)
def test_errors(
    llama: Case, text: object, options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        llama.lm().perplexity(text, **{"max_length": 16, "stride": 8, **options})


def test_conditional_errors(llama: Case) -> None:
    with pytest.raises(ValueError, match="one for each of the 2 prompts, got 1"):
        llama.lm().conditional_perplexity([[1], [2]], [[3]])
    with pytest.raises(ValueError, match="first target must be token 1"):
        llama.lm().engine.target_nll([[1, 2]], [0], np.zeros((1, 4)))
