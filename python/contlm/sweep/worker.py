"""Computes one unit: generate, score, measure. The same code runs in this process and in others."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from contlm._common.progress import OnProgress
from contlm.grid.points import point_columns
from contlm.model.generation import Generation
from contlm.sweep.task import Judges, Task
from contlm.sweep.units import Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from contlm.model.interpolated import InterpolatedModel

# where a table keeps what its columns have no room for: see Worker.compute
NOTE_KEY = b"contlm.unit"


class Worker:
    """A task with the models that it runs on."""

    def __init__(self, task: Task, lm: InterpolatedModel, judges: Judges) -> None:
        self._task = task
        self._lm = lm
        self._judges = judges

    def compute(self, unit: Unit, on_progress: OnProgress | None = None) -> pa.Table:
        """The unit's rows, point-major, then prompt, then sample.

        The schema's metadata holds a note: what the unit is, the perplexity of the points that it
        measures, new tokens by point, and the seconds that each part took.
        """
        import pyarrow as pa

        begun = time.perf_counter()
        generation = self._generate(unit, on_progress)
        generated = time.perf_counter()
        columns = self._columns(unit, generation)
        scored = time.perf_counter()
        perplexities = {str(p): self._perplexity(p) for p in unit.measured}
        measured = time.perf_counter()
        note = {
            **describe(unit),
            "perplexity": {} if self._task.perplexity_text is None else perplexities,
            "new_tokens": _tokens_by_point(columns),
            "mode": generation.stats["mode"],
            "seconds": {
                "generate": generated - begun,
                "score": scored - generated,
                "perplexity": measured - scored,
            },
        }
        return pa.table(columns).replace_schema_metadata({NOTE_KEY: json.dumps(note)})

    def _generate(self, unit: Unit, on_progress: OnProgress | None) -> Generation:
        task = self._task
        return self._lm.generate(
            [task.prompt_ids[i] for _ in unit.points for i in unit.prompts],
            point=[task.grid[p] for p in unit.points for _ in unit.prompts],
            num_return_sequences=task.samples,
            max_new_tokens=task.max_new_tokens,
            seed=task.seed,
            progress=on_progress or False,
            **task.sampling,
        )

    def _columns(self, unit: Unit, generation: Generation) -> dict[str, Any]:
        task = self._task
        each = len(unit.prompts) * task.samples
        prompts = np.tile(np.repeat(unit.prompts, task.samples), len(unit.points))
        points = np.repeat(np.array(unit.points, dtype=np.int64), each)
        shown = [task.shown[i] for i in prompts]
        columns: dict[str, Any] = {
            "point": points,
            **point_columns([task.grid[int(p)] for p in points], task.attributes),
            "prompt_index": prompts.astype(np.int64),
            "sample": np.tile(np.arange(task.samples, dtype=np.int64), len(points) // task.samples),
            "prompt": shown,
            "text": generation.texts,
            "new_tokens": np.array([len(ids) for ids in generation.token_ids], dtype=np.int64),
            "finish_reason": generation.finish_reasons,
        }
        for name in task.scores:
            columns[f"score_{name}"] = self._judges.classifiers[name].score(generation.texts)
        if self._judges.judge is not None:
            columns["conditional_perplexity"] = self._judges.judge.conditional_perplexity(
                shown, generation.texts
            )
        return columns

    def _perplexity(self, point: int) -> float | None:
        task = self._task
        if task.perplexity_text is None:
            return None
        return self._lm.perplexity(
            task.perplexity_text, point=task.grid[point], **task.perplexity_options
        )


def describe(unit: Unit) -> dict[str, Any]:
    """What a table's note must say to be this unit's."""
    return {"unit": unit.index, "points": list(unit.points), "prompts": list(unit.prompts)}


def note_of(table: pa.Table) -> dict[str, Any]:
    """The note in a table's metadata; ValueError where there is none."""
    text = (table.schema.metadata or {}).get(NOTE_KEY)
    note = json.loads(text) if text is not None else None
    if not isinstance(note, dict):
        raise ValueError("it has no note of a sweep's unit")
    return note


def _tokens_by_point(columns: dict[str, Any]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for point, tokens in zip(columns["point"], columns["new_tokens"], strict=True):
        counts[str(point)] += int(tokens)
    return dict(counts)
