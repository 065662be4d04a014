"""Labelled texts from a CSV, TSV or JSONL file, or from a folder of `datasets`."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPLITS = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
"""What a split column may hold, and what it means."""

_LONGEST_FIELD = 2**31 - 1

Row = dict[str, Any]


@dataclass(frozen=True)
class Example:
    text: str
    label: int
    split: str


@dataclass(frozen=True)
class Examples:
    """Texts in the order of their file, whose name and SHA-256 a run states."""

    name: str
    sha256: str
    rows: tuple[Example, ...]

    def texts(self, split: str, label: int) -> list[str]:
        return [row.text for row in self.rows if row.split == split and row.label == label]

    @property
    def labels(self) -> int:
        """The number of classes: the largest label and one."""
        return max(row.label for row in self.rows) + 1


def read_examples(
    data: str | os.PathLike[str], text: str = "text", label: str = "label", split: str = "split"
) -> Examples:
    """The labelled texts of a .csv, .tsv or .jsonl file, or of a folder that `datasets` saved.

    text, label, split: the names of the columns. Labels are whole numbers from 0; without a split
    column every text is for training. TSV has no quoting: a line is split at its tabs. ValueError
    names the file and the row of what cannot be read.
    """
    path = Path(data).expanduser()
    rows = []
    for where, row in table_rows(path):
        for column in (text, label):
            if row.get(column) is None:
                raise ValueError(
                    f"{where}: must have the columns {text!r} and {label!r}, got "
                    f"{sorted(map(str, row))}; name them with text= and label="
                )
        rows.append(
            Example(
                _text(row[text], where),
                _label(row[label], where),
                _split(row.get(split, "train"), where),
            )
        )
    if not rows:
        raise ValueError(f"{path}: must hold texts, got none")
    return Examples(path.name, _digest(path), tuple(rows))


def table_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(where it stands, column -> value) for each row of a file or a folder."""
    if path.is_dir():
        return _folder_rows(path)
    readers = {".csv": _csv_rows, ".tsv": _tsv_rows, ".jsonl": _jsonl_rows}
    if path.suffix not in readers:
        raise ValueError(
            f"data: must be a .csv, .tsv or .jsonl file or a folder of datasets, got {str(path)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"data: no file {str(path)!r}")
    return readers[path.suffix](path)


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    # a book's chapter is longer than what the csv module takes for a field by itself
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise ValueError(f"{where}: must have as many columns as the header")
                yield where, dict(row)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: must be CSV, {error}") from None
    finally:
        csv.field_size_limit(before)


def _tsv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        header = next(file, "").rstrip("\r\n").split("\t")
        for number, line in enumerate(file, 2):
            where = f"{path}, line {number}"
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) != len(header):
                raise ValueError(
                    f"{where}: must have {len(header)} columns as the header, got {len(cells)}"
                )
            yield where, dict(zip(header, cells, strict=True))


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{where}: must be JSON, {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{where}: must be a JSON object, got {type(row).__name__}")
            yield where, row


def _folder_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """A Dataset, or a DatasetDict whose parts become the split."""
    if (path / "dataset_dict.json").is_file():
        for split in json.loads((path / "dataset_dict.json").read_text("utf-8"))["splits"]:
            for where, row in _dataset_rows(path / split):
                yield where, {**row, "split": split}
    else:
        yield from _dataset_rows(path)


def _dataset_rows(folder: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa

    state_file = folder / "state.json"
    if not state_file.is_file():
        raise ValueError(
            f"{folder}: must be a folder that datasets' save_to_disk wrote, it has no state.json"
        )
    state = json.loads(state_file.read_text("utf-8"))
    if state.get("_indices_files"):
        raise ValueError(
            f"{folder}: its rows are chosen by an index file; save it again after flatten_indices()"
        )
    number = 0
    for file in state["_data_files"]:
        with pa.memory_map(str(folder / file["filename"])) as source:
            for batch in pa.ipc.open_stream(source):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{folder}, row {number}", row


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: a text must be a string that is not empty, got {value!r}")
    return value.strip()


def _label(value: Any, where: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if number < 0 or number != int(number):
        raise ValueError(f"{where}: a label must be a whole number from 0, got {value!r}")
    return int(number)


def _split(value: Any, where: str) -> str:
    if value not in SPLITS:
        raise ValueError(f"{where}: a split must be one of {', '.join(SPLITS)}, got {value!r}")
    return SPLITS[value]


def _digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's files."""
    whole = hashlib.sha256()
    if path.is_file():
        whole.update(path.read_bytes())
        return whole.hexdigest()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path).as_posix()}\n".encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
