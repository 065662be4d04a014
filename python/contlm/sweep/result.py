"""What a sweep returns."""

from __future__ import annotations

import html
import os
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm.grid import Grid
from contlm.points.point import Point
from contlm.sweep import store
from contlm.sweep.summary import frame_of, summarize
from contlm.sweep.worker import note_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SHOWN_POINTS = 30


class Sweep:
    """The texts and the measurements of a sweep; made by `Interpolator.sweep` and `Sweep.load`.

    frame: one row per generated text, by point, then prompt, then sample: point (index into
        .points), alpha_*, lam_* (NaN and 0 where a point does not name the attribute),
        prompt_index, sample, prompt, text, new_tokens, finish_reason, score_*, with a judge
        conditional_perplexity, and base_perplexity: exp of the mean loss per new token under the
        base model given the prompt, without the end-of-sequence token; NaN for an empty text.
    summary: one row per point: alpha_*, lam_*, texts, score_* (mean), score_*_sem (standard error
        of the mean over prompts), perplexity, base_perplexity (of all its texts' tokens together),
        dist_1 .. dist_3, self_bleu, length (words per text), conditional_perplexity (mean),
        tokens_per_s; those that were asked for.
    manifest: versions, seed, sampling, hashes of every model, grid, prompts, machine.
    complete: False after an interruption; frame and summary then hold the finished units.
    """

    def __init__(self, manifest: Mapping[str, Any], tables: Mapping[int, pa.Table]) -> None:
        self._manifest = dict(manifest)
        self._tables = {unit: tables[unit] for unit in sorted(tables)}
        self._grid = Grid.from_json(self._manifest["grid"])

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def points(self) -> list[Point]:
        return list(self._grid)

    @property
    def manifest(self) -> dict[str, Any]:
        return self._manifest

    @property
    def seconds(self) -> dict[str, float]:
        """What the finished units took, by what they did: "generate", "score" (with the judge),
        "base_perplexity", "perplexity"."""
        spent: dict[str, float] = {}
        for table in self._tables.values():
            for part, seconds in note_of(table)["seconds"].items():
                spent[part] = spent.get(part, 0.0) + seconds
        return spent

    @property
    def complete(self) -> bool:
        return len(self._tables) == self._manifest["units"]

    @cached_property
    def frame(self) -> pd.DataFrame:
        return frame_of(self._tables, self._manifest)

    @cached_property
    def summary(self) -> pd.DataFrame:
        notes = [note_of(table) for table in self._tables.values()]
        return summarize(self.frame, notes, self._manifest)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the sweep as `out=` does: sweep.json and units/NNNNN.parquet.

        The folder appears whole or not at all. FileExistsError unless it is new or empty.
        """
        target = Path(directory).expanduser().absolute()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise FileExistsError(f"save: {target} must be new or an empty folder")
        made = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            (made / store.UNITS).mkdir(parents=True)
            store.write_manifest(made, self._manifest)
            folder = store.FolderStore(made, self._manifest)
            for unit, table in self._tables.items():
                folder.put(unit, table)
            os.replace(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Sweep:
        """Reads what `save` or `out=` wrote, finished or not.

        FileNotFoundError where there is no sweep, ValueError naming a file that is damaged.
        """
        folder = Path(directory).expanduser()
        manifest = store.read_manifest(folder)
        files = store.unit_files(folder)
        return cls(manifest, {unit: store.read_unit(file) for unit, file in files.items()})

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """The frame as CSV."""
        self.frame.to_csv(path, index=False)

    def report(self, path: str | os.PathLike[str], *, title: str | None = None) -> Path:
        """Writes one self-contained HTML page: `contlm.report`."""
        from contlm.reporting import report

        return report(self, path, title=title)

    def __len__(self) -> int:
        """Generated texts."""
        return sum(table.num_rows for table in self._tables.values())

    def __repr__(self) -> str:
        return f"Sweep({self._headline()})"

    def _repr_html_(self) -> str:
        shown = self.summary.head(_SHOWN_POINTS)
        table = shown.to_html(index=False, float_format=lambda v: f"{v:.3g}", border=0)
        more = len(self.summary) - len(shown)
        tail = f"<p>{more} more points in .summary</p>" if more > 0 else ""
        return f"<p><b>Sweep</b>: {html.escape(self._headline())}</p>{table}{tail}"

    def _headline(self) -> str:
        prompts, kind = len(self._manifest["prompts"]), self._grid.kind
        parts = [f"{kind}, {len(self._grid)} points", f"{prompts} prompts", f"{len(self)} texts"]
        measured = self._manifest["perplexity"]
        if measured is not None:
            parts.append(f"perplexity by protocol {measured['protocol']!r}")
        if not self.complete:
            parts.append(f"{len(self._tables)} of {self._manifest['units']} units finished")
        return ", ".join(parts)
