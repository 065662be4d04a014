"""Fixtures: one tiny checkpoint and four anchors for each family, made once per session."""

from __future__ import annotations

import os

# no test may wait for a hub
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import contlm
import pytest
import tokenizers
import torch
import transformers
from hypothesis import HealthCheck, settings
from peft_oracle import PeftOracle
from tiny_models import FAMILIES, anchor_configs, make_adapter, make_model

# a shell's background job ignores Ctrl-C, and so would every process that a test interrupts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# tiny products gain nothing from threads, and lose much where other work holds the cores
torch.set_num_threads(1)

settings.register_profile(
    "contlm",
    deadline=None,
    max_examples=15,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("contlm")

CORPUS = (
    "The quick brown fox jumps over the lazy dog. One morning, a naïve café owner met the fox. "
    "“How do you do?” said the dog — and they sat together by the river, where it was warm."
)


@dataclass
class Case:
    """A base model on disk with anchors "tone.low", "tone.high", "wit.low", "wit.high"."""

    family: str
    base: Path
    anchors: dict[str, Path]
    dtype: torch.dtype = torch.float32
    _loaded: dict[tuple[str, str], contlm.Interpolator] = field(default_factory=dict)

    @property
    def attributes(self) -> dict[str, tuple[Path, Path]]:
        return {
            name: (self.anchors[f"{name}.low"], self.anchors[f"{name}.high"])
            for name in ("tone", "wit")
        }

    @cached_property
    def oracle(self) -> PeftOracle:
        return PeftOracle(self.base, self.anchors)

    def lm(self, dtype: str = "float32", device: str = "cpu") -> contlm.Interpolator:
        if (dtype, device) not in self._loaded:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self._loaded[dtype, device] = contlm.Interpolator.from_pretrained(
                    self.base, self.attributes, dtype=dtype, device=device
                )
        return self._loaded[dtype, device]

    @cached_property
    def base_lm(self) -> contlm.Interpolator:
        return contlm.Interpolator.from_pretrained(self.base, {}, dtype="float32")


def build_case(folder: Path, family: str, dtype: torch.dtype) -> Case:
    base = folder / "base"
    make_model(FAMILIES[family](), seed=len(family), dtype=dtype).save_pretrained(base)
    anchors = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed, (name, lora) in enumerate(anchor_configs(family).items()):
            anchors[name] = make_adapter(base, folder / name, seed, dtype, **lora)
    return Case(family, base, anchors, dtype)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """case(family, dtype=torch.float32) -> Case, built once per session."""
    made: dict[tuple[str, torch.dtype], Case] = {}

    def get(family: str, dtype: torch.dtype = torch.float32) -> Case:
        if (family, dtype) not in made:
            made[family, dtype] = build_case(tmp_path_factory.mktemp(family), family, dtype)
        return made[family, dtype]

    return get


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return str(request.param)


@pytest.fixture(scope="session")
def llama(case: Callable[..., Case]) -> Case:
    return case("llama")


@pytest.fixture(scope="session")
def text_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with a byte-level BPE tokenizer beside it."""
    folder = tmp_path_factory.mktemp("text") / "base"
    tokenizer = byte_level_tokenizer()
    config = FAMILIES["llama"]()
    config.vocab_size = tokenizer.get_vocab_size()
    make_model(config, seed=3).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def text_lm(text_base: Path, tmp_path_factory: pytest.TempPathFactory) -> contlm.Interpolator:
    """The Llama with a tokenizer, and one attribute "tone"."""
    folder = tmp_path_factory.mktemp("text-anchors")
    low, high = (
        make_adapter(text_base, folder / end, seed, r=4, target_modules="all-linear")
        for seed, end in enumerate(("low", "high"))
    )
    return contlm.Interpolator.from_pretrained(text_base, {"tone": (low, high)})


def byte_level_tokenizer() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS] * 4, trainer)
    return tokenizer


def load_transformers(directory: Path) -> transformers.PreTrainedModel:
    """A checkpoint as transformers reads it, in float32; any missing or unexpected key is an
    error."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return model.eval()
