"""What the benchmarks share: models of a stated shape, timing, and results with their machine."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
ATTRIBUTES = ("simplicity", "formality", "politeness", "sentiment", "humor")
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def smollm_config(vocab_size: int = 49152, layers: int = 30):
    """SmolLM2-135M's shape."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )


def make_model(directory: Path, dtype: torch.dtype = torch.float32, **shape: int) -> None:
    """A random base of smollm_config's shape and ten r = 32 adapters on all seven projections."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    base = LlamaForCausalLM(smollm_config(**shape)).to(dtype)
    base.save_pretrained(directory / "base")
    for attribute in ATTRIBUTES:
        for end in ("low", "high"):
            config = LoraConfig(r=32, lora_alpha=32, target_modules=PROJECTIONS)
            model = get_peft_model(base, config)
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.02)
            model.save_pretrained(directory / f"{attribute}-{end}")
            base = model.unload()


def pairs(directory: Path) -> dict[str, tuple[Path, Path]]:
    return {a: (directory / f"{a}-low", directory / f"{a}-high") for a in ATTRIBUTES}


def timed(call: Callable[[], Any], repeats: int = 3, warmup: int = 1) -> dict[str, float]:
    """Median and spread of the call's seconds."""
    for _ in range(warmup):
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return spread(seconds)


def spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


def matrix_peak(dtype: torch.dtype, rows: int = 256) -> float:
    """GFLOP/s of a prepacked product, [rows, 576] x [576, 1536]: a benchmark's bound."""
    weight = torch.ops.contlm.pack_linear_weight(torch.randn(1536, 576).to(dtype))
    x = torch.randn(rows, 576).to(dtype)

    def products() -> None:
        for _ in range(20):
            torch.ops.contlm.packed_linear(x, weight, None, None)

    return 20 * 2 * rows * 576 * 1536 / timed(products, 5)["min"] / 1e9


@torch.inference_mode()
def peer_perplexity(model: Any, ids: list[int], window: int, stride: int) -> float:
    """The loop of transformers' guide to the perplexity of fixed-length models."""
    losses, seen = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        tokens = torch.tensor([ids[begin:end]])
        labels = tokens.clone()
        labels[:, : -(end - seen)] = -100
        losses.append(model(input_ids=tokens, labels=labels).loss.item())
        seen = end
        if end == len(ids):
            break
    return math.exp(sum(losses) / len(losses))


def peer_dist_n(texts: list[str], n: int, samples: int) -> float:
    """dist-n with Python's sets, of prompts that have `samples` texts each."""
    ratios = []
    for first in range(0, len(texts), samples):
        grams, words = set(), 0
        for text in texts[first : first + samples]:
            split = text.split(" ")
            words += len(split)
            grams.update(tuple(split[i : i + n]) for i in range(len(split) - n + 1))
        ratios.append(len(grams) / words)
    return sum(ratios) / len(ratios)


def machine() -> dict[str, Any]:
    import contlm
    import peft
    import transformers

    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if "model name" in line), "")
    found = {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "contlm": contlm.__version__,
        "cpu_capability": contlm._native.cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def write_result(name: str, result: dict[str, Any], out: Path | None = None) -> Path:
    path = (out or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **result}, indent=2) + "\n", encoding="utf-8")
    return path
