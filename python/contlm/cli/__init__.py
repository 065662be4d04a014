"""The contlm command: one file per subcommand, each with `add_parser` and `run`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from contlm._native import __version__
from contlm.cli import (
    bench,
    demo,
    explore,
    generate,
    inspect,
    merge,
    perplexity,
    report,
    score,
    sweep,
    train,
    zoo,
)
from contlm.cli.common import Parser

_COMMANDS = (
    demo, generate, sweep, report, score, perplexity, explore, merge, inspect, bench, train, zoo,
)  # fmt: skip

USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 for success, 2 for a user's mistake (one line on stderr), 130 for
    Ctrl-C."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        return int(arguments.run(arguments) or 0)
    except KeyboardInterrupt:
        print("contlm: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; what is still buffered must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        print(f"contlm: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR


def build_parser() -> argparse.ArgumentParser:
    import torch

    parser = Parser(
        prog="contlm",
        description="Every model between and beyond your LoRA adapters.",
        epilog="example:\n  contlm demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"contlm {__version__} (torch {torch.__version__})"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser
