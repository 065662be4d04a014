from __future__ import annotations

import pytest
import reference
import torch
from ops_support import DTYPES, composite, on_each_capability, opcheck
from tolerances import assert_close

OP = torch.ops.contlm.silu_mul


@DTYPES
@pytest.mark.parametrize("shape", [(0, 8), (1, 1), (3, 15), (7, 37), (5, 1536), (70, 512)])
@on_each_capability
def test_matches_reference(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    gate, up = torch.randn(shape).to(dtype) * 6, torch.randn(shape).to(dtype)
    truth = reference.silu_mul(gate, up)
    assert_close(OP(gate, up), truth)
    assert_close(composite(OP, gate, up), truth)


@DTYPES
@on_each_capability
def test_halves_of_one_product(dtype: torch.dtype) -> None:
    both = torch.randn(6, 2 * 33).to(dtype)
    gate, up = both.chunk(2, -1)
    assert_close(OP(gate, up), reference.silu_mul(gate, up))
    assert_close(OP(gate.T, up.T), reference.silu_mul(gate.T, up.T))


@on_each_capability
def test_extremes() -> None:
    gate = torch.tensor([[-1e4, -110.0, -89.0, -0.0, 0.0, 89.0, 1e4, float("inf")]])
    expected = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 89.0, 1e4, float("inf")]])
    torch.testing.assert_close(OP(gate, torch.ones_like(gate)), expected)
    assert OP(torch.full((1, 3), float("nan")), torch.ones(1, 3)).isnan().all()
    assert (
        OP(torch.full((1, 33), float("nan")).bfloat16(), torch.ones(1, 33).bfloat16()).isnan().all()
    )


@on_each_capability
def test_bfloat16_rounds_to_nearest_even() -> None:
    # silu(g) = g for a large gate, so the result is up * g rounded once.
    up = torch.randn(4, 50).bfloat16()
    gate = torch.full_like(up, 129.0)
    torch.testing.assert_close(OP(gate, up), (gate.float() * up.float()).bfloat16(), rtol=0, atol=0)


def test_opcheck() -> None:
    opcheck(OP, torch.randn(3, 5), torch.randn(3, 5))


@pytest.mark.parametrize(
    ("gate", "up", "error", "text"),
    [
        (torch.ones(3), torch.ones(3), ValueError, r"gate must be \[T, I\]"),
        (
            torch.ones(3, 4),
            torch.ones(3, 5),
            ValueError,
            r"up must be .* = \[3, 4\], got .*\[3, 5\]",
        ),
        (
            torch.ones(3, 4).half(),
            torch.ones(3, 4).half(),
            TypeError,
            "float32 or bfloat16, got fl",
        ),
        (
            torch.ones(3, 4),
            torch.ones(3, 4).bfloat16(),
            TypeError,
            "up must be float32, got bfloat16",
        ),
        (torch.ones(3, 4), torch.ones(3, 4, device="meta"), ValueError, "must be on one device"),
    ],
)
def test_errors(gate: torch.Tensor, up: torch.Tensor, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        composite(OP, gate, up)
    if up.device == gate.device:
        with pytest.raises(error, match=text):
            OP(gate, up)
