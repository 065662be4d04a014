"""Loading, retargeting and generating against PEFT, side by side in one run.

SmolLM2-135M's shape with random weights, ten r = 32 adapters on all seven projections, prompts of
32 tokens, 32 new tokens. Before anything is timed, both sides' logits at one point are compared.
tokens/s count prefill and decode together.

    python benchmarks/bench_generate.py [--dtype float32|bfloat16] [--rows 3 64] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import contlm
import numpy as np
import torch
from contlm.loading.adapters import add_adapters

PROMPT_TOKENS = NEW_TOKENS = 32
LOADS = 5
POINT = dict(alpha=dict.fromkeys(common.ATTRIBUTES, 0.7), lam=dict.fromkeys(common.ATTRIBUTES, 0.2))


class Peft:
    """The peer: all ten adapters in one PeftModel."""

    def __init__(self, directory: Path, dtype: torch.dtype, device: str) -> None:
        from transformers import AutoModelForCausalLM

        self.device = device
        seconds = []
        for _ in range(LOADS):
            base = AutoModelForCausalLM.from_pretrained(directory / "base", dtype=dtype).to(device)
            start = time.perf_counter()
            model = self.load(base, directory)
            seconds.append(time.perf_counter() - start)
        self.load_seconds = common.spread(seconds)
        self.model = model.eval()
        self.names = list(model.peft_config)
        self.model.base_model.set_adapter(self.names)
        self.layers = [m for m in model.modules() if hasattr(m, "lora_A") and len(m.lora_A)]

    @staticmethod
    def load(base: torch.nn.Module, directory: Path) -> Any:
        from peft import PeftModel

        model = None
        for attribute, ends in common.pairs(directory).items():
            for end, path in zip(("low", "high"), ends, strict=True):
                name = f"{attribute}-{end}"
                if model is None:
                    model = PeftModel.from_pretrained(base, path, adapter_name=name)
                else:
                    model.load_adapter(path, adapter_name=name)
        return model

    def retarget(self, coefficients: np.ndarray) -> None:
        for layer in self.layers:
            for name, c in zip(self.names, coefficients, strict=True):
                layer.set_scale(name, float(c))

    def combine(self, coefficients: np.ndarray) -> None:
        """One `cat` adapter, then merged into the base: what PEFT does best at one point."""
        self.model.add_weighted_adapter(
            self.names, coefficients.tolist(), "point", combination_type="cat"
        )
        self.model.set_adapter("point")

    def generate(self, ids: torch.Tensor) -> None:
        with torch.no_grad():
            self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NEW_TOKENS,
                min_new_tokens=NEW_TOKENS,
                do_sample=True,
                pad_token_id=0,
            )


def check_same_logits(
    lm: contlm.Interpolator, peft: Peft, ids: torch.Tensor, dtype: torch.dtype
) -> float:
    with torch.no_grad():
        theirs = peft.model(input_ids=ids[:2].to(peft.device)).logits.float().cpu()
    ours = lm.logits(ids[:2], **POINT).cpu()
    error = (ours - theirs).abs().max().item()
    assert error < (2e-4 if dtype is torch.float32 else 0.5), f"logits differ by {error}"
    return error


def points(count: int, seed: int = 0) -> list[contlm.Point]:
    """Different points, all ten anchors active in each."""
    rng = np.random.default_rng(seed)
    return [
        contlm.Point(
            alpha=dict(zip(common.ATTRIBUTES, rng.uniform(0.1, 0.9, 5).tolist(), strict=True)),
            lam=dict(zip(common.ATTRIBUTES, rng.dirichlet(np.ones(5)).tolist(), strict=True)),
        )
        for _ in range(count)
    ]


def corner_points(count: int) -> list[contlm.Point]:
    """Points of a simplex over three attributes at alpha 1: three anchors of the ten take part."""
    rng = np.random.default_rng(1)
    three = common.ATTRIBUTES[:3]
    return [
        contlm.Point(
            alpha=dict.fromkeys(three, 1.0),
            lam=dict(zip(three, rng.dirichlet(np.ones(3)).tolist(), strict=True)),
        )
        for _ in range(count)
    ]


def ours(lm: contlm.Interpolator, prompts: list[list[int]], repeats: int) -> dict[str, Any]:
    options: dict[str, Any] = dict(max_new_tokens=NEW_TOKENS, eos_token_id=[], seed=0)
    tokens = len(prompts) * NEW_TOKENS
    found: dict[str, Any] = {}
    many = points(len(prompts))
    simplex = corner_points(len(prompts))
    for name, call in {
        "base": lambda: lm.generate(prompts, **options),
        "one point, bank": lambda: lm.generate(prompts, **POINT, mode="bank", **options),
        "one point, merged (merging included)": lambda: (
            lm.generate(
                prompts[:1], point=many[0], mode="merged", **{**options, "max_new_tokens": 1}
            ),
            lm.generate(prompts, **POINT, mode="merged", **options),
        ),
        "one point, merged": lambda: lm.generate(prompts, **POINT, mode="merged", **options),
        "one point, auto": lambda: lm.generate(prompts, **POINT, **options),
        "different points, bank": lambda: lm.generate(prompts, point=many, mode="bank", **options),
        "different points, three anchors of ten": lambda: lm.generate(
            prompts, point=simplex, mode="bank", **options
        ),
    }.items():
        seconds = common.timed(call, repeats)
        found[name] = {"seconds": seconds, "tokens_per_s": tokens / seconds["median"]}
    return found


def theirs(peft: Peft, ids: torch.Tensor, coefficients: np.ndarray, repeats: int) -> dict[str, Any]:
    tokens = ids.size(0) * NEW_TOKENS
    found: dict[str, Any] = {}

    def time_as(name: str) -> None:
        seconds = common.timed(lambda: peft.generate(ids), repeats, warmup=0)
        found[name] = {"seconds": seconds, "tokens_per_s": tokens / seconds["median"]}

    peft.model.base_model.set_adapter(peft.names)
    peft.retarget(coefficients)
    time_as("ten adapters active")
    peft.combine(coefficients)
    time_as("one cat adapter")
    peft.model.merge_adapter(["point"])
    time_as("merged")
    peft.model.unmerge_adapter()
    peft.model.delete_adapter("point")
    return found


def load_contlm(directory: Path, attributes: Any, args: argparse.Namespace) -> contlm.Interpolator:
    return contlm.Interpolator.from_pretrained(
        directory / "base", attributes, dtype=args.dtype, device=args.device
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=[3, 64])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        common.make_model(directory)
        seconds = []
        # The first load also pays for memory that was never touched; the median does not.
        for _ in range(LOADS):
            lm = load_contlm(directory, {}, args)
            start = time.perf_counter()
            add_adapters(lm.engine, common.pairs(directory), None)
            seconds.append(time.perf_counter() - start)
            lm = None
        load_seconds = common.spread(seconds)
        lm = load_contlm(directory, common.pairs(directory), args)
        rng = np.random.default_rng(0)
        coefficients = lm.coefficients(**POINT)
        retarget = common.timed(lambda: lm.coefficients(**POINT), 200)
        first_ids = rng.integers(3, 40000, (1, 1)).tolist()
        start = time.perf_counter()
        lm.generate(first_ids, **POINT, mode="bank", max_new_tokens=1)
        first_pack = time.perf_counter() - start
        start = time.perf_counter()
        lm.generate(first_ids, **POINT, mode="bank", max_new_tokens=1)
        first_pack -= time.perf_counter() - start

        result: dict[str, Any] = {
            "shape": "SmolLM2-135M, ten r = 32 adapters on seven projections",
            "dtype": args.dtype,
            "device": args.device,
            "prompt_tokens": PROMPT_TOKENS,
            "new_tokens": NEW_TOKENS,
            "matrix_peak_gflops": common.matrix_peak(dtype) if args.device == "cpu" else None,
            "contlm": {
                "load_10_adapters_s": load_seconds,
                "pack_bank_s": first_pack,
                "retarget_s": retarget,
                "generate": {},
            },
        }
        peft = None
        if not args.no_peer:
            peft = Peft(directory, dtype, args.device)
            peft.retarget(coefficients)
            result["peft"] = {
                "load_10_adapters_s": peft.load_seconds,
                "retarget_s": common.timed(lambda: peft.retarget(coefficients), 5),
                "generate": {},
            }
        for rows in args.rows:
            ids = torch.from_numpy(rng.integers(3, 40000, (rows, PROMPT_TOKENS)))
            if peft is not None and "logit_error" not in result:
                result["logit_error"] = check_same_logits(lm, peft, ids, dtype)
            result["contlm"]["generate"][str(rows)] = ours(lm, ids.tolist(), args.repeats)
            if peft is not None:
                result["peft"]["generate"][str(rows)] = theirs(
                    peft, ids.to(args.device), coefficients, args.peer_repeats
                )
        report(result)
        name = f"generate_{args.dtype}_{args.device}"
        print(f"written to {common.write_result(name, result, args.out)}")


def report(result: dict[str, Any]) -> None:
    ours, peer = result["contlm"], result.get("peft")
    print(f"matrix peak {result['matrix_peak_gflops'] or 0:.0f} GFLOP/s, {result['dtype']}")
    load, pack = ours["load_10_adapters_s"], ours["pack_bank_s"]
    print(f"load 10 adapters {load['median']:.3f} s (+ {pack:.3f} s packing)")
    print(f"retarget {ours['retarget_s']['median'] * 1e6:.1f} us")
    if peer:
        retarget = peer["retarget_s"]["median"] * 1e3
        load = peer["load_10_adapters_s"]["median"]
        print(f"PEFT: load {load:.2f} s, retarget {retarget:.1f} ms")
    for rows, modes in ours["generate"].items():
        for name, found in modes.items():
            print(f"{rows:>4} rows  contlm {name:42} {found['tokens_per_s']:8.1f} tokens/s")
        for name, found in (peer or {"generate": {}})["generate"].get(rows, {}).items():
            print(f"{rows:>4} rows  PEFT   {name:42} {found['tokens_per_s']:8.1f} tokens/s")


if __name__ == "__main__":
    main()
