"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, to write to; it takes its place at the end, and
    disappears where the writing fails.

    FileNotFoundError where the folder is not there, IsADirectoryError where `path` is one.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path: the folder {target.parent} must exist to write {target.name}; make it first"
        )
    if target.is_dir():
        raise IsADirectoryError(f"path: must name a file, {target} is a folder")
    beside = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def half_written(folder: Path, target: str) -> list[Path]:
    """What `whole_file` left in a folder, of targets that match a pattern such as "*.json", when
    its process was killed."""
    name = Path(target)
    left = folder.glob(f".{name.stem}.*{name.suffix}")
    return [file for file in left if file.stem.rpartition(".")[2].isdigit()]
