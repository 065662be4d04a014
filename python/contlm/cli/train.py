"""contlm train: anchors, classifiers and mixtures from labelled texts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contlm.cli.common import new_parser

_EXAMPLE = """\
  contlm train anchors --base ./base --data reviews.tsv --attribute sentiment --out ./adapters
  contlm train classifier --base ./base --data more.csv --label stars --attribute sentiment \\
      --out ./adapters
  contlm train prepare politeness politeness.tsv --out ./data"""


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "train", "Train LoRA adapters for an attribute from labelled texts.", _EXAMPLE
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_kind(
        kinds,
        "anchors",
        "Two adapters: OUT/ATTRIBUTE-low on texts of label 0, OUT/ATTRIBUTE-high on label 1.",
    )
    _add_kind(
        kinds,
        "classifier",
        "OUT/ATTRIBUTE-classifier, a SEQ_CLS adapter that tells the labels apart.",
    )
    mixtures = _add_kind(
        kinds, "mixtures", "OUT/ATTRIBUTE-FRACTION, each on that share of texts of label 1."
    )
    mixtures.add_argument(
        "--fractions",
        default="0.25,0.5,0.75",
        metavar="F,F",
        help="shares of label 1 (default: 0.25,0.5,0.75)",
    )
    _add_prepare(kinds)


def _add_kind(kinds: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser = new_parser(
        kinds,
        name,
        summary,
        f"  contlm train {name} --base ./base --data reviews.tsv --attribute sentiment "
        "--out ./adapters",
    )
    parser.add_argument("--base", required=True, metavar="DIR", help="a decoder or a hub id")
    parser.add_argument(
        "--data", required=True, help="a .csv, .tsv or .jsonl file, or a folder of datasets"
    )
    parser.add_argument("--attribute", required=True, metavar="NAME", help="what the labels grade")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the adapters")
    parser.add_argument("--text", default="text", help="column of the texts (default: text)")
    parser.add_argument("--label", default="label", help="column of 0 and 1 (default: label)")
    parser.add_argument(
        "--preset",
        default="cpu",
        help="cpu, or paper for the settings of the paper (default: cpu)",
    )
    parser.add_argument("--steps", type=int, help="of each adapter (default: the preset's)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument(
        "--no-resume", action="store_true", help="train anew what is there or half done"
    )
    parser.set_defaults(run=run)
    return parser


def _add_prepare(kinds: Any) -> None:
    parser = new_parser(
        kinds,
        "prepare",
        "Write a data set of the paper as one file for anchors and one for a classifier.",
        "  contlm train prepare formality --low GYAFC/informal --high GYAFC/formal --out ./data",
    )
    parser.add_argument("recipe", help="sentiment, politeness, formality, simplicity or humor")
    parser.add_argument("files", nargs="*", help="files that hold both ends")
    parser.add_argument("--low", nargs="+", metavar="FILE", help="files of the low end")
    parser.add_argument("--high", nargs="+", metavar="FILE", help="files of the high end")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.set_defaults(run=run_prepare)


def run(arguments: argparse.Namespace) -> int:
    from contlm import train

    options: dict[str, Any] = {
        "attribute": arguments.attribute,
        "text": arguments.text,
        "label": arguments.label,
        "preset": arguments.preset,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "resume": not arguments.no_resume,
        "progress": sys.stderr.isatty(),
    }
    where = (arguments.base, arguments.data, arguments.out)
    try:
        made: Sequence[Path]
        if arguments.kind == "anchors":
            made = train.anchors(*where, **options)
        elif arguments.kind == "classifier":
            made = (train.classifier(*where, **options),)
        else:
            options["fractions"] = _fractions(arguments.fractions)
            made = list(train.mixtures(*where, **options).values())
    except ImportError as error:
        raise ValueError(str(error)) from error
    for folder in made:
        print(f"wrote {folder}")
    return 0


def run_prepare(arguments: argparse.Namespace) -> int:
    from contlm.train import recipes

    made = recipes.prepare(
        arguments.recipe,
        arguments.out,
        arguments.files or None,
        low=arguments.low,
        high=arguments.high,
        seed=arguments.seed,
    )
    for file in made:
        print(f"wrote {file}")
    return 0


def _fractions(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--fractions: must be numbers such as 0.25,0.5, got {text!r}") from None
