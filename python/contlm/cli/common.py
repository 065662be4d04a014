"""What several commands share: model arguments, NAME=VALUE pairs, tables."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from typing import Any

from contlm._common.arguments import nearest
from contlm.interpolator import Interpolator


class Parser(argparse.ArgumentParser):
    """Answers an option that it does not know with the one that was probably meant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = super().parse_known_args(args, namespace)
        for option in unknown:
            if option.startswith("--"):
                known = [name[2:] for name in self._option_string_actions if name[:2] == "--"]
                meant = nearest(option[2:].partition("=")[0], [k.replace("-", "_") for k in known])
                hint = "" if meant is None else f", did you mean --{meant.replace('_', '-')}?"
                self.error(f"unknown option {option}{hint}")
        return found, unknown


def new_parser(commands: Any, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A subcommand's parser whose --help ends with an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="base model: a directory, a hub id or a .gguf file (default: that of the world)",
    )
    add_world_argument(parser)
    parser.add_argument(
        "--attribute",
        metavar="NAME=LOW,HIGH",
        action="append",
        default=[],
        help="an attribute and its two adapters (directories or hub ids); repeat for more",
    )
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16 (default: auto)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")


def add_world_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--world", help="whose models and texts, see contlm zoo list (default: the bundled tiny)"
    )


def add_point_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alpha",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="where to stand: 0 is LOW, 1 is HIGH, outside extrapolates; repeat for more",
    )
    parser.add_argument(
        "--lam",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the attribute's weight lambda (default: equal shares)",
    )


def load_model(arguments: argparse.Namespace) -> Interpolator:
    """The interpolator that the model arguments ask for."""
    pairs: dict[str, tuple[Any, Any]] = dict(_attribute(text) for text in arguments.attribute)
    options = {"dtype": arguments.dtype, "device": arguments.device, "threads": arguments.threads}
    if arguments.model is None:
        if pairs:
            raise ValueError("--attribute: needs --model, the base that the adapters were made for")
        from contlm import zoo

        return zoo.load(world_of(arguments), **options)
    if arguments.world is not None:
        raise ValueError("--world: has a base model of its own, leave --model out")
    return Interpolator.from_pretrained(arguments.model, pairs, **options)


def world_of(arguments: argparse.Namespace) -> str:
    return arguments.world or "tiny"


def weights_of(what: str, items: Sequence[str]) -> dict[str, float] | None:
    """["a=.8", "b=1"] as {"a": .8, "b": 1.0}; None when there is none."""
    found: dict[str, float] = {}
    for item in items:
        name, separator, value = item.partition("=")
        try:
            number = float(value)
        except ValueError:
            separator = ""
        if not separator or not name:
            raise ValueError(f"{what}: must be NAME=NUMBER, got {item!r}")
        found[name] = number
    return found or None


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their cells; the last one is cut to the terminal."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header) - 1)]
    # 200 is what a pipe gets: a file has no width to respect, a person reading it has
    terminal = shutil.get_terminal_size((200, 24)).columns
    room = max(20, terminal - sum(widths) - 2 * len(widths))
    for row in [header, ["-" * w for w in widths] + ["-" * min(room, 40)], *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        last = row[-1] if len(row[-1]) <= room else row[-1][: room - 3] + "..."
        print("  ".join([*cells, last]).rstrip())


def _attribute(text: str) -> tuple[str, tuple[str, str]]:
    name, separator, pair = text.partition("=")
    ends = pair.split(",")
    if not separator or not name or len(ends) != 2 or not all(ends):
        raise ValueError(f"--attribute: must be NAME=LOW,HIGH, got {text!r}")
    return name, (ends[0], ends[1])
