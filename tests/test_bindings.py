"""csrc/bindings: what the native module takes from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Case
from contlm._native import GenerateOptions, _testing

ANCHORS = 4


@pytest.mark.parametrize("shape", [(0, ANCHORS), (1, 0), (0, 0), (1, 0, ANCHORS), (1, 1, 0), ()])
def test_empty_coefficients_are_value_errors(
    llama: Case, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    engine, c = llama.lm().engine, np.zeros(shape)
    ids, options = torch.tensor([[1, 2, 3]]), GenerateOptions(max_new_tokens=1)
    module = next(iter(engine.modules()))
    for call in (
        lambda: engine.logits(ids, None, c),
        lambda: engine.generate([[1, 2]], c, options),
        lambda: engine.target_nll([[1, 2, 3]], [1], c),
        lambda: engine.save_merged(tmp_path, c),
        lambda: engine.save_adapter(tmp_path, c),
        lambda: _testing.merged_weight(engine, module, c),
    ):
        with pytest.raises(ValueError, match=r"coefficient|schedule"):
            call()
    for one_row in (engine.save_merged, engine.save_adapter):
        with pytest.raises(ValueError, match="coefficients"):
            one_row(tmp_path, np.zeros(0))


def test_no_sequences_give_no_results(llama: Case) -> None:
    engine, none = llama.lm().engine, np.zeros((0, ANCHORS))
    empty: list[Any] = []
    logits = engine.logits(torch.zeros(0, 3, dtype=torch.int64), None, none)
    assert logits.shape == (0, 3, engine.vocab_size)
    assert engine.target_nll(empty, empty, none).shape == (0,)
    assert engine.generate(empty, none, GenerateOptions(max_new_tokens=1))[:2] == ([], [])
