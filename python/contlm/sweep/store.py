"""Where finished units go: memory, or a folder that survives the process.

A folder holds `sweep.json`, the manifest, and `units/NNNNN.parquet`. A file appears whole or not at
all: it is written beside, synced and renamed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm._common.files import half_written, whole_file
from contlm.sweep.manifest import FORMAT, differences
from contlm.sweep.units import Unit
from contlm.sweep.worker import describe, note_of

if TYPE_CHECKING:
    import pyarrow as pa

Tables = dict[int, "pa.Table"]

MANIFEST = "sweep.json"
UNITS = "units"
_LOCK = ".lock"


class MemoryStore:
    """Keeps finished units in memory, with the manifest of their sweep."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.manifest = manifest
        self.tables: Tables = {}

    def put(self, unit: int, table: pa.Table) -> None:
        self.tables[unit] = table


class FolderStore(MemoryStore):
    """Keeps finished units in memory and in a folder, which holds one sweep; made by
    `open_folder`."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        super().__init__(manifest)
        self.folder = folder

    def put(self, unit: int, table: pa.Table) -> None:
        """OSError naming the file when it cannot be written; the units before it stay."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        # checksums: a damaged page is told from a sound one, not read as other numbers
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        write_whole(unit_file(self.folder, unit), sink.getvalue())
        super().put(unit, table)


@contextmanager
def open_folder(
    out: str | os.PathLike[str], manifest: Mapping[str, Any], units: Sequence[Unit], resume: bool
) -> Iterator[FolderStore]:
    """The store of a sweep in `out`, with what is finished there already; locked until the block
    ends.

    A manifest that is there stays, with the machine that it notes. ValueError naming what differs
    when the folder holds another configuration, FileExistsError when it holds other things or must
    not be resumed, BlockingIOError while another process works in it.
    """
    folder = Path(out).expanduser().absolute()
    _make_folder(folder)
    with _locked(folder):
        stored = _stored(folder, manifest, resume)
        _remove_temporary(folder)
        _make_folder(folder / UNITS)
        store = FolderStore(folder, manifest if stored is None else stored)
        if stored is None:
            write_manifest(folder, manifest)
        else:
            store.tables = _finished(folder, units)
        yield store


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text.encode("utf-8", "surrogatepass"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """FileNotFoundError where there is none, ValueError for what is not a sweep's."""
    file = folder / MANIFEST
    try:
        found = json.loads(file.read_text(encoding="utf-8", errors="surrogatepass"))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"sweep: no {MANIFEST} in {folder}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: must be a sweep's manifest: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else found
        raise ValueError(f"{file}: must have the format {FORMAT!r}, got {said!r}")
    return found


def stored_seed(out: str | os.PathLike[str]) -> int | None:
    """The seed of the sweep in `out`; None where there is none."""
    try:
        seed = read_manifest(Path(out).expanduser()).get("seed")
    except (OSError, ValueError):
        # what is wrong with the folder is said when it is opened
        return None
    return seed if isinstance(seed, int) else None


def read_unit(file: Path) -> pa.Table:
    """ValueError naming the file for one that is damaged or is no unit's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # from memory: what cannot be read at all stays an OSError, damage does not look like one
        table = pq.read_table(pa.BufferReader(file.read_bytes()), page_checksum_verification=True)
        note_of(table)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{file}: is damaged: {reason}") from None
    return table


def unit_file(folder: Path, unit: int) -> Path:
    return folder / UNITS / f"{unit:05d}.parquet"


def unit_files(folder: Path) -> dict[int, Path]:
    """The finished units of a folder, in order."""
    found = (file for file in (folder / UNITS).glob("*.parquet") if file.stem.isdigit())
    return {int(file.stem): file for file in sorted(found, key=lambda f: int(f.stem))}


def write_whole(file: Path, content: Any) -> None:
    """Writes beside, syncs, renames. OSError naming the file; nothing half-written is left."""
    try:
        with whole_file(file) as beside, beside.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        _sync_folder(file.parent)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write a sweep's file: {error.strerror or error}; what is finished is kept, "
            "run the same sweep again once there is room",
            str(file),
        ) from error


def _stored(folder: Path, manifest: Mapping[str, Any], resume: bool) -> dict[str, Any] | None:
    """The manifest of this very sweep in the folder; None when there is nothing to go on from."""
    ours = {_LOCK, *(file.name for file in half_written(folder, MANIFEST))}
    there = {p.name for p in folder.iterdir()} - ours
    finished = unit_files(folder)
    if there <= {UNITS} and not finished:
        return None
    if MANIFEST not in there:
        raise FileExistsError(
            f"out: {folder} must be a new or empty folder or hold a sweep, it has "
            f"{', '.join(sorted(there)[:3])} and no {MANIFEST}; give another folder"
        )
    stored = read_manifest(folder)
    if not resume:
        raise FileExistsError(
            f"out: {folder} holds a sweep already ({len(finished)} of {stored.get('units')} units "
            "finished); resume=True goes on with it, or give another folder"
        )
    different = differences(stored, json.loads(json.dumps(manifest)))
    if different and not finished:
        # nothing can be mixed in where nothing is finished
        return None
    if different:
        raise ValueError(
            f"out: {folder} holds a sweep of another configuration: {'; '.join(different)}; give "
            "another folder, or ask for the same"
        )
    return stored


def _finished(folder: Path, units: Sequence[Unit]) -> Tables:
    """The tables that are there and sound; others are computed again."""
    tables: Tables = {}
    for index, file in unit_files(folder).items():
        if index >= len(units):
            continue
        try:
            table = read_unit(file)
            note = note_of(table)
            if any(note.get(key) != value for key, value in describe(units[index]).items()):
                raise ValueError(f"{file}: is of another sweep")
        except ValueError as error:
            warnings.warn(f"{error}; computed again", RuntimeWarning, stacklevel=2)
            continue
        tables[index] = table
    return tables


def _remove_temporary(folder: Path) -> None:
    """What a killed process left half-written."""
    for file in (*half_written(folder, MANIFEST), *half_written(folder / UNITS, "*.parquet")):
        file.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(
            errno.ENOTDIR, "out: must be a folder, there is a file", str(folder)
        ) from None
    except OSError as error:
        raise type(error)(
            error.errno, f"out: cannot make the folder: {error.strerror}", str(folder)
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = folder / _LOCK
    try:
        opened = file.open("a+")
    except OSError as error:
        raise type(error)(
            error.errno, f"out: cannot write into the folder: {error.strerror}", str(file)
        ) from error
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"out: another process sweeps into {folder}; wait for it, or give another folder"
            ) from None
        yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # some network file systems cannot sync a folder; the file itself is synced by now
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
