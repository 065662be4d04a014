"""Logits and greedy tokens against PEFT with all anchors active, for every family."""

from __future__ import annotations

from collections.abc import Callable

import contlm
import numpy as np
import pytest
import torch
from conftest import Case
from peft_oracle import PeftOracle
from tiny_models import FAMILIES, VOCAB
from tolerances import assert_logits_close

MODES = ("bank", "merged")

# inside the simplex, on its corner, outside with negative coefficients, and with lambdas that do
# not sum to one
POINTS = (
    contlm.Point(alpha={"tone": 0.3, "wit": 0.8}),
    contlm.Point(alpha={"wit": 1.0}),
    contlm.Point(alpha={"tone": 1.6, "wit": -0.4}, lam={"tone": 0.7, "wit": 0.5}),
    contlm.Point(alpha={"tone": -0.5, "wit": 0.5}, lam={"tone": 0.3, "wit": -0.6}),
)
PROMPT_LENGTHS = (19, 5, 11, 1)


def token_rows(seed: int, lengths: tuple[int, ...] = PROMPT_LENGTHS) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, VOCAB, length).tolist() for length in lengths]


def padded(rows: list[list[int]], side: str) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.int64), torch.zeros(len(rows), width)
    for i, row in enumerate(rows):
        where = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[i, where], mask[i, where] = torch.tensor(row), 1
    return ids, mask.long()


def unpadded(logits: torch.Tensor, rows: list[list[int]], side: str) -> list[torch.Tensor]:
    return [
        x[-len(r) :] if side == "left" else x[: len(r)] for x, r in zip(logits, rows, strict=True)
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_at_every_point(
    case: Callable[..., Case], family: str, mode: str, device: str
) -> None:
    tiny = case(family)
    lm = tiny.lm(device=device)
    ids = token_rows(1, (23, 23))
    base = tiny.base_lm.logits(ids)
    for point in POINTS:
        found = lm.logits(ids, point=point, mode=mode)
        assert found.dtype == torch.float32 and found.shape == (2, 23, VOCAB)
        expected = torch.stack([tiny.oracle.logits(r, lm.coefficients(point=point)) for r in ids])
        assert (expected - base).abs().max() > 0.1, "the anchors must matter for this to be a test"
        assert_logits_close(found, expected)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_padded_rows_each_at_its_own_point(
    case: Callable[..., Case], family: str, side: str, device: str
) -> None:
    tiny = case(family)
    lm = tiny.lm(device=device)
    rows = token_rows(2)
    ids, mask = padded(rows, side)
    found = unpadded(lm.logits(ids, mask, point=list(POINTS)), rows, side)
    for row, point, logits in zip(rows, POINTS, found, strict=True):
        assert_logits_close(logits, tiny.oracle.logits(row, lm.coefficients(point=point)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_over_64_steps(
    case: Callable[..., Case], family: str, mode: str, device: str
) -> None:
    tiny = case(family)
    lm = tiny.lm(device=device)
    rows, points = token_rows(3)[:2], POINTS[1:3]
    # bank rows stand at different points in one batch; merged takes the points in turn
    out = lm.generate(
        rows, point=list(points), do_sample=False, max_new_tokens=64, mode=mode, eos_token_id=[]
    )
    for row, point, tokens in zip(rows, points, out.token_ids, strict=True):
        expected, lead = tiny.oracle.greedy(row, lm.coefficients(point=point), 64)
        assert lead > 2e-5, "a tie would let two right answers differ"
        assert tokens == expected
    assert out.finish_reasons == ["length"] * len(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_anchors_is_the_base(case: Callable[..., Case], family: str) -> None:
    tiny = case(family)
    ids = token_rows(4, (9,))
    assert_logits_close(tiny.base_lm.logits(ids)[0], PeftOracle(tiny.base, {}).logits(ids[0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_error_is_no_larger_than_pefts(
    case: Callable[..., Case], family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against float32 arithmetic on the same bfloat16 weights: root mean square over all logits and
    points."""
    tiny = case(family, torch.bfloat16)
    lm = tiny.lm("bfloat16")
    assert lm.dtype == "bfloat16"
    theirs_lm = PeftOracle(tiny.base, tiny.anchors, torch.bfloat16)
    rows = token_rows(5, (24,) * 6)
    errors: dict[str, list[torch.Tensor]] = {"bank": [], "merged": [], "peft": []}
    for point in POINTS:
        coefficients = lm.coefficients(point=point)
        truth = torch.stack([tiny.oracle.logits(row, coefficients) for row in rows])
        theirs = torch.stack([theirs_lm.logits(row, coefficients) for row in rows])
        errors["peft"].append(theirs - truth)
        for mode in MODES:
            errors[mode].append(lm.logits(rows, point=point, mode=mode) - truth)
    rms = {name: float(torch.stack(e).square().mean().sqrt()) for name, e in errors.items()}
    with capsys.disabled():
        print(
            f"\n{family:20} rms error in bfloat16: bank {rms['bank']:.2e}, merged "
            f"{rms['merged']:.2e}, "
            f"PEFT {rms['peft']:.2e}"
        )
    assert rms["bank"] <= rms["peft"]
    assert rms["merged"] <= rms["peft"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_float16_checkpoints(case: Callable[..., Case], family: str) -> None:
    tiny = case(family, torch.float16)
    lm = tiny.lm("float32")
    ids = token_rows(6, (15,))
    for point in POINTS:
        expected = tiny.oracle.logits(ids[0], lm.coefficients(point=point))
        assert_logits_close(lm.logits(ids, point=point)[0], expected)


def test_dynamic_rope_past_the_original_context(case: Callable[..., Case]) -> None:
    """Past max_position_embeddings the base frequency grows with the length, for one whole
    sequence."""
    tiny = case("llama-rope-dynamic")
    lm = tiny.lm()
    length = min(lm.context_length, 300)
    ids = token_rows(7, (length,))
    expected = tiny.oracle.logits(ids[0], lm.coefficients(point=POINTS[0]))
    assert_logits_close(lm.logits(ids, point=POINTS[0])[0], expected)


def test_the_sliding_window_matters(case: Callable[..., Case]) -> None:
    """The Mistral of these tests must differ from one without a window, or its parity would say
    nothing."""
    tiny = case("mistral")
    ids = token_rows(8, (23,))
    oracle = PeftOracle(tiny.base, {})
    oracle.model.config.sliding_window = None
    wide = oracle.logits(ids[0])
    found = tiny.base_lm.logits(ids)[0]
    assert_logits_close(found[:7], wide[:7])
    assert (found[-1] - wide[-1]).abs().max() > 1e-2
