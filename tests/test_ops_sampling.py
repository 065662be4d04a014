from __future__ import annotations

import math

import pytest
import reference
import torch
from ops_support import composite, on_each_capability, opcheck
from torch import Tensor

OPS = torch.ops.contlm
FILTERS = [
    (1.0, 0, 1.0, 0.0),
    (0.7, 0, 1.0, 0.0),
    (1.0, 1, 1.0, 0.0),
    (1.0, 50, 1.0, 0.0),
    (1.0, 700, 1.0, 0.0),
    (1.3, 0, 0.9, 0.0),
    (1.0, 0, 0.3, 0.0),
    (1.0, 0, 0.0, 0.0),
    (1.0, 0, 1.0, 0.05),
    (1.0, 0, 1.0, 1.0),
    (0.8, 40, 0.95, 0.02),
    (2.0, 5000, 0.99, 0.001),
]


def logits_like_a_model(n: int, vocabulary: int) -> Tensor:
    torch.manual_seed(13)
    return torch.randn(n, vocabulary) * 2.5


@pytest.mark.parametrize("settings", FILTERS)
@pytest.mark.parametrize("vocabulary", [1, 7, 1000, 12345])
@on_each_capability
def test_draws_are_the_inverse_of_the_filtered_distribution(
    settings: tuple[float, int, float, float], vocabulary: int
) -> None:
    logits = logits_like_a_model(24, vocabulary)
    uniform = torch.rand(24, dtype=torch.float64)
    temperature, top_k, top_p, min_p = settings
    probabilities = reference.filtered_probabilities(
        logits, temperature, min(top_k, vocabulary), top_p, min_p
    )
    expected = reference.inverse_cdf(probabilities, uniform)
    drawn = OPS.sample(logits, uniform, True, *settings)
    # fp32 weights move a boundary by about 1e-7: a draw that falls upon one may take its neighbour.
    cumulative = probabilities.cumsum(-1)
    for row in torch.nonzero(drawn != expected).flatten().tolist():
        token = min(int(drawn[row]), int(expected[row]))
        assert abs(cumulative[row, token] - uniform[row]) < 1e-6
        assert probabilities[row, drawn[row]] > 0
    assert torch.equal(composite(OPS.sample, logits, uniform, True, *settings), drawn)


@pytest.mark.parametrize("settings", FILTERS)
@on_each_capability
def test_kept_tokens_are_those_that_the_warpers_keep(
    settings: tuple[float, int, float, float],
) -> None:
    logits = logits_like_a_model(1, 400)
    probabilities = reference.filtered_probabilities(logits, *settings)[0]
    # The middle of every kept token's interval draws that token, and nothing else can be drawn.
    cumulative = probabilities.cumsum(-1)
    kept = torch.nonzero(probabilities > 1e-6).flatten()
    middles = cumulative[kept] - probabilities[kept] / 2
    rows = logits.expand(len(kept), -1).contiguous()
    assert torch.equal(OPS.sample(rows, middles, True, *settings), kept)
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    first, last = OPS.sample(logits.expand(2, -1).contiguous(), ends, True, *settings).tolist()
    possible = torch.nonzero(probabilities > 0).flatten().tolist()
    assert first == possible[0] and last == possible[-1]


@on_each_capability
def test_top_k_keeps_ties_and_top_p_breaks_them_as_a_stable_sort() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0, 2.0, 2.0, 0.0]]).expand(64, -1).contiguous()
    uniform = torch.arange(64, dtype=torch.float64) / 64
    assert set(OPS.sample(logits, uniform, True, 1.0, 2, 1.0, 0.0).tolist()) == {1, 2, 3, 4}
    flat = torch.zeros(64, 4)
    assert set(OPS.sample(flat, uniform, True, 1.0, 0, 0.5, 0.0).tolist()) == {2, 3}


@on_each_capability
def test_distribution() -> None:
    """Chi-square of 200,000 draws against the probabilities, 99.9 % quantile (Wilson-Hilferty)."""
    torch.manual_seed(14)
    logits = torch.randn(40)
    draws = 200_000
    uniform = torch.rand(draws, dtype=torch.float64)
    for settings in ((1.0, 0, 1.0, 0.0), (1.5, 20, 0.9, 0.01)):
        drawn = OPS.sample(logits.expand(draws, -1), uniform, True, *settings)
        probabilities = reference.filtered_probabilities(logits[None], *settings)[0]
        counts = torch.bincount(drawn, minlength=40).double()
        assert counts[probabilities == 0].sum() == 0
        expected = (probabilities * draws)[probabilities > 0]
        statistic = ((counts[probabilities > 0] - expected) ** 2 / expected).sum().item()
        degrees = len(expected) - 1
        bound = degrees * (1 - 2 / (9 * degrees) + 3.09 * math.sqrt(2 / (9 * degrees))) ** 3
        assert statistic < bound


@on_each_capability
def test_rows_draw_alike_alone_and_together() -> None:
    logits = logits_like_a_model(50, 3000)
    uniform = torch.rand(50, dtype=torch.float64)
    wide = torch.zeros(50, 3100)
    wide[:, 60:3060] = logits
    for settings in FILTERS:
        together = OPS.sample(wide[:, 60:3060], uniform, True, *settings)
        alone = [
            OPS.sample(logits[i : i + 1], uniform[i : i + 1], True, *settings) for i in range(50)
        ]
        assert torch.equal(together, torch.cat(alone))


@on_each_capability
def test_greedy_takes_the_first_maximum() -> None:
    logits = logits_like_a_model(9, 777)
    logits[0, [5, 300, 776]] = 50.0
    logits[1, 776] = 60.0
    logits[2] = 1.0
    uniform = torch.zeros(9, dtype=torch.float64)
    greedy = OPS.sample(logits, uniform, False, 1.0, 0, 1.0, 0.0)
    assert greedy[:3].tolist() == [5, 776, 0]
    assert torch.equal(greedy[3:], logits[3:].argmax(-1))


@on_each_capability
def test_masked_tokens_are_never_drawn() -> None:
    logits = torch.full((100, 600), -math.inf)
    logits[:, [3, 599]] = 0.0
    uniform = torch.arange(100, dtype=torch.float64) / 100
    drawn = OPS.sample(logits, uniform, True, 1.0, 0, 1.0, 0.0)
    assert drawn.tolist() == [3] * 50 + [599] * 50


def test_no_rows() -> None:
    drawn = OPS.sample(torch.empty(0, 5), torch.empty(0).double(), True, 1.0, 2, 0.5, 0.1)
    assert drawn.shape == (0,) and drawn.dtype == torch.int64


@on_each_capability
def test_repetition_penalty() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    torch.manual_seed(15)
    logits = torch.randn(3, 50)
    seen = [torch.tensor([4, 4, 9, 0, 4]), torch.tensor([], dtype=torch.int64), torch.arange(50)]
    expected = logits.clone()
    for row in (0, 2):
        processor = RepetitionPenaltyLogitsProcessor(1.3)
        expected[row] = processor(seen[row][None], logits[row : row + 1])[0]
    offsets = torch.tensor([0, 5, 5, 55])
    plain = logits.clone()
    composite(OPS.apply_repetition_penalty_, plain, offsets, torch.cat(seen), 1.3)
    OPS.apply_repetition_penalty_(logits, offsets, torch.cat(seen), 1.3)
    torch.testing.assert_close(logits, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(plain, expected, rtol=1e-6, atol=0)
    OPS.apply_repetition_penalty_(logits[:0], offsets[:1], torch.tensor([]).long(), 1.3)


def test_opcheck() -> None:
    logits, uniform = torch.randn(3, 9), torch.rand(3, dtype=torch.float64)
    opcheck(OPS.sample, logits, uniform, True, 1.0, 2, 0.9, 0.1)
    offsets, tokens = torch.tensor([0, 1, 1, 2]), torch.tensor([3, 4])
    opcheck(OPS.apply_repetition_penalty_, logits, offsets, tokens, 1.2)


L, U = torch.zeros(2, 5), torch.zeros(2, dtype=torch.float64)


@pytest.mark.parametrize(
    ("logits", "uniform", "settings", "error", "text"),
    [
        (L[0], U, FILTERS[0], ValueError, r"logits must be \[n, V\]"),
        (L.double(), U, FILTERS[0], TypeError, "logits must be float32"),
        (torch.zeros(2, 0), U, FILTERS[0], ValueError, "at least one token"),
        (torch.zeros(5, 2).T, U, FILTERS[0], ValueError, "last dimension of logits"),
        (L, U[:1], FILTERS[0], ValueError, r"uniform must be \[n\] = \[2\]"),
        (L, U.float(), FILTERS[0], TypeError, "uniform must be float64"),
        (L, U + 1, FILTERS[0], ValueError, r"uniform must lie in \[0, 1\), got 1 in row 0"),
        (L, U, (0.0, 0, 1.0, 0.0), ValueError, "temperature must be .* got 0; use do_sample=False"),
        (L, U, (math.nan, 0, 1.0, 0.0), ValueError, "temperature must be"),
        (L, U, (1.0, -1, 1.0, 0.0), ValueError, "top_k must be at least 0, got -1"),
        (L, U, (1.0, 0, 1.5, 0.0), ValueError, "top_p must lie in"),
        (L, U, (1.0, 0, 1.0, -0.1), ValueError, "min_p must lie in"),
        (L + math.nan, U, FILTERS[0], ValueError, "finite maximum and no NaN, row 0"),
        (L - math.inf, U, FILTERS[0], ValueError, "row 0"),
        (L + math.inf, U, FILTERS[0], ValueError, "row 0"),
    ],
)
def test_errors(logits, uniform, settings, error, text) -> None:
    with pytest.raises(error, match=text):
        OPS.sample(logits, uniform, True, *settings)


def test_one_nan_is_found() -> None:
    logits = torch.zeros(1, 100)
    logits[0, 37] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        OPS.sample(logits, U[:1], True, 1.0, 0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("logits", "offsets", "tokens", "penalty", "error", "text"),
    [
        (L[0], [0, 1, 2], [0, 1], 1.2, ValueError, r"logits must be \[n, V\]"),
        (L.double(), [0, 1, 2], [0, 1], 1.2, TypeError, "logits must be float32"),
        (L, [0, 1], [0, 1], 1.2, ValueError, r"offsets must be \[n \+ 1\] = \[3\]"),
        (L, [0, 2, 1], [0, 1], 1.2, ValueError, "got 2 then 1 in row 1"),
        (L, [0, 1, 3], [0, 1], 1.2, ValueError, "got 1 then 3 in row 1"),
        (L, [-1, 1, 2], [0, 1], 1.2, ValueError, "got -1 then 1 in row 0"),
        (L, [0, 1, 2], [0, 5], 1.2, ValueError, "V = 5, got 5"),
        (L, [0, 1, 2], [-1, 0], 1.2, ValueError, "got -1"),
        (L, [0, 1, 2], [0, 1], 0.0, ValueError, "penalty must be"),
    ],
)
def test_penalty_errors(logits, offsets, tokens, penalty, error, text) -> None:
    with pytest.raises(error, match=text):
        OPS.apply_repetition_penalty_(logits, torch.tensor(offsets), torch.tensor(tokens), penalty)
