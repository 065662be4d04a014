"""Computes one unit: generate, score, measure. The same code runs in this process and in others."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from contlm._common.json_text import parse_object
from contlm._common.progress import OnProgress
from contlm.grid.points import point_columns
from contlm.model.classifier import Panel
from contlm.model.generation import Generation
from contlm.sweep.plan import Evaluators, SweepPlan
from contlm.sweep.units import Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from contlm.model.interpolated import InterpolatedModel

# where a table keeps what its columns have no room for: see Worker.compute
NOTE_KEY = b"contlm.unit"


class Worker:
    """A plan with the models that it runs on."""

    def __init__(self, plan: SweepPlan, lm: InterpolatedModel, evaluators: Evaluators) -> None:
        self._plan = plan
        self._lm = lm
        self._evaluators = evaluators
        self._panel = Panel({name: evaluators.classifiers[name] for name in plan.scores})

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
        if "base_perplexity" in self._plan.metrics:
            columns["base_perplexity"] = self._base_perplexity(columns, generation)
        judged = time.perf_counter()
        perplexities = {str(p): self._perplexity(p) for p in unit.measured}
        measured = time.perf_counter()
        note = {
            **describe(unit),
            "perplexity": {} if self._plan.perplexity_text is None else perplexities,
            "new_tokens": _tokens_by_point(columns),
            "mode": generation.stats["mode"],
            "seconds": {
                "generate": generated - begun,
                "score": scored - generated,
                "base_perplexity": judged - scored,
                "perplexity": measured - judged,
            },
        }
        return pa.table(columns).replace_schema_metadata({NOTE_KEY: json.dumps(note)})

    def _generate(self, unit: Unit, on_progress: OnProgress | None) -> Generation:
        plan = self._plan
        return self._lm.generate(
            [plan.prompt_ids[i] for _ in unit.points for i in unit.prompts],
            point=[plan.grid[p] for p in unit.points for _ in unit.prompts],
            num_return_sequences=plan.samples,
            max_new_tokens=plan.max_new_tokens,
            seed=plan.seed,
            progress=on_progress or False,
            **plan.sampling,
        )

    def _columns(self, unit: Unit, generation: Generation) -> dict[str, Any]:
        plan = self._plan
        each = len(unit.prompts) * plan.samples
        prompts = np.tile(np.repeat(unit.prompts, plan.samples), len(unit.points))
        points = np.repeat(np.array(unit.points, dtype=np.int64), each)
        shown = [plan.shown[i] for i in prompts]
        columns: dict[str, Any] = {
            "point": points,
            **point_columns([plan.grid[int(p)] for p in points], plan.attributes),
            "prompt_index": prompts.astype(np.int64),
            "sample": np.tile(np.arange(plan.samples, dtype=np.int64), len(points) // plan.samples),
            "prompt": shown,
            "text": generation.texts,
            "new_tokens": np.array([len(ids) for ids in generation.token_ids], dtype=np.int64),
            "finish_reason": generation.finish_reasons,
        }
        for name, scores in self._panel.score(generation.texts).items():
            columns[f"score_{name}"] = scores
        if self._evaluators.judge is not None:
            columns["conditional_perplexity"] = self._evaluators.judge.conditional_perplexity(
                shown, generation.texts
            )
        return columns

    def _base_perplexity(
        self, columns: dict[str, Any], generation: Generation
    ) -> npt.NDArray[np.float64]:
        """[rows]: exp of the mean NLL per new token, given the prompt's tokens, at c = 0.

        Of the very ids that were drawn: what decoding and tokenizing again would make of broken
        text is other tokens. Without the end-of-sequence token, so that it judges what is read; NaN
        for an empty text.
        """
        return self._lm.conditional_perplexity(
            [self._plan.prompt_ids[i] for i in columns["prompt_index"]],
            [
                ids[:-1] if reason == "eos" else ids
                for ids, reason in zip(generation.token_ids, generation.finish_reasons, strict=True)
            ],
        )

    def _perplexity(self, point: int) -> float | None:
        plan = self._plan
        if plan.perplexity_text is None:
            return None
        return self._lm.perplexity(
            plan.perplexity_text, point=plan.grid[point], **plan.perplexity_options
        )


def describe(unit: Unit) -> dict[str, Any]:
    """What a table's note must say to be this unit's."""
    return {"unit": unit.index, "points": list(unit.points), "prompts": list(unit.prompts)}


def note_of(table: pa.Table) -> dict[str, Any]:
    """The note in a table's metadata; ValueError where there is none."""
    text = (table.schema.metadata or {}).get(NOTE_KEY)
    if text is None:
        raise ValueError("it has no note of a sweep's unit")
    return parse_object(text.decode("utf-8", "replace"), "its note of a sweep's unit")


def _tokens_by_point(columns: dict[str, Any]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for point, tokens in zip(columns["point"], columns["new_tokens"], strict=True):
        counts[str(point)] += int(tokens)
    return dict(counts)
