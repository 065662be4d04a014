from __future__ import annotations

import pytest
import reference
import torch
from ops_support import DTYPES, composite, on_each_capability, opcheck
from tolerances import assert_close

OP = torch.ops.contlm.scale_lora_


def arguments(n: int, ranks: list[int], dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(n)
    anchor = torch.repeat_interleave(torch.arange(len(ranks)), torch.tensor(ranks)).int()
    total = int(sum(ranks))
    return [
        torch.randn(n, total).to(dtype),
        torch.randn(n, len(ranks)),
        anchor,
        torch.rand(total) + 0.5,
    ]


@DTYPES
@pytest.mark.parametrize("ranks", [[1], [32] * 10, [8, 3, 16, 64, 5], [700, 1, 900]])
@pytest.mark.parametrize("n", [0, 1, 65])
@on_each_capability
def test_matches_reference(dtype: torch.dtype, n: int, ranks: list[int]) -> None:
    u, *others = arguments(n, ranks, dtype)
    truth = reference.scale_lora(u, *others)
    plain = u.clone()
    composite(OP, plain, *others)
    OP(u, *others)
    assert_close(u, truth)
    assert_close(plain, truth)


@on_each_capability
def test_anchors_in_any_order_and_strided_rows() -> None:
    u, coeffs, anchor, scaling = arguments(9, [16, 16, 9], torch.float32)
    anchor = anchor[torch.randperm(41)]
    wide = torch.randn(9, 60)
    wide[:, 5:46] = u
    untouched = wide.clone()
    OP(wide[:, 5:46], coeffs.T.contiguous().T, anchor, scaling)
    assert_close(wide[:, 5:46], reference.scale_lora(u, coeffs, anchor, scaling))
    assert torch.equal(wide[:, :5], untouched[:, :5])
    assert torch.equal(wide[:, 46:], untouched[:, 46:])


def test_opcheck() -> None:
    opcheck(OP, *arguments(3, [4, 5], torch.float32))


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (0, torch.ones(9), ValueError, r"u must be \[n, R\]"),
        (0, torch.ones(3, 9).double(), TypeError, "u must be float32 or bfloat16, got float64"),
        (0, torch.ones(9, 3).T, ValueError, "last dimension of u must have stride 1"),
        (1, torch.ones(4, 2), ValueError, r"coeffs must be \[n, K\] = \[3, any\]"),
        (1, torch.ones(3, 2).double(), TypeError, "coeffs must be float32"),
        (2, torch.zeros(8).int(), ValueError, r"anchor must be \[R\] = \[9\]"),
        (2, torch.zeros(9).long(), TypeError, "anchor must be int32, got int64"),
        (2, torch.full((9,), 2).int(), ValueError, r"\[0, K\) with K = 2, got 2 at rank 0"),
        (2, torch.full((9,), -1).int(), ValueError, "got -1 at rank 0"),
        (3, torch.ones(8), ValueError, "scaling must be"),
        (3, torch.ones(9).bfloat16(), TypeError, "scaling must be float32"),
    ],
)
def test_errors(index: int, value: torch.Tensor, error: type[Exception], text: str) -> None:
    args = arguments(3, [4, 5], torch.float32)
    args[index] = value
    with pytest.raises(error, match=text):
        OP(*args)
