"""contlm perplexity: how well the model at a point predicts a text."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from contlm.cli.common import (
    add_model_arguments,
    add_point_arguments,
    load_model,
    new_parser,
    weights_of,
    world_of,
)
from contlm.model.perplexity import PROTOCOLS

_EXAMPLE = """\
  contlm perplexity --alpha sentiment=1.5 --max-length 256 --stride 256
  contlm perplexity --model ./base --attribute sentiment=./sad,./happy \\
      --alpha sentiment=.8 --protocol word wikitext.txt"""


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "perplexity", "Perplexity of a text at a point (alpha, lambda).", _EXAMPLE
    )
    parser.add_argument(
        "file",
        nargs="?",
        help="a text file, - for stdin (default: the world's held-out text, without --model)",
    )
    add_model_arguments(parser)
    add_point_arguments(parser)
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="paper",
        help="paper: mean over windows; token: over tokens; word: lm-evaluation-harness's "
        "(default: paper)",
    )
    parser.add_argument("--max-length", type=int, help="tokens of a window (default: the context)")
    parser.add_argument(
        "--stride", type=int, default=512, help="tokens from window to window (default: 512)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    text = _text(arguments.file, world_of(arguments) if arguments.model is None else None)
    alpha = weights_of("--alpha", arguments.alpha)
    lam = weights_of("--lam", arguments.lam)
    lm = load_model(arguments)
    found = lm.perplexity(
        text,
        alpha=alpha,
        lam=lam,
        max_length=arguments.max_length,
        stride=arguments.stride,
        protocol=arguments.protocol,
        progress=sys.stderr.isatty(),
    )
    where = ", ".join(f"{name}={value:g}" for name, value in (alpha or {}).items()) or "the base"
    stride = "" if arguments.protocol == "word" else f", stride {arguments.stride}"
    print(
        f"perplexity {found:.6g} ({where}; protocol {arguments.protocol}, max_length "
        f"{arguments.max_length or lm.context_length}{stride})"
    )
    return 0


def _text(file: str | None, world: str | None) -> str:
    if file == "-":
        return sys.stdin.read()
    if file is None:
        if world is None:
            raise ValueError("perplexity: give a text file, or - for stdin")
        from contlm import zoo

        return zoo.heldout_text(world)
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"perplexity: no file {file!r}")
    return path.read_text(encoding="utf-8")
