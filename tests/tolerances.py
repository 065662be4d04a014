"""How far a result may stand from the float64 truth, by the dtype of the activations.

Each is (rtol, atol) for torch.testing.assert_close.
"""

from __future__ import annotations

import torch

# One rounding of the result, and fp32 sums of a few hundred terms of size one before it.
OP: dict[torch.dtype, tuple[float, float]] = {
    torch.float32: (2e-5, 2e-5),
    torch.bfloat16: (1e-2, 1e-2),
}


def assert_close(got: torch.Tensor, truth: torch.Tensor, dtype: torch.dtype | None = None) -> None:
    """Compares in float64 with the tolerance of `dtype`, by default the dtype of `got`."""
    rtol, atol = OP[dtype or got.dtype]
    torch.testing.assert_close(got.double(), truth.double(), rtol=rtol, atol=atol)
