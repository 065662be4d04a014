"""How far a result may stand from the truth: the one table, by dtype."""

from __future__ import annotations

import torch

# (rtol, atol) of an op against its float64 truth, by the dtype of the activations: one rounding of
# the result, and fp32 sums of a few hundred terms of size one before it.
OP: dict[torch.dtype, tuple[float, float]] = {
    torch.float32: (2e-5, 2e-5),
    torch.bfloat16: (1e-2, 1e-2),
}
# (rtol, atol) of a model's float32 logits against PEFT and transformers.
LOGITS: tuple[float, float] = (1e-4, 2e-4)


def assert_close(got: torch.Tensor, truth: torch.Tensor, dtype: torch.dtype | None = None) -> None:
    """Compares in float64 with the tolerance of `dtype`, by default the dtype of `got`."""
    rtol, atol = OP[dtype or got.dtype]
    torch.testing.assert_close(got.double(), truth.double(), rtol=rtol, atol=atol)


def assert_logits_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    rtol, atol = LOGITS
    torch.testing.assert_close(found.cpu(), expected.cpu().float(), rtol=rtol, atol=atol)
