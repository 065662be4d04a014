"""contlm merge: writes the model at a point as a checkpoint or as one adapter."""

from __future__ import annotations

import argparse
from typing import Any

from contlm.cli.common import (
    add_model_arguments,
    add_point_arguments,
    load_model,
    new_parser,
    weights_of,
)

_EXAMPLE = """\
  contlm merge --model ./base --attribute sentiment=./sad,./happy \\
      --alpha sentiment=.8 --out ./merged
  contlm merge --alpha sentiment=1.5 --as adapter --rank 16 --out ./sunny-adapter"""


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "merge",
        "Write the model at a point: a HuggingFace checkpoint or a PEFT adapter.",
        _EXAMPLE,
    )
    add_model_arguments(parser)
    add_point_arguments(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--as", dest="kind", choices=("model", "adapter"), default="model", help="(default: model)"
    )
    parser.add_argument(
        "--rank", type=int, help="truncate the adapter to this rank (default: exact)"
    )
    parser.add_argument(
        "--save-dtype", help="float32, bfloat16 or float16 (default: the checkpoint's)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.kind == "model" and arguments.rank is not None:
        raise ValueError("--rank: is for --as adapter")
    if arguments.kind == "adapter" and arguments.save_dtype is not None:
        raise ValueError("--save-dtype: is for --as model")
    alpha = weights_of("--alpha", arguments.alpha)
    if alpha is None:
        raise ValueError("--alpha: say where to stand, such as --alpha sentiment=.8")
    lam = weights_of("--lam", arguments.lam)
    lm = load_model(arguments)
    if arguments.kind == "model":
        lm.save_merged(arguments.out, alpha=alpha, lam=lam, dtype=arguments.save_dtype)
    else:
        lm.save_adapter(arguments.out, alpha=alpha, lam=lam, rank=arguments.rank)
    row = ", ".join(
        f"{name} {value:g}"
        for name, value in zip(lm.anchors, lm.coefficients(alpha, lam), strict=True)
        if value
    )
    print(f"wrote {arguments.out} ({arguments.kind}): {row or 'the base'}")
    return 0
