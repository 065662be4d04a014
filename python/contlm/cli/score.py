"""contlm score: how strongly texts show an attribute."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.cli.common import add_world_argument, new_parser, print_table, world_of
from contlm.interpolator import Interpolator
from contlm.model.classifier import Classifier

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLE = """\
  contlm score --classifier sentiment texts.txt
  contlm score --classifier sentiment=./roberta --column review --out scored.csv reviews.csv"""

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
    for name, classifier in classifiers.items():
        frame[f"score_{name}"] = classifier.score(texts)
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
    options = {"dtype": arguments.dtype, "device": arguments.device, "threads": arguments.threads}
    named = dict(map(_named, arguments.classifier))
    bundled = [name for name, source in named.items() if source is None]
    theirs = _of_world(world_of(arguments), bundled, options) if bundled else {}
    return {
        name: theirs[name] if source is None else Classifier.from_pretrained(source, **options)
        for name, source in named.items()
    }


def _of_world(name: str, attributes: list[str], options: dict[str, Any]) -> dict[str, Classifier]:
    """The world's classifiers; those that are adapters share one base."""
    from contlm import zoo

    world = zoo.find(name)
    if world.classifiers_on_base:
        lm = Interpolator.from_pretrained(world.base_path(), {}, **options)
        return {attribute: world.classifier(attribute, lm) for attribute in attributes}
    return {attribute: world.classifier(attribute, **options) for attribute in attributes}


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
