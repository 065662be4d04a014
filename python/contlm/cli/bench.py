"""contlm bench: load, retarget and tokens/s, on the bundled models or on any."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from contlm._native import __version__, build_info
from contlm.cli.common import add_model_arguments, load_model, new_parser, print_table
from contlm.interpolator import Interpolator
from contlm.points.point import Point

_EXAMPLE = """\
  contlm bench
  contlm bench --model ./base --attribute sentiment=./sad,./happy --rows 3 64 --out bench.json"""

_RETARGETS = 1000


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "bench", "Time loading, retargeting and generating on this machine.", _EXAMPLE
    )
    add_model_arguments(parser)
    parser.add_argument("--rows", type=int, nargs="+", default=[3, 64], help="(default: 3 64)")
    parser.add_argument("--prompt-tokens", type=int, default=32)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3, help="medians of this many (default: 3)")
    parser.add_argument("--out", metavar="FILE", help="write the figures as JSON too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if min([*arguments.rows, arguments.repeats]) < 1:
        raise ValueError("--rows, --repeats: must be at least 1")
    begun = time.perf_counter()
    lm = load_model(arguments)
    load_seconds = time.perf_counter() - begun
    print(f"{lm!r}, {len(lm.anchors)} anchors")
    print(f"load      {load_seconds:.3f} s")
    retarget = _retarget_seconds(lm)
    print(f"retarget  {retarget * 1e6:.1f} us for {len(lm.anchors)} anchors\n")
    figures = [
        _speed(lm, rows, spread, arguments) for rows in arguments.rows for spread in (False, True)
    ]
    print_table(
        ["rows", "points", "mode", "tokens/s", "spread"],
        [
            [
                str(f["rows"]),
                f["points"],
                f["mode"],
                f"{f['tokens_per_s']:.0f}",
                f"{f['spread']:.0%}",
            ]
            for f in figures
        ],
    )
    if arguments.out:
        report = {
            "contlm": __version__,
            "torch": torch.__version__,
            "machine": platform.platform(),
            "build": build_info(),
            "load_seconds": load_seconds,
            "retarget_seconds": retarget,
            "generate": figures,
        }
        text = json.dumps(report, indent=2, default=str) + "\n"
        Path(arguments.out).write_text(text, encoding="utf-8")
    return 0


def _retarget_seconds(lm: Interpolator) -> float:
    """Seconds from a point to the coefficients that the engine runs on: nothing else changes."""
    points = [Point({a: i / _RETARGETS for a in lm.attributes}) for i in range(_RETARGETS)]
    return _seconds(lambda: [lm.coefficients(point=p) for p in points], 3)[0] / _RETARGETS


def _speed(
    lm: Interpolator, rows: int, spread: bool, arguments: argparse.Namespace
) -> dict[str, Any]:
    """tokens/s over prompt and new tokens, `rows` rows at one point or each at its own."""
    generator = torch.Generator().manual_seed(0)
    shape = (rows, arguments.prompt_tokens)
    prompts = torch.randint(0, lm.engine.vocab_size, shape, generator=generator).tolist()
    steps = [i / rows if spread else 0.5 for i in range(rows)]
    points = [Point({a: step for a in lm.attributes}) for step in steps]
    modes: list[str] = []

    def once() -> None:
        out = lm.generate(
            prompts,
            point=points,
            max_new_tokens=arguments.max_new_tokens,
            eos_token_id=[],
            do_sample=False,
        )
        modes.append(out.stats["mode"])

    once()
    seconds, deviation = _seconds(once, arguments.repeats)
    tokens = rows * (arguments.prompt_tokens + arguments.max_new_tokens)
    return {
        "rows": rows,
        "points": "all different" if spread else "one",
        "mode": modes[-1],
        "tokens_per_s": tokens / seconds,
        "spread": deviation / seconds,
    }


def _seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and largest deviation from it."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    median = statistics.median(times)
    return median, max(abs(t - median) for t in times)
