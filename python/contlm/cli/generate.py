"""contlm generate: continues prompts at a point."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from contlm.cli.common import (
    add_model_arguments,
    add_point_arguments,
    load_model,
    new_parser,
    weights_of,
)

_EXAMPLE = """\
  contlm generate --alpha sentiment=.9 "One morning"
  contlm generate --model ./base --attribute sentiment=./sad,./happy \\
      --attribute formality=./casual,./formal --alpha sentiment=.8 --alpha formality=.2 "Dear" """


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "generate", "Continue prompts at a point (alpha, lambda).", _EXAMPLE
    )
    parser.add_argument("prompt", nargs="*", help="texts to continue (default: lines of stdin)")
    add_model_arguments(parser)
    add_point_arguments(parser)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--samples", type=int, default=1, help="texts per prompt (default: 1)")
    parser.add_argument("--greedy", action="store_true", help="take the likeliest token each time")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--min-p", type=float, default=0.0)
    parser.add_argument("--repetition-penalty", type=float, default=1.0)
    parser.add_argument("--stop", action="append", default=[], help="end a text at this string")
    parser.add_argument("--seed", type=int, help="for the same texts again (default: random)")
    parser.add_argument("--stream", action="store_true", help="show one text as it is written")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    prompts = arguments.prompt or [line.rstrip("\n") for line in sys.stdin]
    alpha = weights_of("--alpha", arguments.alpha)
    lam = weights_of("--lam", arguments.lam)
    if arguments.stream and len(prompts) * arguments.samples != 1:
        raise ValueError("--stream: shows one text, give one prompt and one sample")
    lm = load_model(arguments)
    if arguments.stream:
        print(prompts[0], end="", flush=True)
    out = lm.generate(
        prompts,
        alpha=alpha,
        lam=lam,
        max_new_tokens=arguments.max_new_tokens,
        do_sample=not arguments.greedy,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        min_p=arguments.min_p,
        repetition_penalty=arguments.repetition_penalty,
        num_return_sequences=arguments.samples,
        stop_strings=arguments.stop or None,
        seed=arguments.seed,
        progress=sys.stderr.isatty() and not arguments.stream,
        streamer=_print_piece if arguments.stream else None,
    )
    if arguments.stream:
        print()
    else:
        for row in out:
            print(prompts[row.prompt_index] + (row.text or ""))
    print(
        f"{out.stats['new_tokens']} tokens, {out.stats['tokens_per_s']:.0f} tokens/s, "
        f"mode {out.stats['mode']}, seed {out.stats['seed']}",
        file=sys.stderr,
    )
    return 0


def _print_piece(_row: int, text: str) -> None:
    print(text, end="", flush=True)
