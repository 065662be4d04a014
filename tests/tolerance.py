"""How far from the truth is right: the one table of tolerances, by dtype."""

from __future__ import annotations

import torch

# absolute and relative, against PEFT and transformers (design: float32 is the truth mode)
LOGITS = {torch.float32: {"atol": 2e-4, "rtol": 1e-4}}


def assert_logits_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.cpu(), expected.cpu().float(), **LOGITS[torch.float32])
