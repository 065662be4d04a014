"""Times the ops at the shapes of a decoder step, after checking each against the reference.

    python benchmarks/bench_ops.py [--threads N] [--capability NAME] [--out FILE.json]

Writes JSON: the machine, the bound, and for every case the spread of its seconds, with GB/s of the
tensors read and written, GFLOP/s where that tells more, and the share of the bound, which is above
1 where tensors stay in a cache. Times include the call from Python, about 3 microseconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common.bounds import Bound
from common.models import smollm_config
from common.results import figure, machine
from common.timing import repeated
from common.work import Pass, decoder
from contlm import _native

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import reference
from tolerances import assert_close

OPS = torch.ops.contlm


@dataclass
class Case:
    name: str
    call: Callable[[], Any]
    check: Callable[[], None]
    bytes: int = 0
    flops: int = 0


def size(*tensors: torch.Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def attention_case(
    name: str, slots: int, new: int, context: int, heads: tuple[int, int], dim: int, dtype: Any
) -> Case:
    """`new` causal tokens in each slot, the last of them seeing `context` positions."""
    caches = [torch.randn(slots, heads[1], context, dim).to(dtype) for _ in range(2)]
    q = torch.randn(slots * new, heads[0], dim).to(dtype)
    slot = torch.arange(slots).repeat_interleave(new).int()
    end = (torch.arange(context - new, context) + 1).repeat(slots).int()
    args = (q, *caches, slot, torch.zeros_like(slot), end, dim**-0.5)

    def check() -> None:
        few = slice(0, None, max(1, len(q) // 32))
        truth = reference.cached_attention(
            q[few], *caches, slot[few], args[4][few], end[few], args[6]
        )
        assert_close(OPS.cached_attention(*args)[few], truth)

    flops = 4 * heads[0] * dim * int(end.sum())
    return Case(name, lambda: OPS.cached_attention(*args), check, size(q, q, *caches), flops)


def attention_cases(dtype: torch.dtype) -> Iterator[Case]:
    yield attention_case("attention decode 64 x 48 keys", 64, 1, 48, (9, 3), 64, dtype)
    yield attention_case("attention prefill 64 x 32", 64, 32, 32, (9, 3), 64, dtype)
    yield attention_case("attention window 1024", 1, 1024, 1024, (9, 3), 64, dtype)
    yield attention_case("attention window 1024, D 128", 1, 1024, 1024, (32, 8), 128, dtype)


def step_cases(tokens: int, dtype: torch.dtype) -> Iterator[Case]:
    hidden, inner, ranks, anchors = 576, 1536, 320, 10
    gate, up = torch.randn(tokens, inner).to(dtype), torch.randn(tokens, inner).to(dtype)
    yield Case(
        f"silu_mul {tokens}",
        lambda: OPS.silu_mul(gate, up),
        lambda: assert_close(OPS.silu_mul(gate, up), reference.silu_mul(gate, up)),
        size(gate, up, gate),
    )
    residual, y = torch.randn(tokens, hidden), torch.zeros(tokens, hidden).to(dtype)
    weight = torch.randn(hidden).to(dtype)
    yield Case(
        f"residual_rms_norm_ {tokens}",
        lambda: OPS.residual_rms_norm_(residual, y, weight, 1e-5, dtype),
        lambda: assert_close(
            OPS.residual_rms_norm_(residual, y, weight, 1e-5, dtype),
            reference.rms_norm(residual, weight, 1e-5),
        ),
        2 * size(residual) + 2 * size(y),
    )
    u = torch.randn(tokens, ranks).to(dtype)
    lora = (
        torch.ones(tokens, anchors),
        torch.arange(anchors).repeat_interleave(ranks // anchors).int(),
        torch.ones(ranks),
    )

    def check_lora() -> None:
        scaled, coeffs = u.clone(), torch.randn(tokens, anchors)
        OPS.scale_lora_(scaled, coeffs, *lora[1:])
        assert_close(scaled, reference.scale_lora(u, coeffs, *lora[1:]))

    yield Case(f"scale_lora_ {tokens}", lambda: OPS.scale_lora_(u, *lora), check_lora, 2 * size(u))
    q, angle = torch.randn(tokens, 9, 64).to(dtype), torch.rand(tokens, 32)
    cos, sin = angle.cos(), angle.sin()

    def check_rotary() -> None:
        rotated = q.clone()
        OPS.rotary_(rotated, cos, sin)
        assert_close(rotated, reference.rotary(q, cos, sin))

    yield Case(f"rotary_ {tokens}", lambda: OPS.rotary_(q, cos, sin), check_rotary, 2 * size(q))


def sampling_cases() -> Iterator[Case]:
    logits, uniform = torch.randn(64, 49152) * 2.5, torch.rand(64, dtype=torch.float64)
    for name, settings in {
        "greedy": (False, 1.0, 0, 1.0, 0.0),
        "plain": (True, 1.0, 0, 1.0, 0.0),
        "top_k 50": (True, 1.0, 50, 1.0, 0.0),
        "top_p 0.9": (True, 1.0, 0, 0.9, 0.0),
        "min_p 0.05": (True, 1.0, 0, 1.0, 0.05),
    }.items():

        def check(settings: tuple[Any, ...] = settings) -> None:
            drawn = OPS.sample(logits[:4], uniform[:4], *settings)
            if not settings[0]:
                assert torch.equal(drawn, logits[:4].argmax(-1))
                return
            truth = reference.filtered_probabilities(logits[:4], *settings[1:])
            assert torch.equal(drawn, reference.inverse_cdf(truth, uniform[:4]))

        yield Case(
            f"sample {name} 64 x 49152",
            partial(OPS.sample, logits, uniform, *settings),
            check,
            size(logits),
        )


def measure(case: Case, bound: Bound) -> dict[str, Any]:
    case.check()
    least = bound.seconds([Pass(case.flops, case.bytes)])
    amounts = {"gb": case.bytes / 1e9} | ({"gflop": case.flops / 1e9} if case.flops else {})
    return {"case": case.name, **figure(repeated(case.call), least, **amounts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--capability", default=_native.cpu_capability())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    _native._testing.set_cpu_capability(options.capability)
    results, bounds = [], {}
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            bound = Bound(decoder(smollm_config()), dtype)
            bounds[name] = bound.report()
            cases = [*attention_cases(dtype), *step_cases(64, dtype), *step_cases(2048, dtype)]
            if dtype == torch.float32:
                cases += sampling_cases()
            for case in cases:
                results.append({"dtype": name, **measure(case, bound)})
                print(results[-1], file=sys.stderr)
    report = {"machine": machine(), "bound": bounds, "results": results}
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
