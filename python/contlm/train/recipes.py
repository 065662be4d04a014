"""The paper's five data sets: their files' columns, which texts are low and which high, and how
many of them the paper trains on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from contlm._common.files import whole_file
from contlm.train.examples import table_rows

Files: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Side:
    """One end's texts in its files.

    text: their column; None for plain text, one per line, or with `separator` between two. label:
    the column that tells the ends apart, None where each end has its own files. A row is of this
    end where its label is `value`, or a number that is at most `at_most` or more than `above`.
    """

    text: str | None = None
    separator: str | None = None
    label: str | None = None
    value: str | None = None
    at_most: float | None = None
    above: float | None = None

    def takes(self, label: object) -> bool:
        if self.label is None:
            return True
        if self.value is not None:
            return str(label) == self.value
        number = float(str(label))
        if self.at_most is not None:
            return number <= self.at_most
        return self.above is not None and number > self.above


@dataclass(frozen=True)
class Recipe:
    """A data set of the paper.

    anchors: at most so many texts of the low and of the high end (Table 3); classifier: so many of
    both ends together, none of them the anchors'; epochs: of the anchors (Table 2).
    """

    source: str
    low: Side
    high: Side
    anchors: tuple[int, int]
    classifier: int
    epochs: int = 1


RECIPES: Mapping[str, Recipe] = {
    "sentiment": Recipe(
        source="the Stanford Sentiment Treebank (Socher et al. 2013): SST-2's train.tsv and "
        "dev.tsv, or sentences with a label from 0 to 1, whose middle fifth is left out",
        low=Side(text="sentence", label="label", at_most=0.4),
        high=Side(text="sentence", label="label", above=0.6),
        anchors=(25_000, 30_000),
        classifier=10_000,
        epochs=20,
    ),
    "politeness": Recipe(
        source="Madaan et al. 2020, politeness.tsv: the lowest and the highest of ten classes",
        low=Side(text="txt", label="style", value="P_0"),
        high=Side(text="txt", label="style", value="P_9"),
        anchors=(78_000, 100_000),
        classifier=20_000,
    ),
    "formality": Recipe(
        source="GYAFC (Rao & Tetreault 2018): the files informal and formal",
        low=Side(),
        high=Side(),
        anchors=(104_000, 104_000),
        classifier=10_000,
    ),
    "simplicity": Recipe(
        source="low: the chapters of BookSum's CSV files (Kryscinski et al. 2021); high: "
        "TinyStories' text files (Eldan & Li 2023)",
        low=Side(text="chapter"),
        high=Side(separator="<|endoftext|>"),
        anchors=(9_000, 100_000),
        classifier=10_000,
    ),
    "humor": Recipe(
        source="FlickrStyle (Gan et al. 2017): files of factual and of humorous captions",
        low=Side(),
        high=Side(),
        anchors=(100_000, 100_000),
        classifier=20_000,
    ),
}


def prepare(
    name: str,
    out: str | os.PathLike[str],
    files: Files | None = None,
    *,
    low: Files | None = None,
    high: Files | None = None,
    seed: int = 0,
) -> tuple[Path, Path]:
    """Writes a data set of the paper as OUT/NAME.anchors.tsv and OUT/NAME.classifier.tsv, with the
    columns text and label, which the training functions read.

    files: where one file holds both ends; low and high: where each end has its own. A text that is
    there twice counts once, one of both ends not at all. Which texts are taken, and for which of
    the two files, depends on the seed and the text alone. Where an end has fewer texts than
    the paper's, both of its parts shrink alike.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe: must be one of {', '.join(RECIPES)}, got {name!r}")
    recipe = RECIPES[name]
    shared = recipe.low.label is not None
    if (files is not None, low is not None, high is not None) != (shared, not shared, not shared):
        needs = "files= (both ends in one)" if shared else "low= and high= (a file for each end)"
        raise ValueError(f"recipe {name!r}: takes {needs}; {recipe.source}")
    ends = [
        dict.fromkeys(text for file in _paths(given) for text in _texts(file, side))
        for side, given in ((recipe.low, files or low), (recipe.high, files or high))
    ]
    both = ends[0].keys() & ends[1].keys()
    parts: tuple[list[tuple[str, int]], list[tuple[str, int]]] = ([], [])
    for label, (end, wanted) in enumerate(zip(ends, recipe.anchors, strict=True)):
        texts = sorted((text for text in end if text not in both), key=lambda t: _rank(t, seed))
        if len(texts) < 2:
            raise ValueError(
                f"recipe {name!r}: must find two texts of label {label} or more, got {len(texts)}; "
                f"{recipe.source}"
            )
        judged = recipe.classifier // 2
        share = min(1.0, len(texts) / (wanted + judged))
        cut = max(1, int(judged * share))
        taken = max(1, int(wanted * share))
        parts[1].extend((text, label) for text in texts[:cut])
        parts[0].extend((text, label) for text in texts[cut : cut + taken])
    folder = Path(out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    anchors, classifier = (folder / f"{name}.{part}.tsv" for part in ("anchors", "classifier"))
    for target, rows in ((anchors, parts[0]), (classifier, parts[1])):
        with whole_file(target) as beside:
            lines = ("\t".join((text, str(label))) for text, label in rows)
            beside.write_text("\n".join(("text\tlabel", *lines, "")), encoding="utf-8")
    return anchors, classifier


def _texts(file: Path, side: Side) -> Iterator[str]:
    """The texts of one end, on one line each."""
    if side.text is None:
        if not file.is_file():
            raise FileNotFoundError(f"recipe: no file {str(file)!r}")
        whole = file.read_text(encoding="utf-8")
        found = iter(whole.split(side.separator) if side.separator else whole.splitlines())
    else:
        found = _column(file, side)
    for text in found:
        if line := " ".join(text.split()):
            yield line


def _column(file: Path, side: Side) -> Iterator[str]:
    for where, row in table_rows(file):
        for column in (side.text, side.label):
            if column is not None and row.get(column) is None:
                raise ValueError(f"{where}: must have the column {column!r}, got {sorted(row)}")
        try:
            taken = side.takes(row.get(side.label or ""))
        except ValueError:
            raise ValueError(
                f"{where}: {side.label} must be a number, got {row[side.label or '']!r}"
            ) from None
        if taken:
            yield str(row[side.text or ""])


def _paths(files: Files | None) -> list[Path]:
    given = [files] if isinstance(files, (str, os.PathLike)) else list(files or ())
    return [Path(file).expanduser() for file in given]


def _rank(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode()).digest()
