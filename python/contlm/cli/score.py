"""contlm score: how strongly texts show an attribute."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.cli.common import new_parser, print_table
from contlm.model.classifier import Panel, open_classifier
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
        help="a text a line, or a .csv or .parquet table (default: lines of stdin)",
    )
    parser.add_argument(
        "--classifier",
        metavar="NAME[=DIR]",
        action="append",
        required=True,
        help="a directory or hub id; a name alone is a bundled one; repeat for more",
    )
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
    placed = {key: getattr(arguments, key) for key in ("dtype", "device", "threads")}
    base = None
    if arguments.base is not None:
        base = InterpolatedModel.from_pretrained(arguments.base, {}, **placed)
    classifiers = {
        name: open_classifier(source, base, **placed)
        for name, source in map(_named, arguments.classifier)
    }
    frame = _read(arguments.file, arguments.column)
    texts = frame[arguments.column].tolist()
    bundled = [text for text in arguments.classifier if "=" not in text]
    if bundled:
        print(
            f"contlm: the bundled classifiers ({', '.join(bundled)}) know the stories of the "
            "bundled models alone; of other texts their scores say little",
            file=sys.stderr,
        )
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


def _named(text: str) -> tuple[str, str]:
    name, separator, source = text.partition("=")
    if not name or (separator and not source):
        raise ValueError(f"--classifier: must be NAME=DIR or a bundled NAME, got {text!r}")
    if separator:
        return name, source
    from contlm import zoo

    return name, str(zoo.classifier_path(name))


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
