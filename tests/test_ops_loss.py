from __future__ import annotations

import pytest
import reference
import torch
from ops_support import DTYPES, composite, on_each_capability, opcheck

OP = torch.ops.contlm.target_nll


@DTYPES
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (3, 15), (4, 1025), (2, 49153)])
@on_each_capability
def test_matches_reference(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = (torch.randn(shape) * 8).to(dtype)
    targets = torch.randint(0, shape[1], (shape[0],))
    truth = reference.target_nll(logits, targets)
    for found in (OP(logits, targets), composite(OP, logits, targets)):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), truth, rtol=1e-6, atol=1e-6)


@on_each_capability
def test_rows_of_any_stride_and_far_from_zero() -> None:
    wide = torch.randn(6, 100) + 5e3
    logits, targets = wide[::2, 7:60], torch.tensor([0, 52, 9])
    truth = reference.target_nll(logits, targets)
    torch.testing.assert_close(OP(logits, targets).double(), truth, rtol=1e-6, atol=1e-3)


@on_each_capability
def test_forbidden_tokens_add_nothing() -> None:
    logits = torch.full((2, 40), -torch.inf)
    logits[:, 3] = 1.0
    torch.testing.assert_close(OP(logits, torch.tensor([3, 4])), torch.tensor([0.0, torch.inf]))


def test_opcheck() -> None:
    opcheck(OP, torch.randn(3, 5), torch.tensor([0, 4, 2]))


@pytest.mark.parametrize(
    ("logits", "targets", "error", "text"),
    [
        (torch.ones(3), torch.zeros(3).long(), ValueError, r"logits must be \[n, V\]"),
        (torch.ones(3, 4), torch.zeros(2).long(), ValueError, r"targets must be .* = \[3\]"),
        (torch.ones(3, 4).half(), torch.zeros(3).long(), TypeError, "float32 or bfloat16"),
        (torch.ones(3, 4), torch.zeros(3).int(), TypeError, "targets must be int64"),
        (torch.ones(4, 3).T, torch.zeros(3).long(), ValueError, "must have stride 1"),
    ],
)
def test_errors(
    logits: torch.Tensor, targets: torch.Tensor, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        OP(logits, targets)
    with pytest.raises(error, match=text):
        composite(OP, logits, targets)


@pytest.mark.parametrize("target", [-1, 4])
def test_target_outside_the_vocabulary(target: int) -> None:
    with pytest.raises(ValueError, match=rf"in \[0, V\) with V = 4, got {target} in row 1"):
        OP(torch.ones(2, 4), torch.tensor([0, target]))
