"""contlm score: how strongly texts show an attribute."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.cli.common import add_world_argument, new_parser, print_table, world_of
from contlm.model.classifier import Classifier, Panel, open_classifier
from contlm.model.interpolated import InterpolatedModel

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLE = """\
  contlm score --classifier sentiment texts.txt
  contlm score --classifier sentiment=./roberta --column review --out scored.csv reviews.csv
  contlm score --base ./base --classifier sentiment=./sentiment-classifier texts.txt"""

_TABLES = (".csv", ".parquet")


def add_parser(commands: Any) -> None:
    parser = new_parser(commands, "score", "Score texts with attribute classifiers.", _EXAMPLE)
    parser.add_argument(
        "file",
        nargs="?",
        help="one text per line, or a .csv or .parquet table (default: lines of stdin)",
    )
    parser.add_argument(
        "--classifier",
        metavar="NAME[=DIR]",
        action="append",
        required=True,
        help="a directory or hub id; a name alone is one of the world's; repeat for more",
    )
    add_world_argument(parser)
    parser.add_argument(
        "--base",
        metavar="DIR",
        help="the model that classifiers which are adapters stand on",
    )
    parser.add_argument("--column", default="text", help="of a table (default: text)")
    parser.add_argument("--out", metavar="FILE", help="write a .csv or .parquet, not the screen")
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16 (default: auto)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = None if arguments.out is None else Path(arguments.out)
    if out is not None and out.suffix not in _TABLES:
        raise ValueError(f"--out: must end in .csv or .parquet, got {arguments.out!r}")
    classifiers = _opened(arguments)
    frame = _read(arguments.file, arguments.column)
    _say_what_they_know(arguments)
    texts = frame[arguments.column].tolist()
    for name, values in Panel(classifiers).score(texts).items():
        frame[f"score_{name}"] = values
    if out is None:
        scores = [f"score_{name}" for name in classifiers]
        print_table(
            [*scores, "text"],
            [
                [*(f"{row[s]:.4f}" for s in scores), " ".join(row[arguments.column].split())]
                for row in frame.to_dict("records")
            ],
        )
    elif out.suffix == ".csv":
        frame.to_csv(out, index=False)
    else:
        frame.to_parquet(out, index=False)
    means = ", ".join(f"{name} {frame[f'score_{name}'].mean():.4f}" for name in classifiers)
    written = "" if out is None else f", wrote {out}"
    print(f"{len(frame)} texts, means: {means}{written}", file=sys.stderr)
    return 0


def _opened(arguments: argparse.Namespace) -> dict[str, Classifier]:
    """Those that are adapters stand on one base: --base, or the world's own."""
    from contlm import zoo

    world = zoo.find(world_of(arguments))
    named = dict(map(_named, arguments.classifier))
    sources = {name: source or world.classifier_path(name) for name, source in named.items()}
    base_source = arguments.base
    if base_source is None and world.classifiers_on_base and None in named.values():
        base_source = world.base_path()
    placed = {key: getattr(arguments, key) for key in ("dtype", "device", "threads")}
    base = None
    if base_source is not None:
        base = InterpolatedModel.from_pretrained(base_source, {}, **placed)
    return {name: open_classifier(source, base, **placed) for name, source in sources.items()}


def _say_what_they_know(arguments: argparse.Namespace) -> None:
    bundled = [name for name, source in map(_named, arguments.classifier) if source is None]
    if bundled and world_of(arguments) == "tiny":
        print(
            f"contlm: a classifier of tiny ({', '.join(bundled)}) knows the stories of the bundled "
            "models alone; of other texts its scores say little",
            file=sys.stderr,
        )


def _named(text: str) -> tuple[str, str | None]:
    name, separator, source = text.partition("=")
    if not name or (separator and not source):
        raise ValueError(f"--classifier: must be NAME=DIR or a bundled NAME, got {text!r}")
    return name, source or None


def _read(file: str | None, column: str) -> pd.DataFrame:
    import pandas as pd

    if file is None:
        return _lines(sys.stdin.read(), "stdin", column)
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"score: no file {file!r}")
    if path.suffix not in _TABLES:
        return _lines(path.read_text(encoding="utf-8"), file, column)
    if path.suffix == ".csv":
        # an empty text is a text, not a missing one
        frame = pd.read_csv(path, dtype={column: str}, keep_default_na=False)
    else:
        frame = pd.read_parquet(path)
    if column not in frame:
        raise ValueError(
            f"--column: {file} has no column {column!r}, it has {', '.join(map(str, frame))}"
        )
    return frame


def _lines(content: str, where: str, column: str) -> pd.DataFrame:
    import pandas as pd

    lines = content.splitlines()
    if not lines:
        raise ValueError(f"score: {where} has no text")
    return pd.DataFrame({column: lines})
