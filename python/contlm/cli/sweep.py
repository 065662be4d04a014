"""contlm sweep: a sweep as a file says it."""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.cli.common import new_parser, print_table

if TYPE_CHECKING:
    import pandas as pd

    from contlm.cli.sweep_config import SweepConfig
    from contlm.sweep import Sweep

_EXAMPLE = """\
  contlm sweep --init sweep.toml
  contlm sweep sweep.toml
  contlm sweep sweep.toml --out ./another --csv texts.csv"""

_INTERRUPTED = 130


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "sweep", "Generate, score and measure at every point of a grid.", _EXAMPLE
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG.toml", help="what to sweep")
    parser.add_argument(
        "--init",
        nargs="?",
        const="sweep.toml",
        metavar="FILE",
        help="write a commented example (default: sweep.toml) that runs as it stands",
    )
    parser.add_argument("--out", metavar="DIR", help="the folder, in place of the file's out")
    parser.add_argument(
        "--no-resume", action="store_true", help="refuse a folder that holds a sweep already"
    )
    parser.add_argument("--world", help="whose models and texts, in place of the file's world")
    parser.add_argument("--csv", metavar="FILE", help="write all texts as CSV too")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.init is None) == (arguments.config is None):
        raise ValueError("sweep: give CONFIG.toml, or --init FILE to write an example")
    if arguments.init is not None:
        return _init(Path(arguments.init), arguments.world)
    from contlm.cli.sweep_config import read_config

    config = read_config(arguments.config, arguments.world)
    out = config.out if arguments.out is None else Path(arguments.out)
    if out is None:
        raise ValueError(f"{config.file}: out: is missing; say where the results go, or give --out")
    sweep = _run_config(config, out, arguments)
    _show(sweep.summary)
    if arguments.csv:
        sweep.to_csv(arguments.csv)
    print(f"\n{sweep!r}\nwrote {out}" + (f" and {arguments.csv}" if arguments.csv else ""))
    if not sweep.complete:
        print("contlm: interrupted; the same command goes on from there", file=sys.stderr)
        return _INTERRUPTED
    return 0


def example() -> str:
    """The commented file that --init writes."""
    return (resources.files("contlm.cli") / "sweep_example.toml").read_text(encoding="utf-8")


def _init(file: Path, world: str | None) -> int:
    text = example()
    if world is not None:
        text = text.replace('# world = "smollm2"', f'world = "{world}"')
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise FileExistsError(f"--init: {file} is there already; give another name") from None
    print(f"wrote {file}; run it with: contlm sweep {file}")
    return 0


def _run_config(config: SweepConfig, out: Path, arguments: argparse.Namespace) -> Sweep:
    import warnings

    prompts, measured = config.prompts(), config.measured()
    lm = config.open_checkpoint()
    with warnings.catch_warnings():
        # said in the last line of the output
        warnings.filterwarnings("ignore", "sweep: interrupted", RuntimeWarning)
        return lm.sweep(
            prompts,
            config.points,
            classifiers=config.open_classifiers(lm) or None,
            judge=config.open_judge(),
            out=out,
            resume=not arguments.no_resume,
            progress=not arguments.quiet,
            executor=config.executor,
            **measured,
            **config.generate,
        )


def _show(summary: pd.DataFrame) -> None:
    """The summary in three digits; shares that no point moves are left out."""
    shown = [
        name for name in summary if not (name.startswith("lam_") and (summary[name] == 1).all())
    ]
    print_table(
        shown,
        [[_cell(row[name]) for name in shown] for row in summary.to_dict("records")],
    )


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
